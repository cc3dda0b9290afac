package core_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero/api"
	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/abi"
	"github.com/iansmith/parigot/internal/core"
	"github.com/iansmith/parigot/pluginsdk/parigotimpl"
	"github.com/iansmith/parigot/pluginsdk/status"
	echov1 "github.com/iansmith/parigot/pluginsdk/testdata/gen/echo/v1"
)

// keptRoom is what a request may leave to the next one, in bytes.
const keptRoom = 4 << 10

// sender is an implementation that borrows.
type sender struct {
	do func(ctx context.Context, req *echov1.SendRequest, resp *echov1.SendResponse) error
}

func (s *sender) Send(context.Context, *echov1.SendRequest) (*echov1.SendResponse, error) {
	return nil, errors.New("the form that fills a response was asked for")
}

func (s *sender) SendInto(ctx context.Context, req *echov1.SendRequest, resp *echov1.SendResponse) error {
	return s.do(ctx, req, resp)
}

// borrowed returns the host function of an implementation that borrows, and fills responses.
func borrowed(tb testing.TB, s *sender) func(context.Context, api.Module, []uint64) {
	tb.Helper()
	h := parigotimpl.Handle((*sender).Send, (*sender).SendInto, func(ctx context.Context, h *parigotimpl.Handler[*echov1.SendRequest, *echov1.SendResponse], m api.Module, stack []uint64) {
		req, resp := h.Messages(ctx)
		core.Stack(ctx, "test.v1.Test.Send", m, stack, h.Serve, req, resp)
	})
	server, err := h.Bind(s, &core.Method{FullName: "test.v1.Test.Send", Borrow: true}, true)
	require.NoError(tb, err)
	return server.Stack
}

func reply(_ context.Context, req *echov1.SendRequest, resp *echov1.SendResponse) error {
	resp.Id, resp.Payload, resp.Seq = req.GetQueue(), req.GetPayload(), req.GetSeq()
	resp.Tags = append(resp.Tags, req.GetTags()...)
	return nil
}

// borrowing returns a guest, an implementation and a function that makes a call of it:
// with the request at 0, and the response buffer at respPtr.
func borrowing(tb testing.TB) (*bench, *sender, func(respPtr uint32, req *echov1.SendRequest) (int32, *echov1.SendResponse)) {
	b, s := newBench(tb), &sender{do: reply}
	bridge := borrowed(tb, s)
	return b, s, func(respPtr uint32, req *echov1.SendRequest) (int32, *echov1.SendResponse) {
		wire, err := proto.Marshal(req)
		require.NoError(tb, err)
		require.True(tb, b.m.Memory().Write(0, wire))
		stack := []uint64{0, uint64(len(wire)), uint64(respPtr), 1024}
		bridge(b.ctx, b.m, stack)
		code, n := abi.Split(stack[0])
		resp := new(echov1.SendResponse)
		if body, ok := b.m.Memory().Read(respPtr, n); code == 0 {
			require.True(tb, ok)
			require.NoError(tb, proto.Unmarshal(body, resp))
		}
		return code, resp
	}
}

// TestBorrow: calls that share a request and a response see nothing of each other,
// whatever became of the one before, and wherever the buffers lie.
func TestBorrow(t *testing.T) {
	t.Parallel()
	_, s, call := borrowing(t)
	full := &echov1.SendRequest{Queue: "orders", Payload: []byte("payload"), Seq: 9, Tags: []string{"a", "b", "c"}}
	check := func(respPtr uint32, req *echov1.SendRequest) {
		t.Helper()
		code, resp := call(respPtr, req)
		require.Zero(t, code)
		require.Equal(t, req.GetQueue(), resp.GetId())
		require.Equal(t, string(req.GetPayload()), string(resp.GetPayload()))
		require.Equal(t, req.GetSeq(), resp.GetSeq())
		require.Equal(t, req.GetTags(), resp.GetTags())
	}
	for _, respPtr := range []uint32{4096, 0, 5} { // the last two overlap the request
		check(respPtr, full)
		check(respPtr, new(echov1.SendRequest))
		check(respPtr, &echov1.SendRequest{Tags: []string{"z"}})
	}

	s.do = func(ctx context.Context, req *echov1.SendRequest, resp *echov1.SendResponse) error {
		_ = reply(ctx, req, resp)
		panic("halfway")
	}
	code, _ := call(4096, full)
	require.Equal(t, -int32(status.Internal), code)
	s.do = reply
	check(4096, new(echov1.SendRequest))

	var watched []context.Context
	s.do = func(ctx context.Context, req *echov1.SendRequest, resp *echov1.SendResponse) error {
		child, cancel := context.WithCancel(ctx)
		t.Cleanup(cancel)
		watched = append(watched, child)
		return reply(ctx, req, resp)
	}
	check(4096, full)
	check(4096, new(echov1.SendRequest))
	require.NotSame(t, core.FromContext(watched[0]), core.FromContext(watched[1]), "a context that somebody watches is not used again")
}

// TestBorrowAndInterceptors: an interceptor may keep its context, as it has promised nothing.
func TestBorrowAndInterceptors(t *testing.T) {
	t.Parallel()
	b, _, call := borrowing(t)
	type key struct{}
	var kept []context.Context
	b.intercepts(func(ctx context.Context, _ *core.Call, next func(context.Context) error) error {
		kept = append(kept, context.WithValue(ctx, key{}, len(kept)))
		return next(ctx)
	})
	for range 2 {
		code, resp := call(4096, &echov1.SendRequest{Queue: "orders"})
		require.Zero(t, code)
		require.Equal(t, "orders", resp.GetId())
	}
	for _, ctx := range kept {
		require.Equal(t, "test.v1.Test.Send", core.NameOf(ctx))
	}
	require.NotSame(t, core.FromContext(kept[0]), core.FromContext(kept[1]))
}

// TestBorrowLeavesEarlierRequests: a request that cannot be borrowed, as the buffers
// overlap, is not copied to where the one before was.
func TestBorrowLeavesEarlierRequests(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	bridge := borrowed(t, &sender{do: reply})
	call := func(reqPtr, respPtr uint32, payload string) {
		wire, err := proto.Marshal(&echov1.SendRequest{Payload: []byte(payload)})
		require.NoError(t, err)
		require.True(t, b.m.Memory().Write(reqPtr, wire))
		bridge(b.ctx, b.m, []uint64{uint64(reqPtr), uint64(len(wire)), uint64(respPtr), 64})
	}
	call(0, 4096, "earlier")
	call(512, 512, "LATER")
	earlier, ok := b.m.Memory().Read(0, 16)
	require.True(t, ok)
	require.Contains(t, string(earlier), "earlier")
}

// TestBorrowAllocatesNothing. It is not parallel, as it counts for the whole process.
func TestBorrowAllocatesNothing(t *testing.T) { //nolint:paralleltest // documented
	tags := []string{"a", "b", "c"}
	require.Zero(t, allocations(t, &echov1.SendRequest{Queue: "orders", Payload: make([]byte, 1000), Seq: 9, Tags: tags}))
	require.Zero(t, allocations(t, &echov1.SendRequest{Payload: make([]byte, 2*keptRoom), Tags: tags}))
	require.NotZero(t, allocations(t, &echov1.SendRequest{Tags: make([]string, keptRoom)}), "nothing keeps long lists")
}

func allocations(t *testing.T, req *echov1.SendRequest) float64 {
	b := newBench(t)
	b.state.Account = nil // lists are estimated from above
	bridge := borrowed(t, &sender{do: func(context.Context, *echov1.SendRequest, *echov1.SendResponse) error { return nil }})
	wire, err := proto.Marshal(req)
	require.NoError(t, err)
	require.True(t, b.m.Memory().Write(0, wire))
	stack := make([]uint64, 4)
	n := testing.AllocsPerRun(100, func() {
		stack[0], stack[1], stack[2], stack[3] = 0, uint64(len(wire)), 32<<10, 4096
		bridge(b.ctx, b.m, stack)
	})
	require.Zero(t, int32(stack[0]>>32))
	return n
}

package guest

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	echov1 "github.com/iansmith/parigot/pluginsdk/testdata/gen/echo/v1"
)

// saying is a context with which no call is made the fast way.
func saying(ctx context.Context) context.Context { return context.WithValue(ctx, sayingKey{}, true) }

type sayingKey struct{}

// TestFastIsAsGood makes the same calls both ways: requests and responses of all sizes,
// errors, and clients that borrow. What they send and return is the
// same.
func TestFastIsAsGood(t *testing.T) {
	t.Parallel()
	sizes := rapid.OneOf(rapid.IntRange(0, 300), rapid.IntRange(firstResponse-40, firstResponse+40),
		rapid.IntRange(small-40, small+40), rapid.Just(200<<10))
	rapid.Check(t, func(rt *rapid.T) {
		h := &fakeHost{t: t}
		ways := [2]*way{newWay(h, context.Background()), newWay(h, saying(context.Background()))}
		require.True(t, saysNothing(ways[0].ctx))
		require.False(t, saysNothing(ways[1].ctx))
		borrows := rapid.Bool().Draw(rt, "borrowed")
		for range rapid.IntRange(1, 12).Draw(rt, "calls") {
			req := &echov1.SendRequest{Payload: make([]byte, sizes.Draw(rt, "request")), Tags: rapid.SliceOfN(rapid.String(), 0, 20).Draw(rt, "tags")}
			h.code = rapid.SampledFrom([]int32{0, 0, 0, 7, -5}).Draw(rt, "code")
			h.answer = encode(t, &echov1.SendResponse{Payload: bytes.Repeat([]byte("x"), sizes.Draw(rt, "response")), Tags: req.Tags})
			if h.code != 0 {
				h.answer = nil
			}
			want, wantErr := ways[1].call(borrows, req)
			got, err := ways[0].call(borrows, req)
			require.Equal(t, wantErr, err)
			if err == nil {
				require.True(t, proto.Equal(want, got))
				require.Equal(t, want.Tags == nil, got.Tags == nil)
			}
			n := len(h.got)
			require.Equal(t, h.got[n-2], h.got[n-1])
		}
	})
}

// way is a guest whose calls have the same context.
type way struct {
	*wire
	ctx    context.Context
	method Method
	client borrowing // one that borrows
}

func newWay(h *fakeHost, ctx context.Context) *way {
	return &way{wire: h.wire(), ctx: ctx, method: Method{Import: h.method, New: newResponse}}
}

func (w *way) call(borrows bool, req proto.Message) (*echov1.SendResponse, error) {
	b := &w.client
	if !borrows {
		b = nil
	}
	resp, err := w.wire.call(w.ctx, b, &w.method, req)
	return (*echov1.SendResponse)(resp), err
}

// TestFastLetsGoOfLargeBuffers: one large response does not cost a client that borrows its
// memory for good.
func TestFastLetsGoOfLargeBuffers(t *testing.T) {
	t.Parallel()
	h := &fakeHost{t: t}
	w := newWay(h, context.Background())
	for i := range patience + 10 {
		h.answer = encode(t, &echov1.SendResponse{Id: "small"})
		if i == 1 {
			h.answer = encode(t, &echov1.SendResponse{Payload: make([]byte, keep/2)})
		}
		_, err := w.call(true, new(echov1.SendRequest))
		require.NoError(t, err)
	}
	require.LessOrEqual(t, len(w.client.receive.b), small)
}

// hook is a request that does something while it is encoded, or sized.
type hook struct {
	*echov1.SendRequest
	encoding, sizing func()
}

func (h *hook) SizeVT() int {
	if h.sizing != nil {
		h.sizing()
	}
	return h.SendRequest.SizeVT()
}

func (h *hook) MarshalToSizedBufferVT(b []byte) (int, error) {
	n, err := h.SendRequest.MarshalToSizedBufferVT(b)
	h.encoding()
	return n, err
}

// TestFastGivesWay: another goroutine that calls while one encodes disturbs neither, and
// a panic no later call.
func TestFastGivesWay(t *testing.T) {
	t.Parallel()
	h := &fakeHost{t: t}
	w := newWay(h, context.Background())
	send := func(queue string, encoding func()) {
		h.answer = encode(t, &echov1.SendResponse{Id: queue})
		resp, err := w.call(false, &hook{&echov1.SendRequest{Queue: queue}, encoding, nil})
		require.NoError(t, err)
		require.Equal(t, queue, resp.Id)
		require.Equal(t, encode(t, &echov1.SendRequest{Queue: queue}), h.got[len(h.got)-1])
	}
	nothing := func() {}
	send("first", nothing) // which finds out about the messages
	inner := 0
	send("outer", func() {
		inner++
		w.busyOnly(t)
		answer := h.answer
		send("inner", nothing)
		h.answer = answer
	})
	require.Equal(t, 1, inner)
	require.Panics(t, func() { send("bad", func() { panic("encoding") }) })
	send("after", nothing)
	send("after", nothing)
}

// TestFastMakesTheResponseFirst: to allocate it lets others run, who must not find the request
// in the buffer, which they would overwrite.
func TestFastMakesTheResponseFirst(t *testing.T) {
	t.Parallel()
	h := &fakeHost{t: t, answer: encode(t, &echov1.SendResponse{Id: "an answer"})}
	w := newWay(h, context.Background())
	_, err := w.call(false, new(echov1.SendRequest)) // which finds out about the messages
	require.NoError(t, err)
	inner := 0
	w.method.New = func() proto.Message {
		if inner++; inner == 1 {
			_, err := w.call(false, &echov1.SendRequest{Queue: "inner"})
			require.NoError(t, err)
		}
		return newResponse()
	}
	outer := &echov1.SendRequest{Queue: "outer"}
	_, err = w.call(false, outer)
	require.NoError(t, err)
	require.Equal(t, 2, inner)
	require.Equal(t, encode(t, outer), h.got[len(h.got)-1])
}

// TestFastGivesWayWhileItGrows: to make room for a request lets others run, and one of them may
// have a response in the buffers still.
func TestFastGivesWayWhileItGrows(t *testing.T) {
	t.Parallel()
	h := &fakeHost{t: t}
	w := newWay(h, context.Background())
	h.answer = encode(t, &echov1.SendResponse{Id: "an answer"})
	_, err := w.call(false, &hook{&echov1.SendRequest{}, func() {}, nil}) // which finds out about the messages
	require.NoError(t, err)
	for _, size := range []int{0, firstResponse, small} {
		others := w.express.resp.room(firstResponse)
		copy(others, "another's")
		w.express.busy = false
		_, err = w.call(false, &hook{&echov1.SendRequest{Payload: make([]byte, size)}, func() {}, func() { w.express.busy = true }})
		require.NoError(t, err)
		if size > 0 {
			require.True(t, w.express.busy)
			require.Equal(t, "another's", string(others[:9]))
		}
	}
}

// busyOnly makes sure that the call in progress goes the fast way.
func (w *way) busyOnly(t *testing.T) {
	t.Helper()
	require.True(t, w.express.busy)
	require.True(t, w.mu.free())
}

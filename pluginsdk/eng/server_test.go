package eng_test

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero/api"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/core"
	"github.com/iansmith/parigot/internal/guesttest"
	"github.com/iansmith/parigot/internal/wasm/wasmtest"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/plugintest"
	"github.com/iansmith/parigot/pluginsdk/status"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
	echov1 "github.com/iansmith/parigot/pluginsdk/testdata/gen/echo/v1"
)

var (
	sendMethod = core.Method{Service: "echo.v1.Echo", Name: "Send", FullName: "echo.v1.Echo.Send"}
	waitMethod = core.Method{Service: "echo.v1.Echo", Name: "Wait", FullName: "echo.v1.Echo.Wait", MayBlock: true}
)

// slow is a method whose calls may take their time.
func slow(m core.Method) *core.Method {
	m.Budget = core.NoBudget
	return &m
}

func serverGuest(tb testing.TB, opts ...eng.Option) *eng.Guest {
	tb.Helper()
	_, g := serverOn(tb, opts...)
	return g
}

func serverOn(tb testing.TB, opts ...eng.Option) (*eng.Host, *eng.Guest) {
	tb.Helper()
	h := plugintest.Engine(tb, opts...)
	g, err := h.Compile(tb.Context(), "server", guesttest.Build(tb, "testdata/server", "-buildmode=c-shared"))
	require.NoError(tb, err)
	return h, g
}

func newServer(tb testing.TB, opts ...eng.RunOption) *eng.Instance {
	tb.Helper()
	i, err := serverGuest(tb).Instantiate(tb.Context(), opts...)
	require.NoError(tb, err)
	return i
}

func send(ctx context.Context, c core.Conn, m *core.Method, what string) (*echov1.SendResponse, error) {
	resp := new(echov1.SendResponse)
	return resp, c.Invoke(ctx, m, &echov1.SendRequest{Queue: what, Payload: []byte("payload"), Seq: 7, Tags: []string{"a", "b"}}, resp)
}

// TestInvoke: responses and errors arrive as the guest meant them, and the instance is good for
// the next call.
func TestInvoke(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	i := newServer(t, eng.WithStderr(&log))
	ctx := t.Context()
	names, err := i.Offers(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"echo.v1.Echo.Send", "echo.v1.Echo.Ping", "echo.v1.Echo.Wait"}, names)

	resp, err := send(ctx, i, &sendMethod, "")
	require.NoError(t, err)
	want := &echov1.SendResponse{Id: "0123456789abcdef", Payload: []byte("payload"), Seq: 7, Tags: []string{"a", "b"}}
	require.True(t, proto.Equal(want, resp), resp)
	resp, err = send(ctx, i, &sendMethod, "nil")
	require.NoError(t, err)
	require.True(t, proto.Equal(new(echov1.SendResponse), resp))

	_, err = send(ctx, i, &sendMethod, "enum")
	require.ErrorIs(t, err, status.Of(syscallpb.KernelErr_NotReady))
	_, err = send(ctx, i, &sendMethod, "code")
	require.EqualError(t, err, "NOT_FOUND: nothing there")
	for _, what := range []string{"plain", "panic"} {
		_, err = send(ctx, i, &sendMethod, what)
		require.ErrorIs(t, err, status.Of(status.Internal))
		require.ErrorContains(t, err, "echo.v1.Echo.Send: internal error, incident ")
		require.NotContains(t, err.Error(), "secret")
	}
	require.Contains(t, log.String(), "echo.v1.Echo.Send, called by the host: a secret of the guest")
	require.Contains(t, log.String(), "panic: the guest's own fault")

	resp, err = send(ctx, i, &sendMethod, "count")
	require.NoError(t, err)
	require.EqualValues(t, 7, resp.Seq, "no call ended the instance")
}

// TestInvokeSizes: messages of all sizes go through, both ways.
func TestInvokeSizes(t *testing.T) {
	t.Parallel()
	i := newServer(t)
	for _, size := range []int{0, 1, 100, 4083, 4084, 5000, 64 << 10, 1 << 20, 9 << 20, 3} {
		payload := bytes.Repeat([]byte{byte(size)}, size)
		resp := new(echov1.SendResponse)
		require.NoError(t, i.Invoke(t.Context(), slow(sendMethod), &echov1.SendRequest{Payload: payload}, resp))
		require.True(t, bytes.Equal(payload, resp.Payload), size)
	}
}

// TestInvokeAfterAnother: a call is answered as it is at other times, whatever the one before was,
// and requests that the guest keeps stay as they were.
func TestInvokeAfterAnother(t *testing.T) {
	t.Parallel()
	i := newServer(t)
	kinds := []string{"", "large 1", "large 300000", "code", "panic", "nil", "header", "keep 0", "keep 200000"}
	method := sendMethod
	method.Budget = time.Minute // those without take another way
	var kept []*echov1.SendRequest
	call := func(kind string, seq int) {
		what, arg, _ := strings.Cut(kind, " ")
		size, _ := strconv.Atoi(arg)
		ctx, resp := t.Context(), new(echov1.SendResponse)
		if what == "header" {
			ctx = pluginsdk.WithMetadata(ctx, "k", "v")
		}
		req := &echov1.SendRequest{Queue: kind, Seq: uint64(size), Tags: []string{kind, strconv.Itoa(seq)}}
		if what == "keep" {
			req.Payload = bytes.Repeat([]byte{byte(seq)}, size)
			kept = append(kept, req)
		}
		err := i.Invoke(ctx, &method, req, resp)
		switch what {
		case "code", "panic":
			require.Error(t, err)
		case "nil":
			require.NoError(t, err)
			require.True(t, proto.Equal(new(echov1.SendResponse), resp), resp)
		default:
			require.NoError(t, err)
			require.Equal(t, req.Tags, resp.Tags)
			require.Len(t, resp.Payload, size)
		}
	}
	for n, before := range kinds {
		for m, kind := range kinds {
			call(before, n)
			call(kind, m)
		}
	}
	for _, want := range kept {
		resp, err := send(t.Context(), i, slow(sendMethod), "kept")
		require.NoError(t, err)
		got := &echov1.SendRequest{Queue: resp.Id, Payload: resp.Payload, Seq: resp.Seq, Tags: resp.Tags}
		require.True(t, proto.Equal(want, got), want.Queue)
	}
}

// TestInvokeContext: the deadline and the metadata of a call reach the guest, and it learns a
// little too little of the time that it has.
func TestInvokeContext(t *testing.T) {
	t.Parallel()
	i := newServer(t)
	ctx := pluginsdk.WithMetadata(t.Context(), "traceparent", "00-ab")
	resp, err := send(ctx, i, &sendMethod, "context")
	require.NoError(t, err)
	require.Equal(t, "00-ab true the host", resp.Id)
	require.Less(t, time.Duration(resp.Seq), eng.DefaultCallBudget)

	resp, err = send(t.Context(), i, slow(sendMethod), "context")
	require.NoError(t, err)
	require.Equal(t, " false the host", resp.Id)

	ctx, cancel := context.WithTimeout(ctx, time.Hour)
	defer cancel()
	resp, err = send(ctx, i, slow(sendMethod), "context")
	require.NoError(t, err)
	require.Equal(t, "00-ab true the host", resp.Id)
	require.InDelta(t, time.Hour, time.Duration(resp.Seq), float64(time.Minute))
}

// TestInvokeThatIsRefused: nothing of these calls reaches the guest.
func TestInvokeThatIsRefused(t *testing.T) {
	t.Parallel()
	g := serverGuest(t, eng.WithMaxMessage(1000, 1000))
	i, err := g.Instantiate(t.Context())
	require.NoError(t, err)
	ended, end := context.WithCancel(t.Context())
	end()
	_, err = send(ended, i, &sendMethod, "")
	require.ErrorIs(t, err, status.Of(status.Cancelled))
	_, err = send(t.Context(), i, &core.Method{FullName: "echo.v1.Echo.Other"}, "")
	require.ErrorIs(t, err, status.Of(status.Unimplemented))
	_, err = send(t.Context(), i, &sendMethod, strings.Repeat("x", 1000))
	require.ErrorIs(t, err, status.Of(status.ResourceExhausted))
	_, err = send(pluginsdk.WithMetadata(t.Context(), "k", strings.Repeat("x", 64<<10)), i, &sendMethod, "")
	require.ErrorIs(t, err, status.Of(status.ResourceExhausted))
	_, err = send(pluginsdk.WithMetadata(t.Context(), "k", "\xff"), i, &sendMethod, "")
	require.ErrorIs(t, err, status.Of(status.InvalidArgument))

	resp := new(echov1.SendResponse)
	err = i.Invoke(t.Context(), &sendMethod, &echov1.SendRequest{Queue: "large", Seq: 2000}, resp)
	require.ErrorIs(t, err, status.Of(status.ResourceExhausted))
	require.ErrorContains(t, err, "the response has 2024 bytes, the host takes 1000")
	resp, err = send(t.Context(), i, &sendMethod, "count")
	require.NoError(t, err)
	require.EqualValues(t, 2, resp.Seq)

	require.NoError(t, i.Close(t.Context()))
	_, err = send(t.Context(), i, &sendMethod, "")
	require.ErrorIs(t, err, status.Of(status.Unavailable))
}

// TestInvokeThatEndsTheInstance: the caller gets an error in time, and the pool a new instance.
func TestInvokeThatEndsTheInstance(t *testing.T) {
	t.Parallel()
	g := serverGuest(t, eng.WithMemoryLimit(32<<20))
	p, err := g.NewPool(t.Context(), 1, 1)
	require.NoError(t, err)
	for what, code := range map[string]status.Code{
		"exit": status.Aborted, "spin": status.DeadlineExceeded, "sleep 1h": status.DeadlineExceeded,
		"grow": status.Aborted, "goexit": status.Aborted,
	} {
		m := sendMethod
		if what == "grow" {
			m.Budget = time.Minute
		}
		_, err := send(t.Context(), p, &m, what)
		require.ErrorIs(t, err, status.Of(code), what)
		resp, err := send(t.Context(), p, &sendMethod, "count")
		require.NoError(t, err, what)
		require.EqualValues(t, 1, resp.Seq, what)
	}
	// One that watches its context is not stopped, unless the machine is so busy that it
	// sees the end too late.
	m := sendMethod
	m.Budget = time.Second
	kept := func() bool {
		before, err := send(t.Context(), p, &sendMethod, "count")
		require.NoError(t, err)
		_, err = send(t.Context(), p, &m, "until")
		require.ErrorIs(t, err, status.Of(status.DeadlineExceeded))
		after, err := send(t.Context(), p, &sendMethod, "count")
		require.NoError(t, err)
		return after.Seq == before.Seq+2
	}
	for attempt := 1; !kept(); attempt++ {
		require.Less(t, attempt, 20)
	}
	require.NoError(t, p.Close(t.Context()))
}

// TestInvokeIsCancelled while the guest is in it.
func TestInvokeIsCancelled(t *testing.T) {
	t.Parallel()
	i := newServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := send(ctx, i, &sendMethod, "")
	require.NoError(t, err)
	time.AfterFunc(10*time.Millisecond, cancel)
	_, err = send(ctx, i, slow(sendMethod), "spin")
	require.ErrorIs(t, err, status.Of(status.Cancelled))
	_, err = send(t.Context(), i, &sendMethod, "")
	require.ErrorIs(t, err, status.Of(status.Aborted))
}

// TestInvokeByMany: one call of an instance at a time, all of them in the end.
func TestInvokeByMany(t *testing.T) {
	t.Parallel()
	g := serverGuest(t)
	i, err := g.Instantiate(t.Context())
	require.NoError(t, err)
	p, err := g.NewPool(t.Context(), 1, 3)
	require.NoError(t, err)
	for _, c := range []core.Conn{i, p} {
		var group errgroup.Group
		for n := range 20 {
			group.Go(func() error {
				for k := range 50 {
					want := fmt.Sprint(n, " ", k)
					resp := new(echov1.SendResponse)
					if err := c.Invoke(t.Context(), slow(sendMethod), &echov1.SendRequest{Payload: []byte(want)}, resp); err != nil {
						return err
					}
					if string(resp.Payload) != want {
						return fmt.Errorf("got %s, want %s", resp.Payload, want)
					}
				}
				return nil
			})
		}
		require.NoError(t, group.Wait())
	}
}

// TestInvokeFromWithin: a plugin that a guest calls cannot call the same instance, and need not
// wait to learn it.
func TestInvokeFromWithin(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	var i *eng.Instance
	failed := make(chan error, 1)
	require.NoError(t, h.Register(t.Context(), eng.HostModule{Name: "back", Functions: []eng.Function{{
		Name: "Back", Call: func(ctx context.Context, _ api.Module, stack []uint64) {
			core := sendMethod
			failed <- i.Invoke(ctx, &core, new(echov1.SendRequest), new(echov1.SendResponse))
			stack[0] = 0
		},
	}}}))
	var m wasmtest.Module
	back := m.Import("back", "Back", wasmtest.I32+wasmtest.I32+wasmtest.I32+wasmtest.I32, wasmtest.I64)
	m.Memory(1, 1)
	m.Export("_initialize", m.Func("", "", "", ""))
	zero := wasmtest.Const(0)
	m.Export("call", m.Func("", wasmtest.I64, "", zero+zero+zero+zero+wasmtest.Call(back)))
	g, err := h.Compile(t.Context(), "back", m.Bytes())
	require.NoError(t, err)
	i, err = g.Instantiate(t.Context())
	require.NoError(t, err)
	_, err = i.Call(t.Context(), "call")
	require.NoError(t, err)
	require.ErrorIs(t, <-failed, status.Of(status.FailedPrecondition))
}

package core_test

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/iansmith/parigot/internal/abi"
	"github.com/iansmith/parigot/internal/core"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// await waits for the result of a pending call. Its bytes do not go into the memory.
func (b *bench) await() (code int32, body []byte) {
	ready, err := b.state.Calls.Wait(context.Background(), -1, nil)
	require.NoError(b.t, err)
	require.True(b.t, ready)
	record := make([]byte, abi.RecordSize)
	n, body := b.state.Calls.Deliver(record)
	require.EqualValues(b.t, abi.RecordSize, n)
	b.state.Account.Release(uint64(len(body)))
	return abi.ReadRecord(record).Code, body
}

// pend makes a call that is pending until the function it returns is called.
func (b *bench) pend(impl func(context.Context, bytesValue, bytesValue) error) (release func()) {
	b.mayBlock = true
	gate := make(chan struct{})
	code, _ := b.call(func(ctx context.Context, req, resp bytesValue) error {
		<-gate
		return impl(ctx, req, resp)
	})
	require.Equal(b.t, abi.Pending, code)
	return func() { close(gate) }
}

func TestOverlapPending(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	release := b.pend(echo)
	fillMemory(b.m) // the guest may use the buffers for something else
	release()
	code, body := b.await()
	require.Zero(t, code)
	resp := new(wrapperspb.BytesValue)
	require.NoError(t, proto.Unmarshal(body, resp))
	require.Equal(t, "ping", string(resp.Value))
	b.untouched(0, memorySize)
	require.Nil(t, b.state.Parked)
}

// TestOverlapSoon: a call that is done soon is like any other.
func TestOverlapSoon(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.mayBlock = true
	for soon := 0; soon < 10; { // on a busy machine soon may be late
		fillMemory(b.m)
		code, n := b.call(echo)
		if code == abi.Pending {
			code, _ = b.await()
			require.Zero(t, code)
			continue
		}
		soon++
		require.Zero(t, code)
		got, _ := b.m.Memory().Read(4096, n)
		require.Contains(t, string(got), "ping")
		b.untouched(n, 4096)
		require.True(t, b.state.Calls.Empty())
	}
}

func TestOverlapErrors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		impl func(context.Context, bytesValue, bytesValue) error
		want error
		text string // in the log
	}{
		{"service's own", func(context.Context, bytesValue, bytesValue) error { return status.Error(protoErr(3), "no such file") }, status.Of(protoErr(3)), ""},
		{"panic", func(context.Context, bytesValue, bytesValue) error { panic("secret of the host") }, status.Of(status.Internal), "secret of the host"},
		{"goexit", func(context.Context, bytesValue, bytesValue) error { runtime.Goexit(); return nil }, status.Of(status.Internal), "ended its goroutine"},
		{"too large", func(_ context.Context, _, resp bytesValue) error {
			resp.Value = make([]byte, 40<<10)
			return nil
		}, status.Of(status.ResourceExhausted), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.pend(tt.impl)()
			code, body := b.await()
			s := decodeStatus(t, code, body)
			require.ErrorIs(t, s, tt.want)
			require.NotContains(t, s.Error(), "secret")
			require.Contains(t, b.log.String(), tt.text)
		})
	}
}

// TestOverlapNoRoom: a result for which there is no room becomes an error.
func TestOverlapNoRoom(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	large := func(_ context.Context, _, resp bytesValue) error {
		resp.Value = make([]byte, 30<<10)
		return nil
	}
	for range 3 { // there is room for 64 KiB
		b.pend(large)()
		b.busy.Wait()
	}
	for _, want := range []int32{0, 0, -int32(status.ResourceExhausted)} {
		code, body := b.await()
		require.Equal(t, want, code)
		if code != 0 {
			require.ErrorContains(t, decodeStatus(t, code, body), "host_memory_limit")
		}
	}
	require.True(t, b.state.Calls.Empty())
}

func TestOverlapTooMany(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var releases []func()
	for range 10 {
		releases = append(releases, b.pend(echo))
	}
	code, n := b.call(func(context.Context, bytesValue, bytesValue) error {
		t.Error("the implementation ran")
		return nil
	})
	s := b.statusAt(code, 4096, n)
	require.ErrorIs(t, s, status.Of(status.ResourceExhausted))
	require.Contains(t, s.Message(), "too many calls are pending")
	for _, release := range releases {
		release()
	}
	for range releases {
		code, _ = b.await()
		require.Zero(t, code)
	}
}

// TestOverlapContext: it outlives the context that the guest ran with when it made the
// call, keeps what that said, and ends with the instance.
func TestOverlapContext(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx, cancel := context.WithCancel(b.ctx)
	b.ctx = ctx
	entered, ended := make(chan struct{}), make(chan error)
	release := b.pend(func(ctx context.Context, _, _ bytesValue) error {
		_, ok := ctx.Deadline()
		require.False(t, ok, "a method that may block has no budget")
		require.NoError(t, ctx.Err())
		require.Equal(t, b.state.ID, eng.CallerFromContext(ctx).ID)
		require.Equal(t, "test.v1.Test.Call", core.NameOf(ctx))
		close(entered)
		<-ctx.Done()
		ended <- ctx.Err()
		return nil
	})
	cancel()
	release()
	<-entered
	quiet := b.state.Calls.Close()
	require.ErrorIs(t, <-ended, context.Canceled)
	<-quiet
	b.ctx = context.WithoutCancel(ctx)
	code, n := b.call(echo)
	require.ErrorIs(t, b.statusAt(code, 4096, n), status.Of(status.Cancelled), "no call starts any more")
}

func TestOverlapBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.budget = time.Hour
		release := b.pend(func(ctx context.Context, _, _ bytesValue) error {
			deadline, _ := ctx.Deadline()
			require.LessOrEqual(t, time.Until(deadline), time.Hour)
			<-ctx.Done()
			time.Sleep(time.Second)
			return ctx.Err()
		})
		release()
		code, body := b.await()
		require.EqualValues(t, 1, b.state.Counters.Slow.Load())
		require.ErrorIs(t, decodeStatus(t, code, body), context.DeadlineExceeded)
	})
}

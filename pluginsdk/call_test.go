package pluginsdk

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/iansmith/parigot/pluginsdk/parigotpb"
	"github.com/iansmith/parigot/pluginsdk/status"
)

func TestManufactureHostContext(t *testing.T) {
	t.Parallel()
	type key struct{}
	parent := context.WithValue(context.Background(), key{}, "kept")
	require.Empty(t, FuncName(parent))
	require.Empty(t, ContextSource(parent))
	ctx, cancel := context.WithCancel(ManufactureHostContext(parent, "file.v1.File.Open"))
	defer cancel()
	require.Equal(t, "file.v1.File.Open", FuncName(ctx))
	require.Equal(t, ServerGo, ContextSource(ctx))
	require.Equal(t, "kept", ctx.Value(key{}))
	_, ok := ctx.Deadline()
	require.False(t, ok)
}

func TestCallContextDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		parent, cancel := context.WithCancel(context.Background())
		defer cancel()
		c := newCallContext(parent, "test")
		c.limit(time.Now().Add(time.Second))
		c.limit(time.Now().Add(time.Minute))
		require.NoError(t, c.Err())
		child, cancelChild := context.WithCancel(c)
		defer cancelChild()
		start := time.Now()
		<-child.Done()
		require.Equal(t, time.Second, time.Since(start), "the earlier limit counts")
		require.ErrorIs(t, child.Err(), context.DeadlineExceeded)
		require.ErrorIs(t, c.Err(), context.DeadlineExceeded)
	})
}

func TestCallContextWithoutTimer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		parent, cancel := context.WithCancel(context.Background())
		c := newCallContext(parent, "test")
		c.limit(time.Now().Add(time.Second))
		time.Sleep(2 * time.Second)
		require.ErrorIs(t, c.Err(), context.DeadlineExceeded, "nobody asked for Done")
		c.end()

		c = newCallContext(parent, "test")
		require.NoError(t, c.Err())
		cancel()
		require.ErrorIs(t, c.Err(), context.Canceled)
		<-c.Done()
	})
}

func TestCallContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCallContext(context.Background(), "test")
		c.limit(time.Now().Add(time.Hour))
		done := c.Done()
		c.end()
		<-done // a goroutine that outlives its call is told
		require.ErrorIs(t, c.Err(), context.Canceled)
	})
}

// TestCallContextNeedsNoGoroutines is not parallel, as it counts goroutines.
func TestCallContextNeedsNoGoroutines(t *testing.T) {
	c := newCallContext(t.Context(), "test")
	c.limit(time.Now().Add(time.Hour))
	defer c.end()
	_ = c.Done()
	before := runtime.NumGoroutine()
	for range 100 {
		_, cancel := context.WithCancel(c)
		defer cancel()
	}
	require.Less(t, runtime.NumGoroutine(), before+50)
}

func TestCallLocal(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	local := func(impl func(context.Context, bytesValue, bytesValue) error) (*wrapperspb.BytesValue, error) {
		resp := new(wrapperspb.BytesValue)
		return resp, CallLocal(b.ctx, "test.v1.Test.Call", impl, func(impl func(context.Context, bytesValue, bytesValue) error, ctx context.Context, t, u bytesValue) error {
			return impl(ctx, t, u)
		}, wrapperspb.Bytes([]byte("ping")), resp)
	}
	resp, err := local(echo)
	require.NoError(t, err)
	old := b.ctx
	b.ctx = WithBudget(b.ctx, time.Hour)
	_, err = local(func(ctx context.Context, _, _ bytesValue) error {
		deadline, _ := ctx.Deadline()
		require.Greater(t, time.Until(deadline), time.Minute)
		return nil
	})
	require.NoError(t, err)
	b.ctx = old
	require.Equal(t, "ping", string(resp.Value))

	cause := errors.New("secret of the host")
	_, err = local(func(context.Context, bytesValue, bytesValue) error {
		return status.Wrap(protoErr(3), cause, "no such file")
	})
	require.ErrorIs(t, err, status.Of(protoErr(3)))
	require.NotErrorIs(t, err, cause, "what a guest does not see, a local caller does not either")

	_, err = local(func(context.Context, bytesValue, bytesValue) error { panic(cause) })
	require.ErrorIs(t, err, status.Of(status.Internal))
	require.NotContains(t, err.Error(), "secret")
	require.Contains(t, b.log.String(), "secret")

	// A call within a call passes on the metadata of the outer one, and leaves
	// the header of the guest's next call alone.
	b.state.Next.Call = &parigotpb.CallHeader{Metadata: map[string]string{"traceparent": "00-1"}}
	code, _ := b.call(func(ctx context.Context, _, _ bytesValue) error {
		b.ctx, b.state.Next.Call = ctx, &parigotpb.CallHeader{Metadata: map[string]string{"traceparent": "00-2"}}
		_, err := local(func(ctx context.Context, _, _ bytesValue) error {
			require.Equal(t, "00-1", Metadata(ctx)["traceparent"])
			return nil
		})
		return err
	})
	require.Zero(t, code)
	require.NotNil(t, b.state.Next.Call)
}

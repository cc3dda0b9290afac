//go:build !wasip1

package syscall

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/iansmith/parigot/pluginsdk/status"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

// What depends on time, in time that the tests make pass.

func inTime(t *testing.T, configure func(*syscallpb.SyscallConfig), test func(t *testing.T, b *bundle)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, setup(t, configure)) })
}

func TestLaunchTimeout(t *testing.T) {
	t.Parallel()
	configure := func(c *syscallpb.SyscallConfig) { c.LaunchTimeout = durationpb.New(time.Minute) }
	inTime(t, configure, func(t *testing.T, b *bundle) {
		g := b.guest("hello")
		sid := g.mustRegister("")
		require.NoError(t, g.require(sid, greetingService))
		start := time.Now()
		requireErr(t, g.launch(sid), runTimeout, greetingService, "has not started")
		require.Equal(t, time.Minute, time.Since(start))

		early, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		requireErr(t, g.with(early).launch(sid), runTimeout)
		require.Equal(t, time.Second, time.Since(start), "the caller's own deadline is earlier")

		stopped, stop := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, stop)
		require.ErrorIs(t, g.with(stopped).launch(sid), context.Canceled)

		b.guest("greeting").serve(greetingService)
		require.NoError(t, g.launch(sid), "a Launch that failed may be tried again")
	})
}

func TestReadOneTimeout(t *testing.T) {
	t.Parallel()
	inTime(t, nil, func(t *testing.T, b *bundle) {
		server, client, greeting := b.pair()
		start := time.Now()
		_, err := server.client.ReadOne(server.ctx, &syscallpb.ReadOneRequest{TimeoutNs: int64(time.Second)})
		requireErr(t, err, syscallpb.KernelErr_ReadOneTimeout)
		require.Equal(t, time.Second, time.Since(start))
		server.nothing()
		require.Equal(t, time.Second, time.Since(start), "a timeout below 0 does not wait")

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = server.with(ctx).client.ReadOne(server.with(ctx).ctx, new(syscallpb.ReadOneRequest))
		requireErr(t, err, syscallpb.KernelErr_ReadOneTimeout)

		ctx, stop := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, stop)
		_, err = server.with(ctx).client.ReadOne(server.with(ctx).ctx, new(syscallpb.ReadOneRequest))
		require.ErrorIs(t, err, context.Canceled)

		cid := greeting.mustCall("x")
		_, err = client.client.ReadOne(client.ctx, &syscallpb.ReadOneRequest{CallId: cid, TimeoutNs: int64(time.Second)})
		requireErr(t, err, syscallpb.KernelErr_ReadOneTimeout)
		require.Empty(t, b.kernel.hosts.FindById(client.caller.ID).readers, "nobody waits any longer")
	})
}

// A ReadOne that gives up in the moment a call comes leaves the call for the next
// one.
func TestNoCallIsLostToATimeout(t *testing.T) {
	t.Parallel()
	inTime(t, nil, func(t *testing.T, b *bundle) {
		server, _, greeting := b.pair()
		h := b.kernel.hosts.FindById(server.caller.ID)
		r, err := h.park(noCall)
		require.NoError(t, err)
		greeting.mustCall("first")
		greeting.mustCall("second")
		h.unpark(r)
		require.Equal(t, "first", string(server.incoming().GetParam().GetValue()))

		one, _ := h.park(noCall)
		require.Nil(t, one, "there is something")
		require.Equal(t, "second", string(server.incoming().GetParam().GetValue()))
		one, _ = h.park(noCall)
		two, _ := h.park(noCall)
		greeting.mustCall("for the one that still waits")
		h.unpark(one)
		require.NotNil(t, <-two.ch)
	})
}

func TestDeadlineOfACall(t *testing.T) {
	t.Parallel()
	inTime(t, nil, func(t *testing.T, b *bundle) {
		server, client, greeting := b.pair()
		timeout := func(d time.Duration) func(*syscallpb.DispatchRequest) {
			return func(r *syscallpb.DispatchRequest) { r.TimeoutNs = int64(d) }
		}
		greeting.mustCall("read", timeout(time.Second))
		time.Sleep(time.Second / 4)
		in := server.incoming()
		require.Equal(t, 3*time.Second/4, time.Duration(in.GetTimeoutNs()), "the target knows how long it has")
		start := time.Now()
		require.ErrorIs(t, failed(t, client.read().GetResolved()[0]), context.DeadlineExceeded)
		require.Equal(t, 3*time.Second/4, time.Since(start))
		require.Equal(t, in.GetCallId().GetLow(), server.read().GetCancelled()[0].GetLow())
		requireErr(t, server.answer(in.GetCallId(), "late"), badCallID)

		greeting.mustCall("queued", timeout(time.Second))
		require.ErrorIs(t, failed(t, client.read().GetResolved()[0]), context.DeadlineExceeded)
		server.nothing() // it was taken back

		greeting.mustCall("in time", timeout(time.Second))
		require.NoError(t, server.answer(server.incoming().GetCallId(), "y"))
		require.Equal(t, "y", string(client.result().GetResult().GetValue()))
		time.Sleep(time.Minute)
		client.nothing()
	})
}

// A guest that was started and does not read has its calls fail, in their order.
func TestWriteTimeout(t *testing.T) {
	t.Parallel()
	configure := func(c *syscallpb.SyscallConfig) { c.WriteTimeout = durationpb.New(10 * time.Second) }
	inTime(t, configure, func(t *testing.T, b *bundle) {
		server, client, greeting := b.pair()
		start := time.Now()
		greeting.mustCall("read")
		first := greeting.mustCall("first")
		time.Sleep(3 * time.Second)
		second := greeting.mustCall("second")
		server.incoming()

		out := client.read().GetResolved()
		require.Len(t, out, 1)
		require.Equal(t, first.GetLow(), out[0].GetCallId().GetLow())
		requireErr(t, failed(t, out[0]), syscallpb.KernelErr_WriteTimeout, "greeting")
		require.Equal(t, 10*time.Second, time.Since(start))
		out = client.read().GetResolved()
		require.Equal(t, second.GetLow(), out[0].GetCallId().GetLow())
		require.Equal(t, 13*time.Second, time.Since(start))
		server.nothing()

		greeting.mustCall("again")
		require.Equal(t, "again", string(server.incoming().GetParam().GetValue()))
		time.Sleep(time.Minute)
		client.nothing() // what was read has no such limit
		require.ErrorIs(t, client.cancel(first), status.Of(badCallID))
	})
}

//go:build !wasip1

package syscall

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/durationpb"

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

// A Next and a Call end with their contexts, and leave nothing behind.
func TestWaitsEndWithTheirContexts(t *testing.T) {
	t.Parallel()
	inTime(t, nil, func(t *testing.T, b *bundle) {
		server, client, greeting := b.pair()
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := server.client.Next(server.with(ctx).ctx, new(syscallpb.NextRequest))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(start))

		stopped, stop := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, stop)
		_, err = server.client.Next(server.with(stopped).ctx, new(syscallpb.NextRequest))
		require.ErrorIs(t, err, context.Canceled)
		require.Empty(t, b.kernel.hosts.FindById(server.caller.ID).readers, "nobody waits any longer")

		stopped, stop = context.WithCancel(t.Context())
		time.AfterFunc(time.Second, stop)
		call := greeting.mustCall("x")
		require.ErrorIs(t, client.with(stopped).await(call).err, context.Canceled)
		server.nothing()
		server.end()
		client.end()
		b.empty()
	})
}

// A Next that gives up in the moment a call comes leaves the call for the next
// one.
func TestNoCallIsLostToATimeout(t *testing.T) {
	t.Parallel()
	inTime(t, nil, func(t *testing.T, b *bundle) {
		server, _, greeting := b.pair()
		h := b.kernel.hosts.FindById(server.caller.ID)
		r, err := h.park()
		require.NoError(t, err)
		greeting.mustCall("first")
		greeting.mustCall("second")
		h.unpark(r)
		require.Equal(t, "first", string(server.incoming().GetParam()))

		one, _ := h.park()
		require.Nil(t, one, "there is something")
		require.Equal(t, "second", string(server.incoming().GetParam()))
		one, _ = h.park()
		two, _ := h.park()
		greeting.mustCall("for the one that still waits")
		h.unpark(one)
		require.NotNil(t, <-two.ch)
	})
}

func TestDeadlineOfACall(t *testing.T) {
	t.Parallel()
	inTime(t, nil, func(t *testing.T, b *bundle) {
		server, client, greeting := b.pair()
		second := func() (remote, *guest) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			t.Cleanup(cancel)
			limited := greeting
			limited.g = client.with(ctx)
			return limited, limited.g
		}
		limited, caller := second()
		call := limited.mustCall("read")
		time.Sleep(time.Second / 4)
		in := server.incoming()
		require.Equal(t, 3*time.Second/4, time.Duration(in.GetTimeoutNs()), "the target knows how long it has")
		start := time.Now()
		require.ErrorIs(t, caller.await(call).err, context.DeadlineExceeded)
		require.Equal(t, 3*time.Second/4, time.Since(start))
		require.Equal(t, []uint64{in.GetCall()}, server.notice().GetCancelled())
		requireErr(t, server.answer(in.GetCall(), "late"), badCallID)

		limited, caller = second()
		require.ErrorIs(t, caller.await(limited.mustCall("queued")).err, context.DeadlineExceeded)
		server.nothing() // it was taken back

		limited, caller = second()
		call = limited.mustCall("in time")
		require.NoError(t, server.answer(server.incoming().GetCall(), "y"))
		require.Equal(t, "y", caller.await(call).body)
		time.Sleep(time.Minute)
		client.nothing()
		server.nothing()
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

		requireErr(t, client.await(first).err, syscallpb.KernelErr_WriteTimeout, "greeting")
		require.Equal(t, 10*time.Second, time.Since(start))
		client.noResult()
		requireErr(t, client.await(second).err, syscallpb.KernelErr_WriteTimeout, "greeting")
		require.Equal(t, 13*time.Second, time.Since(start))
		server.nothing()

		greeting.mustCall("again")
		require.Equal(t, "again", string(server.incoming().GetParam()))
		time.Sleep(time.Minute)
		client.nothing() // what was read has no such limit
	})
}

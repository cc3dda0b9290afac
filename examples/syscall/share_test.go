//go:build !wasip1

package syscall

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/internal/syscallwire"
	"github.com/iansmith/parigot/pluginsdk/status"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

// This file is about things that two share, and one must not take from the other.

// Whoever waits for the result of a call goes on, whatever ends it, and whether the caller stands
// still or not.
func TestEveryWaitEnds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		end  func(server, client *guest, stop context.CancelFunc, call uint64)
		want error
	}{
		"answered":    {func(server, _ *guest, _ context.CancelFunc, call uint64) { _ = server.answer(call, "y") }, nil},
		"given up":    {func(_, _ *guest, stop context.CancelFunc, _ uint64) { stop() }, context.Canceled},
		"target ends": {func(server, _ *guest, _ context.CancelFunc, _ uint64) { server.end() }, status.Of(syscallpb.KernelErr_CallerUnavailable)},
		"caller ends": {func(_, client *guest, _ context.CancelFunc, _ uint64) { client.end() }, status.Of(syscallpb.KernelErr_ChannelClosed)},
	} {
		for _, left := range []bool{true, false} {
			t.Run(fmt.Sprint(name, left), func(t *testing.T) {
				t.Parallel()
				inTime(t, nil, func(t *testing.T, b *bundle) {
					server, client, greeting := b.pair()
					ctx, stop := context.WithCancel(t.Context())
					defer stop()
					call, err := greeting.stand("x")
					require.NoError(t, err)
					require.True(t, !left || call.Leave())
					in := server.incoming()
					done := client.with(ctx).finish(call)
					require.Empty(t, done)
					c.end(server, client, stop, in.GetCall())
					require.ErrorIs(t, (<-done).err, c.want)
					server.end()
					client.end()
					b.empty()
				})
			})
		}
	}
}

// A guest that reads calls and does not answer them costs the host no payloads: it
// could have any number of them.
func TestPayloadsAreNotKept(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	server, client, greeting := b.pair()
	param := make([]byte, 1<<10)
	kept := weak.Make(&param[0])
	h := b.kernel.hosts.FindById(client.caller.ID)
	call, err := b.kernel.call(client.ctx, h, &syscallwire.Call{
		MethodHigh: greeting.method.GetHigh(), MethodLow: greeting.method.GetLow(), Param: param,
	}, nil)
	require.NoError(t, err)
	require.True(t, call.Leave())
	require.Len(t, server.incoming().GetParam(), 1<<10)
	require.Eventually(t, func() bool {
		runtime.GC()
		return kept.Value() == nil
	}, 10*time.Second, time.Millisecond)
	require.Len(t, b.kernel.hosts.FindById(server.caller.ID).serving, 1)
	runtime.KeepAlive(call)
}

// Clients of one name need not need the same.
func TestClientsWaitForTheirOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := setup(t, nil)
		_, one, _ := b.pair()
		two := b.guest(one.caller.Name)
		sid := two.mustRegister("")
		require.NoError(t, two.require(sid, "p.Missing"))
		launched := make(chan error, 1)
		go func() { launched <- two.launch(sid) }()
		synctest.Wait()
		three := b.guest(one.caller.Name)
		three.use(greetingService)
		three.find(greetingService).mustCall("x")
		require.Empty(t, launched, "it waits for what it requires itself")
		b.guest("other").serve("p.Missing")
		require.NoError(t, <-launched)
	})
}

// Whose turn it is does not decide who has room.
func TestCallsAtOnceFindWhoHasRoom(t *testing.T) {
	t.Parallel()
	const callers, each = 8, 50
	b := setup(t, func(c *syscallpb.SyscallConfig) { c.MaxQueuedCalls = callers * each })
	full, _, greeting := b.pair()
	for range callers * each {
		greeting.mustCall("")
	}
	b.guest(full.caller.Name).serve(greetingService)
	var group sync.WaitGroup
	for range callers {
		client := b.guest("client")
		client.use(greetingService)
		greeting := client.find(greetingService)
		group.Go(func() {
			for range each {
				greeting.mustCall("")
			}
		})
	}
	group.Wait()
}

// A service whose guests are exchanged one by one is there all the time.
func TestCallsWhileReplicasAreExchanged(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	server, client, greeting := b.pair()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 2000 {
			next := b.guest(server.caller.Name)
			next.serve(greetingService)
			server.end()
			server = next
		}
	}()
	for over := false; !over; {
		call, err := greeting.call("")
		require.NoError(t, err)
		if !client.cancel(call) {
			require.Error(t, client.await(call).err, "it has ended with its target")
		}
		select {
		case <-done:
			over = true
		default:
		}
	}
}

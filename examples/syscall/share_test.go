//go:build !wasip1

package syscall

import (
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

// This file is about things that two share, and one must not take from the other.

// Whoever waits for the result of a call hears that there will be none.
func TestReadersOfACallThatIsOver(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(server, client *guest, in *syscallpb.IncomingCall) error{
		"cancelled": func(_, client *guest, in *syscallpb.IncomingCall) error { return client.cancel(in.GetCallId()) },
		"answered":  func(server, _ *guest, in *syscallpb.IncomingCall) error { return server.answer(in.GetCallId(), "y") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := setup(t, nil)
				server, client, greeting := b.pair()
				cid := greeting.mustCall("x")
				errs := make(chan error, 2)
				for range 2 {
					go func() {
						_, err := client.client.ReadOne(client.ctx, &syscallpb.ReadOneRequest{CallId: cid})
						errs <- err
					}()
				}
				synctest.Wait()
				require.NoError(t, end(server, client, server.incoming()))
				synctest.Wait()
				require.Len(t, errs, 2)
				if name == "answered" {
					first, second := <-errs, <-errs
					require.True(t, first == nil || second == nil)
					if first == nil {
						first = second
					}
					errs <- first
				}
				for range len(errs) {
					requireErr(t, <-errs, badCallID)
				}
			})
		})
	}
}

// A guest that reads calls and does not answer them costs the host no payloads: it
// could have any number of them.
func TestPayloadsAreNotKept(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	server, client, greeting := b.pair()
	param := text("large")
	kept := weak.Make(param)
	h := b.kernel.hosts.FindById(client.caller.ID)
	_, err := b.kernel.dispatch(client.ctx, h, &syscallpb.DispatchRequest{
		ServiceId: greeting.service, MethodId: greeting.method, Param: param,
	})
	require.NoError(t, err)
	require.Equal(t, "large", string(server.incoming().GetParam().GetValue()))
	require.Eventually(t, func() bool {
		runtime.GC()
		return kept.Value() == nil
	}, 10*time.Second, time.Millisecond)
	require.Len(t, b.kernel.hosts.FindById(server.caller.ID).serving, 1)
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
		cid, err := greeting.call("")
		require.NoError(t, err)
		// It may have ended with its target: then its result is there, or comes.
		_ = client.cancel(cid)
		_, _ = client.poll()
		select {
		case <-done:
			over = true
		default:
		}
	}
}

//go:build !wasip1

package syscall

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/pluginsdk/status"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

// wait waits for what comes, in the background.
func (g *guest) wait() <-chan *syscallpb.NextResponse {
	read := make(chan *syscallpb.NextResponse, 1)
	go func() {
		defer close(read)
		if resp, err := g.client.Next(g.ctx, new(syscallpb.NextRequest)); err == nil {
			read <- resp
		}
	}()
	return read
}

// The classic pair: hello calls greeting, exits, and all end.
func TestExitTakesTheSystemDown(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	server, client, greeting := b.pair()
	for _, language := range []string{"en", "fr", "de", "es", "it"} {
		greeting.mustCall(language)
	}
	for range 5 {
		require.NoError(t, server.answer(server.incoming().GetCall(), "hello"))
		require.Equal(t, "hello", client.result().body)
	}

	idle, late := server.wait(), b.guest("late")
	lateID := late.mustRegister("")
	require.NoError(t, late.require(lateID, "p.Missing"))
	launching := make(chan error, 1)
	go func() { launching <- late.launch(lateID) }()

	require.NoError(t, client.exit(0, true))
	require.NoError(t, server.exit(3, true), "the first one counts")
	requireErr(t, <-launching, syscallpb.KernelErr_AbortRequest)
	for _, resp := range []*syscallpb.NextResponse{<-idle, client.read(), late.read(), client.read()} {
		require.True(t, resp.GetExit().GetEveryone() && resp.GetExit().GetDrained(), "%v", resp)
		require.Zero(t, resp.GetExit().GetCode())
	}

	_, callErr := greeting.call("x")
	_, registerErr := b.guest("new").register("")
	for _, err := range []error{
		callErr, registerErr, late.export(lateID), late.require(lateID, "p.A"), late.launch(lateID),
	} {
		requireErr(t, err, syscallpb.KernelErr_AbortRequest)
	}

	server.end()
	client.end()
	late.end()
	b.empty()
	b.pair() // and all begins again
}

func TestGuestThatAnswersIsNotDrained(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	server, client, greeting := b.pair()
	greeting.mustCall("x")
	in := server.incoming()
	require.NoError(t, client.exit(4, true))

	notice := server.notice()
	require.True(t, notice.GetExit().GetEveryone())
	require.False(t, notice.GetExit().GetDrained(), "it has a call to answer")
	require.EqualValues(t, 4, notice.GetExit().GetCode())
	server.nothing() // it was told
	require.False(t, client.read().GetExit().GetDrained())

	require.NoError(t, server.answer(in.GetCall(), "y"))
	require.True(t, server.read().GetExit().GetDrained())
	require.Equal(t, "y", client.result().body)
	require.True(t, client.read().GetExit().GetDrained(), "the end comes after the last result")
}

func TestOwnExit(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	server, client, greeting := b.pair()
	sid := server.mustRegister(greetingService)
	greeting.mustCall("read")
	in := server.incoming()
	greeting.mustCall("unread")

	require.NoError(t, server.exit(2, false))
	require.NoError(t, server.exit(3, false), "again changes nothing")
	requireErr(t, client.result().err, syscallpb.KernelErr_CallerUnavailable, "about to end")
	_, err := greeting.call("x")
	requireErr(t, err, syscallpb.KernelErr_CallerUnavailable)
	requireErr(t, server.export(sid), syscallpb.KernelErr_ServiceAlreadyClosedOrExported, "left with Exit")

	server.nothing() // not before it has answered
	drained := server.wait()
	require.NoError(t, server.answer(in.GetCall(), "the last"))
	exit := (<-drained).GetExit()
	require.True(t, exit.GetDrained())
	require.False(t, exit.GetEveryone())
	require.EqualValues(t, 2, exit.GetCode())
	require.Equal(t, "the last", client.result().body)
	client.nothing() // nobody asked it to end
}

func TestExitIsChecked(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *syscallpb.SyscallConfig) { c.ExitGuests = []string{"main"} })
	server, _, _ := b.pair()
	for _, code := range []int32{-1, 256} {
		requireErr(t, server.exit(code, false), syscallpb.KernelErr_ExitFailed, "from 0 to 255")
	}
	require.ErrorIs(t, server.exit(0, true), status.Of(status.PermissionDenied))
	server.nothing()
	main := b.guest("main")
	main.mustRegister("")
	require.NoError(t, main.exit(255, true))
	require.EqualValues(t, 255, server.read().GetExit().GetCode())
}

// A guest ends without a word, as one does that traps: whoever waits for it is
// told at once.
func TestEndOfTheTarget(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	server, client, greeting := b.pair()
	var calls []*sent
	for range 8 {
		calls = append(calls, greeting.mustCall("read"))
		server.incoming()
	}
	standing, err := greeting.stand("queued")
	require.NoError(t, err)
	server.end()

	for _, call := range append(calls, standing) {
		requireErr(t, client.await(call).err, syscallpb.KernelErr_CallerUnavailable, "the guest greeting has ended")
	}
	client.nothing()
	client.end()
	b.empty()
}

func TestEndOfOneReplica(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	server, client, greeting := b.pair()
	replica := b.guest("greeting")
	replica.serve(greetingService)
	for range 2 {
		greeting.mustCall("x")
	}
	server.end()
	requireErr(t, client.result().err, syscallpb.KernelErr_CallerUnavailable)
	client.nothing() // the service is still there
	require.NoError(t, replica.answer(replica.incoming().GetCall(), "y"))
	client.result()
	greeting.mustCall("x")
	replica.incoming()
}

func TestEndOfTheCaller(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	server, client, greeting := b.pair()
	greeting.mustCall("read")
	in := server.incoming()
	greeting.mustCall("queued")
	standing, err := greeting.stand("while its caller stands still")
	require.NoError(t, err)
	reading := client.wait()
	client.end()
	require.Nil(t, <-reading)
	require.False(t, standing.Leave())
	for range 3 { // whoever waits for the results goes on
		requireErr(t, client.result().err, syscallpb.KernelErr_ChannelClosed, "the caller has ended")
	}
	_, err = greeting.call("x")
	requireErr(t, err, badID)

	require.Equal(t, []uint64{in.GetCall()}, server.notice().GetCancelled())
	server.nothing() // it never sees the others
	requireErr(t, server.answer(in.GetCall(), "nobody wants it"), badCallID)
	server.end()
	b.empty()
}

// A guest that ends while it launches has its Launch end. What it required nobody
// waits for any longer.
func TestEndWhileLaunching(t *testing.T) {
	t.Parallel()
	inTime(t, nil, func(t *testing.T, b *bundle) {
		launching := func(g *guest, needs ...string) <-chan error {
			sid := g.mustRegister("p.G")
			require.NoError(t, g.export(sid))
			require.NoError(t, g.require(sid, needs...))
			done := make(chan error, 1)
			go func() { done <- g.launch(sid) }()
			synctest.Wait()
			return done
		}
		one, two, three := b.guest("g"), b.guest("g"), b.guest("g")
		first, second, third := launching(one, "p.H"), launching(two, "p.H"), launching(three)
		one.end()
		requireErr(t, <-first, syscallpb.KernelErr_ChannelClosed)
		synctest.Wait()
		require.Empty(t, third, "the replica still requires p.H")
		two.end()
		requireErr(t, <-second, syscallpb.KernelErr_ChannelClosed)
		require.NoError(t, <-third)
		three.end()
		b.empty()
	})
}

// A call that was about to go to a guest that leaves is refused.
func TestNoCallGoesToAGuestThatLeaves(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	server, client, greeting := b.pair()
	h := b.kernel.hosts.FindById(server.caller.ID)
	h.leave(0) // its services are not withdrawn yet
	_, err := greeting.call("x")
	requireErr(t, err, syscallpb.KernelErr_CallerUnavailable)
	client.nothing()
	require.Empty(t, b.kernel.matcher.promises)
}

// A guest that registers while all are asked to end is refused, or asked.
func TestRegisterDuringExit(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	late, err := b.kernel.enter(b.guest("late").caller)
	require.NoError(t, err)
	s, _ := b.kernel.data.SetService(t.Context(), "p", "Late", false)
	require.True(t, b.kernel.data.askExit(), "before it has registered, and after Register has begun")
	requireErr(t, b.kernel.data.register(late, nil, nil, s.Id(), false), syscallpb.KernelErr_AbortRequest)

	for range 50 {
		inTime(t, nil, func(t *testing.T, b *bundle) {
			main, late := b.guest("main"), b.guest("late")
			main.mustRegister("")
			exited := make(chan error, 1)
			go func() { exited <- main.exit(1, true) }()
			if _, err := late.register(""); err == nil {
				require.EqualValues(t, 1, late.read().GetExit().GetCode())
			} else {
				requireErr(t, err, syscallpb.KernelErr_AbortRequest)
			}
			require.NoError(t, <-exited)
		})
	}
}

// The end comes after everything that was there before.
func TestExitComesLast(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	server, client, greeting := b.pair()
	cancelled := greeting.mustCall("read")
	read := server.incoming()
	for range 3 {
		greeting.mustCall("x")
	}
	require.True(t, client.cancel(cancelled))
	require.NoError(t, client.exit(0, true))
	for range 3 {
		server.incoming()
	}
	notice := server.notice()
	require.Equal(t, []uint64{read.GetCall()}, notice.GetCancelled())
	require.True(t, notice.GetExit().GetEveryone())
	require.False(t, notice.GetExit().GetDrained())
	server.nothing()
}

//go:build !wasip1

package syscall

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/id"
	"github.com/iansmith/parigot/pluginsdk/status"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

func (g *guest) drain(ctx context.Context) <-chan error {
	done := make(chan error, 1)
	go func() { done <- drainer{g.kernel}.Drain(ctx, g.caller) }()
	synctest.Wait()
	return done
}

// TestDrain: calls that an instance has it answers, those that it has not read
// included; new ones go to the other.
func TestDrain(t *testing.T) {
	t.Parallel()
	inTime(t, nil, func(t *testing.T, b *bundle) {
		old, client, greeting := b.pair()
		greeting.mustCall("read")
		read := old.incoming()
		greeting.mustCall("unread")
		next := b.guest("greeting")
		next.serve(greetingService)

		done := old.drain(t.Context())
		for range 3 {
			greeting.mustCall("new")
			require.NoError(t, next.answer(next.incoming().GetCall(), "by the next"))
		}
		require.NoError(t, old.answer(read.GetCall(), "by the old"))
		unread := old.incoming()
		require.Equal(t, "unread", string(unread.GetParam()))
		synctest.Wait()
		require.Empty(t, done, "a call is left")
		require.NoError(t, old.answer(unread.GetCall(), "by the old"))
		require.NoError(t, <-done)
		require.NoError(t, <-old.drain(t.Context()), "again is harmless")
		exit := old.read().GetExit()
		require.True(t, exit.GetDrained())
		require.False(t, exit.GetEveryone())

		for range 5 {
			require.NoError(t, client.result().err)
		}
		client.nothing()
	})
}

// TestDrainEnds with the instance, with its context, and at once for an instance that
// is not known.
func TestDrainEnds(t *testing.T) {
	t.Parallel()
	inTime(t, nil, func(t *testing.T, b *bundle) {
		server, client, greeting := b.pair()
		greeting.mustCall("x")
		ctx, cancel := context.WithCancel(t.Context())
		gaveUp, done := server.drain(ctx), server.drain(t.Context())
		cancel()
		require.ErrorIs(t, <-gaveUp, status.Of(status.Cancelled))
		require.Empty(t, done)
		server.end()
		require.NoError(t, <-done)
		requireErr(t, client.result().err, syscallpb.KernelErr_CallerUnavailable)

		stranger := eng.Caller{ID: id.New[id.HostKind](), Name: "stranger"}
		require.ErrorIs(t, drainer{b.kernel}.Drain(t.Context(), stranger), status.Of(status.NotFound))
	})
}

// TestAwaitSuccessor: it is over when the next one serves all that the old one does, and
// not when it is only known, or serves a part.
func TestAwaitSuccessor(t *testing.T) {
	t.Parallel()
	inTime(t, nil, func(t *testing.T, b *bundle) {
		old, next := b.guest("greeting"), b.guest("greeting")
		d := drainer{b.kernel}
		require.NoError(t, d.AwaitSuccessor(t.Context(), old.caller, next.caller), "nothing is served")
		old.serve(greetingService)
		old.serve("greeting.v1.Farewell")
		ctx, cancel := context.WithCancel(t.Context())
		gaveUp, done := make(chan error, 1), make(chan error, 1)
		go func() { gaveUp <- d.AwaitSuccessor(ctx, old.caller, next.caller) }()
		go func() { done <- d.AwaitSuccessor(t.Context(), old.caller, next.caller) }()
		synctest.Wait()
		cancel()
		require.ErrorIs(t, <-gaveUp, status.Of(status.Cancelled))
		next.serve(greetingService)
		synctest.Wait()
		require.Empty(t, done, "a part of it")
		next.serve("greeting.v1.Farewell")
		require.NoError(t, <-done)
	})
}

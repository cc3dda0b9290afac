//go:build !wasip1

package syscall

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/pluginsdk/status"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

func TestOnlyTheTargetAnswers(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	server, client, greeting := b.pair()
	replica := b.guest("greeting")
	call := greeting.mustCall("x")
	replica.serve(greetingService)
	requireErr(t, server.answer(call.number, "before it was read"), badCallID)
	in := server.incoming()
	for name, g := range map[string]*guest{"its caller": client, "a replica": replica} {
		require.ErrorIs(t, g.answer(in.GetCall(), "forged"), status.Of(badCallID), name)
	}
	require.NoError(t, server.answer(in.GetCall(), "true"))
	requireErr(t, server.answer(in.GetCall(), "twice"), badCallID)
	require.Equal(t, "true", client.result().body)
	client.nothing()
}

// TestNextAnswers: Next is an answer and a wait in one. An answer that comes late, or to a call of
// another guest, is dropped.
func TestNextAnswers(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *syscallpb.SyscallConfig) { c.MaxPayloadBytes = 5 })
	server, client, greeting := b.pair()
	first, second := greeting.mustCall("1"), greeting.mustCall("2")
	next := func(g *guest, call uint64, value string) (*syscallpb.NextResponse, error) {
		return g.client.Next(g.ctx, &syscallpb.NextRequest{Call: call, Result: []byte(value)})
	}
	in := server.incoming()
	_, err := next(server, in.GetCall(), "it is too large")
	requireErr(t, err, syscallpb.KernelErr_DataTooLarge)
	greeting.mustCall("3")
	other := b.guest("other")
	other.serve("p.Other")
	client.also("p.Other")
	client.find("p.Other").mustCall("x")
	_, err = next(other, in.GetCall(), "mine")
	require.NoError(t, err)
	client.noResult()

	two, err := next(server, in.GetCall(), "one")
	require.NoError(t, err)
	require.Equal(t, "2", string(two.GetParam()))
	require.Equal(t, "one", client.await(first).body)
	three, err := next(server, in.GetCall(), "again")
	require.NoError(t, err)
	require.Equal(t, "3", string(three.GetParam()))
	client.noResult()
	require.True(t, client.cancel(second))
	cancelled, err := next(server, two.GetCall(), "late")
	require.NoError(t, err)
	require.Equal(t, []uint64{two.GetCall()}, cancelled.GetCancelled())
}

// Errors of a service arrive as its implementation made them.
func TestErrorsOfServicesPass(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	server, client, greeting := b.pair()
	greeting.mustCall("x")
	result := failure(syscallpb.KernelErr_UnmarshalFailed, "it does not decode")
	_, err := server.client.ReturnValue(server.ctx, &syscallpb.ReturnValueRequest{
		CallId: server.incoming().GetCall(), Result: result.body, ResultError: result.code,
	})
	require.NoError(t, err)
	requireErr(t, client.result().err, syscallpb.KernelErr_UnmarshalFailed, "it does not decode")
}

// TestCallsComeInOrder, and results to the calls that they are for.
func TestCallsComeInOrder(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	server, client, greeting := b.pair()
	var calls []*sent
	var numbers []uint64
	for i := range 70 {
		calls = append(calls, greeting.mustCall(strconv.Itoa(i)))
	}
	for i := range calls {
		in := server.incoming()
		require.Equal(t, strconv.Itoa(i), string(in.GetParam()))
		numbers = append(numbers, in.GetCall())
	}
	for i := len(calls) - 1; i >= 0; i-- {
		require.NoError(t, server.answer(numbers[i], strconv.Itoa(i)))
	}
	for i, c := range calls {
		require.Equal(t, strconv.Itoa(i), client.await(c).body)
	}
}

func TestCancelTellsTheTarget(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	server, client, greeting := b.pair()
	read, queued := greeting.mustCall("read"), greeting.mustCall("queued")
	in := server.incoming()
	require.True(t, client.cancel(queued))
	require.True(t, client.cancel(read))

	require.Equal(t, []uint64{in.GetCall()}, server.notice().GetCancelled(), "a call that was not read is never seen")
	requireErr(t, server.answer(in.GetCall(), "late"), badCallID)
	client.nothing()

	answered := greeting.mustCall("x")
	require.NoError(t, server.answer(server.incoming().GetCall(), "faster"))
	require.False(t, client.cancel(answered))
	require.Equal(t, "faster", client.result().body)
}

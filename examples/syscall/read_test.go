//go:build !wasip1

package syscall

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/iansmith/parigot/pluginsdk/parigotpb"
	"github.com/iansmith/parigot/pluginsdk/status"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

func TestOnlyTheTargetAnswers(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	server, client, greeting := b.pair()
	replica := b.guest("greeting")
	cid := greeting.mustCall("x")
	replica.serve(greetingService)
	requireErr(t, server.answer(cid, "before it was read"), badCallID)
	in := server.incoming()
	for name, g := range map[string]*guest{"its caller": client, "a replica": replica} {
		require.ErrorIs(t, g.answer(in.GetCallId(), "forged"), status.Of(badCallID), name)
	}
	requireErr(t, server.cancel(cid), badCallID)
	_, err := replica.client.ReadOne(replica.ctx, &syscallpb.ReadOneRequest{CallId: cid})
	requireErr(t, err, badCallID)
	require.NoError(t, server.answer(in.GetCallId(), "true"))
	requireErr(t, server.answer(in.GetCallId(), "twice"), badCallID)
	require.Equal(t, "true", string(client.result().GetResult().GetValue()))
	client.nothing()
}

// Errors of a service arrive as its implementation made them.
func TestErrorsOfServicesPass(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	server, client, greeting := b.pair()
	greeting.mustCall("x")
	result := failure(syscallpb.KernelErr_UnmarshalFailed, "it does not decode")
	_, err := server.client.ReturnValue(server.ctx, &syscallpb.ReturnValueRequest{
		CallId: server.incoming().GetCallId(), Result: &anypb.Any{Value: result.body}, ResultError: result.code,
	})
	require.NoError(t, err)
	requireErr(t, failed(t, client.result()), syscallpb.KernelErr_UnmarshalFailed, "it does not decode")
}

func TestReadOneBatches(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	server, client, greeting := b.pair()
	const calls = largestBatch + 6
	for i := range calls {
		greeting.mustCall(strconv.Itoa(i))
	}
	first, second := server.read(), server.read()
	require.Len(t, first.GetCall(), largestBatch)
	require.Len(t, second.GetCall(), 6)
	for i, in := range slices.Concat(first.GetCall(), second.GetCall()) {
		require.Equal(t, strconv.Itoa(i), string(in.GetParam().GetValue()), "in their order")
		require.NoError(t, server.answer(in.GetCallId(), "r"))
	}
	require.Len(t, client.read().GetResolved(), largestBatch)
	require.Len(t, client.read().GetResolved(), 6)

	for range 3 {
		greeting.mustCall(strings.Repeat("x", batchBytes*2/3))
	}
	require.Len(t, server.read().GetCall(), 2, "a batch is full when it has 1 MiB")
	require.Len(t, server.read().GetCall(), 1)
}

func TestReadOneOfOneCall(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	server, client, greeting := b.pair()
	first, second := greeting.mustCall("1"), greeting.mustCall("2")
	for _, in := range server.read().GetCall() {
		require.NoError(t, server.answer(in.GetCallId(), string(in.GetParam().GetValue())))
	}
	one := func(cid *parigotpb.Id) (*syscallpb.ReadOneResponse, error) {
		return client.client.ReadOne(client.ctx, &syscallpb.ReadOneRequest{CallId: cid})
	}
	resp, err := one(second)
	require.NoError(t, err)
	require.Len(t, resp.GetResolved(), 1)
	require.Equal(t, "2", string(resp.GetResolved()[0].GetResult().GetValue()))
	_, err = one(second)
	requireErr(t, err, badCallID)
	resp, err = one(first)
	require.NoError(t, err)
	require.Equal(t, "1", string(resp.GetResolved()[0].GetResult().GetValue()))
}

func TestCancelTellsTheTarget(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	server, client, greeting := b.pair()
	queued, read := greeting.mustCall("read"), greeting.mustCall("queued")
	queued, read = read, queued
	in := server.incoming()
	require.NoError(t, client.cancel(queued))
	require.NoError(t, client.cancel(read))
	requireErr(t, client.cancel(read), badCallID)

	resp := server.read()
	require.Empty(t, resp.GetCall(), "a call that was not read is never seen")
	require.Len(t, resp.GetCancelled(), 1)
	require.Equal(t, in.GetCallId().GetLow(), resp.GetCancelled()[0].GetLow())
	requireErr(t, server.answer(in.GetCallId(), "late"), badCallID)
	client.nothing()

	answered := greeting.mustCall("x")
	require.NoError(t, server.answer(server.incoming().GetCallId(), "faster"))
	requireErr(t, client.cancel(answered), badCallID)
	require.Equal(t, "faster", string(client.result().GetResult().GetValue()))
}

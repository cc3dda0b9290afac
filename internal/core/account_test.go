package core_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/internal/abi"
	"github.com/iansmith/parigot/internal/core"
	"github.com/iansmith/parigot/internal/instance"
	"github.com/iansmith/parigot/pluginsdk/parigotpb"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// TestAccount: what is parked counts until it is taken or forgotten, and a response that
// would not fit is refused before the host holds it.
func TestAccount(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.state.Account = instance.NewAccount(2000)
	large := func(size int) func(context.Context, bytesValue, bytesValue) error {
		return func(_ context.Context, _, resp bytesValue) error {
			resp.Value = make([]byte, size)
			return nil
		}
	}
	code, n := b.invoke(large(1500), 0, b.request(0, nil), 4096, 16)
	require.Zero(t, code)
	require.EqualValues(t, n, b.state.Account.Held())

	code, n = b.invoke(large(2500), 0, b.request(0, nil), 4096, 1024)
	require.Equal(t, -int32(status.ResourceExhausted), code)
	require.ErrorContains(t, b.statusAt(code, 4096, n), "a response of 2503 bytes")
	require.ErrorContains(t, b.statusAt(code, 4096, n), "host_memory_limit")
	require.Zero(t, b.state.Account.Held(), "the next call forgets what nobody took")

	code, n = b.invoke(large(2500), 0, b.request(0, nil), 4096, 16)
	require.Equal(t, -int32(status.ResourceExhausted), code)
	require.EqualValues(t, n, b.state.Account.Held(), "the status is parked instead")
}

// TestAccountOfCarriedCalls: a carrier is told that there is no room before it reads the
// response, whether the call is pending or not.
func TestAccountOfCarriedCalls(t *testing.T) {
	t.Parallel()
	for _, mayBlock := range []bool{false, true} {
		b := newBench(t)
		b.state.Account = instance.NewAccount(2000)
		b.state.Calls = instance.NewCalls(10, b.state.Account, &b.busy)
		gate := make(chan struct{})
		if !mayBlock {
			close(gate)
		}
		call := func(size uint32) (int32, uint32) {
			f := core.Carry(&core.Method{FullName: "test.v1.Test.Call", MayBlock: mayBlock}, func(_ context.Context, _ []byte, room func(uint32) ([]byte, error)) (int32, []byte, error) {
				<-gate
				body, err := room(size)
				return 0, body, err
			})
			stack := []uint64{0, 0, 4096, 16}
			f.Stack(b.ctx, b.m, stack)
			return abi.Split(stack[0])
		}
		if !mayBlock {
			code, n := call(1500)
			require.Zero(t, code)
			require.EqualValues(t, n, b.state.Account.Held())
			code, n = call(2500)
			require.Equal(t, -int32(status.ResourceExhausted), code)
			require.EqualValues(t, n, b.state.Account.Held())
			continue
		}
		for range 2 { // the response of one fits
			code, _ := call(1500)
			require.Equal(t, abi.Pending, code)
		}
		close(gate)
		b.busy.Wait()
		var codes []int32
		for range 2 {
			code, _ := b.await()
			codes = append(codes, code)
		}
		require.ElementsMatch(t, []int32{0, -int32(status.ResourceExhausted)}, codes)
		require.Zero(t, b.state.Account.Held())
	}
}

// TestAccountOfMetadata: a pending call counts for the metadata that it keeps.
func TestAccountOfMetadata(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.state.Account = instance.NewAccount(2 << 20)
	b.state.Calls = instance.NewCalls(10, b.state.Account, &b.busy)
	const entries = 10_000
	metadata := make(map[string]string, entries)
	for i := range entries {
		metadata[string([]byte{byte(i), byte(i >> 8)})] = ""
	}
	header := instance.Header{Call: &parigotpb.CallHeader{Metadata: metadata}}

	b.state.Next = header
	release := b.pend(echo)
	require.Greater(t, b.state.Account.Held(), uint64(entries*50))
	b.state.Next = header
	code, n := b.call(echo)
	require.Equal(t, -int32(status.ResourceExhausted), code)
	require.ErrorContains(t, b.statusAt(code, 4096, n), "host_memory_limit")
	release()
	code, _ = b.await()
	require.Zero(t, code)
	require.Zero(t, b.state.Account.Held())
}

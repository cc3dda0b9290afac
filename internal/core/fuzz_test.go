package core_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/internal/abi"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// FuzzStack gives the bridge arbitrary parameters, request bytes
// and outcomes, on real wasm memory. Whatever a guest does, the answer is a
// documented code, nothing is written outside of the response buffer, and the
// next call works. The seeds are in testdata/fuzz.
func FuzzStack(f *testing.F) {
	f.Fuzz(func(t *testing.T, reqPtr, reqLen, respPtr, respCap uint32, data []byte, outcome uint8) {
		b := newBench(t)
		if uint64(reqPtr)+uint64(len(data)) <= memorySize {
			b.m.Memory().Write(reqPtr, data)
		}
		before, _ := b.m.Memory().Read(0, memorySize)
		before = bytes.Clone(before)

		b.mayBlock = outcome >= 128
		code, n := b.invoke(outcomes[int(outcome)%len(outcomes)], reqPtr, reqLen, respPtr, respCap)
		pending := code == abi.Pending
		if pending {
			n = 0 // nothing is to be written, then or later
			code, _ = b.await()
		}
		require.True(t, b.state.Calls.Empty())

		require.Contains(t, documented, code)
		start, end := min(uint64(respPtr), memorySize), min(uint64(respPtr)+uint64(respCap), memorySize)
		if pending || n > respCap || uint64(respPtr)+uint64(respCap) > memorySize {
			end = start // nothing may be written
		}
		after, _ := b.m.Memory().Read(0, memorySize)
		require.True(t, bytes.Equal(before[:start], after[:start]), "written before the response buffer")
		require.True(t, bytes.Equal(before[end:], after[end:]), "written after the response buffer")
		require.Equal(t, n > respCap, b.state.Parked != nil)

		fillMemory(b.m)
		b.mayBlock = false
		code, _ = b.call(echo)
		require.Zero(t, code, "the instance stays usable")
	})
}

var outcomes = []func(context.Context, bytesValue, bytesValue) error{
	echo,
	func(context.Context, bytesValue, bytesValue) error { return status.Error(protoErr(3), "no") },
	func(context.Context, bytesValue, bytesValue) error { return errors.New("secret") },
	func(context.Context, bytesValue, bytesValue) error { panic("secret") },
	func(context.Context, bytesValue, bytesValue) error { return nil },
}

var documented = []int32{
	0, 3,
	-int32(status.InvalidArgument), -int32(status.ResourceExhausted), -int32(status.Internal),
}

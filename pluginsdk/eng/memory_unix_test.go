//go:build unix

package eng

import (
	"math"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// TestMemoryStaysInPlace has a memory grow to its limit where it is, and not beyond.
func TestMemoryStaysInPlace(t *testing.T) {
	t.Parallel()
	m := newMemory(mib, 8*mib)
	require.IsType(t, new(reservedMemory), m)
	defer m.Free()
	first := unsafe.SliceData(m.Reallocate(mib))
	for size := uint64(2 * mib); size <= 8*mib; size += mib {
		b := m.Reallocate(size)
		require.Same(t, first, unsafe.SliceData(b))
		require.EqualValues(t, size, cap(b), "what is behind the memory cannot be accessed")
	}
}

// TestMemoryWithoutAddresses has a memory move when no addresses can be reserved for it.
func TestMemoryWithoutAddresses(t *testing.T) {
	t.Parallel()
	m := newMemory(mib, math.MaxInt64&^0xffff)
	require.IsType(t, new(movableMemory), m)
	require.Len(t, m.Reallocate(mib), mib)
}

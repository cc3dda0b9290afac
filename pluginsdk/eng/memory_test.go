package eng

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero/experimental"
)

const mib = 1 << 20

// TestMemoryGrows has both kinds of memory keep what is in them, and new memory be zero.
func TestMemoryGrows(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]experimental.LinearMemory{
		"reserved": newMemory(mib, 256*mib),
		"movable":  new(movableMemory),
	} {
		b := m.Reallocate(mib)
		require.Len(t, b, mib, name)
		b[0], b[mib-1] = 1, 2
		b = m.Reallocate(100 * mib)
		require.Len(t, b, 100*mib, name)
		require.Equal(t, []byte{1, 2, 0, 0}, []byte{b[0], b[mib-1], b[mib], b[100*mib-1]}, name)
		b[100*mib-1] = 3
		m.Free()
	}
}

// TestManyMemories reserves more than there is, as memory that is not touched is none.
func TestManyMemories(t *testing.T) {
	t.Parallel()
	for range 64 {
		m := newMemory(mib, 4<<30)
		t.Cleanup(m.Free)
		m.Reallocate(2 * mib)[2*mib-1] = 1
	}
}

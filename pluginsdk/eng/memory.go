package eng

import (
	"context"

	"github.com/tetratelabs/wazero/experimental"
)

// withMemory has an instance that starts with ctx get its memory from newMemory, and keep
// its size in size.
func withMemory(ctx context.Context, size *uint64) context.Context {
	return experimental.WithMemoryAllocator(ctx, experimental.MemoryAllocatorFunc(func(capacity, limit uint64) experimental.LinearMemory {
		return measuredMemory{newMemory(capacity, limit), size}
	}))
}

// measuredMemory keeps the size of a memory, which outlives it.
type measuredMemory struct {
	experimental.LinearMemory
	size *uint64
}

// Reallocate implements [experimental.LinearMemory].
func (m measuredMemory) Reallocate(size uint64) []byte {
	b := m.LinearMemory.Reallocate(size)
	if b != nil {
		*m.size = size
	}
	return b
}

// movableMemory is a memory in the Go heap, which is copied when it grows beyond its
// capacity.
type movableMemory struct{ bytes []byte }

// Reallocate implements [experimental.LinearMemory].
func (m *movableMemory) Reallocate(size uint64) []byte {
	if size > uint64(len(m.bytes)) {
		m.bytes = append(m.bytes, make([]byte, size-uint64(len(m.bytes)))...)
	}
	return m.bytes
}

// Free implements [experimental.LinearMemory].
func (m *movableMemory) Free() { m.bytes = nil }

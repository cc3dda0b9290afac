package eng

import (
	"context"

	"github.com/tetratelabs/wazero/experimental"
)

// withMemory has an instance that starts with ctx get its memory from newMemory.
func withMemory(ctx context.Context) context.Context {
	return experimental.WithMemoryAllocator(ctx, experimental.MemoryAllocatorFunc(newMemory))
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

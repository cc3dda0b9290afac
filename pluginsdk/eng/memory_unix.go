//go:build unix

package eng

import (
	"golang.org/x/sys/unix"

	"github.com/tetratelabs/wazero/experimental"
)

// newMemory reserves the addresses of a guest's memory, up to its limit, and takes
// memory for the size that it begins with. A memory that grows stays where it is, where
// wazero's own copies all of it. Memory is taken from the system as the guest touches
// it, and is none of the Go heap. Where the addresses cannot be had the memory is a
// movable one.
func newMemory(size, limit uint64) experimental.LinearMemory {
	reserved, err := unix.Mmap(-1, 0, int(limit), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return new(movableMemory)
	}
	m := &reservedMemory{reserved: reserved}
	if m.Reallocate(size) == nil {
		m.Free()
		return new(movableMemory)
	}
	return m
}

// reservedMemory is a memory that does not move.
type reservedMemory struct {
	reserved []byte
	size     uint64 // of what can be accessed
}

// Reallocate implements [experimental.LinearMemory]. It returns nil when the system
// refuses memory, and the guest's memory.grow fails.
func (m *reservedMemory) Reallocate(size uint64) []byte {
	if size > m.size {
		if err := unix.Mprotect(m.reserved[m.size:size], unix.PROT_READ|unix.PROT_WRITE); err != nil {
			return nil
		}
		m.size = size
	}
	return m.reserved[:size:size]
}

// Free implements [experimental.LinearMemory]. It gives the memory and the addresses
// back.
func (m *reservedMemory) Free() {
	_ = unix.Munmap(m.reserved) // it fails for what is no mapping only
	m.reserved = nil
}

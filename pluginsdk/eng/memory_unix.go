//go:build unix

package eng

import (
	"math"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tetratelabs/wazero/experimental"
)

const (
	// hugePage is the size of the larger pages of memory, in bytes.
	hugePage = 2 << 20
	// smallStart is how many bytes at the beginning of a memory have pages of the usual
	// size: as much as a Go guest has that does little. Guests that stay small would take
	// half as much again.
	smallStart = 4 << 20
)

// newMemory reserves the addresses of a guest's memory, up to its limit, and takes
// memory for the size that it begins with. A memory that grows stays where it is, where
// wazero's own copies all of it. Memory is taken from the system as the guest touches
// it, in huge pages where it can, and is none of the Go heap. Where the addresses cannot
// be had the memory is a movable one.
func newMemory(size, limit uint64) experimental.LinearMemory {
	if limit > math.MaxInt-hugePage { // of 32 bits
		return new(movableMemory)
	}
	mapped, err := unix.Mmap(-1, 0, int(limit+hugePage), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return new(movableMemory)
	}
	// Huge pages begin at multiples of their size.
	start := uint64(-uintptr(unsafe.Pointer(unsafe.SliceData(mapped))) % hugePage)
	m := &reservedMemory{mapped: mapped, reserved: mapped[start : start+limit]}
	if limit > smallStart {
		adviseHugePages(m.reserved[smallStart:])
	}
	if m.Reallocate(size) == nil {
		m.Free()
		return new(movableMemory)
	}
	return m
}

// reservedMemory is a memory that does not move.
type reservedMemory struct {
	mapped   []byte
	reserved []byte // the part of mapped that may become the guest's
	open     uint64 // how much of it can be accessed
}

// Reallocate implements [experimental.LinearMemory]. It returns nil when the system
// refuses memory, and the guest's memory.grow fails.
func (m *reservedMemory) Reallocate(size uint64) []byte {
	if size > m.open {
		// A huge page has to be open as a whole.
		open := min((size+hugePage-1)/hugePage*hugePage, uint64(len(m.reserved)))
		if err := unix.Mprotect(m.reserved[m.open:open], unix.PROT_READ|unix.PROT_WRITE); err != nil {
			return nil
		}
		m.open = open
	}
	return m.reserved[:size:size]
}

// Free implements [experimental.LinearMemory]. It gives the memory and the addresses
// back.
func (m *reservedMemory) Free() {
	_ = unix.Munmap(m.mapped) // it fails for what is no mapping only
	m.mapped, m.reserved = nil, nil
}

package guest

import (
	"math"
	"runtime"
	"runtime/debug"
)

const (
	// breather is how many bytes of responses come between two times that others run.
	breather = 256 << 10
	// perMessage is what a response takes beside its contents, about, in bytes.
	perMessage = 256
)

// owned counts the bytes since the last time.
var owned int

// breathe notes that a response of n bytes is to own its data. Nothing interrupts a
// goroutine of a guest: one that makes calls all the time, which allocates and never
// waits, would keep the garbage collector from its work, and the heap would grow beyond
// what it was to be. Now and then it lets others run.
func breathe(n int) {
	if owned += n + perMessage; owned > breather {
		owned = 0
		runtime.Gosched()
	}
}

// large is the size from which on an allocation is worth a look at the memory, in bytes.
const large = 1 << 20

// sinceCollection counts the bytes of large allocations since fits collected garbage.
var sinceCollection int64

// fits makes room for n bytes, which the caller is about to allocate, and reports whether
// there is some. A large object needs memory in one piece, which the garbage collector does
// not know: it comes too late, after several objects that nobody needs any more, and an
// allocation that fails ends the guest. So after each quarter of the memory limit that is
// allocated for large objects, garbage is collected here. Other goroutines may run
// meanwhile. Without GOMEMLIMIT nothing is known.
func fits(n int) bool {
	if n < large {
		return true
	}
	limit := debug.SetMemoryLimit(-1)
	if limit == math.MaxInt64 {
		return true
	}
	if sinceCollection += int64(n); sinceCollection <= limit/4 {
		return true
	}
	runtime.GC()
	sinceCollection = int64(n)
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	// The engine sets the limit to three quarters of what there is.
	return int64(m.HeapAlloc)+int64(n) <= limit+limit/4
}

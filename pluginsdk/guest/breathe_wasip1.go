package guest

import "runtime"

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

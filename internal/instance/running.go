package instance

import (
	"sync"
	"sync/atomic"
	"time"
)

// Running are the calls of one instance that implementations have not returned from, for who
// watches them from another goroutine. The zero value has none.
type Running struct {
	// The call that the goroutine of the instance is in.
	method atomic.Pointer[string]
	since  atomic.Int64 // when it began, after epoch; 0: there is none

	mu      sync.Mutex
	flights *Flight // the calls that go on while the instance runs, newest first
}

// epoch is what [Now] and the times of [Running] are relative to.
var epoch = time.Now().Add(-1)

// Now is [time.Now] for measuring and for deadlines: it asks for one clock, and not for two. What
// the clock on the wall has been set to since the program started, it does not know.
func Now() time.Time { return epoch.Add(time.Since(epoch)) }

// Flight is one of the calls that go on while their instance runs.
type Flight struct {
	call       RunningCall
	prev, next *Flight
}

// RunningCall is a call that an implementation has not returned from. It is comparable.
type RunningCall struct {
	Method string
	Since  time.Duration // after an arbitrary moment, see [RunningCall.For]
}

// For returns how long the call has been running.
func (c RunningCall) For() time.Duration { return time.Since(epoch) - c.Since }

// Begin notes that the goroutine of the instance is in a call. method is kept, and must not
// change. Each Begin is followed by an End.
func (r *Running) Begin(method *string, start time.Time) {
	if r.method.Load() != method { // cheaper than to store the same again
		r.method.Store(method)
	}
	r.since.Store(int64(start.Sub(epoch)))
}

// End notes that the call has returned.
func (r *Running) End() { r.since.Store(0) }

// InCall reports whether the goroutine of the instance is in a call.
func (r *Running) InCall() bool { return r.since.Load() != 0 }

// Depart notes a call that goes on while the instance runs. f belongs to r until Land.
func (r *Running) Depart(f *Flight, method string, start time.Time) {
	f.call = RunningCall{Method: method, Since: start.Sub(epoch)}
	r.mu.Lock()
	defer r.mu.Unlock()
	f.next = r.flights
	if f.next != nil {
		f.next.prev = f
	}
	r.flights = f
}

// Land notes that the call has returned.
func (r *Running) Land(f *Flight) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f.prev != nil {
		f.prev.next = f.next
	} else {
		r.flights = f.next
	}
	if f.next != nil {
		f.next.prev = f.prev
	}
}

// Each calls yield with each running call until that is false. It holds no lock meanwhile.
func (r *Running) Each(yield func(RunningCall) bool) {
	since := r.since.Load()
	method := r.method.Load()
	// If since is the same as before, the method was that of its call.
	if since != 0 && r.since.Load() == since && !yield(RunningCall{*method, time.Duration(since)}) {
		return
	}
	for _, call := range r.departed() {
		if !yield(call) {
			return
		}
	}
}

// departed returns the calls that go on while the instance runs.
func (r *Running) departed() (calls []RunningCall) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for f := r.flights; f != nil; f = f.next {
		calls = append(calls, f.call)
	}
	return calls
}

package guest

import (
	"context"
	"time"
	"unsafe"

	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/abi"
	"github.com/iansmith/parigot/internal/wirestatus"
	"github.com/iansmith/parigot/pluginsdk/status"
)

const (
	// resultsSize is the size of the buffer for what await delivers, in bytes. A
	// result that is larger costs one more import call.
	resultsSize = 16 << 10
	// firstTick and lastTick are the shortest and the longest time between two
	// looks for results while other goroutines keep the guest busy.
	firstTick = 10 * time.Millisecond
	lastTick  = time.Minute
)

// poller waits for results without stopping other goroutines.
type poller interface {
	// wait calls ready, and again each time that the host may have results,
	// until it returns true or the time is over; it returns whether it was the
	// former.
	wait(ready func() bool) (bool, error)
	// limit sets that time, from now, for the wait that goes on as well. Negative is any.
	limit(d time.Duration)
}

// pendingCall is a call that goes on in the host.
type pendingCall struct {
	handle uint32
	method *Method // nil: the bytes of the response are wanted
	resp   proto.Message
	body   []byte
	err    error         // valid when done is closed, like resp and body
	done   chan struct{} // closed when the result is there
}

// pend has a pending call wait for its result. The caller holds w.mu, and has
// held it since the call: no result could be delivered before.
func (w *wire) pend(p *pendingCall) *pendingCall {
	p.done = make(chan struct{})
	if w.pending == nil {
		w.pending = map[uint32]*pendingCall{}
	}
	w.pending[p.handle] = p
	w.lookSoon()
	if w.pumping {
		return p
	}
	w.pumping = true
	if w.resume == nil {
		w.resume = make(chan struct{}, 1)
		w.pumps.Store(1)
		go w.pump()
	}
	w.resume <- struct{}{}
	return p
}

// finish waits for the result of a pending call, or for the end of ctx, in which
// case the host is told to end the call too.
func (w *wire) finish(ctx context.Context, p *pendingCall) error {
	end := ctx.Done()
	if end == nil { // a select costs much more
		<-p.done
		return p.err
	}
	select {
	case <-p.done:
		return p.err
	case <-end:
	}
	w.mu.Lock()
	if w.pending[p.handle] == p {
		w.pending[p.handle] = nil // its result will come, and nobody wants it
		w.cancel(p.handle)
		w.mu.Unlock()
		return wirestatus.Coded(ctx.Err())
	}
	w.mu.Unlock()
	<-p.done // it came at the same time
	return p.err
}

// pump collects results as long as calls are pending. While it polls, the guest does
// not count as deadlocked, and when nothing is pending it has to, if nothing else
// runs: so then it waits like any other goroutine.
//
// The poller wakes it when no other goroutine can run. Should the others never rest,
// it looks by itself now and then: the longer there was no result that way, and no new
// call, the later.
func (w *wire) pump() {
	for range w.resume {
		for open := true; open; {
			ready, err := w.poll.wait(func() (stop bool) {
				stop, open = w.collect(0)
				return stop
			})
			switch {
			case err != nil:
				// Nothing to poll: the guest has to stand still.
				_, open = w.collect(-1)
			case !ready:
				w.lookLater()
				_, open = w.collect(0)
			}
		}
	}
}

// lookSoon has the pump look for results by itself after the first tick again. The
// caller holds w.mu.
func (w *wire) lookSoon() {
	if w.tick != firstTick {
		w.tick = firstTick
		w.poll.limit(firstTick)
	}
}

// lookLater has it look after twice the time.
func (w *wire) lookLater() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tick = min(2*w.tick, lastTick)
	w.poll.limit(w.tick)
}

// collect gives finished calls their results. It returns whether there were some or
// there will be none, and whether calls are still pending; if not, the pump has to
// stop.
func (w *wire) collect(timeoutNs int64) (stop, open bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.results == nil {
		w.results = make([]byte, resultsSize)
	}
	code, n := abi.Split(uint64(w.await(timeoutNs, unsafe.Pointer(unsafe.SliceData(w.results)), uint32(len(w.results)))))
	if code != 0 {
		w.fail(code)
	}
	for rest := w.results[:min(n, resultsSize)]; len(rest) >= abi.RecordSize; {
		r := abi.ReadRecord(rest)
		rest = rest[abi.RecordSize:]
		if uint64(r.Size) <= uint64(len(rest)) {
			w.deliver(r, rest[:r.Size], nil)
			rest = rest[r.Size:]
			continue
		}
		body, err := w.receive(r.Size, new(buffer))
		w.deliver(r, body, err)
		rest = nil
	}
	if n > 0 {
		w.lookSoon()
	}
	w.pumping = len(w.pending) > 0
	return n > 0 || !w.pumping, w.pumping
}

// deliver gives a call its result. The messages own their data.
func (w *wire) deliver(r abi.Record, body []byte, err error) {
	p := w.pending[r.Handle]
	w.forget(r.Handle)
	if p == nil {
		return
	}
	switch {
	case err != nil:
		p.err = err
	case p.method != nil:
		p.err = answer(r.Code, body, p.method, nil, p.resp)
	case r.Code != 0:
		p.err = wirestatus.Decode(r.Code, body)
	default:
		p.body = append([]byte(nil), body...)
	}
	close(p.done)
}

// fail ends all pending calls: the host does not know of them.
func (w *wire) fail(code int32) {
	for handle, p := range w.pending {
		w.forget(handle)
		if p != nil {
			p.err = status.Errorf(status.Internal, "the host lost the call: await returned the code %d", code)
			close(p.done)
		}
	}
}

// forget ends a pending call, and with it the wait of those that wait for room.
func (w *wire) forget(handle uint32) {
	delete(w.pending, handle)
	w.ended++
	if w.arrival != nil {
		close(w.arrival)
		w.arrival = nil
	}
}

// ends returns how many pending calls have ended.
func (w *wire) ends() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ended
}

// awaitEnd waits until more than n pending calls have ended. It is false when none is
// pending.
func (w *wire) awaitEnd(n uint64) bool {
	w.mu.Lock()
	switch {
	case w.ended > n:
		w.mu.Unlock()
		return true
	case len(w.pending) == 0:
		w.mu.Unlock()
		return false
	case w.arrival == nil:
		w.arrival = make(chan struct{})
	}
	arrival := w.arrival
	w.mu.Unlock()
	<-arrival
	return true
}

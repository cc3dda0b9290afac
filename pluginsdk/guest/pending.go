package guest

import (
	"context"
	"time"
	"unsafe"

	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/pluginsdk/internal/abi"
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
	// former. A new time counts from now, 0 keeps the one that runs.
	wait(limit time.Duration, ready func() bool) (bool, error)
}

// pendingCall is a call that goes on in the host.
type pendingCall struct {
	handle uint32
	resp   proto.Message
	err    error         // valid when done is closed, like resp
	done   chan struct{} // closed when the result is there
}

// pend makes a pending call that waits for its result. The caller holds w.mu, and has
// held it since the call: no result could be delivered before.
func (w *wire) pend(handle uint32, resp proto.Message) *pendingCall {
	p := &pendingCall{handle: handle, resp: resp, done: make(chan struct{})}
	if w.pending == nil {
		w.pending = map[uint32]*pendingCall{}
	}
	w.pending[handle] = p
	if w.pumping {
		return p
	}
	w.pumping = true
	if w.resume == nil {
		w.resume = make(chan struct{}, 1)
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
		return statusOf(ctx.Err())
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
// it looks by itself now and then: the longer there was no result that way, the
// later.
func (w *wire) pump() {
	tick, limit := firstTick, firstTick
	for range w.resume {
		for open := true; open; {
			got := 0
			ready, err := w.poll.wait(limit, func() bool {
				got, open = w.collect(0)
				return got > 0 || !open
			})
			limit = 0
			switch {
			case err != nil:
				// Nothing to poll: the guest has to stand still.
				_, open = w.collect(-1)
			case !ready:
				got, open = w.collect(0)
				tick = min(2*tick, lastTick)
				limit = tick
			}
			if got > 0 && tick > firstTick {
				tick, limit = firstTick, firstTick
			}
		}
	}
}

// collect gives finished calls their results. It returns how many there were, and
// whether calls are still pending; if not, the pump has to stop.
func (w *wire) collect(timeoutNs int64) (got int, open bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.results == nil {
		w.results = make([]byte, resultsSize)
	}
	code, n := abi.Split(uint64(w.await(timeoutNs, unsafe.Pointer(unsafe.SliceData(w.results)), uint32(len(w.results)))))
	if code != 0 {
		w.fail(code)
	}
	defer w.trim()
	for rest := w.results[:min(n, resultsSize)]; len(rest) >= abi.RecordSize; got++ {
		r := abi.ReadRecord(rest)
		rest = rest[abi.RecordSize:]
		if uint64(r.Size) <= uint64(len(rest)) {
			w.deliver(r, rest[:r.Size], nil)
			rest = rest[r.Size:]
			continue
		}
		err := w.takeParked(r.Size)
		w.deliver(r, w.resp, err)
		rest = nil
	}
	w.pumping = len(w.pending) > 0
	return got, w.pumping
}

// deliver gives a call its result. The messages own their data.
func (w *wire) deliver(r abi.Record, body []byte, err error) {
	p := w.pending[r.Handle]
	delete(w.pending, r.Handle)
	if p == nil {
		return
	}
	p.err = err
	if err == nil {
		p.err = decode(r.Code, body, p.resp)
	}
	close(p.done)
}

// fail ends all pending calls: the host does not know of them.
func (w *wire) fail(code int32) {
	for handle, p := range w.pending {
		delete(w.pending, handle)
		if p != nil {
			p.err = status.Errorf(status.Internal, "the host lost the call: await returned the code %d", code)
			close(p.done)
		}
	}
}

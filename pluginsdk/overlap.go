package pluginsdk

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/iansmith/parigot/internal/abi"
	"github.com/iansmith/parigot/internal/instance"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// patience is how long a guest stands still for a call that may block before it
// gets PENDING, and attempts is how often it looks, where time stands still.
const (
	patience = 20 * time.Microsecond
	attempts = 1000
)

// overlaps reports whether the call may go on while its guest runs: the method
// has to say that it may block, and the guest has to know what PENDING means.
func (x *exchange) overlaps(ctx context.Context) bool {
	m, ok := ctx.(*methodContext)
	return ok && m.mayBlock && x.inst.Calls != nil
}

// flight is a call on a goroutine of its own. Whoever is second to move its stage
// answers the guest: the bridge when the implementation was fast enough, and the
// goroutine, through parigot.await, when it was not.
type flight struct {
	call     *callContext
	inst     *instance.State
	slot     *instance.OpenCall
	seen     instance.Flight // by who watches
	stop     context.CancelFunc
	start    time.Time
	departed func()                   // may be nil: called once the request has its room
	reply    func(x *exchange) uint64 // gives the guest what the implementation left
	code     int32                    // what the implementation returned, if it did
	returned bool
	stage    atomic.Int32
}

// The stages of a [flight] after the first, in which both are under way.
const (
	stageDone    = 1 // the implementation has ended, the bridge answers
	stagePending = 2 // the guest has gone on, the goroutine answers
)

// overlap is exchange.serve for a call that may go on while its guest runs.
func overlap(ctx context.Context, x exchange, t, u message, run func(context.Context) int32) (result uint64) {
	x.pends = true
	f := &flight{call: newCallContext(ctx, x.name), inst: x.inst}
	f.reply = func(x *exchange) uint64 { return x.answer(f.call, f.code, u) }
	return f.begin(x, func(x *exchange) (time.Time, *status.Status, bool) { return x.open(f.call, t) }, run)
}

// begin runs the call: open takes its request, run is the implementation.
func (f *flight) begin(x exchange, open func(*exchange) (time.Time, *status.Status, bool), run func(context.Context) int32) (result uint64) {
	defer func() {
		if p := recover(); p != nil {
			result = x.failAfterPanic(panicStatus(f.call, x.inst, p))
		}
		x.park()
	}()
	start, s, ok := open(&x)
	if !ok {
		return x.refuse(s)
	}
	f.start = start
	size := max(uint64(x.req.size), x.decoded) + metadataSize(f.call.metadata)
	x.release() // depart reserves it for as long as the call goes on
	if s := f.depart(size); s != nil {
		return x.fail(s)
	}
	if f.departed != nil {
		f.departed()
	}
	f.inst.Running.Depart(&f.seen, f.call.name, start)
	go f.fly(run)
	if f.arrivesSoon() {
		x.inst.Calls.Drop(f.slot)
		return f.answer(&x)
	}
	return abi.Result(abi.Pending, f.slot.Handle)
}

// metadataSize returns an upper bound of the bytes that the metadata of a call take.
func metadataSize(metadata map[string]string) (size uint64) {
	const entry = 128 // in the map, and what the strings are rounded up by
	for key, value := range metadata {
		size += entry + uint64(len(key)+len(value))
	}
	return size
}

// depart makes room for the call among those of the instance, and gives it a
// context that ends with the instance or with parigot.cancel. The one that the guest
// runs with may end before: with a call of one of its exports.
func (f *flight) depart(size uint64) *status.Status {
	f.call.Context, f.stop = context.WithCancel(context.WithoutCancel(f.call.Context))
	slot, refusal := f.inst.Calls.Start(size, f.stop)
	if refusal == "" {
		f.slot = slot
		return nil
	}
	f.stop()
	code := status.ResourceExhausted
	if refusal == instance.Ending {
		code = status.Cancelled
	}
	return refuse(code, "%s: %s", f.call.name, refusal)
}

// arrivesSoon waits a moment for the implementation. A timer would be too slow
// for that: an idle processor rounds it up to a millisecond.
func (f *flight) arrivesSoon() bool {
	end := time.Now().Add(patience)
	for range attempts {
		runtime.Gosched()
		if f.stage.Load() == stageDone {
			return true
		}
		if time.Now().After(end) {
			break
		}
	}
	return !f.stage.CompareAndSwap(0, stagePending)
}

// fly runs the implementation.
func (f *flight) fly(run func(context.Context) int32) {
	defer f.land() // deferred, as an implementation may call runtime.Goexit
	defer func() {
		if p := recover(); p != nil {
			f.call.failure = panicStatus(f.call, f.inst, p)
		}
	}()
	f.code = run(f.call)
	f.returned = true
}

// land frees what the call held, and delivers its result if the guest has gone on.
func (f *flight) land() {
	if !f.returned {
		f.code = -int32(status.Internal)
		if f.call.failure == nil {
			f.call.failure = internal(f.call, f.inst, errors.New("the implementation ended its goroutine"))
		}
	}
	f.inst.Running.Land(&f.seen)
	finish(f.call, f.inst, f.start)
	f.stop()
	if f.stage.CompareAndSwap(0, stageDone) {
		return
	}
	// Without a buffer, all of the answer is parked.
	x := exchange{name: f.call.name, inst: f.inst}
	code, _ := abi.Split(f.answer(&x))
	x.settle()
	f.inst.Calls.Finish(f.slot, code, x.parked)
}

// answer is reply for a response that may panic when it is encoded.
func (f *flight) answer(x *exchange) (result uint64) {
	defer func() {
		if p := recover(); p != nil {
			result = x.failAfterPanic(panicStatus(f.call, f.inst, p))
		}
	}()
	return f.reply(x)
}

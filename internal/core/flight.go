package core

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

// flight is a call on a goroutine of its own. The side that changes the stage last answers
// the guest: the bridge when the server was fast enough, and the
// goroutine, through parigot.await, when it was not.
type flight struct {
	exchange // without the guest's buffers once the guest has gone on
	work     work
	run      func(context.Context) int32
	slot     *instance.OpenCall
	seen     instance.Flight // by who watches
	stop     context.CancelFunc
	start    time.Time
	code     int32 // what the server returned, if it did
	returned bool
	stage    atomic.Int32
}

// The stages of a [flight] after the first, in which both are under way.
const (
	stageDone    = 1 // the server has ended, the bridge answers
	stagePending = 2 // the guest has gone on, the goroutine answers
)

// overlap is exchange.serve for a call that may go on while its guest runs, which then may
// change its memory: a request that is carried is copied, and its answer, too.
func overlap(ctx context.Context, x exchange, w work, run func(context.Context) int32) (result uint64) {
	x.pends = true
	f := &flight{exchange: x, work: w}
	f.run = intercepted(&f.exchange, &f.work, run)
	guest := &x // what answers the guest while it waits
	defer func() {
		if p := recover(); p != nil {
			result = guest.failAfterPanic(p)
		}
		guest.park()
	}()
	start, s, ok := guest.open(ctx, &f.work)
	if !ok {
		return guest.refuse(s)
	}
	f.start = start
	size := max(uint64(x.req.size), guest.decoded) + metadataSize(f.ctx.metadata)
	guest.release() // depart reserves it for as long as the call goes on
	if s := f.depart(size); s != nil {
		return guest.fail(s)
	}
	f.work.carried.request = append([]byte(nil), f.work.carried.request...) // there is room for it now
	f.ends = ends{}                                                         // what goes on has no room at the guest
	f.inst.Running.Depart(&f.seen, f.name, start)
	go f.fly()
	if f.arrivesSoon() {
		x.inst.Calls.Drop(f.slot)
		guest.reserved = f.reserved
		return f.reply(guest)
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
	f.ctx.Context, f.stop = context.WithCancel(instance.Apart(f.ctx.Context)) //nolint:fatcontext // once in a call
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
	return refuse(code, "%s: %s", f.name, refusal)
}

// arrivesSoon waits a moment for the server. A timer would be too slow
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

// fly runs the server.
func (f *flight) fly() {
	defer f.land() // deferred, as a server may call runtime.Goexit
	defer func() {
		if p := recover(); p != nil {
			f.ctx.end()
			f.failure = panicked(f.inst, f.name, p)
		}
	}()
	f.code = f.work.do(&f.exchange, f.run)
	f.returned = true
}

// land frees what the call held, and delivers its result if the guest has gone on.
func (f *flight) land() {
	if !f.returned {
		f.code = -int32(status.Internal)
		if f.failure == nil {
			f.failure = internal(f.inst, f.name, errors.New("the implementation ended its goroutine"))
		}
	}
	f.inst.Running.Land(&f.seen)
	f.release() // what an interceptor put in the place of the request
	f.finish(f.start)
	f.stop()
	if f.stage.CompareAndSwap(0, stageDone) {
		return
	}
	// Without room at the guest, all of the answer is parked.
	code, _ := abi.Split(f.reply(&f.exchange))
	f.settle()
	f.inst.Calls.Finish(f.slot, code, f.parked)
}

// reply answers through x, also when a response panics as it is encoded.
func (f *flight) reply(x *exchange) (result uint64) {
	defer func() {
		if p := recover(); p != nil {
			result = x.failAfterPanic(p)
		}
	}()
	if !f.returned {
		return x.fail(f.failure)
	}
	return x.answer(&f.work, f.code)
}

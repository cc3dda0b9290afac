package kernel

import (
	"errors"
	goruntime "runtime"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/serve"
	"github.com/iansmith/parigot/internal/syscallwire"
	"github.com/iansmith/parigot/pluginsdk/guest"
	"github.com/iansmith/parigot/pluginsdk/id"
	"github.com/iansmith/parigot/pluginsdk/status"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

// The reader serves the calls that it reads by itself, because a goroutine for each would cost
// more than most calls do. Should a handler wait for something, others have to be served
// meanwhile: so before each call the reader leaves its place to whoever comes, and wakes a
// stand-in. That runs only if the handler waits, and is the reader then. If it does not, the
// reader is back in its place before, and the stand-in stays awake for the next call, at no cost.

const (
	// idleWait is how long a guest stands still for the next call, when nothing else in it
	// can run, and busyWait when something can.
	idleWait = 2 * time.Millisecond
	busyWait = 200 * time.Microsecond
	// maxStandIns is how many goroutines wait for the place of the reader, with what their
	// stacks have grown to.
	maxStandIns = 64
	// firstRoom is the size of a new buffer for responses, in bytes, and largestKept the one up
	// to which it is used again.
	firstRoom   = 1 << 10
	largestKept = 128 << 10
)

// readers are the goroutines that read, or may have to. The lock of the runtime guards them.
type readers struct {
	reading  bool // somebody is the reader, or will be
	reader   *attendant
	vacant   bool          // the reader serves a call: whoever comes is the reader
	standIns int           // goroutines that wait for come
	called   bool          // come has a token, or the one who took it has not looked yet
	come     chan struct{} // wakes a stand-in
}

// attendant is a goroutine that reads and serves, or may have to.
type attendant struct {
	receiver guest.Receiver
	room     []byte    // for an answer: what comes before it, and the response
	answer   *incoming // whose response is in room, and was not sent; nil: none
	left     func()    // tells that it was sent

	// What the last call had: the next one is often alike.
	caller   id.HostId
	name     string // of caller
	methodID id.MethodId
	method   *handled // nil: none
	calls    []incoming
}

// lot is how many calls are allocated at once, if their requests have up to smallest bytes. One
// that lives keeps the others.
const (
	lot      = 8
	smallest = 256
)

// newCall returns a new call.
func (a *attendant) newCall(size int) *incoming {
	if size > smallest {
		return new(incoming)
	}
	if len(a.calls) == 0 {
		a.calls = make([]incoming, lot)
	}
	c := &a.calls[0]
	a.calls = a.calls[1:]
	return c
}

func newRoom() []byte { return make([]byte, syscallwire.AnswerPrefix, firstRoom) }

// resume has somebody read, which there is a reason for now. The caller holds r.mu.
func (r *runtime) resume() {
	if !r.reading && r.broken == nil {
		r.reading = true
		r.vacate()
	}
}

// vacate leaves the place of the reader to a stand-in. The caller holds r.mu.
func (r *runtime) vacate() {
	r.vacant = true
	if r.called {
		return
	}
	r.called = true
	if r.standIns == 0 {
		go r.attend()
	}
	r.come <- struct{}{}
}

// attend is what a stand-in does: it waits for the place of the reader, reads until it has lost
// that, and begins again, until there is nothing to read for.
func (r *runtime) attend() {
	a := &attendant{room: newRoom()}
	a.left = func() { r.hasLeft(a) }
	for first := true; r.standIn(a, first); first = false {
		r.read(a)
	}
}

// standIn waits until a is the reader. It is false when nothing is read any longer, or enough
// others wait, but for the first time.
func (r *runtime) standIn(a *attendant, first bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for ; first || r.reading && r.standIns < maxStandIns; first = false {
		r.standIns++
		r.mu.Unlock()
		<-r.come
		r.mu.Lock()
		r.standIns--
		r.called = false
		if r.vacant {
			r.vacant, r.reader = false, a
			return true
		}
	}
	r.dismiss()
	return false
}

// dismiss ends the stand-ins, one after the other, when there is nothing to read for. The caller
// holds r.mu.
func (r *runtime) dismiss() {
	if !r.reading && r.standIns > 0 && !r.called {
		r.called = true
		r.come <- struct{}{}
	}
}

// wanted returns how long the guest may stand still for the next call. 0 is when there is
// nothing to read for: then nobody is the reader any longer, and nothing of the guest is pending,
// so that Go finds a guest that waits for itself.
func (r *runtime) wanted() time.Duration {
	r.mu.Lock()
	r.reading = r.broken == nil && len(r.services) > 0 && r.exit == nil
	reading, others := r.reading, r.others()
	r.mu.Unlock()
	switch {
	case !reading:
		return 0
	case others <= 0:
		return idleWait
	}
	goruntime.Gosched()
	return busyWait
}

// read is what the reader does until it is no longer the reader.
func (r *runtime) read(a *attendant) {
	for {
		wait := r.wanted()
		if wait == 0 {
			break
		}
		ended := r.calling.ended()
		got, err := r.next(a.request(wait), &a.receiver, a.left)
		sent := a.answer
		a.answer = nil
		switch {
		case err == nil:
			if !r.take(a, got) {
				return
			}
		case sent != nil: // it is too large: then that is the outcome
			r.answer(sent, nil, syscallpb.Canonical(err))
		case errors.Is(err, status.Of(status.ResourceExhausted)) && r.calling.awaitEnd(ended):
			// As many calls of the guest were pending as may be.
		default:
			r.fail(err)
			return
		}
	}
	r.flush(a) // should the end have come just now
}

// request returns the encoded NextRequest, with the answer that is in room.
func (a *attendant) request(wait time.Duration) []byte {
	next := syscallwire.Answer{WaitNs: int64(wait)}
	if a.answer == nil {
		a.room = a.room[:syscallwire.AnswerPrefix]
	} else {
		next.Call = a.answer.id
	}
	next.Put(a.room, len(a.room)-syscallwire.AnswerPrefix)
	return a.room
}

// take does what Next has brought. It is false when somebody else is the reader now.
func (r *runtime) take(a *attendant, got []byte) (still bool) {
	var d syscallwire.Delivery
	if d.ReadCall(got) {
		return r.accept(a, &d)
	}
	m := new(syscallpb.NextResponse)
	switch err := proto.Unmarshal(got, m); {
	case err != nil:
		r.fail(status.Wrap(status.Internal, err, "decode what the kernel sent"))
		return false
	case m.GetCall() != 0:
		return r.accept(a, &syscallwire.Delivery{
			Call: m.GetCall(), MethodHigh: m.GetMethodHigh(), MethodLow: m.GetMethodLow(),
			CallerHigh: m.GetCallerHigh(), CallerLow: m.GetCallerLow(), CallerName: m.GetCallerName(),
			TimeoutNs: m.GetTimeoutNs(), Metadata: m.GetMetadata(), Param: m.GetParam(),
		})
	}
	for _, call := range m.GetCancelled() {
		r.abandon(call)
	}
	if e := m.GetExit(); e.GetDrained() {
		r.end(e)
	}
	return true
}

// accept serves a call, or refuses it. It is false when somebody else is the reader now.
func (r *runtime) accept(a *attendant, d *syscallwire.Delivery) (still bool) {
	caller := id.From[id.HostKind](d.CallerHigh, d.CallerLow)
	if caller != a.caller || a.name == "" {
		a.caller, a.name = caller, strings.Clone(d.CallerName)
	}
	c := a.newCall(len(d.Param))
	c.id, c.bytes, c.caller = d.Call, len(d.Param), serve.Caller{ID: caller, Name: a.name}
	mid := id.From[id.MethodKind](d.MethodHigh, d.MethodLow)
	r.mu.Lock()
	if mid != a.methodID || a.method == nil || a.method.by.gone {
		a.methodID, a.method = mid, r.methods[mid]
	}
	c.method = a.method
	err := r.admit(c)
	if err == nil {
		c.Start(c.method.by.ctx, &c.caller, d.Metadata, time.Duration(d.TimeoutNs), c.method.Budget)
		r.vacate()
	}
	r.mu.Unlock()
	if err != nil {
		r.answer(c, nil, err)
		return true
	}
	return r.handle(a, c, d.Param)
}

// handle serves a call. It is false when somebody else is the reader now.
func (r *runtime) handle(a *attendant, c *incoming, param []byte) (still bool) {
	returned := false
	defer func() { // deferred, as a handler may end its goroutine
		if !returned {
			r.handled(a, c, nil, errors.New("the handler ended its goroutine"))
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.reader == a {
				r.reader = nil
				r.vacate()
			}
		}
	}()
	room, err := c.method.Run(c, param, a.room[:syscallwire.AnswerPrefix])
	returned = true
	return r.handled(a, c, room, err)
}

// handled is the end of a call. What came of it is sent now, or with the reader's next step.
func (r *runtime) handled(a *attendant, c *incoming, room []byte, err error) (still bool) {
	c.Cancel()
	r.mu.Lock()
	wanted := r.finish(c)
	if still = r.reader == a; still {
		r.vacant = false
	}
	r.mu.Unlock()
	if err == nil {
		a.room = room
	}
	switch {
	case !wanted:
	case still && err == nil:
		a.answer = c
		return true
	case err == nil:
		r.answer(c, room[syscallwire.AnswerPrefix:], nil)
	default:
		r.answer(c, nil, err)
	}
	r.answered(c)
	return still
}

// answered notes that there is nothing left to do for a call.
func (r *runtime) answered(c *incoming) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done(c.method.by, 1)
}

// flush sends the answer that the reader has left for its next step.
func (r *runtime) flush(a *attendant) {
	if c := a.answer; c != nil {
		a.answer = nil
		r.answer(c, a.room[syscallwire.AnswerPrefix:], nil)
		r.answered(c)
	}
}

// hasLeft notes that the host has the answer that the reader has left for its next step.
func (r *runtime) hasLeft(a *attendant) {
	if c := a.answer; c != nil {
		r.answered(c)
	}
	if cap(a.room) > largestKept {
		a.room = newRoom()
	}
}

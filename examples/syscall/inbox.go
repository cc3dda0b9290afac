//go:build !wasip1

package syscall

import (
	"slices"
	"sync"
	"time"

	"github.com/iansmith/parigot/pluginsdk/id"
	"github.com/iansmith/parigot/pluginsdk/status"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

// inbox is where things wait for a guest to read them. Its lock is held for a few
// instructions: nobody takes another one, or waits, while holding it.
//
// While a reader waits, nothing is there: what comes goes to the reader.
type inbox struct {
	limits *settings
	late   func(*CallInfo) // told of a call that was not read in time

	mu     sync.Mutex
	closed bool // the guest has ended
	exit   exitState
	served chan struct{} // closed when all is answered; nil unless somebody drains

	queue       callList // calls to read
	queuedBytes int
	expiry      *time.Timer // runs while there is something in queue, nil before
	expiring    bool
	serving     map[id.CallId]*CallInfo // calls that were read and are to be answered

	outgoing callList                     // calls of the guest that have no result
	expected map[id.CallId]chan<- outcome // those that it has left, and where their results go

	cancelled []uint64 // what was read, and nobody waits for any longer

	readers []*reader // those that wait, first come first served
	spare   *reader
}

// reader is a Next that waits.
type reader struct {
	ch chan *CallInfo // a call, or nil for a notice; never blocks its sender
}

func (b *inbox) init(limits *settings, late func(*CallInfo)) {
	b.limits, b.late = limits, late
	b.queue.side, b.outgoing.side = ofTarget, ofCaller
	b.serving = map[id.CallId]*CallInfo{}
	b.expected = map[id.CallId]chan<- outcome{}
}

// accept says what became of a call that was pushed.
type accept int

const (
	accepted accept = iota
	refusedFull
	refusedGone
)

// push gives the guest a call to serve.
func (b *inbox) push(ci *CallInfo) accept {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || b.exit.leaving {
		return refusedGone
	}
	if r := b.nextReader(); r != nil {
		b.hand(r, ci)
		return accepted
	}
	full := b.queue.size >= b.limits.maxQueuedCalls ||
		b.queue.size > 0 && b.queuedBytes+ci.bytes > b.limits.maxWaitingBytes
	if full {
		return refusedFull
	}
	ci.queuedAt = time.Now()
	b.queue.pushBack(ci)
	b.queuedBytes += ci.bytes
	b.expireLater()
	return accepted
}

// hand gives a call to a reader.
func (b *inbox) hand(r *reader, ci *CallInfo) {
	b.serving[ci.id] = ci
	r.ch <- ci
}

// nextReader takes the first reader that waits, or nil.
func (b *inbox) nextReader() *reader {
	if len(b.readers) == 0 {
		return nil
	}
	r := b.readers[0]
	b.readers = slices.Delete(b.readers, 0, 1)
	return r
}

func (b *inbox) wakeOne() {
	if r := b.nextReader(); r != nil {
		r.ch <- nil
	}
}

func (b *inbox) wakeAll() {
	for _, r := range b.readers {
		r.ch <- nil
	}
	b.readers = nil
}

// park returns a reader that waits, or nil when there is something to read.
func (b *inbox) park() (*reader, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, status.Error(syscallpb.KernelErr_ChannelClosed, "the guest has ended")
	}
	if b.something() {
		return nil, nil //nolint:nilnil // documented
	}
	r := b.spare
	b.spare = nil
	if r == nil {
		r = &reader{ch: make(chan *CallInfo, 1)}
	}
	b.readers = append(b.readers, r)
	return r, nil
}

// collectNext takes the first call, or all notices. Both are nil when nothing is there any longer.
func (b *inbox) collectNext() (*CallInfo, *syscallpb.NextResponse) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if ci := b.queue.first; ci != nil {
		b.dequeue(ci)
		b.serving[ci.id] = ci
		return ci, nil
	}
	notice := &syscallpb.NextResponse{Cancelled: b.cancelled, Exit: b.takeExit()}
	b.cancelled = nil
	if notice.Cancelled == nil && notice.Exit == nil {
		return nil, nil
	}
	return nil, notice
}

// takeExit returns the notice of the end if it is due. The caller has found no calls in the queue.
func (b *inbox) takeExit() *syscallpb.ExitNotice {
	if !b.exitDue() {
		return nil
	}
	b.exit.told = b.exit.everyone
	return &syscallpb.ExitNotice{Code: b.exit.code, Everyone: b.exit.everyone, Drained: b.drained()}
}

// unpark ends a wait that nothing came of. What did come meanwhile stays for the
// next reader.
func (b *inbox) unpark(r *reader) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.Index(b.readers, r); i >= 0 {
		b.readers = slices.Delete(b.readers, i, i+1)
		return
	}
	if ci := <-r.ch; ci != nil && b.serving[ci.id] == ci {
		delete(b.serving, ci.id)
		b.requeue(ci)
	}
	if !b.something() {
		return
	}
	next := b.nextReader()
	switch ci := b.queue.first; {
	case next == nil:
	case ci == nil:
		next.ch <- nil
	default:
		b.dequeue(ci)
		b.hand(next, ci)
	}
}

// requeue puts back what a reader was given and did not take.
func (b *inbox) requeue(ci *CallInfo) {
	ci.queuedAt = time.Now()
	b.queue.pushFront(ci)
	b.queuedBytes += ci.bytes
	b.expireLater()
}

func (b *inbox) dequeue(ci *CallInfo) bool {
	if !b.queue.remove(ci) {
		return false
	}
	b.queuedBytes -= ci.bytes
	return true
}

// reuse keeps a reader whose channel is empty for the next Next.
func (b *inbox) reuse(r *reader) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.spare = r
}

// something reports whether there is anything to read.
func (b *inbox) something() bool {
	return b.queue.size > 0 || len(b.cancelled) > 0 || b.exitDue()
}

// answer takes a call that the guest serves. It is nil when it serves no such.
func (b *inbox) answer(cid id.CallId) *CallInfo {
	b.mu.Lock()
	defer b.mu.Unlock()
	ci := b.serving[cid]
	delete(b.serving, cid)
	b.wakeDrained()
	return ci
}

// serves returns a call that the guest serves, or nil.
func (b *inbox) serves(cid id.CallId) *CallInfo {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.serving[cid]
}

// abandon takes back a call that nobody waits for any longer.
func (b *inbox) abandon(ci *CallInfo) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.dequeue(ci):
	case b.serving[ci.id] == ci:
		delete(b.serving, ci.id)
		b.cancelled = append(b.cancelled, ci.id.Low())
		b.wakeOne()
	}
	b.wakeDrained()
}

// expireLater has calls that are not read in time taken back. One timer does for
// all: it looks at the oldest.
func (b *inbox) expireLater() {
	switch {
	case b.expiring:
		return
	case b.expiry == nil:
		b.expiry = time.AfterFunc(b.limits.writeTimeout, b.expire)
	default:
		b.expiry.Reset(b.limits.writeTimeout)
	}
	b.expiring = true
}

func (b *inbox) expire() {
	for _, ci := range b.expired(time.Now()) {
		b.late(ci)
	}
}

func (b *inbox) expired(now time.Time) (late []*CallInfo) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expiring = false
	for ci := b.queue.first; ci != nil; ci = b.queue.first {
		if left := ci.queuedAt.Add(b.limits.writeTimeout).Sub(now); left > 0 {
			b.expiry.Reset(left)
			b.expiring = true
			break
		}
		b.dequeue(ci)
		late = append(late, ci)
	}
	b.wakeDrained()
	return late
}

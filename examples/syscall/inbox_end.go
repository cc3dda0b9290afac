//go:build !wasip1

package syscall

import (
	"cmp"
	"slices"
)

// exitState is what the guest is told about its end.
type exitState struct {
	code     int32
	leaving  bool // it takes no calls any more
	everyone bool // all were asked to end
	told     bool // it knows that they were
}

// leave has the guest get no more calls. It returns those that it has not read.
func (b *inbox) leave(code int32) []*CallInfo {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.exit.leaving {
		return nil
	}
	b.exit.leaving = true
	if !b.exit.everyone {
		b.exit.code = code
	}
	b.queuedBytes = 0
	unread := b.queue.take()
	b.wakeDrained()
	return unread
}

// drain has the guest get no more calls, and returns what is closed when it has
// answered those that it has, or has ended.
func (b *inbox) drain() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.served == nil {
		b.served = make(chan struct{})
	}
	b.exit.leaving = true
	b.wakeDrained()
	return b.served
}

// tellDrainer tells who drains the guest that no call is left to answer.
func (b *inbox) tellDrainer() {
	if b.served == nil || !b.closed && b.queue.size+len(b.serving) > 0 {
		return
	}
	select {
	case <-b.served: // it was told
	default:
		close(b.served)
	}
}

// askToEnd tells the guest that all are to end.
func (b *inbox) askToEnd(code int32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.exit.everyone {
		return
	}
	b.exit.everyone, b.exit.code = true, code
	b.wakeOne()
	b.wakeDrained()
}

func (b *inbox) drained() bool {
	return (b.exit.leaving || b.exit.everyone) &&
		b.queue.size == 0 && len(b.serving) == 0 && b.outgoing.size == 0
}

// exitDue reports whether a notice of the end is there to be read.
func (b *inbox) exitDue() bool {
	return b.exit.everyone && !b.exit.told || b.drained()
}

// wakeDrained wakes the readers of a guest that has nothing more to wait for, and who
// drains it.
func (b *inbox) wakeDrained() {
	b.tellDrainer()
	if b.drained() {
		b.wakeAll()
	}
}

// close ends everything for a guest that has ended. It returns the calls that it
// should have answered, and those that it made, in the order they were made.
func (b *inbox) close() (unanswered, unresolved []*CallInfo) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.tellDrainer()
	unanswered = b.queue.take()
	for _, ci := range b.serving {
		unanswered = append(unanswered, ci)
	}
	clear(b.serving)
	slices.SortFunc(unanswered, func(x, y *CallInfo) int { return cmp.Compare(x.id.Low(), y.id.Low()) })
	unresolved = b.outgoing.take()
	b.cancelled, b.queuedBytes = nil, 0
	if b.expiry != nil {
		b.expiry.Stop()
	}
	b.wakeAll()
	return unanswered, unresolved
}

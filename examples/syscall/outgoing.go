//go:build !wasip1

package syscall

import (
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/iansmith/parigot/pluginsdk/id"
	"github.com/iansmith/parigot/pluginsdk/status"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

// This file is the caller's half of an inbox: its calls and their results.

// begin enters a call that the guest makes.
func (b *inbox) begin(ci *CallInfo) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return status.Error(syscallpb.KernelErr_ChannelClosed, "the caller has ended")
	}
	if n := b.outgoing.size + b.resolved.len(); n >= b.limits.maxCallsInFlight {
		return status.Errorf(status.ResourceExhausted, "the caller has %d calls in flight: read their results first", n)
	}
	b.outgoing.pushBack(ci)
	return nil
}

// endAt has late called at the deadline of a call, unless it is over by then.
func (b *inbox) endAt(ci *CallInfo, late func(*CallInfo)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if ci.links[ofCaller].listed {
		ci.timer = time.AfterFunc(time.Until(ci.deadline), func() { late(ci) })
	}
}

// forget removes a call that has its result, or will have none. Those that still
// wait for it find that out.
func (b *inbox) forget(ci *CallInfo) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.outgoing.remove(ci)
	stopTimer(ci)
	for b.wakeReaderOf(ci.id) {
	}
	b.wakeDrained()
}

// wakeReaderOf wakes a reader that waits for one call, and reports whether there was
// one.
func (b *inbox) wakeReaderOf(cid id.CallId) bool {
	i := slices.IndexFunc(b.readers, func(r *reader) bool { return r.only == cid })
	if i < 0 {
		return false
	}
	r := b.readers[i]
	b.readers = slices.Delete(b.readers, i, i+1)
	r.ch <- nil
	return true
}

func stopTimer(ci *CallInfo) {
	if ci.timer != nil {
		ci.timer.Stop()
	}
}

// inFlight returns a call of the guest that has no result, or nil.
func (b *inbox) inFlight(cid id.CallId) *CallInfo {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.outgoing.find(cid)
}

// pushResult gives the guest the result of a call. After its end nobody wants it.
func (b *inbox) pushResult(call *syscallpb.ResolvedCall) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	if b.resolvedBytes > 0 && b.resolvedBytes+sizeOf(call.GetResult()) > b.limits.maxWaitingBytes {
		full := failure(status.ResourceExhausted, "the guest does not read its results")
		call.Result, call.ResultError = &anypb.Any{Value: full.body}, full.code
	}
	b.resolvedBytes += sizeOf(call.GetResult())
	b.resolved.push(call)
	cid := id.FromProto[id.CallKind](call.GetCallId())
	if !b.wakeReaderOf(cid) {
		b.wakeOne()
	}
}

// takeResult returns the first result, or nil.
func (b *inbox) takeResult() *syscallpb.ResolvedCall {
	b.mu.Lock()
	defer b.mu.Unlock()
	call, _ := b.resolved.pop()
	b.resolvedBytes -= sizeOf(call.GetResult())
	return call
}

// takeResultOf returns the result of one call, or nil when it is not there.
func (b *inbox) takeResultOf(cid id.CallId) *syscallpb.ResolvedCall {
	b.mu.Lock()
	defer b.mu.Unlock()
	call, _ := b.resolved.remove(func(c *syscallpb.ResolvedCall) bool { return isCall(c, cid) })
	b.resolvedBytes -= sizeOf(call.GetResult())
	return call
}

func (b *inbox) hasResult(cid id.CallId) bool {
	return !cid.IsZero() && b.resolved.any(func(c *syscallpb.ResolvedCall) bool { return isCall(c, cid) })
}

func isCall(c *syscallpb.ResolvedCall, cid id.CallId) bool {
	return id.FromProto[id.CallKind](c.GetCallId()) == cid
}

func sizeOf(a *anypb.Any) int { return len(a.GetTypeUrl()) + len(a.GetValue()) }

// failure returns the result of a call that failed in the kernel.
func failure(code protoreflect.Enum, message string) outcome {
	s, _ := status.From(status.Error(code, message))
	wire, _ := s.WireCode()
	value, err := proto.Marshal(s.Proto())
	if err != nil {
		return outcome{code: wire} // the code tells enough; a valid status always encodes
	}
	return outcome{body: value, code: wire}
}

// fifo is a queue. The zero value is empty.
type fifo[T any] struct {
	items []T
	head  int
}

func (q *fifo[T]) len() int { return len(q.items) - q.head }

func (q *fifo[T]) push(item T) {
	if q.head > 0 && len(q.items) == cap(q.items) {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	q.items = append(q.items, item)
}

func (q *fifo[T]) pop() (item T, ok bool) {
	if q.len() == 0 {
		return item, false
	}
	var none T
	item, q.items[q.head] = q.items[q.head], none
	q.head++
	if q.len() == 0 {
		q.items, q.head = q.items[:0], 0
	}
	return item, true
}

func (q *fifo[T]) any(want func(T) bool) bool {
	for _, item := range q.items[q.head:] {
		if want(item) {
			return true
		}
	}
	return false
}

// remove takes out the first item that want wants.
func (q *fifo[T]) remove(want func(T) bool) (item T, ok bool) {
	for i := q.head; i < len(q.items); i++ {
		if item = q.items[i]; want(item) {
			copy(q.items[q.head+1:i+1], q.items[q.head:i])
			_, _ = q.pop()
			return item, true
		}
	}
	return *new(T), false
}

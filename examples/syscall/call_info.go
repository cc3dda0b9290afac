//go:build !wasip1

package syscall

import (
	"time"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/iansmith/parigot/pluginsdk/id"
	"github.com/iansmith/parigot/pluginsdk/parigotpb"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

// CallInfo is sent to the channels that represent service/method calls: one
// for each ReadOne that waits in a guest that serves. Where nobody waits it
// is queued.
type CallInfo struct {
	id     id.CallId
	caller *hostInfo
	target *hostInfo // the guest that it goes to
	reply  chan *syscallpb.ResolvedCall
	parent *CallInfo // on whose behalf it is made, or nil
	depth  int       // how many calls are above it

	deadline time.Time   // zero for none
	timer    *time.Timer // guarded by the caller's inbox; nil without a deadline
	queuedAt time.Time   // guarded by the target's inbox

	links [2]links // of the lists that it is in

	incoming *incoming // nil once it is delivered
	bytes    int       // of the request and what came beside it
}

// incoming is what ReadOne returns, in one piece of memory. It is apart from the
// CallInfo, which stays until the call is over: a guest that does not answer would
// have the host keep payloads that the guest itself has forgotten.
type incoming struct {
	syscallpb.IncomingCall
	callKey   parigotpb.Id
	methodKey parigotpb.Id
	callerKey parigotpb.Id
}

// call is what a caller asks for.
type call struct {
	caller   *hostInfo
	reply    chan *syscallpb.ResolvedCall // of the host's calls, see promise
	method   id.MethodId
	param    *anypb.Any
	metadata map[string]string
	parent   *CallInfo
	depth    int
	deadline time.Time
}

// newCallInfo makes a call to a guest. It keeps what param and metadata have.
func newCallInfo(cid id.CallId, c *call, target *hostInfo) *CallInfo {
	ci := &CallInfo{
		id: cid, caller: c.caller, target: target, reply: c.reply,
		parent: c.parent, depth: c.depth, deadline: c.deadline,
	}
	in := new(incoming)
	in.callKey.High, in.callKey.Low = cid.High(), cid.Low()
	in.methodKey.High, in.methodKey.Low = c.method.High(), c.method.Low()
	in.CallId, in.MethodId, in.CallerName, in.Metadata = &in.callKey, &in.methodKey, c.caller.name, c.metadata
	if !c.caller.id.IsZero() {
		in.callerKey.High, in.callerKey.Low = c.caller.id.High(), c.caller.id.Low()
		in.Caller = &in.callerKey
	}
	for key, value := range c.metadata {
		ci.bytes += len(key) + len(value)
	}
	in.Param = c.param
	ci.bytes += sizeOf(c.param)
	ci.incoming = in
	return ci
}

// deliver returns the call for a response of ReadOne, once.
func (ci *CallInfo) deliver() *syscallpb.IncomingCall {
	in := &ci.incoming.IncomingCall
	ci.incoming = nil
	if !ci.deadline.IsZero() {
		// A call that is late is about to be cancelled. 0 would mean any time.
		in.TimeoutNs = max(1, int64(time.Until(ci.deadline)))
	}
	return in
}

// path names the guests from the first call on whose behalf ci is made to the
// one that it calls.
func (ci *CallInfo) path() []string {
	var names []string
	for c := ci; c != nil; c = c.parent {
		names = append([]string{c.target.name}, names...)
		if c.parent == nil {
			names = append([]string{c.caller.label()}, names...)
		}
	}
	return names
}

// A call is in up to two lists: that of its caller, until it has a result, and that
// of its target, until it is read.
const (
	ofCaller = iota
	ofTarget
)

type links struct {
	prev, next *CallInfo
	listed     bool
}

// callList is a list of calls that takes no memory of its own. Its calls use
// the links with the index side.
type callList struct {
	side        int
	first, last *CallInfo
	size        int
}

func (l *callList) pushBack(ci *CallInfo) {
	ci.links[l.side] = links{prev: l.last, listed: true}
	if l.last == nil {
		l.first = ci
	} else {
		l.last.links[l.side].next = ci
	}
	l.last = ci
	l.size++
}

func (l *callList) pushFront(ci *CallInfo) {
	ci.links[l.side] = links{next: l.first, listed: true}
	if l.first == nil {
		l.last = ci
	} else {
		l.first.links[l.side].prev = ci
	}
	l.first = ci
	l.size++
}

// remove reports whether ci was in the list.
func (l *callList) remove(ci *CallInfo) bool {
	at := ci.links[l.side]
	if !at.listed {
		return false
	}
	if at.prev == nil {
		l.first = at.next
	} else {
		at.prev.links[l.side].next = at.next
	}
	if at.next == nil {
		l.last = at.prev
	} else {
		at.next.links[l.side].prev = at.prev
	}
	ci.links[l.side] = links{}
	l.size--
	return true
}

// take empties the list and returns what was in it.
func (l *callList) take() []*CallInfo {
	var all []*CallInfo
	for l.first != nil {
		all = append(all, l.first)
		l.remove(l.first)
	}
	return all
}

// find returns the call with the given id, or nil.
func (l *callList) find(cid id.CallId) *CallInfo {
	for ci := l.first; ci != nil; ci = ci.links[l.side].next {
		if ci.id == cid {
			return ci
		}
	}
	return nil
}

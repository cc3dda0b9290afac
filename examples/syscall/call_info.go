//go:build !wasip1

package syscall

import (
	"slices"
	"sync"
	"time"

	"github.com/iansmith/parigot/internal/core"
	"github.com/iansmith/parigot/internal/syscallwire"
	"github.com/iansmith/parigot/pluginsdk/id"
)

// CallInfo is sent to the channels that represent service/method calls: one
// for each Next that waits in a guest that serves. Where nobody waits it
// is queued.
type CallInfo struct {
	id     id.CallId
	caller *hostInfo
	target *hostInfo // the guest that it goes to
	seat   seat      // where its caller waits for the result
	parent *CallInfo // on whose behalf it is made, or nil
	depth  int       // how many calls are above it

	deadline time.Time // zero for none
	queuedAt time.Time // guarded by the target's inbox

	links [2]links // of the lists that it is in

	// What the target is given, once: a guest that does not answer would have the host keep
	// payloads that the guest itself has forgotten. Guarded by seat.
	method   id.MethodId
	param    []byte
	metadata map[string]string
	bytes    int // of the two
}

// outcome is what came of a call: a response, or with a code other than 0 a status; or err,
// when the caller can take neither.
type outcome struct {
	body []byte
	code int32
	err  error
}

// seat is where a caller waits for the result of a call. Until it gets up, its call is in no
// [CallMatcher].
type seat struct {
	mu    sync.Mutex
	reply chan outcome // has room for one; nil when nobody waits here
	room  core.Room    // of a guest that stands still, whose memory has the request; nil: of none
}

// hand gives the result to who waits, and copies it. It is false when nobody does.
func (s *seat) hand(result outcome) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reply == nil {
		return false
	}
	s.reply <- result.in(s.room)
	s.reply, s.room = nil, nil
	return true
}

// taken reports whether somebody waits here.
func (s *seat) taken() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reply != nil
}

// in returns a copy of the result, in a room if that is not nil.
func (o outcome) in(room core.Room) outcome {
	prefix := 0
	if o.code == 0 {
		prefix = syscallwire.ResultPrefix
	}
	switch {
	case o.err != nil:
		return o
	case room == nil:
		return outcome{body: slices.Clone(o.body), code: o.code}
	case o.code == 0 && len(o.body) == 0:
		return outcome{}
	}
	dst, err := room(uint32(prefix + len(o.body)))
	if err != nil {
		return outcome{err: err}
	}
	if prefix > 0 {
		syscallwire.PutResult(dst, len(o.body))
	}
	copy(dst[prefix:], o.body)
	return outcome{body: dst, code: o.code}
}

// leave has nobody wait any longer. It is false if nobody did: the result is there, or the call
// was given up. then, which may be nil, runs before a result can come.
func (ci *CallInfo) leave(then func()) bool {
	s := &ci.seat
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reply == nil {
		return false
	}
	if s.room != nil {
		ci.param = slices.Clone(ci.param)
	}
	s.reply, s.room = nil, nil
	if then != nil {
		then()
	}
	return true
}

// call is what a caller asks for.
type call struct {
	caller   *hostInfo
	reply    chan outcome // where the caller waits for the result
	room     core.Room    // see seat
	method   id.MethodId
	param    []byte
	metadata map[string]string
	parent   *CallInfo
	depth    int
	deadline time.Time
}

// newCallInfo makes a call to a guest. It keeps what param and metadata have.
func newCallInfo(cid id.CallId, c *call, target *hostInfo) *CallInfo {
	ci := &CallInfo{
		id: cid, caller: c.caller, target: target, seat: seat{reply: c.reply, room: c.room},
		parent: c.parent, depth: c.depth, deadline: c.deadline,
		method: c.method, param: c.param, metadata: c.metadata, bytes: len(c.param),
	}
	for key, value := range c.metadata {
		ci.bytes += len(key) + len(value)
	}
	return ci
}

// timeLeft returns the time until the deadline in nanoseconds, or 0.
func (ci *CallInfo) timeLeft() int64 {
	if ci.deadline.IsZero() {
		return 0
	}
	// A call that is late is about to be cancelled. 0 would mean any time.
	return max(1, int64(time.Until(ci.deadline)))
}

// deliver writes the call into a room, once, for a response of Next.
func (ci *CallInfo) deliver(room core.Room) ([]byte, error) {
	ci.seat.mu.Lock()
	defer ci.seat.mu.Unlock()
	d := syscallwire.Delivery{
		Call: ci.id.Low(), MethodHigh: ci.method.High(), MethodLow: ci.method.Low(),
		CallerHigh: ci.caller.id.High(), CallerLow: ci.caller.id.Low(), CallerName: ci.caller.name,
		TimeoutNs: ci.timeLeft(), Metadata: ci.metadata, Param: ci.param,
	}
	dst, err := room(uint32(d.Size()))
	if err != nil {
		return nil, err
	}
	ci.param, ci.metadata = nil, nil
	return dst, d.Put(dst)
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

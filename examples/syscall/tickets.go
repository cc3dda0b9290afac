//go:build !wasip1

package syscall

import (
	"context"
	"maps"
	"runtime"
	"sync"
	"time"

	"github.com/iansmith/parigot/internal/core"
	"github.com/iansmith/parigot/internal/syscallwire"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/id"
	"github.com/iansmith/parigot/pluginsdk/status"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

// longestWait bounds the time for which a guest may stand still.
const longestWait = 10 * time.Millisecond

// moment is how long a guest stands still that asks for ns nanoseconds.
func moment(ns int64) time.Duration { return min(time.Duration(ns), longestWait) }

// timers are for the short waits of guests.
var timers = sync.Pool{New: func() any {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}}

// startTimer returns a timer that fires after d. Give it to releaseTimer.
func startTimer(d time.Duration) *time.Timer {
	t, _ := timers.Get().(*time.Timer)
	t.Reset(d)
	return t
}

func releaseTimer(t *time.Timer) {
	t.Stop()
	timers.Put(t)
}

// spinning is how long somebody who waits looks for what it waits for, and lets others run in
// between, before it sleeps, because to wake somebody takes longer than a small call. attempts is
// how often, where time stands still.
const (
	spinning = 20 * time.Microsecond
	attempts = 200
)

// spin reports whether there is something before spinning is over.
func spin(there func() bool) bool {
	var end time.Time
	for i := range attempts {
		if there() {
			return true
		}
		runtime.Gosched()
		switch now := time.Now(); {
		case i == 0:
			end = now.Add(spinning)
		case now.After(end):
			return there()
		}
	}
	return there()
}

// callTicket is a call of a guest, from Call.
type callTicket struct {
	kernel *kernel
	ci     *CallInfo
	reply  chan outcome // has room for one
	wait   time.Duration
	left   bool     // the result comes by way of the [CallMatcher], and is in no room yet
	result *outcome // nil: none yet
}

var _ core.Ticket = (*callTicket)(nil)

// call sends a call on its way.
func (k *kernel) call(ctx context.Context, h *hostInfo, req *syscallwire.Call, room core.Room) (*callTicket, error) {
	mid := id.From[id.MethodKind](req.MethodHigh, req.MethodLow)
	s, err := k.callee(h, mid, len(req.Param))
	if err != nil {
		return nil, err
	}
	c := &call{
		caller: h, method: mid, param: req.Param, metadata: maps.Clone(pluginsdk.Metadata(ctx)),
		reply: make(chan outcome, 1), room: room,
	}
	if c.parent, c.depth, err = k.parent(h, req.Parent); err != nil {
		return nil, err
	}
	c.deadline, _ = ctx.Deadline()
	ci, taken, err := k.route(s, c)
	switch {
	case err != nil:
		return nil, err
	case taken == refusedGone:
		return nil, status.Errorf(syscallpb.KernelErr_CallerUnavailable, "nobody serves %s now", s.name)
	}
	return &callTicket{kernel: k, ci: ci, reply: c.reply, wait: moment(req.WaitNs)}, nil
}

// Soon implements [core.Ticket].
func (t *callTicket) Soon() bool {
	if t.wait <= 0 {
		return false
	}
	if spin(func() bool { return len(t.reply) > 0 }) {
		result := <-t.reply // nobody else takes it
		t.result = &result
		return true
	}
	limit := startTimer(t.wait)
	defer releaseTimer(limit)
	select {
	case result := <-t.reply:
		t.result = &result
	case <-limit.C:
	}
	return t.result != nil
}

// Leave implements [core.Ticket].
func (t *callTicket) Leave() bool {
	if t.left = t.kernel.leave(t.ci, t.reply); t.left {
		return true
	}
	result := <-t.reply // it came at the same time
	t.result = &result
	return false
}

// Result implements [core.Ticket].
func (t *callTicket) Result(ctx context.Context, room core.Room) (code int32, body []byte, err error) {
	result := t.result
	if result == nil {
		if result, err = t.await(ctx); err != nil {
			return 0, nil, err
		}
	}
	if t.left {
		*result = result.in(room)
	}
	return result.code, result.body, result.err
}

func (t *callTicket) await(ctx context.Context) (*outcome, error) {
	if caller := t.ci.caller; caller.singleFlight.Load() && !t.kernel.closesRing(t.ci) {
		defer t.kernel.data.undeafen(caller)
	}
	select {
	case result := <-t.reply:
		return &result, nil
	case <-ctx.Done():
	}
	if t.kernel.giveUp(t.ci) {
		return nil, ctx.Err()
	}
	result := <-t.reply // it came at the same time
	return &result, nil
}

// nextTicket is a Next that waits for a call, or for a notice.
type nextTicket struct {
	kernel *kernel
	host   *hostInfo
	wait   time.Duration
	reader *reader   // waits; nil when there is something
	call   *CallInfo // nil: none yet
	notice *syscallpb.NextResponse
}

var _ core.Ticket = (*nextTicket)(nil)

// next answers a call, if req names one, and waits for another.
func (k *kernel) next(h *hostInfo, req *syscallwire.Answer) (*nextTicket, error) {
	if req.Call != 0 {
		if _, err := k.answer(h, req.Call, outcome{body: req.Body, code: req.Code}); err != nil {
			return nil, err
		}
	}
	t := &nextTicket{kernel: k, host: h, wait: moment(req.WaitNs)}
	return t, t.look()
}

// look takes what is there, or waits.
func (t *nextTicket) look() (err error) {
	for t.call == nil && t.notice == nil && t.reader == nil && err == nil {
		if t.reader, err = t.host.park(); t.reader == nil && err == nil {
			t.call, t.notice = t.host.collectNext()
		}
	}
	return err
}

// woken takes what a reader was woken for.
func (t *nextTicket) woken(ci *CallInfo) error {
	t.host.reuse(t.reader)
	t.call, t.reader = ci, nil
	return t.look()
}

// Soon implements [core.Ticket].
func (t *nextTicket) Soon() bool {
	if t.reader == nil || t.wait <= 0 {
		return t.reader == nil
	}
	if r := t.reader; spin(func() bool { return len(r.ch) > 0 }) && t.woken(<-r.ch) != nil {
		return false // Result says so
	}
	if t.reader == nil {
		return true
	}
	limit := startTimer(t.wait)
	defer releaseTimer(limit)
	for t.reader != nil {
		select {
		case ci := <-t.reader.ch:
			if t.woken(ci) != nil {
				return false // Result says so
			}
		case <-limit.C:
			return false
		}
	}
	return true
}

// Leave implements [core.Ticket].
func (t *nextTicket) Leave() bool { return true }

// Result implements [core.Ticket].
func (t *nextTicket) Result(ctx context.Context, room core.Room) (code int32, body []byte, err error) {
	for err = t.look(); t.reader != nil && err == nil; {
		select {
		case ci := <-t.reader.ch:
			err = t.woken(ci)
		case <-ctx.Done():
			t.host.unpark(t.reader)
			t.reader, err = nil, ctx.Err()
		}
	}
	switch {
	case err != nil:
		return 0, nil, err
	case t.call == nil:
		d := syscallwire.Delivery{Notice: t.notice}
		dst, err := room(uint32(d.Size()))
		if err == nil {
			err = d.Put(dst)
		}
		return 0, dst, err
	}
	body, err = t.call.deliver(room)
	if err != nil {
		t.kernel.fail(t.call, status.ResourceExhausted, "the guest "+t.host.name+" cannot take the request")
	}
	return 0, body, err
}

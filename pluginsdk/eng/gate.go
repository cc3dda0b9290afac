package eng

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/iansmith/parigot/pluginsdk/status"
)

// handOver is how long a caller may wait at a [gate] before others no longer overtake it.
const handOver = time.Millisecond

// gate lets a number of callers pass at a time, and a number of others wait. Who comes while
// somebody leaves overtakes those that wait, as it need not be woken: that is what makes many
// short calls fast. After [handOver] the one that has waited longest is next, whoever comes.
type gate struct {
	mu      sync.Mutex
	free    int
	most    int       // that wait
	rouse   func()    // called when somebody has to wait; may be nil
	waiting []*waiter // the one that has waited longest first
	called  *waiter   // was told to look for itself
	refusal error     // of those that enter; nil: none
}

// waiter is who waits at a gate.
type waiter struct {
	since  time.Time
	look   chan struct{} // has a token when there is something to see
	passed bool          // was let through
	forces bool          // is not refused
	err    error         // why it was not let through
}

// enter passes the gate. The caller has to leave. It fails when ctx ends before, with its
// error, and with RESOURCE_EXHAUSTED when as many wait as may.
func (g *gate) enter(ctx context.Context) error {
	g.mu.Lock()
	switch {
	case g.refusal != nil:
		defer g.mu.Unlock()
		return g.refusal
	case g.pass():
		g.mu.Unlock()
		return nil
	case len(g.waiting) >= g.most:
		g.mu.Unlock()
		return status.Errorf(status.ResourceExhausted, "%d calls wait already, which is as many as may", g.most)
	}
	return g.wait(ctx, &waiter{}, len(g.waiting)) // unlocks
}

// refuse has all that enter fail with err, those that wait, too.
func (g *gate) refuse(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refusal = err
	for _, w := range slices.Clone(g.waiting) {
		if w.forces {
			continue
		}
		g.remove(w)
		w.err = err
		if g.called == w {
			g.called = nil // and its token is there
		} else {
			w.look <- struct{}{}
		}
	}
	g.call()
}

// force passes the gate, even if as many wait as may, and if others are refused.
func (g *gate) force(ctx context.Context) error {
	g.mu.Lock()
	if g.pass() {
		g.mu.Unlock()
		return nil
	}
	return g.wait(ctx, &waiter{forces: true}, len(g.waiting))
}

// overtake is force for a caller that is next.
func (g *gate) overtake(ctx context.Context) error {
	g.mu.Lock()
	if g.free > 0 {
		g.free--
		g.mu.Unlock()
		return nil
	}
	return g.wait(ctx, &waiter{forces: true}, 0)
}

// pass lets a caller through that has not waited.
func (g *gate) pass() bool {
	if g.free == 0 || len(g.waiting) > 0 && time.Since(g.waiting[0].since) > handOver {
		return false
	}
	g.free--
	return true
}

// wait waits at a place in the queue, with g locked, and unlocks it.
func (g *gate) wait(ctx context.Context, w *waiter, place int) error {
	w.since, w.look = time.Now(), make(chan struct{}, 1)
	g.waiting = slices.Insert(g.waiting, place, w)
	g.call()
	g.mu.Unlock()
	if g.rouse != nil {
		g.rouse()
	}
	for {
		select {
		case <-w.look:
			if g.looked(w) {
				return w.err
			}
		case <-ctx.Done():
			if g.giveUp(w) {
				return ctx.Err()
			}
			return w.err
		}
	}
}

// looked reports whether a waiter that was called waits no longer.
func (g *gate) looked(w *waiter) bool {
	g.mu.Lock()
	if w.passed || w.err != nil {
		g.mu.Unlock()
		return true
	}
	g.called = nil
	if g.free == 0 { // somebody overtook it, and may not know that it waits
		g.mu.Unlock()
		if g.rouse != nil {
			g.rouse()
		}
		return false
	}
	defer g.mu.Unlock()
	g.free--
	g.remove(w)
	g.call()
	return true
}

// giveUp removes a waiter. It is false if that was let through, or refused, at the same time.
func (g *gate) giveUp(w *waiter) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if w.passed || w.err != nil {
		return false
	}
	g.remove(w)
	if g.called == w {
		g.called = nil
	}
	g.call()
	return true
}

// remind calls rouse if somebody waits.
func (g *gate) remind() {
	g.mu.Lock()
	waits := len(g.waiting) > 0
	g.mu.Unlock()
	if waits && g.rouse != nil {
		g.rouse()
	}
}

func (g *gate) remove(w *waiter) {
	g.waiting = slices.DeleteFunc(g.waiting, func(x *waiter) bool { return x == w })
}

// call has the first waiter look, if there is something to see.
func (g *gate) call() {
	if g.free > 0 && g.called == nil && len(g.waiting) > 0 {
		g.called = g.waiting[0]
		g.called.look <- struct{}{}
	}
}

// leave lets another one pass. If the caller comes back at once it should be polite: then
// one that waits is next.
func (g *gate) leave(polite bool) {
	g.mu.Lock()
	if len(g.waiting) == 0 { // mostly
		g.free++
		g.mu.Unlock()
		return
	}
	defer g.mu.Unlock()
	if !polite && time.Since(g.waiting[0].since) <= handOver {
		g.free++
		g.call()
		return
	}
	w := g.waiting[0]
	g.waiting = append(g.waiting[:0], g.waiting[1:]...)
	w.passed = true
	if g.called == w {
		g.called = nil // and its token is there
		return
	}
	w.look <- struct{}{}
}

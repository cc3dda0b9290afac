package eng

import (
	"cmp"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/iansmith/parigot/internal/instance"
)

const (
	// watchEvery is how often the engine looks for calls that do not return.
	watchEvery = 100 * time.Millisecond
	// stopBudget is how long a call may go on after its guest was stopped, before the log says so.
	stopBudget = DefaultCallBudget
	// A call that is in the log is there again when it has run watchBackoff times as long, and
	// at least every watchMost.
	watchBackoff = 4
	watchMost    = 10 * time.Minute
	// hungCalls bounds how many calls an error names.
	hungCalls = 10
)

// watched is an instance whose calls the engine looks at, until the last one has returned.
type watched struct {
	state   *instance.State
	stopped atomic.Int64                           // how long after the engine's start the instance was stopped; 0: it is not
	told    map[instance.RunningCall]time.Duration // what is in the log, and when it is there again
	over    bool                                   // no calls begin any more; guarded by Host.mu
}

// watchCalls has the log name the calls of an instance that do not return, until unwatch.
func (h *Host) watchCalls(s *instance.State) *watched {
	h.mu.Lock()
	defer h.mu.Unlock()
	w := &watched{state: s}
	if !h.watching {
		h.watching = true
		go h.watchLoop()
	}
	h.watched[w] = struct{}{}
	return w
}

// unwatch forgets an instance whose goroutine has ended, once its last call has returned.
func (h *Host) unwatch(w *watched) {
	w.stop()
	w.state.Running.End()
	h.mu.Lock()
	defer h.mu.Unlock()
	w.over = true
	if !w.running() {
		delete(h.watched, w)
	}
}

// watchLoop looks at all instances again and again, as long as there are some. A call costs
// nothing for it but two stores.
func (h *Host) watchLoop() {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for range tick.C {
		for _, w := range h.watchedInstances() {
			h.tellHung(w)
		}
		if h.watchedAll() {
			return
		}
	}
}

// watchedAll reports whether there is no instance left. If so, the loop ends, and the next
// instance starts another.
func (h *Host) watchedAll() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.watching = len(h.watched) > 0
	return !h.watching
}

// watchedInstances forgets instances that are over, and returns the others.
func (h *Host) watchedInstances() (all []*watched) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.watched {
		if w.over && !w.running() {
			delete(h.watched, w)
			continue
		}
		all = append(all, w)
	}
	return all
}

func (w *watched) running() bool {
	for range w.state.Running.Each {
		return true
	}
	return false
}

// stop notes that the instance is stopped, so that its calls should end.
func (w *watched) stop() { w.stopped.CompareAndSwap(0, max(1, int64(time.Since(started)))) }

// started is what the times of [watched] are relative to.
var started = time.Now()

// tellHung logs the calls of an instance that have not returned in time.
func (h *Host) tellHung(w *watched) {
	var told map[instance.RunningCall]time.Duration
	for call := range w.state.Running.Each {
		took := call.For()
		next, known := w.told[call]
		if !known && !h.isLate(w, call.Method, took) {
			continue
		}
		if took >= next {
			h.logHung(w, call, took)
			next = took + min(took*(watchBackoff-1), watchMost)
		}
		if told == nil {
			told = map[instance.RunningCall]time.Duration{}
		}
		told[call] = next
	}
	w.told = told
}

// isLate reports whether a call should have returned by now.
func (h *Host) isLate(w *watched, method string, took time.Duration) bool {
	if at := w.stopped.Load(); at != 0 && time.Since(started)-time.Duration(at) > stopBudget {
		return true
	}
	if took <= time.Millisecond {
		return false
	}
	budget := h.callBudget(w.state, method)
	return budget > 0 && took > budget
}

// callBudget returns how long a call may take; it is not positive if there is no limit.
func (h *Host) callBudget(s *instance.State, method string) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	f := h.methods[method]
	switch {
	case f.Budget == 0 && f.MayBlock:
		return -1
	default:
		return cmp.Or(f.Budget, s.Limits.Budget)
	}
}

func (h *Host) logHung(w *watched, call instance.RunningCall, took time.Duration) {
	args := []any{
		"call", call.Method, "guest", w.state.Name, "instance", w.state.ID.Short(), "running", took.Round(time.Millisecond),
	}
	if w.stopped.Load() != 0 {
		h.config.logger.Warn("a call of a stopped guest does not return: its plugin does not watch its context", args...)
		return
	}
	if budget := h.callBudget(w.state, call.Method); budget > 0 {
		args = append(args, "budget", budget)
	}
	h.config.logger.Warn("a call does not return", args...)
}

// hung says which calls keep the engine from closing. It is "" if there are none.
func (h *Host) hung() string {
	var all []string
	more := 0
	for _, w := range h.watchedInstances() {
		for call := range w.state.Running.Each {
			if len(all) == hungCalls {
				more++
				continue
			}
			all = append(all, fmt.Sprintf("guest %s is still in %s since %s: its plugin does not watch its context",
				w.state.Name, call.Method, call.For().Round(100*time.Millisecond)))
		}
	}
	if more > 0 {
		all = append(all, fmt.Sprintf("and %d further calls", more))
	}
	return strings.Join(all, "; ")
}

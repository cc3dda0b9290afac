package eng

import (
	"cmp"
	"context"
	"time"

	"github.com/iansmith/parigot/internal/core"
	"github.com/iansmith/parigot/internal/instance"
	"github.com/iansmith/parigot/pluginsdk/id"
)

// enter counts a new instance in, so that Close waits for it. leave counts it
// out and tells the plugins.
func (h *Host) enter(g *Guest) (*instance.State, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, errClosed()
	}
	h.busy.Add(1)
	account := instance.NewAccount(g.config.hostMemory)
	s := h.state()
	s.ID, s.Name, s.Grants, s.Contract, s.Account = id.New[id.HostKind](), g.name, g.config.grants, g.contract, account
	s.Limits.Budget, s.Limits.Stack = cmp.Or(g.config.budget, h.config.budget), g.config.stackLimit
	if g.outline.serves {
		s.Wanted = instance.NewWanted()
	}
	if g.outline.overlaps && h.config.maxPending > 0 {
		s.Calls = instance.NewCalls(h.config.maxPending, account, &h.busy)
	}
	return s, nil
}

// state returns what calls of the engine have in common.
func (h *Host) state() *instance.State {
	return &instance.State{
		Limits:    instance.Limits{MaxRequest: h.config.maxRequest, MaxResponse: h.config.maxResponse, MaxDecoded: h.config.maxDecoded},
		Logger:    h.config.logger,
		Counters:  &h.counters,
		Intercept: core.Chain(h.config.interceptors),
	}
}

// Intercept returns c with the interceptors of the engine around its calls to guests. A [Pool] and
// an [Instance] have them already, and so has what pluginsdk.WithDispatcher gets: it is for another
// way to guests, which says itself how long a call may take. Without interceptors it returns c.
func (h *Host) Intercept(c core.Conn) core.Conn { return core.Steer(c, h.state()) }

// keep has Close end an instance that nobody closed. It is false once Close has
// begun.
func (h *Host) keep(i *Instance) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	h.kept[i] = struct{}{}
	return true
}

func (h *Host) leave(ctx context.Context, i *Instance) {
	defer h.busy.Done()
	s := i.state
	s.Ended.Store(true)
	s.Entered = nil // a call that goes on shall not keep the guest's memory
	h.unwatch(i.watch)
	h.endCalls(s)
	h.mu.Lock()
	delete(h.kept, i)
	h.mu.Unlock()
	h.hooks.GuestEnded(context.WithoutCancel(ctx), Caller{ID: s.ID, Name: s.Name})
}

// endCalls cancels the calls that went on while the instance ran, and lets those
// return that watch their context, so that plugins are told of its end after its
// last call. It does not wait for others longer than a call may take.
func (h *Host) endCalls(s *instance.State) {
	if s.Calls == nil {
		return
	}
	grace := h.config.budget
	if grace < 0 {
		grace = DefaultCallBudget
	}
	quiet := s.Calls.Close()
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-quiet:
	case <-timer.C: // watchLoop says which
	}
}

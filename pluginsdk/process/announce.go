package process

import (
	"context"

	"github.com/iansmith/parigot/internal/frame"
	"github.com/iansmith/parigot/internal/instance"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/parigotpb/processpb"
)

// announcement is a guest that the plugin is told of, once.
type announcement struct {
	done chan struct{}
	err  error // once done is closed
}

// announce tells the plugin of a guest before its first call.
func (p *proc) announce(ctx context.Context, c eng.Caller) error {
	p.mu.Lock()
	a := p.guests[c.ID]
	first := a == nil
	if first {
		a = &announcement{done: make(chan struct{})}
		p.guests[c.ID] = a
	}
	p.mu.Unlock()
	if !first {
		select {
		case <-a.done:
			return a.err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	defer close(a.done)
	a.err = p.tell(ctx, frame.GuestStarted, encodeGuest(c, instance.FromContext(ctx)))
	if a.err != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.guests, c.ID) // the next call tells again
	}
	return a.err
}

// guestEnded tells the plugin that a guest has ended, and waits until it has heard.
func (p *proc) guestEnded(ctx context.Context, c eng.Caller) {
	p.mu.Lock()
	delete(p.guests, c.ID)
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, p.stopGrace)
	defer cancel()
	if err := p.tell(ctx, frame.GuestEnded, encodeGuest(c, nil)); err != nil {
		p.log.Warn("the plugin has not heard of the end of a guest", "guest", c.Name, "err", err)
	}
}

// encodeGuest encodes a guest. state is nil for one that has ended.
func encodeGuest(c eng.Caller, state *instance.State) *processpb.ProcessGuest {
	g := &processpb.ProcessGuest{Id: c.ID.Proto(), Name: clip(c.Name)}
	if state == nil {
		return g
	}
	g.HostMemoryLimit = state.Account.Limit()
	if grants := state.Grants; grants != nil {
		g.Grants = &processpb.ProcessGrants{Calls: grants.Calls, Serves: grants.Serves}
	}
	return g
}

package deploy

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/iansmith/parigot/pluginsdk/status"
)

// stopGuests stops all guests, those that started last first, until ctx ends; then at once.
// Each guest has its share of the time, so that one that does not end leaves some to the
// others.
func (r *run) stopGuests(ctx context.Context) {
	r.mu.Lock()
	r.stopping = true // nothing replaces what is stopped
	guests := slices.Clone(r.guests)
	r.mu.Unlock()
	for left := len(guests); left > 0; left-- {
		g := guests[left-1]
		r.mu.Lock()
		slots := slices.Clone(g.slots)
		r.mu.Unlock()
		share, cancel := share(ctx, left+1) // and something for the plugins
		stopSlots(share, slots)
		cancel()
	}
	r.kill() // what took the place of others
	ended := make(chan struct{})
	go func() { r.busy.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-ctx.Done(): // Close of the engine says who is left
	}
}

// share returns a context that ends with the given part of what is left of ctx.
func share(ctx context.Context, parts int) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Until(deadline)/time.Duration(parts))
}

// stopSlots stops instances, all at the same time, and waits until they have ended, or for
// a moment after ctx has.
func stopSlots(ctx context.Context, slots []*slot) {
	var all sync.WaitGroup
	for _, s := range slots {
		all.Go(func() { s.stop(ctx) })
	}
	all.Wait()
}

// stop ends the slot: an instance that serves others once it has answered them, and any
// other at once.
func (s *slot) stop(ctx context.Context) {
	s.leave()
	defer s.cancel()
	select {
	case <-s.started:
	default:
		return // it has not begun
	}
	if !s.drain(ctx) {
		s.cancel()
	}
	select {
	case <-s.done:
		return
	case <-ctx.Done():
	}
	s.log.Warn("the guest did not end in time, and is stopped")
	s.cancel()
}

// drain asks the instance to end once it has answered its calls. It is false when nobody
// can ask that.
func (s *slot) drain(ctx context.Context) bool {
	d := s.guest.run.drainer
	if d == nil || len(s.guest.config.GetServes()) == 0 {
		return false
	}
	drained := make(chan error, 1)
	go func() { drained <- d.Drain(ctx, s.instance()) }()
	select {
	case err := <-drained:
		if err != nil && status.CodeOf(err) != status.NotFound {
			s.log.Warn("the guest has calls that it did not answer in time", "err", err)
		}
		return err == nil
	case <-s.done:
		return true
	}
}

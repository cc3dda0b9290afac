package serve

import (
	"context"
	"time"

	"github.com/iansmith/parigot/internal/metadata"
	"github.com/iansmith/parigot/pluginsdk/id"
)

// Caller is who makes a call that a guest serves. It is comparable. The zero value stands
// for native code of the host.
type Caller struct {
	// ID names the instance of the guest that calls.
	ID id.HostId
	// Name is the name that the guest was compiled under.
	Name string
}

// String returns the name of the guest, or "the host".
func (c Caller) String() string {
	if c.Name == "" {
		return "the host"
	}
	return c.Name
}

// Call is the context of a call that a guest serves. Its timer starts when somebody asks for
// Done, which most implementations never do.
type Call struct {
	context.Context
	caller   *Caller // nil: the host
	metadata map[string]string

	allowed time.Duration        // 0: any time
	elapsed func() time.Duration // of it, or nil
	limit   time.Duration        // when allowed is over, after epoch; 0: not known yet

	mu    mutex
	over  bool            // Cancel was called
	timed context.Context // made by the first Done
	stop  context.CancelFunc
}

// epoch is what limits are relative to.
var epoch = time.Now()

// Start makes the zero value the context of a call: with the metadata that its caller sent and
// no other, and with a deadline after the lesser of the limits that are positive. A nil caller
// is the host. Cancel must be called when the call is over.
func (c *Call) Start(parent context.Context, by *Caller, sent map[string]string, limit, budget time.Duration) {
	c.StartLazily(parent, by, sent, limit, budget, nil)
	if c.allowed > 0 {
		c.limit = max(1, time.Since(epoch)+c.allowed)
	}
}

// StartLazily is Start without asking what the time is, for which a guest has to ask its host:
// elapsed is asked before Cancel, if at all.
func (c *Call) StartLazily(parent context.Context, by *Caller, sent map[string]string, limit, budget time.Duration, elapsed func() time.Duration) {
	c.Context, c.caller, c.metadata, c.elapsed = parent, by, sent, elapsed
	c.Allow(limit, budget)
}

// Allow is the end of [Call.StartLazily], if that was called without limits.
func (c *Call) Allow(limit, budget time.Duration) {
	if limit <= 0 || budget > 0 && budget < limit {
		limit = budget
	}
	c.allowed = max(0, limit)
}

// end returns when the call has to end, after epoch, or 0.
func (c *Call) end() time.Duration {
	if c.allowed > 0 && c.limit == 0 && !c.over {
		c.limit = max(1, time.Since(epoch)+c.allowed-c.elapsed())
	}
	return c.limit
}

type callKey struct{}

// CallerOf returns who makes the call that ctx belongs to: the zero value when it belongs to
// none.
func CallerOf(ctx context.Context) Caller {
	if c, ok := ctx.Value(callKey{}).(*Call); ok && c.caller != nil {
		return *c.caller
	}
	return Caller{}
}

// Cancel ends the context.
func (c *Call) Cancel() {
	c.mu.Lock()
	c.over = true
	stop := c.stop
	c.mu.Unlock()
	if stop != nil {
		stop()
	}
}

// Deadline implements [context.Context].
func (c *Call) Deadline() (time.Time, bool) {
	parent, ok := c.Context.Deadline()
	limit := c.end()
	if end := epoch.Add(limit); limit != 0 && (!ok || !parent.Before(end)) {
		return end, true
	}
	return parent, ok
}

// Done implements [context.Context].
func (c *Call) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timed == nil {
		timed, stop := c.timer()
		if c.timed == nil { // others may have run meanwhile, in a guest
			c.timed, c.stop = timed, stop
		}
		if c.over {
			c.stop()
		}
	}
	return c.timed.Done()
}

func (c *Call) timer() (context.Context, context.CancelFunc) {
	if limit := c.end(); limit > 0 {
		return context.WithDeadline(c.Context, epoch.Add(limit))
	}
	return context.WithCancel(c.Context)
}

// Err implements [context.Context].
func (c *Call) Err() error {
	c.mu.Lock()
	timed, over := c.timed, c.over
	c.mu.Unlock()
	switch {
	case timed != nil:
		return timed.Err()
	case over:
		return context.Canceled
	case c.allowed > 0 && time.Since(epoch) >= c.end():
		return context.DeadlineExceeded
	}
	return c.Context.Err()
}

// Value implements [context.Context]. It hands on to the timed context once there is one, so
// that contexts made from this one find it there and need no goroutine of their own.
func (c *Call) Value(key any) any {
	switch key {
	case callKey{}:
		return c
	case metadata.Key{}:
		return c.metadata
	}
	c.mu.Lock()
	timed := c.timed
	c.mu.Unlock()
	if timed != nil {
		return timed.Value(key)
	}
	return c.Context.Value(key)
}

package core

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/iansmith/parigot/internal/metadata"
)

// Context is the context that the server of one call gets. Its timer starts when somebody asks
// for Done, because most implementations never do, and a timer costs more than
// the rest of the bridge.
type Context struct {
	context.Context
	name     string        // never changes once a call has begun: others may read it
	deadline time.Time     // zero: that of the parent
	budget   time.Duration // not positive: none
	metadata map[string]string

	// watched is whether somebody has asked for Done. It spares most calls the lock.
	watched atomic.Bool
	mu      sync.Mutex
	timed   context.Context // made by the first Done when there is a deadline
	stop    context.CancelFunc
}

type callKey struct{}

// Name returns the full name of the method.
func (c *Context) Name() string { return c.name }

// NewContext returns the context of a call of the method with the given full name.
func NewContext(ctx context.Context, name string) *Context {
	c := new(Context)
	c.start(ctx, name)
	return c
}

// start makes the zero value the context of a call.
func (c *Context) start(ctx context.Context, name string) { c.Context, c.name = ctx, name }

// FromContext returns the call that ctx belongs to, or nil.
func FromContext(ctx context.Context) *Context {
	if c, ok := ctx.(*Context); ok {
		return c
	}
	c, _ := ctx.Value(callKey{}).(*Context)
	return c
}

// reset prepares a context that nobody has watched for the next call of the same method.
func (c *Context) reset() {
	c.Context, c.deadline, c.budget, c.metadata = nil, time.Time{}, 0, nil
}

// limit moves the deadline to t, unless it is earlier already.
func (c *Context) limit(t time.Time) {
	if c.deadline.IsZero() || t.Before(c.deadline) {
		c.deadline = t
	}
}

// Deadline implements [context.Context].
func (c *Context) Deadline() (time.Time, bool) {
	parent, ok := c.Context.Deadline()
	if c.deadline.IsZero() || (ok && parent.Before(c.deadline)) {
		return parent, ok
	}
	return c.deadline, true
}

// Done implements [context.Context].
func (c *Context) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watched.Store(true)
	if c.deadline.IsZero() {
		return c.Context.Done()
	}
	if c.timed == nil {
		c.timed, c.stop = context.WithDeadline(c.Context, c.deadline)
	}
	return c.timed.Done()
}

// Err implements [context.Context].
func (c *Context) Err() error {
	if timed := c.timer(); timed != nil {
		return timed.Err()
	}
	if err := c.Context.Err(); err != nil {
		return err
	}
	if !c.deadline.IsZero() && time.Until(c.deadline) <= 0 {
		return context.DeadlineExceeded
	}
	return nil
}

// Value hands on to the timed context once there is one, so that contexts made
// from this one find it there and need no goroutine of their own.
func (c *Context) Value(key any) any {
	switch key {
	case callKey{}:
		return c
	case metadata.Key{}:
		return c.metadata // what the host runs the guest with is not the guest's
	}
	if timed := c.timer(); timed != nil {
		return timed.Value(key)
	}
	return c.Context.Value(key)
}

func (c *Context) timer() context.Context {
	if !c.isWatched() {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.timed
}

// isWatched reports whether somebody has asked for Done, as whoever makes a context of
// this one that can end does.
func (c *Context) isWatched() bool { return c.watched.Load() }

// end frees the timer, if there is one, and tells who waits for it that the call is
// over.
func (c *Context) end() {
	if !c.isWatched() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stop != nil {
		c.stop()
	}
}

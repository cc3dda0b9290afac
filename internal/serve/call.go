package serve

import (
	"context"
	"sync"
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
	caller   Caller
	metadata map[string]string
	deadline time.Time // zero: none but the parent's

	mu    sync.Mutex
	over  bool            // Cancel was called
	timed context.Context // made by the first Done
	stop  context.CancelFunc
}

// NewCall returns the context of a call: with the metadata that its caller sent and no other,
// and with a deadline after the lesser of the limits that are positive. Cancel must be called
// when the call is over.
func NewCall(parent context.Context, by Caller, sent map[string]string, limits ...time.Duration) *Call {
	c := &Call{Context: parent, caller: by, metadata: sent}
	least := time.Duration(0)
	for _, l := range limits {
		if l > 0 && (least == 0 || l < least) {
			least = l
		}
	}
	if least > 0 {
		c.deadline = time.Now().Add(least)
	}
	return c
}

type callKey struct{}

// CallerOf returns who makes the call that ctx belongs to: the zero value when it belongs to
// none.
func CallerOf(ctx context.Context) Caller {
	if c, ok := ctx.Value(callKey{}).(*Call); ok {
		return c.caller
	}
	return Caller{}
}

// Cancel ends the context.
func (c *Call) Cancel() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	if c.stop != nil {
		c.stop()
	}
}

// Deadline implements [context.Context].
func (c *Call) Deadline() (time.Time, bool) {
	parent, ok := c.Context.Deadline()
	if c.deadline.IsZero() || ok && parent.Before(c.deadline) {
		return parent, ok
	}
	return c.deadline, true
}

// Done implements [context.Context].
func (c *Call) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timed == nil {
		if c.deadline.IsZero() {
			c.timed, c.stop = context.WithCancel(c.Context)
		} else {
			c.timed, c.stop = context.WithDeadline(c.Context, c.deadline)
		}
		if c.over {
			c.stop()
		}
	}
	return c.timed.Done()
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
	case !c.deadline.IsZero() && !time.Now().Before(c.deadline):
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

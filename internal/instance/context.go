package instance

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Context is what an instance runs with from when its host enters it until it returns. It
// ends with the context of who enters it, with the life of the instance, at its deadline,
// and with Stop. Its timer starts when somebody asks for Done: what runs the guest's code asks
// for Err, now and then.
type Context struct {
	context.Context // of who enters the instance

	// Shared says that the instance lets others enter while it waits.
	Shared bool

	state    *State
	life     context.Context
	deadline time.Time // zero: none but that of who enters
	over     atomic.Bool

	watched atomic.Bool // whether timed is there
	mu      sync.Mutex
	timed   context.Context // made by the first Done
	stop    func()
}

// Enter returns the context with which the instance of s runs until Stop. life ends when
// the instance has to. A zero deadline is none.
func Enter(ctx context.Context, s *State, life context.Context, deadline time.Time) *Context {
	c := new(Context)
	c.Enter(ctx, s, life, deadline)
	return c
}

// Enter makes the zero value what the function Enter returns.
func (c *Context) Enter(ctx context.Context, s *State, life context.Context, deadline time.Time) {
	c.Context, c.state, c.life, c.deadline = ctx, s, life, deadline
}

// Stop ends the context.
func (c *Context) Stop() {
	c.over.Store(true)
	if !c.watched.Load() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stop()
}

type runKey struct{}

// apart is the context of a call that goes on while its instance runs.
type apart struct{ context.Context }

// Apart returns the context of a call that goes on while its instance runs: one with the values
// of ctx, which does not end.
func Apart(ctx context.Context) context.Context { return apart{context.WithoutCancel(ctx)} }

// departed is the run that a call has left that goes on.
type departed struct{ run *Context }

// Value implements [context.Context].
func (a apart) Value(key any) any {
	v := a.Context.Value(key)
	if run, ok := v.(*Context); ok && key == (runKey{}) {
		return departed{run}
	}
	return v
}

// runOf returns the run that ctx belongs to, or nil, and whether that waits for what ctx is of:
// it does not for a call that goes on.
func runOf(ctx context.Context) (run *Context, waits bool) {
	switch v := ctx.Value(runKey{}).(type) {
	case *Context:
		return v, true
	case departed:
		return v.run, false
	}
	return nil, false
}

// Waits reports whether ctx belongs to a call in which the instance of s is, so that nobody
// can enter it before the caller returns. Instances that call each other are seen, too.
func (s *State) Waits(ctx context.Context) bool {
	for c, waits := runOf(ctx); c != nil; c, waits = runOf(c.Context) {
		if c.state == s && !c.over.Load() && (!c.Shared || waits && s.Running.InCall()) {
			return true
		}
	}
	return false
}

// Ended returns why the call that entered the instance has ended: its context or its
// deadline. It is nil when only the instance has, or nothing.
func (c *Context) Ended() error {
	if err := c.Context.Err(); err != nil {
		return err
	}
	if !c.deadline.IsZero() && time.Until(c.deadline) <= 0 {
		return context.DeadlineExceeded
	}
	return nil
}

// Deadline implements [context.Context].
func (c *Context) Deadline() (time.Time, bool) {
	parent, ok := c.Context.Deadline()
	if c.deadline.IsZero() || ok && parent.Before(c.deadline) {
		return parent, ok
	}
	return c.deadline, true
}

// Done implements [context.Context].
func (c *Context) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timed == nil {
		c.timed, c.stop = c.timer()
		c.watched.Store(true)
		if c.over.Load() {
			c.stop()
		}
	}
	return c.timed.Done()
}

func (c *Context) timer() (context.Context, func()) {
	var ctx context.Context
	var cancel context.CancelFunc
	if c.deadline.IsZero() {
		ctx, cancel = context.WithCancel(c.Context)
	} else {
		ctx, cancel = context.WithDeadline(c.Context, c.deadline)
	}
	unhook := context.AfterFunc(c.life, cancel)
	return ctx, func() {
		unhook()
		cancel()
	}
}

// Err implements [context.Context].
func (c *Context) Err() error {
	if c.watched.Load() {
		return c.made().Err()
	}
	if c.over.Load() || c.life.Err() != nil {
		return context.Canceled
	}
	return c.Ended()
}

// Value implements [context.Context]. It hands on to the timed context once there is one, so
// that contexts made from this one find it there and need no goroutine of their own.
func (c *Context) Value(key any) any {
	switch key {
	case contextKey{}:
		return c.state
	case runKey{}:
		return c
	}
	if c.watched.Load() {
		return c.made().Value(key)
	}
	return c.Context.Value(key)
}

func (c *Context) made() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.timed
}

package pluginsdk

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/iansmith/parigot/internal/metadata"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// Source tells what kind of code a context was made for.
type Source string

// ServerGo is the source of every context that an implementation of a plugin
// gets: native Go code that serves a call.
const ServerGo Source = "ServerGo"

// ManufactureHostContext returns a context for the function funcName with the
// source [ServerGo]; [FuncName] and [ContextSource] read them back. The bridge
// calls it for each call; call it yourself to call an implementation's code
// without one, in a test say.
func ManufactureHostContext(ctx context.Context, funcName string) context.Context {
	return newCallContext(ctx, funcName)
}

// FuncName returns the full name of the method that ctx was made for, such as
// "file.v1.File.Open", or "" when there is none.
func FuncName(ctx context.Context) string {
	if c := callFromContext(ctx); c != nil {
		return c.name
	}
	return ""
}

// ContextSource returns [ServerGo] for the context of a call and what descends
// from it, and "" for others.
func ContextSource(ctx context.Context) Source {
	if callFromContext(ctx) != nil {
		return ServerGo
	}
	return ""
}

// Metadata returns what the caller sent beside the request, such as
// "traceparent". It is nil when there is none. It comes from the guest: treat it
// as hostile, and do not change it.
func Metadata(ctx context.Context) map[string]string {
	return metadata.Of(ctx)
}

// WithMetadata returns a context whose calls, through a [Dispatcher] or a local
// client, send key and value beside their requests, and all that is in
// [Metadata] of ctx. Keys are in lower case. A key that ctx has already gets the new
// value.
func WithMetadata(ctx context.Context, key, value string) context.Context {
	return metadata.With(ctx, key, value)
}

// callContext is the context of one call. Its timer starts when somebody asks
// for Done, because most implementations never do, and a timer costs more than
// the rest of the bridge.
type callContext struct {
	context.Context
	name     string        // never changes once a call has begun: others may read it
	deadline time.Time     // zero: that of the parent
	budget   time.Duration // not positive: none
	metadata map[string]string

	// failure is why the implementation failed. Adapt sets it, invoke reads it,
	// both on the goroutine of the call.
	failure *status.Status

	// watched is whether somebody has asked for Done. It spares most calls the lock.
	watched atomic.Bool
	mu      sync.Mutex
	timed   context.Context // made by the first Done when there is a deadline
	stop    context.CancelFunc
}

type callKey struct{}

func newCallContext(ctx context.Context, name string) *callContext {
	return &callContext{Context: ctx, name: name}
}

func callFromContext(ctx context.Context) *callContext {
	if c, ok := ctx.(*callContext); ok {
		return c
	}
	c, _ := ctx.Value(callKey{}).(*callContext)
	return c
}

// reset prepares a context that nobody has watched for the next call of the same method.
func (c *callContext) reset() {
	c.Context, c.deadline, c.budget, c.metadata, c.failure = nil, time.Time{}, 0, nil, nil
}

// limit moves the deadline to t, unless it is earlier already.
func (c *callContext) limit(t time.Time) {
	if c.deadline.IsZero() || t.Before(c.deadline) {
		c.deadline = t
	}
}

func (c *callContext) Deadline() (time.Time, bool) {
	parent, ok := c.Context.Deadline()
	if c.deadline.IsZero() || (ok && parent.Before(c.deadline)) {
		return parent, ok
	}
	return c.deadline, true
}

func (c *callContext) Done() <-chan struct{} {
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

func (c *callContext) Err() error {
	if timed := c.timer(); timed != nil {
		return timed.Err()
	}
	if err := c.Context.Err(); err != nil {
		return err
	}
	if !c.deadline.IsZero() && !time.Now().Before(c.deadline) {
		return context.DeadlineExceeded
	}
	return nil
}

// Value hands on to the timed context once there is one, so that contexts made
// from this one find it there and need no goroutine of their own.
func (c *callContext) Value(key any) any {
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

func (c *callContext) timer() context.Context {
	if !c.isWatched() {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.timed
}

// isWatched reports whether somebody has asked for Done, as whoever makes a context of
// this one that can end does.
func (c *callContext) isWatched() bool { return c.watched.Load() }

// end frees the timer, if there is one, and tells who waits for it that the call is
// over.
func (c *callContext) end() {
	if !c.isWatched() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stop != nil {
		c.stop()
	}
}

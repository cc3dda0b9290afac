// Package future has values that come later, such as the outcomes of calls. [Go] makes any
// method of a generated client asynchronous:
//
//	sent := future.Go(ctx, queue.Send, req)
//	sent.Success(func(resp *queuev1.SendResponse) { … })
//	sent.Failure(func(err error) { … })
//
// To wait for the outcome:
//
//	resp, err := future.Await(ctx, sent)
//
// A future completes once, or is cancelled, and stays as it is then. Handlers run in
// the order they were added, on the goroutine that completes the future; one that is
// added later runs at once, on the goroutine that adds it. No lock is held while a
// handler runs, so it may use the future. A handler that blocks holds up those after
// it, and nobody else. All types are safe for concurrent use.
package future

import (
	"context"
	"sync"

	"github.com/iansmith/parigot/internal/wirestatus"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// Base is a value of type T that comes later. The zero value is one that has not
// come yet. It must not be copied.
type Base[T any] struct {
	mu       sync.Mutex
	state    state
	value    T
	done     chan struct{} // made by the first Done
	handlers []handler[T]
}

type state uint8

const (
	open state = iota
	completed
	cancelled
)

// handler is run when the future has come to the state.
type handler[T any] struct {
	at state
	fn func(T)
}

// NewBase returns a future that has no value yet.
func NewBase[T any]() *Base[T] { return new(Base[T]) }

// Set completes the future with value and runs its handlers. It does nothing and
// returns false when the future has ended before.
func (b *Base[T]) Set(value T) bool { return b.end(completed, value) }

// Cancel ends the future without a value. Its value handlers will never run. It does
// nothing when the future has ended before.
func (b *Base[T]) Cancel() {
	var none T
	b.end(cancelled, none)
}

func (b *Base[T]) end(s state, value T) bool {
	b.mu.Lock()
	if b.state != open {
		b.mu.Unlock()
		return false
	}
	b.state, b.value = s, value
	handlers := b.handlers
	b.handlers = nil
	if b.done != nil {
		close(b.done)
	}
	b.mu.Unlock()
	for _, h := range handlers {
		if h.at == s {
			h.fn(value)
		}
	}
	return true
}

// Handle has fn called with the value when it comes, or at once when it has.
func (b *Base[T]) Handle(fn func(T)) { b.add(handler[T]{completed, fn}) }

// OnCancel has fn called when the future is cancelled, or at once when it has been.
func (b *Base[T]) OnCancel(fn func()) {
	b.add(handler[T]{cancelled, func(T) { fn() }})
}

func (b *Base[T]) add(h handler[T]) {
	b.mu.Lock()
	s, value := b.state, b.value
	if s == open {
		b.handlers = append(b.handlers, h)
	}
	b.mu.Unlock()
	if s == h.at {
		h.fn(value)
	}
}

// Completed reports whether the value has come.
func (b *Base[T]) Completed() bool { return b.is(completed) }

// Cancelled reports whether the future was cancelled.
func (b *Base[T]) Cancelled() bool { return b.is(cancelled) }

func (b *Base[T]) is(s state) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state == s
}

// Value returns the value, and whether it has come.
func (b *Base[T]) Value() (T, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.value, b.state == completed
}

// Done returns a channel that is closed when the future has completed or was
// cancelled. Handlers may still be running then.
func (b *Base[T]) Done() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.done == nil {
		b.done = make(chan struct{})
		if b.state != open {
			close(b.done)
		}
	}
	return b.done
}

// Wait waits for the value. The error is CANCELLED when the future was cancelled,
// and that of ctx when it ends first; the future goes on in that case.
func (b *Base[T]) Wait(ctx context.Context) (T, error) {
	select {
	case <-b.Done():
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch b.state {
	case completed:
		return b.value, nil
	case cancelled:
		return b.value, status.Error(status.Cancelled, "the future was cancelled")
	case open: // ctx has ended
	}
	return b.value, wirestatus.Coded(ctx.Err())
}

// Map returns the future of what fn makes of the value of b. Cancelling one of the
// two cancels the other.
func Map[T, U any](b *Base[T], fn func(T) U) *Base[U] {
	to := NewBase[U]()
	to.OnCancel(b.Cancel)
	b.OnCancel(to.Cancel)
	b.Handle(func(value T) { to.Set(fn(value)) })
	return to
}

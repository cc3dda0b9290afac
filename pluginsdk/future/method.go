package future

import (
	"context"

	"github.com/iansmith/parigot/pluginsdk/status"
)

// Method is the outcome of a call that comes later: a T when the call succeeds, an
// E when it fails. The zero value is one that has not come yet. It must not be
// copied.
type Method[T, E any] struct {
	base Base[outcome[T, E]]
}

type outcome[T, E any] struct {
	value   T
	failure E
	failed  bool
}

// NewMethod returns a future that has not come yet, with a first handler for either
// outcome; nil is none.
func NewMethod[T, E any](success func(T), failure func(E)) *Method[T, E] {
	m := new(Method[T, E])
	if success != nil {
		m.Success(success)
	}
	if failure != nil {
		m.Failure(failure)
	}
	return m
}

// Resolve completes the future with success. It does nothing and returns false when
// the future has ended before.
func (m *Method[T, E]) Resolve(value T) bool {
	return m.base.Set(outcome[T, E]{value: value})
}

// Reject completes the future with failure. It does nothing and returns false when
// the future has ended before.
func (m *Method[T, E]) Reject(failure E) bool {
	return m.base.Set(outcome[T, E]{failure: failure, failed: true})
}

// Success has fn called when the call succeeds, or at once when it has.
func (m *Method[T, E]) Success(fn func(T)) {
	m.base.Handle(func(o outcome[T, E]) {
		if !o.failed {
			fn(o.value)
		}
	})
}

// Failure has fn called when the call fails, or at once when it has.
func (m *Method[T, E]) Failure(fn func(E)) {
	m.base.Handle(func(o outcome[T, E]) {
		if o.failed {
			fn(o.failure)
		}
	})
}

// OnCancel has fn called when the future is cancelled, or at once when it has been.
func (m *Method[T, E]) OnCancel(fn func()) { m.base.OnCancel(fn) }

// Cancel ends the future, and the call behind it if there is one. Neither a success
// nor a failure handler will run. It does nothing when the future has ended before.
func (m *Method[T, E]) Cancel() { m.base.Cancel() }

// Completed reports whether the call has succeeded or failed.
func (m *Method[T, E]) Completed() bool { return m.base.Completed() }

// Cancelled reports whether the future was cancelled.
func (m *Method[T, E]) Cancelled() bool { return m.base.Cancelled() }

// Succeeded returns the value, and whether the call has succeeded.
func (m *Method[T, E]) Succeeded() (T, bool) {
	o, done := m.base.Value()
	return o.value, done && !o.failed
}

// Failed returns the failure, and whether the call has failed.
func (m *Method[T, E]) Failed() (E, bool) {
	o, done := m.base.Value()
	return o.failure, done && o.failed
}

// Done returns a channel that is closed when the future has completed or was
// cancelled. Handlers may still be running then.
func (m *Method[T, E]) Done() <-chan struct{} { return m.base.Done() }

// Wait waits until the call has succeeded or failed, whichever it is; Succeeded and
// Failed tell. The error is CANCELLED when the future was cancelled, and that of ctx
// when it ends first; the call goes on in that case. See [Await].
func (m *Method[T, E]) Wait(ctx context.Context) error {
	_, err := m.base.Wait(ctx)
	return err
}

// Await waits for a call whose failure is an error, and returns what the call
// returned. Its other errors are those of [Method.Wait].
func Await[T any](ctx context.Context, m *Method[T, error]) (T, error) {
	o, err := m.base.Wait(ctx)
	if err == nil {
		err = o.failure
	}
	return o.value, err
}

// Settle completes m with what a call returned: with value when err is nil, and
// with err otherwise.
func Settle[T any](m *Method[T, error], value T, err error) {
	if err != nil {
		m.Reject(err)
		return
	}
	m.Resolve(value)
}

// Then returns the future of a second call, which next starts with the value of the
// first. A failure of either is that of the whole. Cancelling the whole cancels the
// call that is under way; cancelling one of them cancels the whole.
func Then[T, U, E any](m *Method[T, E], next func(T) *Method[U, E]) *Method[U, E] {
	whole := new(Method[U, E])
	whole.OnCancel(m.Cancel)
	m.OnCancel(whole.Cancel)
	m.Failure(func(failure E) { whole.Reject(failure) })
	m.Success(func(value T) {
		second := next(value)
		whole.OnCancel(second.Cancel)
		second.OnCancel(whole.Cancel)
		second.Failure(func(failure E) { whole.Reject(failure) })
		second.Success(func(value U) { whole.Resolve(value) })
	})
	return whole
}

// Go runs call, such as a method of a generated client, with req on a goroutine of its own
// and returns its future. call gets a context that ends with ctx and when the future is
// cancelled. req must not change until the future has completed.
//
// In a guest, where one goroutine runs at a time, call begins before Go returns, unless other
// goroutines are waiting for their turn. A method that may block then goes on in the host
// while the guest does other things; any other is over.
func Go[T, R any](ctx context.Context, call func(context.Context, T) (R, error), req T) *Method[R, error] {
	ctx, cancel := context.WithCancel(ctx)
	m := new(Method[R, error])
	m.OnCancel(cancel)
	go func() {
		var resp R
		// What a call that ends its goroutine leaves.
		err := status.Error(status.Internal, "the call ended its goroutine")
		defer func() {
			cancel()
			Settle(m, resp, err)
		}()
		resp, err = call(ctx, req)
	}()
	yield()
	return m
}

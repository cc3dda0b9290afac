package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// signalError is the cause of a context that a signal ended.
type signalError struct{ signal syscall.Signal }

func (e signalError) Error() string { return fmt.Sprintf("stopped by a signal: %v", e.signal) }

// exitCode is what shells make of a program that the signal ended.
func (e signalError) exitCode() int { return 128 + int(e.signal) }

// withSignals returns a context that ends with the first interrupt or SIGTERM, with a
// [signalError] as its cause. The second one is not caught. stop frees what it holds.
func withSignals(parent context.Context) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case s := <-caught:
			signal.Stop(caught)
			if n, ok := s.(syscall.Signal); ok {
				cancel(signalError{n})
			}
		case <-ctx.Done():
			signal.Stop(caught)
		}
	}()
	return ctx, func() { cancel(context.Canceled) }
}

const (
	// stopGrace is how long a command may go on after the first signal.
	stopGrace = 2 * time.Second
	// runGrace is how much longer than its grace_period a run may take to end.
	runGrace = 5 * time.Second
)

// stopsItself is the annotation of a command that sees to it that it ends after a signal.
const stopsItself = "stopsItself"

// abandonable runs work, and leaves it alone a while after ctx has ended: not all that a
// command calls can be interrupted.
func abandonable(ctx context.Context, grace time.Duration, work func() error) error {
	done := make(chan error, 1)
	go func() { done <- work() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-done:
		return err
	case <-time.After(grace):
		return fmt.Errorf("%w: what has not stopped after %v is abandoned", context.Cause(ctx), grace)
	}
}

// stoppedCode returns the exit code of a command whose context a signal ended, and code if
// none did.
func stoppedCode(ctx context.Context, code int) int {
	if stopped, ok := errors.AsType[signalError](context.Cause(ctx)); ok {
		return stopped.exitCode()
	}
	return code
}

// outlivePipes keeps a broken pipe at standard output or standard error from ending the
// process, until undo is called: a write to it fails instead, for one guest or for the log.
func outlivePipes() (undo func()) {
	broken := make(chan os.Signal, 1) // nobody receives: it is enough that the signal is caught
	signal.Notify(broken, syscall.SIGPIPE)
	return func() { signal.Stop(broken) }
}

package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
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

package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/iansmith/parigot/internal/abi"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// engine is the [eng.Engine] that a plugin gets in a process of its own: it keeps what
// the plugin registers, for the host to be told.
type engine struct {
	logger *slog.Logger

	mu        sync.Mutex
	sealed    bool // Init has returned, and the host knows the functions
	functions []function
	onExit    []func(context.Context, eng.Caller)
	onClose   []func(context.Context) error
	failures  []error
}

var _ eng.Engine = (*engine)(nil)

// function is a registered function and its module.
type function struct {
	module string
	eng.Function
}

// Register implements [eng.Engine].
func (e *engine) Register(_ context.Context, m eng.HostModule) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.check(m); err != nil {
		err = fmt.Errorf("register module %q: %w", m.Name, err)
		e.failures = append(e.failures, err)
		return err
	}
	for _, f := range m.Functions {
		e.functions = append(e.functions, function{m.Name, f})
	}
	return nil
}

// check refuses what the host would refuse, and more: the host is told once.
func (e *engine) check(m eng.HostModule) error {
	switch {
	case e.sealed:
		return status.Error(status.FailedPrecondition, "the plugin runs in a process of its own and has started: register in Init")
	case m.Name == "":
		return status.Error(status.InvalidArgument, "the name is empty")
	case m.Name == "wasi_snapshot_preview1" || m.Name == abi.Module:
		return status.Error(status.InvalidArgument, "the name is reserved")
	}
	for i, f := range m.Functions {
		switch {
		case f.Name == "":
			return status.Errorf(status.InvalidArgument, "function %d has no name", i)
		case f.Server == nil:
			return status.Errorf(status.InvalidArgument,
				"function %q has no Server, so it is called by guests' imports alone, and this plugin runs in a process of its own: register a generated service", f.Name)
		case slices.ContainsFunc(e.functions, func(g function) bool { return g.module == m.Name && g.Name == f.Name }),
			slices.ContainsFunc(m.Functions[:i], func(g eng.Function) bool { return g.Name == f.Name }):
			return status.Errorf(status.AlreadyExists, "function %q is registered already", f.Name)
		}
	}
	return nil
}

// seal ends registration and returns the functions, which stay as they are.
func (e *engine) seal() []function {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sealed = true
	return e.functions
}

// OnGuestExit implements [eng.Engine].
func (e *engine) OnGuestExit(fn func(ctx context.Context, c eng.Caller)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.onExit = append(e.onExit, fn)
}

// OnClose implements [eng.Engine].
func (e *engine) OnClose(fn func(ctx context.Context) error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.onClose = append(e.onClose, fn)
}

// Fail implements [eng.Engine].
func (e *engine) Fail(err error) {
	if err == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.failures = append(e.failures, err)
}

// Failures implements [eng.Engine].
func (e *engine) Failures() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	err := errors.Join(e.failures...)
	if len(e.failures) == 1 {
		err = e.failures[0]
	}
	e.failures = nil
	return err
}

// Logger implements [eng.Engine].
func (e *engine) Logger() *slog.Logger { return e.logger }

// guestEnded tells the plugin that a guest has ended.
func (e *engine) guestEnded(ctx context.Context, c eng.Caller) {
	e.mu.Lock()
	onExit := slices.Clone(e.onExit)
	e.mu.Unlock()
	for _, fn := range slices.Backward(onExit) {
		// A panic is logged; there is nobody else to tell.
		_ = e.guard("OnGuestExit", func() error { fn(ctx, c); return nil })
	}
}

// close closes the plugin. Only the first call does something.
func (e *engine) close(ctx context.Context) error {
	e.mu.Lock()
	onClose := e.onClose
	e.onClose = nil
	e.mu.Unlock()
	var errs []error
	for _, fn := range slices.Backward(onClose) {
		errs = append(errs, e.guard("OnClose", func() error { return fn(ctx) }))
	}
	return errors.Join(errs...)
}

// guard runs a plugin's code and makes an error of its panic.
func (e *engine) guard(what string, fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			e.logger.Error("panic in a plugin", "in", what, "panic", p, "stack", string(debug.Stack()))
			err = status.Errorf(status.Internal, "panic in a plugin's %s: %v", what, p)
		}
	}()
	return fn()
}

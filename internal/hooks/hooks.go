// Package hooks is what engines have in common, whether a plugin runs in the host or in a process of
// its own: what plugins want to hear of, and why they cannot work.
package hooks

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/iansmith/parigot/internal/abi"
	"github.com/iansmith/parigot/internal/core"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// Hooks has the methods of an eng.Engine, but for Register. All methods are safe for concurrent
// use.
type Hooks struct {
	// Log is where plugins log to. It is set before the first use, and not nil.
	Log *slog.Logger

	mu       sync.Mutex
	onExit   []func(context.Context, core.Caller)
	onClose  []func(context.Context) error
	failures []error
}

// OnGuestExit keeps fn for [Hooks.GuestEnded].
func (h *Hooks) OnGuestExit(fn func(ctx context.Context, c core.Caller)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.onExit = append(h.onExit, fn)
}

// OnClose keeps fn for [Hooks.Close].
func (h *Hooks) OnClose(fn func(ctx context.Context) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.onClose = append(h.onClose, fn)
}

// Fail keeps err as a reason why the plugin that is being initialised cannot work. nil is ignored.
func (h *Hooks) Fail(err error) {
	if err == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failures = append(h.failures, err)
}

// Failures returns what was kept since the last call, joined, and forgets it; nil if there is
// nothing.
func (h *Hooks) Failures() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	err := errors.Join(h.failures...)
	if len(h.failures) == 1 {
		err = h.failures[0]
	}
	h.failures = nil
	return err
}

// Logger returns Log.
func (h *Hooks) Logger() *slog.Logger { return h.Log }

// GuestEnded tells plugins that a guest has ended, those that asked last first. A panic is logged:
// there is nobody else to tell.
func (h *Hooks) GuestEnded(ctx context.Context, c core.Caller) {
	h.mu.Lock()
	onExit := slices.Clone(h.onExit)
	h.mu.Unlock()
	for _, fn := range slices.Backward(onExit) {
		_ = h.Guard("OnGuestExit", func() error {
			fn(ctx, c)
			return nil
		})
	}
}

// Close has call run what OnClose has kept, the last first, and returns the errors. Only the first
// Close does something.
func (h *Hooks) Close(call func(fn func(ctx context.Context) error) error) error {
	h.mu.Lock()
	onClose := h.onClose
	h.onClose = nil
	h.mu.Unlock()
	var errs []error
	for _, fn := range slices.Backward(onClose) {
		errs = append(errs, call(fn))
	}
	return errors.Join(errs...)
}

// Guard runs a plugin's code, and makes an error of its panic. what is the name of the code.
func (h *Hooks) Guard(what string, fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			h.Log.Error("panic in a plugin", "in", what, "panic", p, "stack", string(debug.Stack()))
			err = status.Errorf(status.Internal, "panic in a plugin's %s: %v", what, p)
		}
	}()
	return fn()
}

// CheckModule refuses functions that are added to a module if one of the names is missing, reserved
// or taken. name returns that of a function, and taken reports whether the module has one of that
// name.
func CheckModule[F any](module string, functions []F, name func(F) string, taken func(name string) bool) error {
	switch module {
	case "":
		return status.Error(status.InvalidArgument, "the name is empty")
	case "wasi_snapshot_preview1", abi.Module:
		return status.Error(status.InvalidArgument, "the name is reserved")
	}
	for i, f := range functions {
		n := name(f)
		switch {
		case n == "":
			return status.Errorf(status.InvalidArgument, "function %d has no name", i)
		case taken(n), slices.ContainsFunc(functions[:i], func(g F) bool { return name(g) == n }):
			return status.Errorf(status.AlreadyExists, "function %q is registered already", n)
		}
	}
	return nil
}

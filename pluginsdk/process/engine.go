package process

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/iansmith/parigot/internal/hooks"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// engine is the [eng.Engine] that a plugin gets in a process of its own: it keeps what
// the plugin registers, for the host to be told.
type engine struct {
	hooks.Hooks

	mu        sync.Mutex
	sealed    bool // Init has returned, and the host knows the functions
	functions []function
}

var _ eng.Engine = (*engine)(nil)

func newEngine(log *slog.Logger) *engine { return &engine{Hooks: hooks.Hooks{Log: log}} }

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
		e.Fail(err)
		return err
	}
	for _, f := range m.Functions {
		e.functions = append(e.functions, function{m.Name, f})
	}
	return nil
}

// check refuses what the host would refuse, and more: the host is told once.
func (e *engine) check(m eng.HostModule) error {
	if e.sealed {
		return status.Error(status.FailedPrecondition, "the plugin runs in a process of its own and has started: register in Init")
	}
	taken := func(name string) bool {
		return slices.ContainsFunc(e.functions, func(g function) bool { return g.module == m.Name && g.Name == name })
	}
	if err := hooks.CheckModule(m.Name, m.Functions, func(f eng.Function) string { return f.Name }, taken); err != nil {
		return err
	}
	for _, f := range m.Functions {
		if f.Server == nil {
			return status.Errorf(status.InvalidArgument,
				"function %q has no Server, so it is called by guests' imports alone, and this plugin runs in a process of its own: register a generated service", f.Name)
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

// close closes the plugin. Only the first call does something.
func (e *engine) close(ctx context.Context) error {
	return e.Close(func(fn func(context.Context) error) error {
		return e.Guard("OnClose", func() error { return fn(ctx) })
	})
}

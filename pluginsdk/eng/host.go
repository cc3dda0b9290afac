package eng

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
	"golang.org/x/sync/semaphore"

	"github.com/iansmith/parigot/internal/abi"
	"github.com/iansmith/parigot/internal/instance"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// Host is the [Engine] on wazero. Make it with [New], start plugins on it, then
// compile and run guests. All methods are safe for concurrent use. [Host.Close]
// frees it.
type Host struct {
	config   hostConfig
	cache    *cache
	counters instance.Counters

	// alive ends when Close begins, and every running guest with it.
	alive context.Context
	kill  context.CancelFunc
	busy  sync.WaitGroup // running instances

	compileMemory *semaphore.Weighted // in bytes

	mu        sync.Mutex
	compiling map[programKey]*compilation
	closed    bool // Close has begun
	freed     bool // Close has freed everything
	modules   map[string]*hostModule
	kept      map[*Instance]struct{} // libraries, which wait for calls
	programs  map[programKey]*program
	onExit    []func(context.Context, Caller)
	onClose   []func(context.Context) error
	failures  []error
	methods   map[string]Function // by their full names
	watched   map[*watched]struct{}
	watching  bool // watchLoop runs
}

var _ Engine = (*Host)(nil)

// hostModule collects the functions of one import module in the order they were
// registered.
type hostModule struct {
	functions []Function
	inUse     bool // a guest that imports it has started
}

func (m *hostModule) has(name string) bool {
	_, ok := m.function(name)
	return ok
}

func (m *hostModule) function(name string) (Function, bool) {
	i := slices.IndexFunc(m.functions, func(f Function) bool { return f.Name == name })
	if i < 0 {
		return Function{}, false
	}
	return m.functions[i], true
}

// New makes a [Host]. It fails only if wazero does not start. ctx is needed only while New
// runs.
func New(_ context.Context, opts ...Option) (*Host, error) {
	c := newHostConfig(opts)
	if err := settleWazero(); err != nil {
		return nil, status.Wrap(status.Internal, err, "start wazero")
	}
	alive, kill := context.WithCancel(context.Background())
	h := &Host{
		config: c, alive: alive, kill: kill,
		modules:       map[string]*hostModule{},
		kept:          map[*Instance]struct{}{},
		programs:      map[programKey]*program{},
		compiling:     map[programKey]*compilation{},
		compileMemory: semaphore.NewWeighted(c.compileMemory),
		methods:       map[string]Function{},
		watched:       map[*watched]struct{}{},
	}
	h.cache = openCache(h)
	return h, nil
}

// settleWazero makes wazero (v1.12.0) find out its own version, which its first
// runtime does without a lock, before several engines can do so at once.
var settleWazero = sync.OnceValue(func() error {
	ctx := context.Background()
	return wazero.NewRuntime(ctx).Close(ctx)
})

// Register implements [Engine].
func (h *Host) Register(_ context.Context, m HostModule) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.checkModule(m); err != nil {
		err = fmt.Errorf("register module %q: %w", m.Name, err)
		h.failures = append(h.failures, err)
		return err
	}
	known := h.modules[m.Name]
	if known == nil {
		known = &hostModule{}
		h.modules[m.Name] = known
	}
	known.functions = append(known.functions, m.Functions...)
	for _, f := range m.Functions {
		h.methods[cmp.Or(f.Method, m.Name+"."+f.Name)] = f
	}
	return nil
}

func (h *Host) checkModule(m HostModule) error {
	switch {
	case h.closed:
		return errClosed()
	case m.Name == "":
		return status.Error(status.InvalidArgument, "the name is empty")
	case m.Name == wasiModule || m.Name == abi.Module:
		return status.Error(status.InvalidArgument, "the name is reserved")
	}
	known := h.modules[m.Name]
	if known != nil && known.inUse && len(m.Functions) > 0 {
		return status.Error(status.FailedPrecondition, "a guest that imports it has started: start all plugins first")
	}
	for i, f := range m.Functions {
		switch {
		case f.Name == "":
			return status.Errorf(status.InvalidArgument, "function %d has no name", i)
		case f.Call == nil:
			return status.Errorf(status.InvalidArgument, "function %q has no Call", f.Name)
		case known != nil && known.has(f.Name),
			slices.ContainsFunc(m.Functions[:i], func(g Function) bool { return g.Name == f.Name }):
			return status.Errorf(status.AlreadyExists, "function %q is registered already", f.Name)
		}
	}
	return nil
}

// OnGuestExit implements [Engine].
func (h *Host) OnGuestExit(fn func(ctx context.Context, c Caller)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.onExit = append(h.onExit, fn)
}

// OnClose implements [Engine].
func (h *Host) OnClose(fn func(ctx context.Context) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.onClose = append(h.onClose, fn)
}

// Fail implements [Engine].
func (h *Host) Fail(err error) {
	if err == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failures = append(h.failures, err)
}

// Failures implements [Engine].
func (h *Host) Failures() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	err := errors.Join(h.failures...)
	if len(h.failures) == 1 {
		err = h.failures[0]
	}
	h.failures = nil
	return err
}

// Logger implements [Engine].
func (h *Host) Logger() *slog.Logger { return h.config.logger }

// Stats are counts over the life of a [Host].
type Stats struct {
	// SlowCalls is the number of calls that took longer than their budget, in both
	// directions.
	SlowCalls uint64
	// Incidents is the number of failures that callers saw as INTERNAL with an
	// incident id: panics and errors without a code, but for those within guests.
	Incidents uint64
}

// Stats returns the counts so far.
func (h *Host) Stats() Stats {
	return Stats{SlowCalls: h.counters.Slow.Load(), Incidents: h.counters.Incidents.Load()}
}

// Close ends all guests, closes the plugins, last in first out, and frees the
// engine. It waits for guests to end: at once for those that can be stopped,
// which are all but the trusted ones and those in a call that does not
// watch its context. It waits for calls that went on while their guests ran, too, so
// that no plugin is closed under one. It does not wait for compilations, whose callers
// get UNAVAILABLE: what they hold is freed when they finish. When ctx ends before guests do,
// Close returns its error and frees nothing; it may be called again. The error names the
// calls that do not return. A plugin that has not closed a second
// after ctx has ended is left alone, and the error says so. Once closed, a further Close does
// nothing, and does not wait for one that is under way.
//
// A plugin must not call it from a host function or from OnGuestExit, as it would
// wait for itself.
func (h *Host) Close(ctx context.Context) error {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.kill()
	if err := h.wait(ctx); err != nil {
		return fmt.Errorf("close engine: %s: %w", cmp.Or(h.hung(), "guests still run"), err)
	}
	return h.free(ctx)
}

func (h *Host) wait(ctx context.Context) error {
	h.mu.Lock()
	kept := slices.Collect(maps.Keys(h.kept))
	h.mu.Unlock()
	done := make(chan error, 1)
	go func() {
		var errs []error
		for _, i := range kept {
			errs = append(errs, i.Close(ctx))
		}
		h.busy.Wait()
		done <- errors.Join(errs...)
	}()
	select {
	case err := <-done:
		if err != nil {
			// The instances have ended, which is what counts here.
			h.config.logger.Warn("an instance did not close cleanly", "err", err)
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h *Host) free(ctx context.Context) error {
	h.mu.Lock()
	onClose, programs, freed := h.onClose, h.programs, h.freed
	h.onClose, h.programs, h.freed = nil, nil, true
	h.mu.Unlock()
	if freed {
		return nil
	}
	defer h.config.records.Flush()
	var errs []error
	for _, fn := range slices.Backward(onClose) {
		errs = append(errs, h.closePlugin(ctx, fn))
	}
	for _, p := range programs {
		errs = append(errs, p.box.close(ctx))
	}
	return errors.Join(errs...)
}

// closeGrace is how long a plugin may go on closing after the context of Close has
// ended: enough for one that watches it.
const closeGrace = time.Second

// closePlugin runs a function of OnClose, which may be one that never returns.
func (h *Host) closePlugin(ctx context.Context, fn func(context.Context) error) error {
	done := make(chan error, 1)
	go func() {
		err := status.Error(status.Internal, "a plugin's OnClose ended its goroutine")
		defer func() { done <- err }()
		err = h.guard("OnClose", func() error { return fn(ctx) })
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-done:
		return err
	case <-time.After(closeGrace):
		return status.Error(status.DeadlineExceeded, "a plugin does not stop: its OnClose has not returned, and is left alone")
	}
}

// guard runs a plugin's code and makes an error of its panic.
func (h *Host) guard(what string, fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			h.config.logger.Error("panic in a plugin", "in", what, "panic", p, "stack", string(debug.Stack()))
			err = status.Errorf(status.Internal, "panic in a plugin's %s: %v", what, p)
		}
	}()
	return fn()
}

func errClosed() error {
	return status.Error(status.Unavailable, "the engine is closed")
}

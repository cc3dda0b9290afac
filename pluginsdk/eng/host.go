package eng

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
	"golang.org/x/sync/semaphore"

	"github.com/iansmith/parigot/internal/hooks"
	"github.com/iansmith/parigot/internal/instance"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// Host is the [Engine] on wazero. Make it with [New], start plugins on it, then
// compile and run guests. All methods are safe for concurrent use. [Host.Close]
// frees it.
type Host struct {
	config   hostConfig
	hooks    hooks.Hooks
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
		config: c, hooks: hooks.Hooks{Log: c.logger}, alive: alive, kill: kill,
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
		h.Fail(err)
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
	if h.closed {
		return errClosed()
	}
	known := h.modules[m.Name]
	if known != nil && known.inUse && len(m.Functions) > 0 {
		return status.Error(status.FailedPrecondition, "a guest that imports it has started: start all plugins first")
	}
	taken := func(name string) bool { return known != nil && known.has(name) }
	if err := hooks.CheckModule(m.Name, m.Functions, func(f Function) string { return f.Name }, taken); err != nil {
		return err
	}
	for _, f := range m.Functions {
		if f.Call == nil {
			return status.Errorf(status.InvalidArgument, "function %q has no Call", f.Name)
		}
	}
	return nil
}

// OnGuestExit implements [Engine].
func (h *Host) OnGuestExit(fn func(ctx context.Context, c Caller)) { h.hooks.OnGuestExit(fn) }

// OnClose implements [Engine].
func (h *Host) OnClose(fn func(ctx context.Context) error) { h.hooks.OnClose(fn) }

// Fail implements [Engine].
func (h *Host) Fail(err error) { h.hooks.Fail(err) }

// Failures implements [Engine].
func (h *Host) Failures() error { return h.hooks.Failures() }

// Logger implements [Engine].
func (h *Host) Logger() *slog.Logger { return h.hooks.Logger() }

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
	programs, freed := h.programs, h.freed
	h.programs, h.freed = nil, true
	h.mu.Unlock()
	if freed {
		return nil
	}
	defer h.config.records.Flush()
	errs := []error{h.hooks.Close(func(fn func(context.Context) error) error { return h.closePlugin(ctx, fn) })}
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
		err = h.hooks.Guard("OnClose", func() error { return fn(ctx) })
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

func errClosed() error {
	return status.Error(status.Unavailable, "the engine is closed")
}

package eng

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"

	"github.com/iansmith/parigot/internal/contract"
	"github.com/iansmith/parigot/internal/wirestatus"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// Guest is a compiled guest. Any number of instances may run at once. It is
// freed with its [Host].
type Guest struct {
	host   *Host
	name   string
	config guestConfig // within the limits of the host
	*program
}

// program is a compiled wasm module, whatever names it was compiled under.
type program struct {
	box      *sandbox
	compiled wazero.CompiledModule
	outline  outline
	contract *contract.Contract       // nil: it has none
	fits     bool                     // the contract goes with all that is registered; guarded by Host.mu
	imports  []api.FunctionDefinition // what the guest itself imports
	pages    uint32                   // that its memory may have
	starts   bool                     // it has a start function, which is the export startName
	offered  atomic.Pointer[offered]  // what an instance offered last
}

type programKey struct {
	sum     [sha256.Size]byte
	trusted bool
	pages   uint32 // that its memory may have
}

// named returns an error about the guest.
func (g *Guest) named(err error) error { return fmt.Errorf("guest %q: %w", g.name, err) }

func (g *Guest) errInstanceClosed() error {
	return status.Errorf(status.Unavailable, "the instance of guest %q is closed", g.name)
}

// Name returns the name that the guest was compiled under.
func (g *Guest) Name() string { return g.name }

// Run starts an instance, runs its main function to the end and frees it. It
// returns the exit code. A code other than 0 is no error; these are: an import
// that nobody registered (FAILED_PRECONDITION), a trap (ABORTED), and the end of
// ctx or of the engine (CANCELLED, DEADLINE_EXCEEDED, UNAVAILABLE), which stop the
// guest wherever it is, unless it is [Trusted]. With an error the exit code is
// meaningless.
//
// A guest that is a library, see [Guest.Instantiate], is FAILED_PRECONDITION.
func (g *Guest) Run(ctx context.Context, opts ...RunOption) (exitCode uint32, err error) {
	if !g.outline.program {
		return 0, fmt.Errorf("run guest %q: %w", g.name, status.Error(status.FailedPrecondition,
			"it exports no _start, so it is a library and not a program: use Instantiate, or build it without -buildmode=c-shared"))
	}
	i, err := g.begin(ctx, opts)
	if err != nil {
		return 0, fmt.Errorf("run guest %q: %w", g.name, err)
	}
	defer i.measure()
	// Deferred, for an implementation may end this goroutine with
	// runtime.Goexit, as a failing test does.
	defer func() { err = errors.Join(err, i.end(ctx)) }()
	defer i.stopAfter(ctx)()
	err = i.launch(ctx, "_start")
	exit, exited := errors.AsType[*sys.ExitError](err)
	switch {
	case err == nil:
		return 0, nil
	case exited && !interrupted(i, exit):
		return exit.ExitCode(), nil
	}
	return 0, g.explain(ctx.Err(), err)
}

// Instantiate starts an instance of a guest that is a library, a reactor in the
// words of WASI: its _initialize function runs, and its exports can be called. Close
// the instance to free it; closing the engine does it too. Errors are those of
// [Guest.Run], and FAILED_PRECONDITION for a guest that is a program. ctx bounds
// the start only.
func (g *Guest) Instantiate(ctx context.Context, opts ...RunOption) (_ *Instance, err error) {
	if g.outline.program && !g.outline.library {
		return nil, fmt.Errorf("run guest %q: %w", g.name, status.Error(status.FailedPrecondition,
			"it exports _start, so it is a program and not a library: use Run, or build it with -buildmode=c-shared"))
	}
	i, err := g.begin(ctx, opts)
	if err != nil {
		return nil, fmt.Errorf("run guest %q: %w", g.name, err)
	}
	// Until it has started, Close of the engine waits for it.
	_ = i.gate.force(context.WithoutCancel(ctx))
	defer i.gate.leave(false)
	started := false
	defer func() {
		if !started {
			err = errors.Join(err, i.end(ctx))
		}
	}()
	if !g.host.keep(i) {
		return nil, fmt.Errorf("run guest %q: %w", g.name, errClosed())
	}
	if err := i.launch(ctx, "_initialize"); err != nil {
		return nil, i.notStarted(ctx, err)
	}
	i.bind()
	started = true
	return i, nil
}

// notStarted returns why a library did not start: what explain says, or that it exited.
func (i *Instance) notStarted(ctx context.Context, err error) error {
	if exit, ok := errors.AsType[*sys.ExitError](err); ok && !interrupted(i, exit) {
		return fmt.Errorf("run guest %q: %w", i.guest.name, status.Errorf(status.Aborted,
			"exited with %d while it started; its standard error (eng.WithStderr) says why", exit.ExitCode()))
	}
	return i.guest.explain(ctx.Err(), err)
}

// begin makes an instance that does not run yet. It must be ended.
func (g *Guest) begin(ctx context.Context, opts []RunOption) (*Instance, error) {
	c, err := newRunConfig(opts)
	if err != nil {
		return nil, err
	}
	if err := g.prepare(ctx); err != nil {
		return nil, err
	}
	state, err := g.host.enter(g)
	if err != nil {
		return nil, err
	}
	i := &Instance{guest: g, state: state, config: c, gate: gate{free: 1, most: MaxWaitingCalls}}
	i.life, i.kill = context.WithCancelCause(g.host.alive)
	if state.Wanted != nil {
		i.gate.rouse = state.Wanted.Set
	}
	i.disk = i.newBudget()
	i.watch = g.host.watchCalls(state)
	i.unhook = i.stopAfter(g.host.alive)
	if err := i.reserve(); err != nil {
		return nil, errors.Join(err, i.end(ctx))
	}
	if err := i.openMounts(); err != nil {
		return nil, errors.Join(err, i.end(ctx))
	}
	if c.onStart != nil {
		c.onStart(i.Caller())
	}
	return i, nil
}

// stopAfter cancels the calls that go on while the guest runs when ctx ends, however long
// it takes the guest to notice. The function it returns undoes that.
func (i *Instance) stopAfter(ctx context.Context) func() {
	stop := context.AfterFunc(ctx, func() {
		i.watch.stop()
		i.cancelCalls()
	})
	return func() { stop() }
}

// cancelCalls cancels the calls that go on while the guest runs. It waits for none.
func (i *Instance) cancelCalls() {
	if i.state.Calls != nil {
		i.state.Calls.Close()
	}
}

// reserve counts what the host holds for the instance as long as it runs.
func (i *Instance) reserve() error {
	bytes := i.guest.outline.hostBytes
	if i.state.Account.Reserve(bytes) {
		return nil
	}
	return status.Errorf(status.ResourceExhausted, "its tables, elements and globals take %d bytes of the host, more than its host_memory_limit of %d: raise that",
		bytes, i.guest.config.hostMemory)
}

// launch runs the function that starts the instance.
func (i *Instance) launch(ctx context.Context, function string) (err error) {
	run := i.begin(ctx, time.Time{})
	defer i.stop(run)
	if err := run.Err(); err != nil {
		return err // a guest looks at its context only after some work
	}
	i.module, err = i.guest.box.runtime.InstantiateModule(withMemory(run, &i.memory), i.guest.compiled, i.moduleConfig())
	if err != nil {
		return err
	}
	if i.guest.starts {
		if err := i.enter(run, startName); err != nil {
			return err
		}
	}
	return i.enter(run, function)
}

// enter runs an exported function, if there is one, that starts the instance. wazero
// would run it by itself, and forget the module when it fails.
func (i *Instance) enter(ctx context.Context, function string) error {
	f := i.module.ExportedFunction(function)
	if f == nil {
		return nil
	}
	if i.state.Limits.Stack > 0 {
		if err := checkStack(f); err != nil {
			return err
		}
	}
	i.state.Entered = f
	_, err := f.Call(ctx)
	if exit, ok := errors.AsType[*sys.ExitError](err); ok && exit.ExitCode() == 0 {
		return nil
	}
	return err
}

func (i *Instance) moduleConfig() wazero.ModuleConfig {
	c := i.config
	m := wazero.NewModuleConfig().
		WithName("").         // any number of instances
		WithStartFunctions(). // launch calls it
		WithArgs(append([]string{i.guest.name}, c.args...)...).
		WithRandSource(rand.Reader).
		// With the fake clocks that are wazero's default, a Go guest's garbage
		// collector falls behind.
		WithSysWalltime().WithSysNanotime().WithNanosleep(i.sleep)
	for _, kv := range collectorEnv(c.env, i.guest.initialMemory(), uint64(i.guest.pages)*pageSize) {
		m = m.WithEnv(kv[0], kv[1])
	}
	if len(c.mounts) > 0 {
		m = m.WithFSConfig(i.mountConfig())
	}
	if c.stdin != nil {
		m = m.WithStdin(i.input(c.stdin))
	}
	if c.stdout != nil {
		m = m.WithStdout(i.output(c.stdout))
	}
	if c.stderr != nil {
		m = m.WithStderr(i.output(c.stderr))
	}
	return m
}

// interrupted tells an exit that the engine forced from one of the guest's own
// that happens to have the same code.
func interrupted(i *Instance, exit *sys.ExitError) bool {
	code := exit.ExitCode()
	return i.interrupted && (code == sys.ExitCodeContextCanceled || code == sys.ExitCodeDeadlineExceeded)
}

// explain gives an error of wazero a code, and the guest's name. ended is why the call has
// ended that the guest was in, or nil.
func (g *Guest) explain(ended, err error) error {
	exit, exited := errors.AsType[*sys.ExitError](err)
	stopped := exited && exit.ExitCode() == sys.ExitCodeContextCanceled
	deep, tooDeep := errors.AsType[*stackError](err)
	switch {
	case ended != nil:
		err = contextEnded(ended)
	case g.host.alive.Err() != nil:
		err = errClosed()
	case tooDeep:
		stopped = false
		err = status.Wrap(status.ResourceExhausted, deep, "the guest stopped") // without wazero's trace of equal frames
	default:
		stopped = false
		err = status.Wrap(status.Aborted, readable{err}, "the guest stopped")
	}
	if stopped {
		err = fmt.Errorf("stopped while it was running: %w", err)
	}
	return fmt.Errorf("run guest %q: %w", g.name, err)
}

// contextEnded returns the error of a guest whose context has ended with err.
func contextEnded(err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return status.Error(status.Cancelled, "its context was cancelled")
	case errors.Is(err, context.DeadlineExceeded):
		return status.Error(status.DeadlineExceeded, "the deadline of its context passed")
	}
	return wirestatus.Coded(err)
}

// sleep is what the guest sleeps with. It ends with the context, and then ends
// the guest, where one that is trusted would go on for ever.
func (i *Instance) sleep(ns int64) {
	timer := time.NewTimer(time.Duration(ns))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-i.running.Done():
		endGuest()
	}
}

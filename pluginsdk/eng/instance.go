package eng

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/iansmith/parigot/internal/instance"
	"github.com/iansmith/parigot/internal/rootfs"
	"github.com/iansmith/parigot/internal/wirestatus"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// MaxWaitingCalls is how many calls wait for an instance, or for one of a pool. A call more
// is RESOURCE_EXHAUSTED.
const MaxWaitingCalls = 1024

// Instance is a running guest that is a library. Its methods are safe for concurrent use. One
// call runs at a time, in the order in which they came or nearly so; calls of methods that may
// block let others run while they wait. A call that is made with the context of one that the
// instance itself is making would wait for itself, and fails instead.
type Instance struct {
	guest       *Guest
	state       *instance.State
	watch       *watched
	config      runConfig
	module      api.Module
	running     context.Context // of the call that runs, on the goroutine that runs it
	interrupted bool
	unhook      func()     // from the engine's life
	roots       []*os.Root // of its mounts
	memory      uint64     // its size, in bytes
	disk        rootfs.Budget

	// life ends with the engine, with kill and with the instance.
	life context.Context
	kill context.CancelCauseFunc

	// gate lets one caller run the instance. The rest is for that one.
	gate      gate
	functions map[string]*exported
	broken    error
	ended     bool
	server    server

	useless atomic.Bool   // broken is set
	shared  atomic.Uint64 // odd while the instance is in a shared run; each has other numbers
}

// exported is an exported function of an instance. It holds the state of one call, so one call
// of it is made at a time.
type exported struct {
	api.Function
	params, results int
}

// begin returns the context that the guest runs with until stop.
func (i *Instance) begin(ctx context.Context, deadline time.Time) *instance.Context {
	run := instance.Enter(ctx, i.state, i.life, deadline)
	i.running = run
	return run
}

func (i *Instance) stop(run *instance.Context) {
	i.interrupted = i.interrupted || run.Err() != nil
	run.Stop()
}

// Caller returns who the instance is to plugins.
func (i *Instance) Caller() Caller { return Caller{ID: i.state.ID, Name: i.state.Name} }

// Call calls an exported function of the guest with wasm values, see the Encode
// and Decode functions of wazero's package api, and returns its results. It
// waits for calls that others make, or for the end of ctx; when [MaxWaitingCalls] wait
// already it is RESOURCE_EXHAUSTED. After a trap, an exit or a call
// that was cut off by its context, the instance is of no use any more: that call
// and all later ones fail with ABORTED or the context's code, and its calls that are
// pending are cancelled. A call whose context has ended before it starts fails with the
// context's code, and changes nothing. An unknown function is NOT_FOUND.
func (i *Instance) Call(ctx context.Context, function string, params ...uint64) ([]uint64, error) {
	if err := i.pass(ctx, ctx); err != nil {
		return nil, i.guest.named(err)
	}
	defer i.gate.leave(false)
	if i.broken != nil {
		return nil, i.broken
	}
	f, err := i.find(function)
	if err != nil {
		return nil, err
	}
	if len(params) != f.params {
		return nil, status.Errorf(status.InvalidArgument, "guest %q: the function %q takes %d parameters, not %d", i.guest.name, function, f.params, len(params))
	}
	stack := make([]uint64, max(f.params, f.results))
	copy(stack, params)
	run := i.begin(ctx, time.Time{})
	defer i.stop(run)
	if err := run.Err(); err != nil {
		return nil, i.guest.explain(run.Ended(), err)
	}
	if err := i.call(run, f, stack); err != nil {
		return nil, err
	}
	return stack[:f.results:f.results], nil
}

// find returns an exported function. The caller has passed the gate.
func (i *Instance) find(name string) (*exported, error) {
	if f := i.functions[name]; f != nil {
		return f, nil
	}
	f := i.module.ExportedFunction(name)
	if f == nil {
		return nil, status.Errorf(status.NotFound, "guest %q exports no function %q", i.guest.name, name)
	}
	d := f.Definition()
	e := &exported{f, len(d.ParamTypes()), len(d.ResultTypes())}
	if i.functions == nil {
		i.functions = map[string]*exported{}
	}
	i.functions[name] = e
	return e, nil
}

// call runs an exported function. If that fails the instance is of no use any more. The
// caller has passed the gate.
func (i *Instance) call(run *instance.Context, f *exported, stack []uint64) error {
	i.state.Entered = f.Function
	returned := false
	defer func() { // an implementation may end this goroutine with runtime.Goexit, as a failing test does
		if !returned {
			i.fail(status.Error(status.Aborted, "an implementation ended the goroutine of the call"))
		}
	}()
	err := f.CallWithStack(run, stack)
	returned = true
	if err != nil {
		err = i.explain(run, err)
		i.fail(err)
	}
	return err
}

// explain returns why a call of the guest failed with err.
func (i *Instance) explain(run *instance.Context, err error) error {
	ended := run.Ended()
	if killed := i.ending(); killed != nil && ended == nil {
		return fmt.Errorf("run guest %q: %w", i.guest.name, killed)
	}
	return i.guest.explain(ended, err)
}

// ending returns why the life of the instance has ended, or nil.
func (i *Instance) ending() error {
	if i.guest.host.alive.Err() != nil {
		return errClosed()
	}
	return context.Cause(i.life)
}

// fail makes the instance useless, for a reason. The caller has passed the gate.
func (i *Instance) fail(err error) {
	i.breakWith(status.Wrap(status.Aborted, err, "the instance has ended"))
	i.cancelCalls()
}

// breakWith has later calls, and those that go on, fail with err. The caller has passed the gate.
func (i *Instance) breakWith(err error) {
	if i.broken == nil {
		i.broken = err
	}
	i.useless.Store(true)
	i.server.failAll(i.broken)
}

// usable reports whether the instance can be called again: it works, and no call goes on in
// it that nobody waits for.
func (i *Instance) usable() bool { return !i.useless.Load() && !i.server.left() }

// pass waits until the instance is free, or for the end of until. ctx is that of the call.
func (i *Instance) pass(ctx, until context.Context) error {
	if i.state.Waits(ctx) {
		return status.Error(status.FailedPrecondition, "the instance is making the call that this one belongs to, and would wait for itself")
	}
	return wirestatus.Coded(i.gate.enter(until))
}

// Close frees the instance once its call, if there is one, has returned. Calls that wait,
// and later ones, fail with UNAVAILABLE. Closing again does nothing.
func (i *Instance) Close(ctx context.Context) error {
	_ = i.gate.force(context.WithoutCancel(ctx))
	defer i.gate.leave(false)
	i.broken = nil
	i.breakWith(i.guest.errInstanceClosed())
	return i.end(ctx)
}

// end frees the instance and tells the plugins.
func (i *Instance) end(ctx context.Context) error {
	if i.ended {
		return nil
	}
	i.ended = true
	defer i.guest.host.leave(ctx, i)
	i.unhook()
	i.kill(i.guest.errInstanceClosed())
	if i.module == nil {
		return i.closeMounts()
	}
	return errors.Join(i.module.Close(context.WithoutCancel(ctx)), i.closeMounts())
}

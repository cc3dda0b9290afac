package process

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/parigotpb/processpb"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// supervisor keeps a plugin running, with one process after the other.
type supervisor struct {
	*settings
	log   *slog.Logger
	start *processpb.ProcessStart

	functions []*processpb.ProcessFunction // what the first process registered

	current atomic.Pointer[proc] // nil while the plugin is down
	alive   context.Context      // ends when the engine closes
	end     context.CancelFunc
	done    chan struct{} // closed when the goroutine has ended

	closed   sync.Once
	closing  context.Context // the one of Close; set before alive ends
	closeErr error           // set before done is closed
}

// supervise starts a plugin. ctx bounds the start.
func supervise(ctx context.Context, s *settings, log *slog.Logger, start *processpb.ProcessStart) (*supervisor, *proc, error) {
	p, err := launch(ctx, s, log, start)
	if err != nil {
		return nil, nil, err
	}
	v := &supervisor{settings: s, log: log, start: start, functions: p.ready.GetFunctions(), done: make(chan struct{})}
	v.alive, v.end = context.WithCancel(context.Background())
	v.current.Store(p)
	go func() {
		defer close(v.done)
		v.keepRunning(p, v.relaunch)
	}()
	return v, p, nil
}

// relaunch starts a process that does what the first one did.
func (v *supervisor) relaunch() (*proc, error) {
	p, err := launch(v.alive, v.settings, v.log, v.start)
	if err != nil {
		return nil, err
	}
	if !sameFunctions(v.functions, p.ready.GetFunctions()) {
		err := status.Error(status.FailedPrecondition,
			"the plugin now registers other functions than when the host started: start the host again to use them")
		p.kill(err)
		<-p.gone
		return nil, err
	}
	return p, nil
}

func sameFunctions(a, b []*processpb.ProcessFunction) bool {
	return proto.Equal(&processpb.ProcessReady{Functions: a}, &processpb.ProcessReady{Functions: b})
}

// keepRunning waits for the end of p, and has relaunch start another, until the engine
// closes.
func (v *supervisor) keepRunning(p *proc, relaunch func() (*proc, error)) {
	policy := &restarts{settings: v.settings, jitter: rand.Float64}
	defer v.current.Store(nil)
	for {
		select {
		case <-p.gone:
		case <-v.alive.Done():
			v.closeErr = p.stop(v.closing)
			return
		}
		v.current.CompareAndSwap(p, nil)
		up, why := time.Since(p.started), p.reason()
		for p = nil; p == nil; {
			if !v.pause(policy, up, why) {
				return
			}
			var err error
			if p, err = relaunch(); err != nil {
				p, up, why = nil, 0, err
			}
		}
		v.log.Info("the plugin runs again")
		v.current.Store(p)
	}
}

// pause waits before a restart. It is false when the engine closes.
func (v *supervisor) pause(policy *restarts, up time.Duration, why error) bool {
	wait, opened := policy.failed(time.Now(), up)
	if v.alive.Err() != nil {
		return false
	}
	if opened {
		v.log.Error("the plugin's process failed too often and is left alone for a while", "err", why, "up", up, "restart_in", wait)
	} else {
		v.log.Error("the plugin's process failed", "err", why, "up", up, "restart_in", wait)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-v.alive.Done():
		return false
	}
}

// running returns the process that runs, or why there is none.
func (v *supervisor) running() (*proc, error) {
	if p := v.current.Load(); p != nil {
		return p, nil
	}
	return nil, status.Errorf(status.Unavailable, "the plugin %s is down: its process is started again soon", v.name)
}

// guestEnded tells the plugin of the end of a guest.
func (v *supervisor) guestEnded(ctx context.Context, c eng.Caller) {
	if p := v.current.Load(); p != nil {
		p.guestEnded(ctx, c)
	}
}

// close stops the plugin.
func (v *supervisor) close(ctx context.Context) error {
	v.closed.Do(func() {
		v.closing = ctx
		v.end()
		<-v.done
	})
	if v.closeErr != nil {
		return fmt.Errorf("stop plugin %s: %w", v.name, v.closeErr)
	}
	return nil
}

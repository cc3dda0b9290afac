package deploy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"

	"github.com/dustin/go-humanize"

	"github.com/iansmith/parigot/internal/lograte"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/parigotpb/deploymentpb"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// guest is a guest of a run.
type guest struct {
	run    *run
	config *deploymentpb.Guest
	field  string
	output *lograte.Limit // of what its instances write to the log
	slots  []*slot        // guarded by run.mu
}

// compile reads the guest's file as it is now, and checks it.
func (g *guest) compile(ctx context.Context) (*eng.Guest, error) {
	text, _, wrong := g.run.module(g.config)
	if wrong != "" {
		return nil, status.Error(status.FailedPrecondition, wrong)
	}
	opts := append(guestOptions(g.config),
		eng.WithGrants(eng.Grants{Calls: g.config.GetGrants(), Serves: g.config.GetServes()}),
		eng.GuestCallBudget(g.config.GetCallBudget().AsDuration()),
		eng.GuestHostMemoryLimit(g.config.GetHostMemoryLimit()),
		eng.GuestMaxOpenFiles(int(g.config.GetMaxOpenFiles())),
		eng.GuestStackLimit(g.config.GetStackLimit()),
		eng.GuestDiskLimit(g.config.GetDiskLimit()),
	)
	program, err := g.run.host.Compile(ctx, g.config.GetName(), text, opts...)
	if err != nil {
		return nil, err
	}
	return program, program.CheckImports()
}

func (g *guest) newSlots(program *eng.Guest) []*slot {
	slots := make([]*slot, max(1, g.config.GetReplicas()))
	for i := range slots {
		name := g.config.GetName()
		if len(slots) > 1 {
			name = fmt.Sprintf("%s-%d", name, i+1)
		}
		slots[i] = g.newSlot(program, name)
	}
	return slots
}

func (g *guest) newSlot(program *eng.Guest, name string) *slot {
	s := &slot{
		guest: g, program: program, name: name, log: g.run.log.With("guest", name),
		started: make(chan struct{}), done: make(chan struct{}),
	}
	s.markStarted = sync.OnceFunc(func() { close(s.started) })
	s.keep, s.leave = context.WithCancel(g.run.hard)
	s.ctx, s.cancel = context.WithCancel(g.run.hard)
	return s
}

// slot is the place of one instance, and of those that take its place when it is restarted.
type slot struct {
	guest   *guest
	program *eng.Guest
	name    string
	log     *slog.Logger

	started     chan struct{} // closed when the first instance begins, or is over
	markStarted func()
	keep        context.Context // no instance is started after its end
	leave       context.CancelFunc
	ctx         context.Context // ends the instance at once
	cancel      context.CancelFunc
	done        chan struct{} // closed when no instance is to come

	disk uint64 // that its instances have used; for the goroutine that runs them

	mu     sync.Mutex
	caller eng.Caller // the instance; the zero value before the first
	last   ending     // guarded by done
	err    error      // guarded by done
}

func (s *slot) start() {
	s.guest.run.busy.Go(func() {
		defer s.guest.run.signal()
		defer close(s.done)
		defer s.markStarted()
		s.last, s.err = newRestarts(s.guest.config.GetRestart()).supervise(s.keep, s.log, s.once)
	})
}

// ended returns how the last instance ended, when no other is to come.
func (s *slot) ended() (last ending, err error, ended bool) {
	select {
	case <-s.done:
		return s.last, s.err, true
	default:
		return ending{}, nil, false
	}
}

// instance returns who the instance is to plugins.
func (s *slot) instance() eng.Caller {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.caller
}

var errTimeLimit = errors.New("time_limit")

// once runs one instance to its end.
func (s *slot) once() ending {
	g := s.guest.config
	ctx := s.ctx
	if g.GetTimeLimit() != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, g.GetTimeLimit().AsDuration(), errTimeLimit)
		defer cancel()
	}
	usage := eng.Usage{Disk: s.disk} // if it does not even start
	stdout, stderr := newLines(s.log, "stdout", s.guest.output), newLines(s.log, "stderr", s.guest.output)
	opts := []eng.RunOption{
		eng.WithArgs(g.GetArgs()...), eng.WithUsage(&usage), eng.WithDiskUsed(s.disk),
		eng.WithStdout(s.stream(s.guest.run.stdout, stdout)), eng.WithStderr(s.stream(s.guest.run.stderr, stderr)),
		eng.WithOnStart(s.began),
	}
	for key, value := range g.GetEnv() {
		opts = append(opts, eng.WithEnv(key, value))
	}
	for _, m := range g.GetMounts() {
		opts = append(opts, eng.WithMount(s.guest.run.Resolve(m.GetHost()), m.GetGuest(), m.GetWritable()))
	}
	code, err := s.program.Run(ctx, opts...)
	s.disk = usage.Disk
	stdout.flush()
	said := stderr.flush()
	s.guest.output.Flush()
	e := ending{code: code, err: err}
	e.reason = s.reason(e, usage, said, errors.Is(context.Cause(ctx), errTimeLimit))
	if err != nil && e.reason != err.Error() {
		e.err = status.Error(status.CodeOf(err), e.reason)
	}
	return e
}

func (s *slot) began(c eng.Caller) {
	s.mu.Lock()
	s.caller = c
	s.mu.Unlock()
	s.log.Debug("the guest starts", "instance", c.ID.Short())
	s.markStarted()
}

// stream returns where an output of an instance goes.
func (s *slot) stream(raw io.Writer, log io.Writer) io.Writer {
	if raw != nil && s.guest.config.GetMain() {
		return raw
	}
	return log
}

// crashed is the exit code of a Go program that panics, or gets no memory. One that says so, or
// has less than this part of its memory left, is taken to have got none.
const (
	crashed    = 2
	noMemory   = "out of memory"
	littleLeft = 4
)

// reason says why an instance ended, with the limit that stopped it, and what a Go program
// said itself.
func (s *slot) reason(e ending, u eng.Usage, said string, late bool) string {
	switch {
	case e.err != nil && late:
		return fmt.Sprintf("stopped: it ran for longer than its time_limit, which is %s", s.guest.config.GetTimeLimit().AsDuration())
	case e.err != nil:
		return e.err.Error()
	}
	why := fmt.Sprintf("exit code %d", e.code)
	if e.code == crashed && said != "" {
		why += ": " + said
	}
	if e.code == crashed && (strings.Contains(said, noMemory) || u.MemoryLimit-u.Memory < max(u.MemoryLimit/littleLeft, 1<<20)) {
		why += fmt.Sprintf("; it had %s of memory, and its memory_limit is %s", humanize.IBytes(u.Memory), humanize.IBytes(u.MemoryLimit))
	}
	return why
}

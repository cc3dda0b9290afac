package deploy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/process"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// DefaultGracePeriod is how long everything together may take to end when a run stops.
const DefaultGracePeriod = 5 * time.Second

// Option changes how [Run] runs a deployment, or [File.Check] checks it.
type Option interface{ applyRun(*options) }

type options struct {
	log            *slog.Logger
	stdout, stderr io.Writer // of the main guest; nil: to the log
	watch          bool
}

type option func(*options)

func (o option) applyRun(to *options) { o(to) }

func newOptions(opts []Option) options {
	all := options{log: slog.Default()}
	for _, o := range opts {
		o.applyRun(&all)
	}
	return all
}

// WithLogger sets where the run, its plugins, and its guests' output are logged. What is
// about a guest has its name, or that of the replica, as the attribute guest. A line that it
// wrote is a record of level Info that has the attribute stream, too: stdout or stderr. Guests
// and calls wait for the logger's handler, so that must not block. The default, and nil, is
// slog.Default.
func WithLogger(l *slog.Logger) Option {
	return option(func(o *options) {
		if l != nil {
			o.log = l
		}
	})
}

// WithMainOutput passes what the main guest writes through, byte by byte, instead of logging
// it; see [eng.WithStdout] for what a slow or broken writer does. nil leaves a stream in the
// log. With WithWatch the writers are used by two instances at a time for a moment, so they
// must be safe for concurrent use.
func WithMainOutput(stdout, stderr io.Writer) Option {
	return option(func(o *options) { o.stdout, o.stderr = stdout, stderr })
}

// WithWatch has Run look for changes of the guests' files. A guest whose file changed is
// compiled and checked; when it is right, new instances start, and when they serve what
// the old ones do, new calls go to them; the old ones end when their calls are answered.
// When it is wrong, the old ones go on, and the log says why. The deployment file itself
// is not looked at again.
func WithWatch() Option { return option(func(o *options) { o.watch = true }) }

// Run checks a deployment as [File.Check] does and runs it: plugins in the order of the
// file, then guests, each after those that serve it. It returns when the main guest has
// ended, with its exit code; without a main guest, when all have ended; or when ctx ends,
// with its cause. All the others are stopped then, see docs/runner.md for the order, within
// the grace period.
//
// Findings are an [Error], and nothing has started then. That a guest was restarted as
// often as its limit allows is ABORTED; so is, without a main guest, that one of them
// failed. The exit code is 1 with all errors but that of a main guest which ended with
// another.
func Run(ctx context.Context, f *File, opts ...Option) (exitCode uint32, err error) {
	r := &run{File: f, options: newOptions(opts), changed: make(chan struct{}, 1)}
	if err := f.check(ctx, r.log); err != nil {
		return 1, err
	}
	for _, c := range f.Circles() {
		r.log.Info(c.Message, "at", f.at(c.Field))
	}
	r.base = context.WithoutCancel(ctx) // what stops a run is in its order
	r.hard, r.kill = context.WithCancel(r.base)
	defer r.kill()
	r.host, err = eng.New(ctx, f.engineOptions(r.log)...)
	if err != nil {
		return 1, fmt.Errorf("run %s: %w", f.Path, err)
	}
	ended, err := r.work(ctx)
	if ctx.Err() != nil {
		r.log.Info("the run is stopped", "why", context.Cause(ctx), "grace_period", r.gracePeriod())
	}
	soft, cancel := r.grace()
	defer cancel()
	r.stopGuests(soft)
	if closeErr := r.host.Close(soft); closeErr != nil {
		err = errors.Join(err, status.Wrap(status.CodeOf(closeErr), closeErr, "what is left of the run is abandoned"))
	}
	if exitCode = ended.exitCode(); err != nil && exitCode == 0 {
		exitCode = 1
	}
	return exitCode, err
}

// run is one run of a deployment.
type run struct {
	*File
	options
	host    *eng.Host
	drainer pluginsdk.Drainer // nil: no plugin offers one
	base    context.Context   // never ends
	hard    context.Context   // ends everything at once
	kill    context.CancelFunc
	changed chan struct{} // has one when a slot ended
	busy    sync.WaitGroup

	mu       sync.Mutex
	stopping bool
	guests   []*guest // in the order in which they start
}

func (f *File) engineOptions(logger *slog.Logger) []eng.Option {
	e := f.Deployment.GetEngine()
	dir := e.GetCacheDir()
	if dir != "" {
		dir = f.Resolve(dir)
	} else if user, err := os.UserCacheDir(); err == nil {
		dir = filepath.Join(user, "parigot")
	} else {
		logger.Warn("guests are compiled twice, and again by the next run, as there is nowhere to keep them: set engine.cache_dir", "why", err)
	}
	return []eng.Option{
		eng.WithCacheDir(dir), eng.WithLogger(logger),
		eng.WithMemoryLimit(e.GetMemoryLimit()),
		eng.WithHostMemoryLimit(e.GetHostMemoryLimit()),
		eng.WithMaxOpenFiles(int(e.GetMaxOpenFiles())),
		eng.WithStackLimit(e.GetStackLimit()),
		eng.WithCompileMemory(e.GetCompileMemory()),
		eng.WithDiskLimit(e.GetDiskLimit()),
		eng.WithMaxMessage(e.GetMaxRequest(), e.GetMaxResponse()),
		eng.WithMaxDecoded(e.GetMaxDecoded()),
		eng.WithCallBudget(e.GetCallBudget().AsDuration()),
		eng.WithMaxPending(int(e.GetMaxPending())),
		eng.WithLogRate(e.GetLogRate(), e.GetLogBurst()), eng.WithRecordRate(e.GetRecordRate()),
	}
}

// grace returns a context that ends with the grace period, from now on.
func (r *run) grace() (context.Context, context.CancelFunc) {
	return context.WithTimeout(r.base, r.gracePeriod())
}

func (r *run) gracePeriod() time.Duration {
	if g := r.Deployment.GetEngine().GetGracePeriod(); g != nil {
		return g.AsDuration()
	}
	return DefaultGracePeriod
}

func (r *run) startPlugins(ctx context.Context) error {
	e := r.Deployment.GetEngine()
	for i, p := range r.Deployment.GetPlugins() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		plugin, description, err := described(ctx, p, r.Resolve, process.WithMaxMessage(e.GetMaxRequest(), e.GetMaxResponse()),
			process.WithMaxDecoded(e.GetMaxDecoded()))
		opts := []pluginsdk.StartOption{pluginsdk.WithDrainer(&r.drainer)}
		if err == nil && description != nil {
			config, configErr := r.config(p, *description)
			opts, err = append(opts, pluginsdk.WithConfig(config)), configErr
		}
		if err == nil {
			_, err = promptly(ctx, func() (struct{}, error) { return struct{}{}, pluginsdk.Start(ctx, r.host, plugin, opts...) })
		}
		if err != nil {
			field, err := tooSlow(ctx, p, err)
			return fmt.Errorf("%s: plugin %s: %w", r.at(fmt.Sprintf("plugins[%d]%s", i, field)), p.GetName(), err)
		}
		r.log.Debug("the plugin has started", "plugin", p.GetName())
	}
	return nil
}

// prepareGuests compiles and checks all guests, now that the plugins have registered what
// they have.
func (r *run) prepareGuests(ctx context.Context) error {
	var wrong []error
	for _, i := range startOrder(r.Deployment.GetGuests()) {
		g := &guest{run: r, config: r.Deployment.GetGuests()[i], field: fmt.Sprintf("guests[%d]", i)}
		g.output = r.newLogLimit(g.config)
		program, err := g.compile(ctx)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s: guest %s: %w", r.at(g.field), g.config.GetName(), err))
			continue
		}
		g.slots = g.newSlots(program)
		r.guests = append(r.guests, g)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return errors.Join(wrong...)
}

// work starts everything and waits for what ends the run.
func (r *run) work(ctx context.Context) (ending, error) {
	if err := r.startPlugins(ctx); err != nil {
		return ending{}, err
	}
	if err := r.prepareGuests(ctx); err != nil {
		return ending{}, err
	}
	stopWatch := func() {}
	if r.watch {
		var err error
		if stopWatch, err = r.watchFiles(ctx); err != nil {
			return ending{}, err
		}
	}
	defer stopWatch()
	for _, g := range r.guests {
		for _, s := range g.slots {
			s.start()
			select {
			case <-s.started:
			case <-ctx.Done():
				return ending{}, context.Cause(ctx)
			}
		}
	}
	for {
		select {
		case <-ctx.Done():
			return ending{}, context.Cause(ctx)
		case <-r.changed:
			if e, err, over := r.over(); over {
				return e, err
			}
		}
	}
}

// over reports whether the run is, and how it ended.
func (r *run) over() (last ending, err error, over bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	live := false
	for _, g := range r.guests {
		for _, s := range g.slots {
			e, err, ended := s.ended()
			switch {
			case !ended:
				live = true
			case err != nil:
				if !g.config.GetMain() {
					e = ending{} // its exit code is not that of the run
				}
				return e, fmt.Errorf("guest %s: %w", s.name, err), true
			case g.config.GetMain():
				return e, mainError(s, e), true
			case e.failed():
				last = e
				last.err = status.Errorf(status.Aborted, "guest %s: %s", s.name, e.reason)
			}
		}
	}
	return last, last.err, !live
}

// mainError is the error of a run whose main guest ended: a guest that was stopped has no
// exit code to tell of it.
func mainError(s *slot, e ending) error {
	if e.err == nil {
		return nil
	}
	return fmt.Errorf("guest %s: %w", s.name, e.err)
}

// signal has work look at what has ended.
func (r *run) signal() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

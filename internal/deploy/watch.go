package deploy

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/status"
)

const (
	// settled is how long a file does not change until it counts as written.
	settled = 100 * time.Millisecond
	// takeover is how long new instances may take until they serve.
	takeover = 30 * time.Second
)

// watchFiles replaces guests whose files change, until stop is called or ctx ends.
func (r *run) watchFiles(ctx context.Context) (stop func(), err error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch the guests' files: %w", err)
	}
	files := make(map[string]bool)
	for _, g := range r.guests {
		path := r.Resolve(g.config.GetWasm())
		files[path] = true
		// The directory, as files are often replaced and not written.
		if err := w.Add(filepath.Dir(path)); err != nil {
			return nil, errors.Join(fmt.Errorf("watch %s: %w", filepath.Dir(path), err), w.Close())
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.watchLoop(ctx, w, files)
	}()
	return func() {
		cancel()
		<-done
		_ = w.Close() // nothing is lost
	}, nil
}

func (r *run) watchLoop(ctx context.Context, w *fsnotify.Watcher, files map[string]bool) {
	pending := make(map[string]bool)
	quiet := time.NewTimer(settled)
	quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-w.Events:
			path := filepath.Clean(e.Name)
			if files[path] && !e.Has(fsnotify.Remove|fsnotify.Chmod) {
				pending[path] = true
				quiet.Reset(settled)
			}
		case err := <-w.Errors:
			r.log.Error("watching the guests' files: a change may have been missed", "err", err)
		case <-quiet.C:
			r.replaceAll(ctx, pending)
			clear(pending)
		}
	}
}

// replaceAll replaces the guests of files that changed, in the order in which they start.
func (r *run) replaceAll(ctx context.Context, changed map[string]bool) {
	for _, g := range r.guests {
		if !changed[r.Resolve(g.config.GetWasm())] || ctx.Err() != nil {
			continue
		}
		logger := r.log.With("guest", g.config.GetName())
		logger.Info("the guest's file has changed", "file", g.config.GetWasm())
		program, err := g.compile(ctx)
		if err == nil {
			err = g.replace(ctx, program)
		}
		switch {
		case ctx.Err() != nil:
		case err != nil:
			logger.Error("the guest's new file is not taken, what ran before goes on", "err", err)
		default:
			logger.Info("the new guest has taken the place of the old")
		}
	}
}

// replace has new instances take the place of those that run. With an error the old ones
// are where they were.
func (g *guest) replace(ctx context.Context, program *eng.Guest) error {
	r := g.run
	next := g.newSlots(program)
	r.mu.Lock()
	old := g.slots
	r.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, takeover)
	defer cancel()
	for _, s := range next {
		s.start()
	}
	for _, s := range next {
		if err := s.succeed(ctx, old); err != nil {
			soft, cancel := r.grace()
			defer cancel()
			stopSlots(soft, next)
			return err
		}
	}
	r.mu.Lock()
	if r.stopping {
		r.mu.Unlock()
		stopSlots(ctx, next)
		return status.Error(status.Cancelled, "the run is stopped")
	}
	g.slots = next
	r.mu.Unlock()
	r.signal() // the new ones may have ended already
	r.busy.Go(func() {
		soft, cancel := r.grace()
		defer cancel()
		stopSlots(soft, old)
	})
	return nil
}

// succeed waits until the slot's first instance serves what the old ones do. Of a guest
// that serves nothing it is enough that it has begun.
func (s *slot) succeed(ctx context.Context, old []*slot) error {
	select {
	case <-s.started:
	case <-ctx.Done():
		return ctx.Err()
	}
	d := s.guest.run.drainer
	if d == nil || len(s.guest.config.GetServes()) == 0 {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	serves := make(chan error, 1)
	go func() {
		for _, o := range old {
			if err := d.AwaitSuccessor(ctx, o.instance(), s.instance()); err != nil {
				serves <- err
				return
			}
		}
		serves <- nil
	}()
	select {
	case err := <-serves:
		return err
	case <-s.done:
		return status.Errorf(status.Aborted, "the new instance %s ended before it served: %s", s.name, s.last.reason)
	}
}

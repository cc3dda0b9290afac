package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/iansmith/parigot/bench/internal/usage"
	"github.com/iansmith/parigot/bench/syscall/echo"
	"github.com/iansmith/parigot/examples/syscall"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
)

// guests are programs on an engine with the kernel: some serve, and some call them.
type guests struct {
	host     *eng.Host
	dispatch pluginsdk.Dispatcher
	running  *errgroup.Group
	callers  []caller
	stopping atomic.Bool
}

// caller is the host's end of a guest that calls.
type caller struct {
	echo.Line
	works io.Closer
}

func openHost(ctx context.Context, cache string) (*eng.Host, error) {
	return eng.New(ctx, eng.WithCacheDir(cache), eng.WithLogger(slog.New(slog.DiscardHandler)))
}

// openGuests starts guests that serve, and guests that call them. It returns when all are ready.
func openGuests(ctx context.Context, wasm []byte, cache string, serving, calling int, opts ...eng.GuestOption) (_ *guests, err error) {
	host, err := openHost(ctx, cache)
	if err != nil {
		return nil, err
	}
	g := &guests{host: host, running: new(errgroup.Group)}
	defer func() {
		if err != nil {
			err = errors.Join(err, g.close(ctx))
		}
	}()
	if err := pluginsdk.Start(ctx, host, syscall.ParigotInitialize, pluginsdk.WithDispatcher(&g.dispatch)); err != nil {
		return nil, err
	}
	if err := g.serve(ctx, wasm, serving, opts...); err != nil {
		return nil, err
	}
	if err := g.call(ctx, wasm, calling, opts...); err != nil {
		return nil, err
	}
	if calling > 0 {
		_, err = g.run(ctx, echo.Work{Callers: calling, Payload: 1})
	}
	return g, err
}

// serve starts guests that serve, and waits for each of them.
func (g *guests) serve(ctx context.Context, wasm []byte, n int, opts ...eng.GuestOption) error {
	guest, err := g.host.Compile(ctx, "server", wasm, opts...)
	if err != nil {
		return err
	}
	for range n {
		said := g.start(ctx, guest, nil, "serve")
		if _, err := bufio.NewReader(said).ReadString('\n'); err != nil {
			return fmt.Errorf("start a guest that serves: %w", err)
		}
	}
	return nil
}

// call starts guests that call.
func (g *guests) call(ctx context.Context, wasm []byte, n int, opts ...eng.GuestOption) error {
	guest, err := g.host.Compile(ctx, "caller", wasm, opts...)
	if err != nil {
		return err
	}
	for range n {
		in, works := io.Pipe()
		done := g.start(ctx, guest, in, "call")
		g.callers = append(g.callers, caller{echo.NewLine(works, done), works})
	}
	return nil
}

// start starts an instance, and returns what it says.
func (g *guests) start(ctx context.Context, guest *eng.Guest, in *io.PipeReader, role string) io.Reader {
	said, out := io.Pipe()
	opts := []eng.RunOption{eng.WithArgs(role), eng.WithStdout(out), eng.WithStderr(g)}
	if in != nil {
		opts = append(opts, eng.WithStdin(in))
	}
	g.running.Go(func() error {
		code, err := guest.Run(ctx, opts...)
		if err == nil && code != 0 {
			err = fmt.Errorf("a guest that was to %s ended with the code %d", role, code)
		}
		_ = out.CloseWithError(err) // who waits for it learns why
		if in != nil {
			_ = in.CloseWithError(err)
		}
		if g.stopping.Load() {
			return nil
		}
		return err
	})
	return said
}

// Write prints what a guest says. What they say when they are stopped is expected.
func (g *guests) Write(text []byte) (int, error) {
	if g.stopping.Load() {
		return len(text), nil
	}
	return os.Stderr.Write(text)
}

// run spreads the callers of a work over the guests that call.
func (g *guests) run(_ context.Context, w echo.Work) (all echo.Done, err error) {
	before := usage.CPU()
	calling := min(len(g.callers), w.Callers)
	w.Callers /= calling
	done := make([]echo.Done, calling)
	var group errgroup.Group
	for i := range done {
		group.Go(func() error { return g.callers[i].Ask(w, &done[i]) })
	}
	err = group.Wait()
	for _, d := range done {
		all.Calls.Merge(d.Calls)
	}
	all.CPU = usage.CPU() - before
	return all, err
}

func (g *guests) close(ctx context.Context) error {
	g.stopping.Store(true)
	var errs []error
	for _, c := range g.callers {
		errs = append(errs, c.works.Close())
	}
	return errors.Join(append(errs, g.host.Close(ctx), g.running.Wait())...)
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/iansmith/parigot/bench/syscall/echo"
	"github.com/iansmith/parigot/bench/syscall/usage"
	"github.com/iansmith/parigot/examples/syscall"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
)

// guests are guests on one engine, half of which call the other half.
type guests struct {
	host     *eng.Host
	dispatch pluginsdk.Dispatcher
	running  *errgroup.Group
	callers  int
	stopping atomic.Bool
}

func callerName(i int) string { return fmt.Sprint("bench.v1.Caller", i) }
func serverName(i int) string { return fmt.Sprint("bench.v1.Server", i) }

// openGuests starts n guests.
func openGuests(ctx context.Context, wasm []byte, cache string, n int, opts ...eng.GuestOption) (_ *guests, err error) {
	host, err := eng.New(ctx, eng.WithCacheDir(cache), eng.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		return nil, err
	}
	g := &guests{host: host, running: new(errgroup.Group), callers: n / 2}
	defer func() {
		if err != nil {
			err = errors.Join(err, g.close(ctx))
		}
	}()
	if err := pluginsdk.Start(ctx, host, syscall.ParigotInitialize, pluginsdk.WithDispatcher(&g.dispatch)); err != nil {
		return nil, err
	}
	var servers []string
	for i := range n - g.callers {
		servers = append(servers, serverName(i))
		if err := g.start(ctx, wasm, serverName(i), opts, "serve", serverName(i)); err != nil {
			return nil, err
		}
	}
	for i := range g.callers {
		// Each begins with another one.
		targets := append(append([]string{"call", callerName(i)}, servers[i:]...), servers[:i]...)
		if err := g.start(ctx, wasm, callerName(i), opts, targets...); err != nil {
			return nil, err
		}
	}
	_, err = g.run(ctx, echo.Work{Callers: g.callers})
	return g, err
}

// Write prints what a guest says. What they say when they are stopped is expected.
func (g *guests) Write(text []byte) (int, error) {
	if g.stopping.Load() {
		return len(text), nil
	}
	return os.Stderr.Write(text)
}

func (g *guests) start(ctx context.Context, wasm []byte, name string, opts []eng.GuestOption, args ...string) error {
	guest, err := g.host.Compile(ctx, name, wasm, opts...)
	if err != nil {
		return err
	}
	g.running.Go(func() error {
		code, err := guest.Run(ctx, eng.WithArgs(args...), eng.WithStderr(g))
		if err == nil && code != 0 {
			err = fmt.Errorf("guest %s ended with the code %d", name, code)
		}
		if g.stopping.Load() {
			return nil
		}
		return err
	})
	return nil
}

// run has the calling guests do a work together.
func (g *guests) run(ctx context.Context, w echo.Work) (done echo.Done, err error) {
	before := usage.CPU()
	callers := min(g.callers, w.Callers)
	w.Callers /= callers
	encoded, err := json.Marshal(w)
	if err != nil {
		return done, err
	}
	group, ctx := errgroup.WithContext(ctx)
	counts := make([]int64, callers)
	for i := range callers {
		group.Go(func() error {
			resp := new(wrapperspb.Int64Value)
			m := pluginsdk.Method{Service: callerName(i), Name: "Run", FullName: callerName(i) + ".Run"}
			err := g.dispatch.Invoke(ctx, &m, wrapperspb.Bytes(encoded), resp)
			counts[i] = resp.GetValue()
			return err
		})
	}
	err = group.Wait()
	for _, n := range counts {
		done.Calls += int(n)
	}
	done.CPU = usage.CPU() - before
	return done, err
}

func (g *guests) close(ctx context.Context) error {
	g.stopping.Store(true)
	return errors.Join(g.host.Close(ctx), g.running.Wait())
}

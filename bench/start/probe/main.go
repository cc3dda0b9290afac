// Probe measures how long a guest takes to start with the engine that it is built with, and writes
// that as JSON. It uses what the engine has had since commit 6b5eaaa, so that package start can
// build it in an older version of Parigot.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/iansmith/parigot/pluginsdk/eng"
)

// figures are what is measured: times in nanoseconds, and the host's heap of an idle instance in
// bytes.
type figures struct {
	Cold, Warm, Start, Heap float64
}

type options struct {
	trusted       bool
	starts, idles int
}

func main() {
	var o options
	flag.BoolVar(&o.trusted, "trusted", false, "compile the guest as trusted")
	flag.IntVar(&o.starts, "starts", 20, "how many instances are started one after the other")
	flag.IntVar(&o.idles, "idles", 20, "how many instances are idle at once")
	flag.Parse()
	f, err := o.measure(context.Background(), flag.Arg(0))
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(f)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
}

// measure measures a guest, which is compiled once without a cache, and once with it.
func (o options) measure(ctx context.Context, file string) (f figures, err error) {
	module, err := os.ReadFile(file)
	if err != nil {
		return f, err
	}
	cache, err := os.MkdirTemp("", "bench-start")
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(cache)) }()
	if err := o.compiled(ctx, cache, module, &f.Cold, nil); err != nil {
		return f, err
	}
	err = o.compiled(ctx, cache, module, &f.Warm, func(g *eng.Guest) error {
		if f.Start, err = o.start(ctx, g); err != nil {
			return err
		}
		f.Heap, err = o.idle(ctx, g)
		return err
	})
	return f, err
}

// compiled compiles the guest in an engine of its own, and hands it on.
func (o options) compiled(ctx context.Context, cache string, module []byte, took *float64, then func(*eng.Guest) error) (err error) {
	h, err := eng.New(ctx, eng.WithCacheDir(cache), eng.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close(ctx)) }()
	echo := eng.HostModule{Name: "bench.v1.Echo", Functions: []eng.Function{{Name: "Send", Call: send}}}
	if err := h.Register(ctx, echo); err != nil {
		return err
	}
	var opts []eng.GuestOption
	if o.trusted {
		opts = append(opts, eng.Trusted())
	}
	runtime.GC()
	begin := time.Now()
	g, err := h.Compile(ctx, "start", module, opts...)
	*took = float64(time.Since(begin))
	if err != nil || then == nil {
		return err
	}
	return then(g)
}

// send answers with the request.
func send(_ context.Context, m api.Module, stack []uint64) {
	req, ok := m.Memory().Read(uint32(stack[0]), uint32(stack[1]))
	if !ok || !m.Memory().Write(uint32(stack[2]), req) {
		req = nil
	}
	stack[0] = uint64(len(req))
}

// first makes an instance's first call.
func first(ctx context.Context, i *eng.Instance) error {
	results, err := i.Call(ctx, "first")
	if err == nil && results[0] != 16 {
		err = fmt.Errorf("the guest got %d bytes, want 16", results[0])
	}
	return err
}

// start returns the median of how long an instance takes from its start to the answer of its first
// call.
func (o options) start(ctx context.Context, g *eng.Guest) (float64, error) {
	took := make([]float64, o.starts)
	for n := range took {
		begin := time.Now()
		i, err := g.Instantiate(ctx)
		if err != nil {
			return 0, err
		}
		err = first(ctx, i)
		took[n] = float64(time.Since(begin))
		if err := errors.Join(err, i.Close(ctx)); err != nil {
			return 0, err
		}
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}

// idle returns how much of the host's heap an instance has that has answered a call and waits for
// the next.
func (o options) idle(ctx context.Context, g *eng.Guest) (_ float64, err error) {
	before := heap()
	for range o.idles {
		i, err := g.Instantiate(ctx)
		if err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, i.Close(ctx)) }()
		if err := first(ctx, i); err != nil {
			return 0, err
		}
	}
	return (heap() - before) / float64(o.idles), nil
}

func heap() float64 {
	runtime.GC()
	runtime.GC() // what the first one has finalized
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

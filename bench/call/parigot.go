package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"

	"github.com/tetratelabs/wazero/api"

	"github.com/iansmith/parigot/bench/call/gen/call/v1/callv1parigot"
	"github.com/iansmith/parigot/bench/call/gen/plain/v1/plainv1parigot"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
)

// parigot is an engine with the services, and the guest on it: trusted, and not.
type parigot struct {
	*recorder
	calling                atomic.Pointer[context.Context] // of the last call of Memory
	trusted, interruptible *eng.Guest
}

func openParigot(ctx context.Context, wasm []byte, cache string, opts ...eng.Option) (_ *parigot, err error) {
	host, err := eng.New(ctx, append([]eng.Option{eng.WithCacheDir(cache), eng.WithLogger(slog.New(slog.DiscardHandler))}, opts...)...)
	if err != nil {
		return nil, err
	}
	p := &parigot{recorder: &recorder{host, map[string]eng.HostFunc{}}}
	defer func() {
		if err != nil {
			_ = host.Close(ctx) // there is an error already
		}
	}()
	if err := p.registerAll(ctx); err != nil {
		return nil, err
	}
	if p.trusted, err = host.Compile(ctx, "bench", wasm, eng.Trusted()); err != nil {
		return nil, err
	}
	p.interruptible, err = host.Compile(ctx, "bench", wasm)
	return p, err
}

func (p *parigot) registerAll(ctx context.Context) error {
	if err := callv1parigot.RegisterCall(ctx, p, callImpl{}, pluginsdk.Borrowed(), pluginsdk.Into()); err != nil {
		return err
	}
	if err := plainv1parigot.RegisterPlain(ctx, p, plainImpl{}); err != nil {
		return err
	}
	buffer := make([]byte, 1<<20)
	return p.Register(ctx, eng.HostModule{Name: "bench.Limit", Functions: []eng.Function{
		{Name: "Empty", Call: func(_ context.Context, _ api.Module, stack []uint64) { stack[0] = 0 }},
		// One guest at a time copies.
		{Name: "Copy", Call: func(_ context.Context, m api.Module, stack []uint64) {
			req, _ := m.Memory().Read(api.DecodeU32(stack[0]), api.DecodeU32(stack[1]))
			resp, _ := m.Memory().Read(api.DecodeU32(stack[2]), api.DecodeU32(stack[3]))
			copy(resp, buffer[:copy(buffer, req)])
			stack[0] = 0
		}},
		{Name: "Memory", Call: func(ctx context.Context, m api.Module, stack []uint64) {
			p.calling.Store(&ctx)
			stack[0] = uint64(m.Memory().Size())
		}},
	}})
}

func (p *parigot) close(ctx context.Context) error { return p.Close(ctx) }

// sides are what the guest does, each trusted and interruptible.
func (p *parigot) sides() []side {
	all := []side{{"bridge", limit, p.openBridge}}
	for _, s := range []struct {
		export string
		kind   kind
	}{{"default", ours}, {"optin", ours}, {"plain", ours}, {"empty", limit}, {"copy", limit}} {
		for _, g := range []struct {
			name  string
			guest *eng.Guest
		}{{"trusted", p.trusted}, {"interruptible", p.interruptible}} {
			all = append(all, side{s.export + "-" + g.name, s.kind, func(ctx context.Context, payload int) (contest, error) {
				return openInstance(ctx, g.guest, s.export, payload)
			}})
		}
	}
	return all
}

// instance is an instance of the guest that does one thing.
type instance struct {
	*eng.Instance
	export  string
	payload int
}

func openInstance(ctx context.Context, g *eng.Guest, export string, payload int) (*instance, error) {
	i, err := g.Instantiate(ctx, eng.WithStderr(os.Stderr))
	return &instance{i, export, payload}, err
}

func (i *instance) run(ctx context.Context, calls int) error {
	result, err := i.Call(ctx, i.export, uint64(i.payload), uint64(calls))
	if err == nil && result[0] != 0 {
		err = fmt.Errorf("the guest failed in %s", i.export)
	}
	return err
}

func (i *instance) memory(ctx context.Context) (uint64, error) {
	result, err := i.Call(ctx, "memory_size")
	if err != nil {
		return 0, err
	}
	return result[0], nil
}

func (i *instance) close(ctx context.Context) error { return i.Close(ctx) }

package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"github.com/wapc/wapc-go"
	wapcwazero "github.com/wapc/wapc-go/engines/wazero"

	callv1 "github.com/iansmith/parigot/bench/call/gen/call/v1"
)

// wapcGuest is a guest of waPC: messages travel as bytes.
type wapcGuest struct {
	wapc.Instance
	module  wapc.Module
	cache   wazero.CompilationCache
	payload int
}

func wapcSide(b *built) side {
	return side{"waPC", peer, func(ctx context.Context, payload int) (contest, error) {
		wasm, err := os.ReadFile(b.file("wapc"))
		if err != nil {
			return nil, err
		}
		disk, err := wazero.NewCompilationCacheWithDir(b.cache)
		if err != nil {
			return nil, err
		}
		w := &wapcGuest{payload: payload, cache: disk}
		engine := wapcwazero.EngineWithRuntime(func(ctx context.Context) (wazero.Runtime, error) {
			r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCompilationCache(disk))
			_, err := wasi_snapshot_preview1.Instantiate(ctx, r)
			return r, err
		})
		w.module, err = engine.New(ctx, wapcSend, wasm, &wapc.ModuleConfig{Stderr: os.Stderr})
		if err == nil {
			if m, ok := w.module.(*wapcwazero.Module); ok {
				m.WithConfig(func(c wazero.ModuleConfig) wazero.ModuleConfig { return c.WithStartFunctions("_initialize") })
			}
			w.Instance, err = w.module.Instantiate(ctx)
		}
		if err != nil {
			return nil, errors.Join(err, w.close(ctx))
		}
		return w, nil
	}}
}

// wapcSend is the host's half of a call.
func wapcSend(ctx context.Context, _, _, _ string, b []byte) ([]byte, error) {
	req, resp := new(callv1.SendRequest), new(callv1.SendResponse)
	if err := req.UnmarshalVT(b); err != nil {
		return nil, err
	}
	if err := (callImpl{}).SendInto(ctx, req, resp); err != nil {
		return nil, err
	}
	return resp.MarshalVT()
}

func (w *wapcGuest) run(ctx context.Context, calls int) error {
	_, err := w.Invoke(ctx, "run", fmt.Appendf(nil, "%d %d", w.payload, calls))
	return err
}

func (w *wapcGuest) memory(context.Context) (uint64, error) { return uint64(w.MemorySize()), nil }

func (w *wapcGuest) close(ctx context.Context) error {
	var errs []error
	if w.Instance != nil {
		errs = append(errs, w.Close(ctx))
	}
	if w.module != nil {
		errs = append(errs, w.module.Close(ctx))
	}
	return errors.Join(append(errs, w.cache.Close(ctx))...)
}

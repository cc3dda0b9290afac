package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	knqyfv1 "github.com/iansmith/parigot/bench/call/gen/knqyf/v1"
)

// knqyf is knqyf263/go-plugin: a guest that calls its host functions. It never frees the
// responses in the guest, which is replaced therefore when its memory is large.
type knqyf struct {
	runtime  wazero.Runtime
	compiled wazero.CompiledModule
	payload  int
	guest    api.Module
}

func knqyfSide(wasm []byte, cache string) side {
	return side{"knqyf263-go-plugin", peer, func(ctx context.Context, payload int) (contest, error) {
		disk, err := wazero.NewCompilationCacheWithDir(cache)
		if err != nil {
			return nil, err
		}
		k := &knqyf{payload: payload}
		k.runtime = wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCompilationCache(disk))
		_, err = wasi_snapshot_preview1.Instantiate(ctx, k.runtime)
		if err == nil {
			err = knqyfv1.Instantiate(ctx, k.runtime, knqyfImpl{})
		}
		if err == nil {
			k.compiled, err = k.runtime.CompileModule(ctx, wasm)
		}
		if err == nil {
			err = k.renew(ctx)
		}
		if err != nil {
			return nil, errors.Join(err, k.close(ctx))
		}
		return k, nil
	}}
}

// tooLarge is the size of a guest's memory from which on it is replaced, in bytes.
const tooLarge = 1 << 30

func (k *knqyf) renew(ctx context.Context) (err error) {
	if k.guest != nil {
		if k.guest.Memory().Size() < tooLarge {
			return nil
		}
		if err := k.guest.Close(ctx); err != nil {
			return err
		}
	}
	k.guest, err = k.runtime.InstantiateModule(ctx, k.compiled, wazero.NewModuleConfig().WithName("").
		WithStartFunctions("_initialize").WithStderr(os.Stderr).WithSysWalltime().WithSysNanotime())
	return err
}

func (k *knqyf) run(ctx context.Context, calls int) error {
	result, err := k.guest.ExportedFunction("default").Call(ctx, uint64(k.payload), uint64(calls))
	if err == nil && result[0] != 0 {
		err = fmt.Errorf("the guest returned %d", result[0])
	}
	return err
}

func (k *knqyf) memory(context.Context) (uint64, error) { return uint64(k.guest.Memory().Size()), nil }

func (k *knqyf) close(ctx context.Context) error { return k.runtime.Close(ctx) }

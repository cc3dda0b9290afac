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
	"github.com/iansmith/parigot/bench/call/work"
)

// knqyf is knqyf263/go-plugin: a guest that calls its host functions. It never frees the
// responses in the guest, which is replaced therefore when its memory is large.
type knqyf struct {
	file    string // of the guest
	cache   wazero.CompilationCache
	payload int
	guest   api.Module
	plugin  knqyfPlugin
}

// knqyfPlugin is the unexported interface that go-plugin generates.
type knqyfPlugin interface {
	knqyfv1.Plugin
	Close(ctx context.Context) error
}

// knqyfName is the name of the guest's instance.
const knqyfName = "guest"

func knqyfSide(b *built) side {
	return side{reference, peer, func(ctx context.Context, payload int) (contest, error) { return openKnqyf(ctx, b, payload) }}
}

func openKnqyf(ctx context.Context, b *built, payload int) (*knqyf, error) {
	cache, err := wazero.NewCompilationCacheWithDir(b.cache)
	if err != nil {
		return nil, err
	}
	k := &knqyf{file: b.file("knqyf"), cache: cache, payload: payload}
	if err := k.renew(ctx); err != nil {
		return nil, errors.Join(err, k.close(ctx))
	}
	return k, nil
}

// tooLarge is the size of a guest's memory from which on it is replaced, in bytes.
const tooLarge = 1 << 30

func (k *knqyf) renew(ctx context.Context) error {
	if k.plugin != nil {
		if k.guest.Memory().Size() < tooLarge {
			return nil
		}
		if err := k.plugin.Close(ctx); err != nil {
			return err
		}
	}
	var runtime wazero.Runtime
	loader, err := knqyfv1.NewPluginPlugin(ctx,
		knqyfv1.WazeroRuntime(func(ctx context.Context) (wazero.Runtime, error) {
			runtime = wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCompilationCache(k.cache))
			_, err := wasi_snapshot_preview1.Instantiate(ctx, runtime)
			return runtime, err
		}),
		knqyfv1.WazeroModuleConfig(wazero.NewModuleConfig().WithName(knqyfName).
			WithStartFunctions("_initialize").WithStderr(os.Stderr).WithSysWalltime().WithSysNanotime()))
	if err != nil {
		return err
	}
	plugin, err := loader.Load(ctx, k.file, knqyfImpl{})
	if err != nil {
		return errors.Join(err, runtime.Close(ctx))
	}
	k.plugin, k.guest = plugin, runtime.Module(knqyfName)
	return nil
}

func (k *knqyf) run(ctx context.Context, calls int) error {
	result, err := k.guest.ExportedFunction("default").Call(ctx, uint64(k.payload), uint64(calls))
	if err == nil && result[0] != 0 {
		err = fmt.Errorf("the guest returned %d", result[0])
	}
	return err
}

func (k *knqyf) memory(context.Context) (uint64, error) { return uint64(k.guest.Memory().Size()), nil }

func (k *knqyf) close(ctx context.Context) error {
	var errs []error
	if k.plugin != nil {
		errs = append(errs, k.plugin.Close(ctx))
	}
	return errors.Join(append(errs, k.cache.Close(ctx))...)
}

// knqyfServed is the other direction: the host calls the guest.
type knqyfServed struct{ *knqyf }

func knqyfServedSide(b *built) side {
	return side{reference, peer, func(ctx context.Context, payload int) (contest, error) {
		k, err := openKnqyf(ctx, b, payload)
		return knqyfServed{k}, err
	}}
}

func (k knqyfServed) run(ctx context.Context, calls int) error {
	payload, tags := work.Payload(k.payload), work.Tags()
	for seq := range uint64(calls) {
		resp, err := k.plugin.Send(ctx, &knqyfv1.SendRequest{Queue: work.Queue, Payload: payload, Seq: seq, Tags: tags})
		if err == nil {
			err = work.Check(resp, k.payload, seq)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

package main

import (
	"context"
	"errors"
	"fmt"

	extism "github.com/extism/go-sdk"
	"github.com/tetratelabs/wazero"

	callv1 "github.com/iansmith/parigot/bench/call/gen/call/v1"
	"github.com/iansmith/parigot/bench/call/work"
)

// extismGuest is a plugin of Extism: messages travel as bytes in blocks of its memory.
type extismGuest struct {
	compiled *extism.CompiledPlugin
	plugin   *extism.Plugin
	cache    wazero.CompilationCache
	payload  int
}

func extismSide(b *built) side {
	return side{"extism", peer, func(ctx context.Context, payload int) (contest, error) { return openExtism(ctx, b, payload) }}
}

func openExtism(ctx context.Context, b *built, payload int) (*extismGuest, error) {
	disk, err := wazero.NewCompilationCacheWithDir(b.cache)
	if err != nil {
		return nil, err
	}
	e := &extismGuest{payload: payload, cache: disk}
	send := extism.NewHostFunctionWithStack("send", extismSend, []extism.ValueType{extism.ValueTypePTR}, []extism.ValueType{extism.ValueTypePTR})
	e.compiled, err = extism.NewCompiledPlugin(ctx,
		extism.Manifest{Wasm: []extism.Wasm{extism.WasmFile{Path: b.file("extism")}}},
		extism.PluginConfig{EnableWasi: true, RuntimeConfig: wazero.NewRuntimeConfig().WithCompilationCache(disk)},
		[]extism.HostFunction{send})
	if err == nil {
		err = e.renew(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, e.close(ctx))
	}
	return e, nil
}

// extismSend is the host's half of a call. The kernel of Extism ends the guest that gets
// 0 for an answer.
func extismSend(_ context.Context, p *extism.CurrentPlugin, stack []uint64) {
	offset, err := func() (uint64, error) {
		b, err := p.ReadBytes(stack[0])
		if err != nil {
			return 0, err
		}
		req, resp := new(callv1.SendRequest), new(callv1.SendResponse)
		if err := req.UnmarshalVT(b); err != nil {
			return 0, err
		}
		if err := (callImpl{}).SendInto(context.Background(), req, resp); err != nil {
			return 0, err
		}
		if b, err = resp.MarshalVT(); err != nil {
			return 0, err
		}
		return p.WriteBytes(b)
	}()
	if err != nil {
		p.Log(extism.LogLevelError, err.Error())
		offset = 0
	}
	stack[0] = offset
}

// renew replaces the plugin when its guest's memory is large.
func (e *extismGuest) renew(ctx context.Context) (err error) {
	if e.plugin != nil {
		if size, _ := e.memory(ctx); size < tooLarge {
			return nil
		}
		if err := e.plugin.CloseWithContext(ctx); err != nil {
			return err
		}
	}
	e.plugin, err = e.compiled.Instance(ctx, extism.PluginInstanceConfig{
		ModuleConfig: wazero.NewModuleConfig().WithSysWalltime().WithSysNanotime(),
	})
	return err
}

func (e *extismGuest) run(ctx context.Context, calls int) error {
	_, err := e.call(ctx, "call", fmt.Appendf(nil, "%d %d", e.payload, calls))
	return err
}

func (e *extismGuest) call(ctx context.Context, function string, input []byte) ([]byte, error) {
	code, output, err := e.plugin.CallWithContext(ctx, function, input)
	if err == nil && code != 0 {
		err = fmt.Errorf("the guest returned %d", code)
	}
	return output, err
}

// memory returns the size of Extism's own memory, in which messages travel.
func (e *extismGuest) memory(context.Context) (uint64, error) {
	return uint64(e.plugin.Memory().Size()), nil
}

func (e *extismGuest) close(ctx context.Context) error {
	var errs []error
	if e.plugin != nil {
		errs = append(errs, e.plugin.CloseWithContext(ctx))
	}
	if e.compiled != nil {
		errs = append(errs, e.compiled.Close(ctx))
	}
	return errors.Join(append(errs, e.cache.Close(ctx))...)
}

// extismServed is the other direction: the host calls the guest.
type extismServed struct{ *extismGuest }

func extismServedSide(b *built) side {
	return side{"extism", peer, func(ctx context.Context, payload int) (contest, error) {
		e, err := openExtism(ctx, b, payload)
		return extismServed{e}, err
	}}
}

func (e extismServed) run(ctx context.Context, calls int) error {
	payload, tags := work.Payload(e.payload), work.Tags()
	for seq := range uint64(calls) {
		b, err := (&callv1.SendRequest{Queue: work.Queue, Payload: payload, Seq: seq, Tags: tags}).MarshalVT()
		if err != nil {
			return err
		}
		if b, err = e.call(ctx, "serve", b); err != nil {
			return err
		}
		resp := new(callv1.SendResponse)
		if err := resp.UnmarshalVT(b); err != nil {
			return err
		}
		if err := work.Check(resp, e.payload, seq); err != nil {
			return err
		}
	}
	return nil
}

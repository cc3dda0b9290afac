package eng

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/iansmith/parigot/internal/abi"
	"github.com/iansmith/parigot/internal/instance"
	"github.com/iansmith/parigot/pluginsdk/status"
)

const (
	wasiModule = wasi_snapshot_preview1.ModuleName
	pageSize   = 64 << 10
)

// The signatures of the host functions.
var (
	i32, i64 = api.ValueTypeI32, api.ValueTypeI64

	callSignature     = signature{params: []api.ValueType{i32, i32, i32, i32}, results: []api.ValueType{i64}}
	takeSignature     = signature{params: []api.ValueType{i32, i32}, results: []api.ValueType{i64}}
	headerSignature   = signature{params: []api.ValueType{i32, i32}}
	awaitSignature    = signature{params: []api.ValueType{i64, i32, i32}, results: []api.ValueType{i64}}
	offersSignature   = signature{results: []api.ValueType{i64}}
	timeLeftSignature = offersSignature
	serveSignature    = signature{params: []api.ValueType{i32, i32, i32, i32, i64}, results: []api.ValueType{i64}}
	runSignature      = signature{params: []api.ValueType{i32, i64}, results: []api.ValueType{i64}}
	cancelSignature   = signature{params: []api.ValueType{i32}, results: []api.ValueType{i64}}
)

type signature struct{ params, results []api.ValueType }

func (s signature) matches(d api.FunctionDefinition) bool {
	return slices.Equal(s.params, d.ParamTypes()) && slices.Equal(s.results, d.ResultTypes())
}

func (s signature) String() string {
	return signatureText(s.params) + " -> " + signatureText(s.results)
}

func signatureText(types []api.ValueType) string {
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = api.ValueTypeName(t)
	}
	return "(" + strings.Join(names, ", ") + ")"
}

// sandbox is a wazero runtime with one guest in it, so that each guest has a cache of its own.
type sandbox struct {
	runtime wazero.Runtime
	files   wazero.CompilationCache
	wasi    map[string]api.FunctionDefinition
}

// newSandbox makes a sandbox. overlaps says that its guest imports parigot.await. It takes over files,
// and is to be closed.
func newSandbox(ctx context.Context, files wazero.CompilationCache, pages uint32, overlaps bool) (*sandbox, error) {
	b := &sandbox{files: files, runtime: wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().
		WithCompilationCache(files).
		WithMemoryLimitPages(pages))}
	if err := b.furnish(ctx, overlaps); err != nil {
		return nil, errors.Join(fmt.Errorf("make a sandbox: %w", err), b.close(ctx))
	}
	return b, nil
}

func (b *sandbox) close(ctx context.Context) error {
	return errors.Join(b.runtime.Close(ctx), b.files.Close(ctx))
}

// furnish adds the modules that every guest may import.
func (b *sandbox) furnish(ctx context.Context, overlaps bool) error {
	wasi := b.runtime.NewHostModuleBuilder(wasiModule)
	if err := exportWASI(wasi, overlaps); err != nil {
		return err
	}
	if _, err := wasi.Instantiate(ctx); err != nil {
		return err
	}
	b.wasi = b.runtime.Module(wasiModule).ExportedFunctionDefinitions()
	m := b.runtime.NewHostModuleBuilder(abi.Module)
	export(m, abi.Take, take, takeSignature, []string{"ptr", "cap"})
	export(m, abi.Header, header, headerSignature, []string{"ptr", "len"})
	export(m, abi.Await, await, awaitSignature, []string{"timeout_ns", "ptr", "cap"})
	export(m, abi.Cancel, cancel, cancelSignature, []string{"handle"})
	export(m, abi.Request, request, takeSignature, []string{"ptr", "len"})
	export(m, abi.TimeLeft, timeLeftOf, timeLeftSignature, nil)
	export(m, refuelName, refuel, refuelSignature, nil)
	_, err := m.Instantiate(ctx)
	return err
}

func export(m wazero.HostModuleBuilder, name string, f HostFunc, s signature, params []string) {
	b := m.NewFunctionBuilder().
		WithGoModuleFunction(api.GoModuleFunc(f), s.params, s.results).
		WithName(name).
		WithParameterNames(params...)
	if len(s.results) > 0 {
		b = b.WithResultNames("result")
	}
	b.Export(name)
}

// connect makes the functions of an import module callable in b, once. The
// caller holds h.mu.
func (h *Host) connect(ctx context.Context, b *sandbox, name string) error {
	m := h.modules[name]
	if m == nil || b.runtime.Module(name) != nil {
		return nil
	}
	builder := b.runtime.NewHostModuleBuilder(name)
	for _, f := range m.functions {
		export(builder, f.Name, f.Call, callSignature, []string{"req_ptr", "req_len", "resp_ptr", "resp_cap"})
	}
	if _, err := builder.Instantiate(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("connect module %q: %w", name, err)
	}
	m.inUse = true
	return nil
}

// take is the import parigot.take: it hands out what is parked.
func take(ctx context.Context, m api.Module, stack []uint64) {
	ptr, size := api.DecodeU32(stack[0]), api.DecodeU32(stack[1])
	s := instance.FromContext(ctx)
	switch {
	case s == nil || s.Parked == nil:
		stack[0] = abi.Result(-int32(status.FailedPrecondition), 0)
	case uint64(len(s.Parked)) > uint64(size) || !m.Memory().Write(ptr, s.Parked):
		stack[0] = abi.Result(-int32(status.OutOfRange), 0)
	default:
		stack[0] = abi.Result(0, uint32(len(s.Parked)))
		s.Unpark()
	}
}

package fuel_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/iansmith/parigot/internal/fuel"
	"github.com/iansmith/parigot/internal/guesttest"
	"github.com/iansmith/parigot/pluginsdk"
)

// kind is how a guest can be stopped.
type kind struct {
	name    string
	checks  bool // those of wazero
	metered bool
}

var kinds = []kind{{name: "trusted"}, {name: "metered", metered: true}, {name: "checked", checks: true}}

// BenchmarkStopping measures what it costs that a guest can be stopped: not at all,
// metered, and with the checks of wazero. An operation is a round with each kind, one
// after the other; what is reported are the quickest of the rounds, which other load of
// the machine disturbs least, for one unit of work, and how many times longer it takes
// than when the guest cannot be stopped.
func BenchmarkStopping(b *testing.B) {
	for _, w := range []struct {
		name  string
		wasm  func(testing.TB) []byte
		units int
		run   func(testing.TB, wazero.Runtime, wazero.CompiledModule, int) time.Duration
	}{
		{"tight-loop", loopModule, 5_000_000, export},
		{"loop-of-3-lines", mixModule, 4_000_000, export},
		{"calls-fib", fibModule, 27, export},
		{"go-loop", goWorks, 4000, goWork("loop")},
		{"go-fib", goWorks, 50, goWork("fib")},
		{"go-sha256-1MiB", goWorks, 1, goWork("sha256")},
		{"go-json", goWorks, 200, goWork("json")},
		{"go-sort", goWorks, 200, goWork("sort")},
		{"go-protobuf", goWorks, 200, goWork("proto")},
		{"guest-call-16B", caller, 4000, calls(16)},
		{"guest-call-1KiB", caller, 4000, calls(1 << 10)},
		{"guest-call-64KiB", caller, 400, calls(64 << 10)},
	} {
		b.Run(w.name, func(b *testing.B) {
			cache, err := wazero.NewCompilationCacheWithDir(guesttest.CacheDir(b))
			require.NoError(b, err)
			b.Cleanup(func() { require.NoError(b, cache.Close(context.Background())) })
			took := make([][]float64, len(kinds))
			runs := make([]func() time.Duration, len(kinds))
			for i, k := range kinds {
				r, m := k.compile(b, cache, w.wasm(b))
				runs[i] = func() time.Duration { return w.run(b, r, m, w.units) }
			}
			for b.Loop() {
				for i, run := range runs {
					took[i] = append(took[i], float64(run().Nanoseconds())/float64(w.units))
				}
			}
			for i, k := range kinds {
				b.ReportMetric(slices.Min(took[i]), k.name+"-ns")
				if i > 0 {
					b.ReportMetric(slices.Min(took[i])/slices.Min(took[0]), k.name+"/trusted")
				}
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// compile makes a module ready, as the engine would.
func (k kind) compile(tb testing.TB, cache wazero.CompilationCache, wasm []byte) (wazero.Runtime, wazero.CompiledModule) {
	tb.Helper()
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCloseOnContextDone(k.checks).WithCompilationCache(cache))
	tb.Cleanup(func() { require.NoError(tb, r.Close(ctx)) })
	wasi_snapshot_preview1.MustInstantiate(ctx, r)
	refuelable(tb, r, func(ctx context.Context) int64 {
		require.NoError(tb, ctx.Err())
		return fuel.Tank
	})
	nothing := api.GoModuleFunc(func(context.Context, api.Module, []uint64) {})
	i32, i64 := api.ValueTypeI32, api.ValueTypeI64
	parigot := r.NewHostModuleBuilder("parigot")
	parigot.NewFunctionBuilder().WithGoModuleFunction(nothing, []api.ValueType{i32, i32}, []api.ValueType{i64}).Export("take")
	parigot.NewFunctionBuilder().WithGoModuleFunction(nothing, []api.ValueType{i32, i32}, nil).Export("header")
	parigot.NewFunctionBuilder().WithGoModuleFunction(nothing, []api.ValueType{i64, i32, i32}, []api.ValueType{i64}).Export("await")
	parigot.NewFunctionBuilder().WithGoModuleFunction(nothing, []api.ValueType{i32}, []api.ValueType{i64}).Export("cancel")
	_, err := parigot.Instantiate(ctx)
	require.NoError(tb, err)
	_, err = r.NewHostModuleBuilder("test.v1.Test").NewFunctionBuilder().
		WithGoModuleFunction(api.GoModuleFunc(bridgeEcho), []api.ValueType{i32, i32, i32, i32}, []api.ValueType{i64}).Export("Echo").Instantiate(ctx)
	require.NoError(tb, err)
	if k.metered {
		start, size := time.Now(), len(wasm)
		wasm, err = metered(wasm)
		require.NoError(tb, err)
		tb.Logf("metered in %s: %d bytes became %d", time.Since(start), size, len(wasm))
	}
	m, err := r.CompileModule(ctx, wasm)
	require.NoError(tb, err)
	return r, m
}

// export calls the function that a module exports.
func export(tb testing.TB, r wazero.Runtime, m wazero.CompiledModule, n int) time.Duration {
	tb.Helper()
	ctx := tb.Context()
	i, err := r.InstantiateModule(ctx, m, wazero.NewModuleConfig().WithName(""))
	require.NoError(tb, err)
	defer func() { require.NoError(tb, i.Close(ctx)) }()
	start := time.Now()
	_, err = i.ExportedFunction("f").Call(ctx, uint64(n))
	require.NoError(tb, err)
	return time.Since(start)
}

// goWork runs a work of the Go program.
func goWork(name string) func(testing.TB, wazero.Runtime, wazero.CompiledModule, int) time.Duration {
	return func(tb testing.TB, r wazero.Runtime, m wazero.CompiledModule, n int) time.Duration {
		tb.Helper()
		ns, err := strconv.ParseInt(goRun(tb, r, m, "work", name, strconv.Itoa(n)), 10, 64)
		require.NoError(tb, err)
		return time.Duration(ns)
	}
}

// calls makes calls with payloads of a size to the host.
func calls(size int) func(testing.TB, wazero.Runtime, wazero.CompiledModule, int) time.Duration {
	return func(tb testing.TB, r wazero.Runtime, m wazero.CompiledModule, n int) time.Duration {
		tb.Helper()
		start := time.Now()
		goRun(tb, r, m, "tester", "bench", "1", strconv.Itoa(size))
		begun := time.Now()
		goRun(tb, r, m, "tester", "bench", strconv.Itoa(n+1), strconv.Itoa(size))
		return time.Since(begun) - begun.Sub(start)
	}
}

func goRun(tb testing.TB, r wazero.Runtime, m wazero.CompiledModule, args ...string) string {
	tb.Helper()
	var out bytes.Buffer
	i, err := r.InstantiateModule(tb.Context(), m, wazero.NewModuleConfig().WithName("").WithArgs(args...).WithStdout(&out).
		WithSysWalltime().WithSysNanotime().WithRandSource(rand.Reader))
	require.NoError(tb, err, fmt.Sprint(args))
	require.NoError(tb, i.Close(tb.Context()))
	return out.String()
}

type echo struct{}

func (echo) echo(_ context.Context, req, resp *wrapperspb.BytesValue) int32 {
	resp.Value = req.Value
	return 0
}

func bridgeEcho(ctx context.Context, m api.Module, stack []uint64) {
	pluginsdk.InvokeImplFromStack(ctx, "test.v1.Test.Echo", m, stack, echo{}.echo, new(wrapperspb.BytesValue), new(wrapperspb.BytesValue))
}

func goWorks(tb testing.TB) []byte { return guesttest.Build(tb, "testdata/work") }

func caller(tb testing.TB) []byte { return guesttest.Build(tb, "../../pluginsdk/eng/testdata/guest") }

// exporting returns a module whose function f has a parameter, and a body.
func exporting(typ, body string) []byte {
	return []byte(preamble + section(1, "\x01"+typ) + section(3, "\x01\x00") + section(5, "\x01\x00\x01") +
		section(7, "\x01\x01f\x00\x00") + section(10, "\x01"+uleb(len(body)+1)+body+"\x0b"))
}

// loopModule counts its parameter down.
func loopModule(testing.TB) []byte {
	return exporting("\x60\x01\x7f\x00", "\x00\x03\x40\x20\x00\x41\x01\x6b\x22\x00\x0d\x00\x0b")
}

// mixModule counts its parameter down, and computes with a value in memory each time.
func mixModule(testing.TB) []byte {
	const index = "\x20\x00\x41\xfc\x01\x71"         // n & 252
	const mixed = index + "\x28\x02\x00\x41\x1f\x6c" // memory[n & 252] * 31
	return exporting("\x60\x01\x7f\x00", "\x00\x03\x40"+index+mixed+"\x20\x00\x73\x36\x02\x00"+
		"\x20\x00\x41\x01\x6b\x22\x00\x0d\x00\x0b")
}

// fibModule computes Fibonacci numbers by recursion.
func fibModule(testing.TB) []byte {
	return exporting("\x60\x01\x7f\x01\x7f", "\x00\x20\x00\x41\x02\x48\x04\x7f\x20\x00\x05"+
		"\x20\x00\x41\x01\x6b\x10\x00\x20\x00\x41\x02\x6b\x10\x00\x6a\x0b")
}

// BenchmarkCompile measures how long it takes to compile a Go guest without a cache,
// and, when it is metered, to rewrite it.
func BenchmarkCompile(b *testing.B) {
	wasm := guesttest.Build(b, "../../examples/file/guest")
	for _, k := range kinds {
		b.Run(k.name, func(b *testing.B) {
			ctx := context.Background()
			for b.Loop() {
				r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCloseOnContextDone(k.checks))
				changed := wasm
				if k.metered {
					start := time.Now()
					var err error
					changed, err = metered(wasm)
					require.NoError(b, err)
					b.ReportMetric(float64(time.Since(start).Milliseconds()), "meter-ms")
				}
				_, err := r.CompileModule(ctx, changed)
				require.NoError(b, err)
				require.NoError(b, r.Close(ctx))
				b.ReportMetric(float64(len(changed))/1e6, "MB")
			}
		})
	}
}

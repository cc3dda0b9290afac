package eng_test

import (
	"context"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/iansmith/parigot/internal/wasm/wasmtest"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/plugintest"
)

// wasiCaller returns a library that exports every function of WASI but proc_exit, under its
// number, and how many parameters each has.
func wasiCaller(f *testing.F) (module []byte, params []int) {
	f.Helper()
	r := wazero.NewRuntime(f.Context())
	defer func() { require.NoError(f, r.Close(f.Context())) }()
	wasiModule, err := wasi_snapshot_preview1.NewBuilder(r).Compile(f.Context())
	require.NoError(f, err)
	functions := wasiModule.ExportedFunctions()
	delete(functions, "proc_exit")
	var m wasmtest.Module
	var types []string
	names := slices.Sorted(maps.Keys(functions))
	for _, name := range names {
		p := string(functions[name].ParamTypes())
		m.Import(wasi, name, p, string(functions[name].ResultTypes()))
		types, params = append(types, p), append(params, len(p))
	}
	for i, p := range types {
		var code strings.Builder
		for n := range len(p) {
			code.WriteString(wasmtest.Get(uint32(n)))
		}
		m.Export(strconv.Itoa(i), m.Func(p, i32, "", code.String()+wasmtest.Call(uint32(i))))
	}
	m.Memory(2, 2)
	m.Data(100, "a/../b\x00new")
	return m.Bytes(), params
}

// FuzzWASI calls functions of WASI with arbitrary parameters, one after the other. They end
// soon, and take little of the host.
func FuzzWASI(f *testing.F) {
	module, params := wasiCaller(f)
	h := plugintest.Engine(f, eng.WithDiskLimit(1<<20), eng.WithMaxOpenFiles(50))
	g, err := h.Compile(f.Context(), "caller", module)
	require.NoError(f, err)
	for i := range params {
		f.Add([]byte{byte(i), 3, 0, 100, 3, 1, 200, 0, 0, 255})
	}
	// What parameters may be, beside small numbers.
	values := []uint64{3, 4, 5, 100, 107, 1 << 10, 1 << 16, 1<<17 - 8, 1 << 20, 1 << 29, 1 << 30, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 40, 1<<63 - 1, 1 << 63, 1<<64 - 1}
	f.Fuzz(func(t *testing.T, input []byte) {
		input = input[:min(len(input), 200)]
		i, err := g.Instantiate(t.Context(), eng.WithMount(t.TempDir(), "/d", true), eng.WithStdin(strings.NewReader("text")))
		require.NoError(t, err)
		defer func() { require.NoError(t, i.Close(context.Background())) }()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		for len(input) > 0 {
			n := int(input[0]) % len(params)
			input = input[1:]
			args := make([]uint64, params[n])
			for k := range args {
				if len(input) > 0 {
					if args[k] = uint64(input[0]); args[k] >= 200 {
						args[k] = values[int(args[k]-200)%len(values)]
					}
					input = input[1:]
				}
			}
			if _, err := i.Call(ctx, strconv.Itoa(n), args...); err != nil {
				require.NotContains(t, err.Error(), "recovered by wazero", "%d %v", n, args)
				break
			}
		}
		runtime.ReadMemStats(&after)
		require.Less(t, time.Since(start), 20*time.Second)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(256<<20))
	})
}

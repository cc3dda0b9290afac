package fuel_test

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// outcome is all that can be seen of a run of a module.
type outcome struct {
	results [][]uint64
	errs    []error
	told    []int32 // what the host was called with
	memory  []byte
	globals []uint64
	wrong   error // it is invalid
}

// observe runs a module with few steps of fuel at a time.
func observe(tb testing.TB, module []byte, g *generator, seed uint64) (o outcome) {
	tb.Helper()
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithMemoryLimitPages(4))
	defer func() { require.NoError(tb, r.Close(ctx)) }()
	_, err := r.NewHostModuleBuilder("host").
		NewFunctionBuilder().WithFunc(func(_ context.Context, v int32) int32 {
		o.told = append(o.told, v)
		return v * 31
	}).Export("f").
		NewFunctionBuilder().WithFunc(func(context.Context) int64 { return 500 }).Export("refuel").Instantiate(ctx)
	require.NoError(tb, err)
	compiled, err := r.CompileModule(ctx, module)
	if err != nil {
		return outcome{wrong: err}
	}
	m, err := r.InstantiateModule(ctx, compiled, wazero.NewModuleConfig().WithStartFunctions(started))
	o.errs = append(o.errs, cause(err))
	if err != nil {
		return o
	}
	random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // the same in both runs
	for i, s := range g.types {
		m.ExportedGlobal("s").(api.MutableGlobal).Set(steps) //nolint:forcetypeassert // the generator has it so
		var args []uint64
		for _, p := range []byte(s.params) {
			args = append(args, argument(random, p)...)
		}
		results, err := m.ExportedFunction("f"+string(rune('0'+i))).Call(ctx, args...)
		if s.result == f64 && err == nil && math.IsNaN(math.Float64frombits(results[0])) {
			results[0] = 0 // which one it is, is not specified
		}
		o.results, o.errs = append(o.results, slices.Clone(results)), append(o.errs, cause(err))
	}
	memory, _ := m.Memory().Read(0, m.Memory().Size())
	o.memory = slices.Clone(memory)
	for _, name := range []string{"s", "g"} {
		o.globals = append(o.globals, m.ExportedGlobal(name).Get())
	}
	return o
}

func argument(random *rand.Rand, t byte) []uint64 {
	switch t {
	case i32:
		return []uint64{uint64(random.Uint32())}
	case f64:
		return []uint64{math.Float64bits(random.NormFloat64() * 1000)}
	case v128:
		return []uint64{random.Uint64(), random.Uint64()}
	}
	return []uint64{random.Uint64()}
}

// same requires that a generated module does the same with and without checks.
func same(tb testing.TB, source []byte) (ran bool) {
	tb.Helper()
	g := &generator{source: source}
	module := g.module()
	want := observe(tb, module, g, uint64(len(source)))
	require.NoError(tb, want.wrong, "the generator makes valid modules: %x", module)
	changed, err := metered(module)
	require.NoError(tb, err)
	got := observe(tb, changed, g, uint64(len(source)))
	require.Equal(tb, want, got)
	return want.errs[0] == nil && slices.Contains(want.errs[1:], nil)
}

// TestRandomModules: with and without checks, random modules have the same results, traps,
// memory and globals, and call their host with the same.
func TestRandomModules(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same each time
	ran := 0
	for range 300 {
		source := make([]byte, 50+random.IntN(600))
		for i := range source {
			source[i] = byte(random.Uint32())
		}
		if same(t, source) {
			ran++
		}
	}
	require.Greater(t, ran, 150, "most of them do something")
}

// FuzzRandomModules is TestRandomModules with the modules that the fuzzer finds.
func FuzzRandomModules(f *testing.F) {
	f.Add([]byte("a module"))
	f.Fuzz(func(t *testing.T, source []byte) { same(t, source[:min(len(source), 4<<10)]) })
}

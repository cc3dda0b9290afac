package wasmtest

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"

	"github.com/iansmith/parigot/internal/wasm"
)

// TestModule: a module that uses everything runs.
func TestModule(t *testing.T) {
	t.Parallel()
	var m Module
	m.Memory(1, 2)
	m.Table(3)
	m.Data(16, "\x05\x00\x00\x00")
	m.Section(wasm.SectionCustom, Name("mark")+"content")
	double := m.Func(I32, I32, "", Get(0)+Get(0)+Add)
	m.Export("run", m.Func("", I64+I32, I32,
		Times(5, 0, Const(16)+Const(16)+Load+Call(double)+Store)+
			Const64(1<<40)+Const(16)+Load))
	bytes := m.Bytes()
	parsed, err := wasm.Parse(bytes)
	require.NoError(t, err)
	require.Equal(t, "mark", parsed.Sections[len(parsed.Sections)-1].Name)

	r := wazero.NewRuntime(t.Context())
	defer func() { require.NoError(t, r.Close(t.Context())) }()
	i, err := r.Instantiate(t.Context(), bytes)
	require.NoError(t, err)
	got, err := i.ExportedFunction("run").Call(t.Context())
	require.NoError(t, err)
	require.Equal(t, []uint64{1 << 40, 5 << 5}, got)
	for _, n := range []uint64{0, 63, 64, 1 << 31, 1<<64 - 1, 1 << 63} {
		var c Module
		c.Export("run", c.Func("", I64, "", Const64(n)))
		i, err := r.InstantiateWithConfig(t.Context(), c.Bytes(), wazero.NewModuleConfig().WithName(""))
		require.NoError(t, err)
		got, err := i.ExportedFunction("run").Call(t.Context())
		require.NoError(t, err)
		require.Equal(t, []uint64{n}, got)
	}
}

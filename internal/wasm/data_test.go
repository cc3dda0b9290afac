package wasm_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"pgregory.net/rapid"

	"github.com/iansmith/parigot/internal/guesttest"
	"github.com/iansmith/parigot/internal/wasm"
)

const memoryOfOnePage = "\x05\x04\x01\x01\x01\x01"

func segment(offset int32, content string) string {
	out := []byte{0, 0x41}
	for ; offset < -64 || offset > 63; offset >>= 7 {
		out = append(out, byte(offset)|0x80)
	}
	out = append(out, byte(offset)&0x7f, 0x0b)
	out = binary.AppendUvarint(out, uint64(len(content)))
	return string(out) + content
}

func dataSection(segments ...string) string {
	out := binary.AppendUvarint(nil, uint64(len(segments)))
	for _, s := range segments {
		out = append(out, s...)
	}
	return string(out)
}

// scattered has a byte in each 64, so that joining its segments makes it ten times as large.
var scattered = func() string {
	var segments []string
	for i := range int32(100) {
		segments = append(segments, segment(64*i, "x"))
	}
	return dataSection(segments...)
}()

func TestMergeData(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ body, want string }{
		"neighbours":       {dataSection(segment(0, "ab"), segment(2, "cd")), dataSection(segment(0, "abcd"))},
		"a gap":            {dataSection(segment(1, "a"), segment(4, "b")), dataSection(segment(1, "a\x00\x00b"))},
		"a wide gap":       {dataSection(segment(0, "a"), segment(1000, "b")), dataSection(segment(0, "a"), segment(1000, "b"))},
		"many gaps":        {scattered, ""},
		"not in order":     {dataSection(segment(2, "cd"), segment(0, "ab")), dataSection(segment(0, "abcd"))},
		"an empty one":     {dataSection(segment(0, "ab"), segment(1, ""), segment(2, "cd")), dataSection(segment(0, "abcd"))},
		"to the end":       {dataSection(segment(65535, "z"), segment(65534, "y")), dataSection(segment(65534, "yz"))},
		"overlapping":      {dataSection(segment(0, "abc"), segment(2, "x")), ""},
		"twice":            {dataSection(segment(0, "a"), segment(0, "b")), ""},
		"outside":          {dataSection(segment(0, "a"), segment(65535, "yz")), ""},
		"empty, outside":   {dataSection(segment(0, "a"), segment(65537, "")), ""},
		"negative":         {dataSection(segment(0, "a"), segment(-1, "b")), ""},
		"passive":          {dataSection(segment(0, "a"), "\x01\x01b"), ""},
		"of memory 0":      {dataSection(segment(0, "a"), "\x02\x00\x41\x01\x0b\x01b"), ""},
		"computed":         {dataSection(segment(0, "a"), "\x00\x23\x00\x0b\x01b"), ""},
		"cut off":          {dataSection(segment(0, "a"), segment(1, "bc"))[:12], ""},
		"more than counts": {dataSection(segment(0, "a")) + "x", ""},
		"none":             {dataSection(), ""},
	} {
		if c.want == "" {
			c.want = c.body
		}
		require.Equal(t, []byte(c.want), wasm.MergeData([]byte(c.body), 1<<16), name)
	}
}

// TestMergeDataRandom has wazero instantiate random data sections as they are and merged.
func TestMergeDataRandom(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		segments := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string {
			offset := rapid.Int32Range(-1, 500).Draw(t, "offset")
			return segment(offset, string(rapid.SliceOfN(rapid.Byte(), 0, 8).Draw(t, "bytes")))
		}), 0, 8).Draw(t, "segments")
		module := []byte(wasm.Magic + memoryOfOnePage)
		body := []byte(dataSection(segments...))
		want, wantErr := startMemory(t.Context(), t, withData(module, body))
		got, err := startMemory(t.Context(), t, withData(module, wasm.MergeData(body, 1<<16)))
		require.Equal(t, wantErr == nil, err == nil)
		require.True(t, bytes.Equal(want, got))
	})
}

// TestMergeDataOfGuests compares the memories of real guests, byte for byte.
func TestMergeDataOfGuests(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{
		"examples/file/guest", "examples/queue/guest", "examples/syscall/guest/greeting", "examples/syscall/guest/hello",
		"pluginsdk/eng/testdata/guest", "pluginsdk/eng/testdata/overlap",
	} {
		t.Run(dir, func(t *testing.T) {
			t.Parallel()
			guest := guesttest.Build(t, "../../"+dir)
			want, err := startMemory(t.Context(), t, guest)
			require.NoError(t, err)
			merged, before, after := mergeGuest(t, guest, uint64(len(want)))
			got, err := startMemory(t.Context(), t, merged)
			require.NoError(t, err)
			require.True(t, bytes.Equal(want, got), "the memories differ")
			require.Greater(t, before, 10_000)
			require.Less(t, after, 100)
			require.Less(t, len(merged), len(guest)*5/4)
		})
	}
}

// mergeGuest returns a module with merged data, and the numbers of its segments.
func mergeGuest(t *testing.T, module []byte, size uint64) (merged []byte, before, after int) {
	t.Helper()
	merged = []byte(wasm.Magic)
	for s, err := range wasm.Sections(module) {
		require.NoError(t, err)
		body := s.Body
		if s.ID == wasm.SectionData {
			body = wasm.MergeData(body, size)
			old, fresh := wasm.NewReader(s.Body), wasm.NewReader(body)
			before, after = int(old.U32()), int(fresh.U32())
		}
		merged = appendSection(merged, s.ID, body)
	}
	return merged, before, after
}

func withData(module, body []byte) []byte {
	return appendSection(slices.Clone(module), wasm.SectionData, body)
}

func appendSection(module []byte, id byte, body []byte) []byte {
	module = binary.AppendUvarint(append(module, id), uint64(len(body)))
	return append(module, body...)
}

// startMemory returns the memory of a new instance that has not run.
func startMemory(ctx context.Context, t require.TestingT, module []byte) ([]byte, error) {
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer func() { require.NoError(t, r.Close(ctx)) }()
	compiled, err := r.CompileModule(ctx, module)
	if err != nil {
		return nil, err
	}
	imports := map[string]wazero.HostModuleBuilder{}
	for _, f := range compiled.ImportedFunctions() {
		module, name, _ := f.Import()
		if imports[module] == nil {
			imports[module] = r.NewHostModuleBuilder(module)
		}
		imports[module].NewFunctionBuilder().
			WithGoFunction(api.GoFunc(func(context.Context, []uint64) {}), f.ParamTypes(), f.ResultTypes()).Export(name)
	}
	for _, m := range imports {
		_, err := m.Instantiate(ctx)
		require.NoError(t, err)
	}
	instance, err := r.InstantiateModule(ctx, compiled, wazero.NewModuleConfig().WithStartFunctions())
	if err != nil {
		return nil, err
	}
	memory, ok := instance.Memory().Read(0, instance.Memory().Size())
	require.True(t, ok)
	return slices.Clone(memory), nil
}

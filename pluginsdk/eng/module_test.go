package eng

import (
	"context"
	"encoding/binary"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	wasmfmt "github.com/iansmith/parigot/internal/wasm"
	"github.com/iansmith/parigot/pluginsdk/status"
)

const preamble = "\x00asm\x01\x00\x00\x00"

func uleb(n uint64) string { return string(binary.AppendUvarint(nil, n)) }

func sectionOf(id byte, content string) string {
	return string(rune(id)) + uleb(uint64(len(content))) + content
}

// growing is a module whose function _start grows a table without a maximum by
// 2^25 entries of 8 bytes, and traps unless that fails.
var growing = preamble +
	sectionOf(1, "\x01\x60\x00\x00") + // type 0: () -> ()
	sectionOf(3, "\x01\x00") + // function 0 is of type 0
	sectionOf(4, "\x01\x70\x00\x01") + // table 0: funcref, at least 1
	sectionOf(7, "\x01\x06_start\x00\x00") +
	sectionOf(10, "\x01"+uleb(uint64(len(growBody)))+growBody)

const growBody = "\x00" + // no locals
	"\xd0\x70" + // ref.null func
	"\x41\x80\x80\x80\x10" + // i32.const 2^25
	"\xfc\x0f\x00" + // table.grow 0
	"\x41\x7f\x47" + // i32.const -1, i32.ne
	"\x04\x40\x00\x0b" + // if, unreachable, end
	"\x0b"

func TestTablesDoNotGrow(t *testing.T) {
	t.Parallel()
	h, err := New(t.Context(), WithLogger(slog.New(slog.DiscardHandler)))
	require.NoError(t, err)
	defer func() { require.NoError(t, h.Close(context.Background())) }()
	g, err := h.Compile(t.Context(), "growing", []byte(growing))
	require.NoError(t, err)
	_, err = g.Run(t.Context())
	require.NoError(t, err, "growing a table must fail")

	for name, tables := range map[string]string{
		"one large":    "\x01\x70\x00" + uleb(maxTableEntries+1),
		"several":      "\x02\x70\x00" + uleb(maxTableEntries) + "\x70\x01\x01\x02",
		"largest ever": "\x01\x70\x00" + uleb(1<<32-1),
	} {
		_, err := h.Compile(t.Context(), name, []byte(preamble+sectionOf(4, tables)))
		require.ErrorIs(t, err, status.Of(status.InvalidArgument), name)
		require.ErrorContains(t, err, "tables have more than 1048576 entries", name)
	}
}

// TestCountsThatCannotBe: the compiler makes room for what a section says that it has.
func TestCountsThatCannotBe(t *testing.T) {
	t.Parallel()
	for _, id := range []byte{1, 2, 3, 4, 5, 6, 7, 9, 10, 11} {
		_, _, err := confine([]byte(preamble+sectionOf(id, "\xff\xff\xff\x7f\x00")), 1)
		require.ErrorContains(t, err, "says that it has 268435455 entries, in 5 bytes", id)
	}
}

func TestGuestWithoutMemory(t *testing.T) {
	t.Parallel()
	h, err := New(t.Context(), WithLogger(slog.New(slog.DiscardHandler)))
	require.NoError(t, err)
	defer func() { require.NoError(t, h.Close(context.Background())) }()
	nop := func(context.Context, api.Module, []uint64) {}
	require.NoError(t, h.Register(t.Context(), HostModule{Name: "m", Functions: []Function{{Name: "f", Call: nop}}}))
	module := preamble +
		sectionOf(1, "\x01\x60\x04\x7f\x7f\x7f\x7f\x01\x7e") + // type 0: (4 × i32) -> i64
		sectionOf(2, "\x01\x01m\x01f\x00\x00")
	g, err := h.Compile(t.Context(), "none", []byte(module))
	require.NoError(t, err)
	require.ErrorContains(t, g.CheckImports(), "m.f: the guest has no memory to pass messages in")
	g, err = h.Compile(t.Context(), "some", []byte(module+sectionOf(5, "\x01\x00\x01")))
	require.NoError(t, err)
	require.NoError(t, g.CheckImports())
}

// FuzzConfine gives the reader of modules arbitrary bytes. What it lets through,
// wazero judges as it judges the original.
func FuzzConfine(f *testing.F) {
	f.Add([]byte(growing))
	f.Add([]byte(preamble))
	f.Add([]byte(preamble + sectionOf(4, "\x02\x70\x01\x01\x09\x6f\x00\x03") + sectionOf(5, "\x01\x00\x01")))
	f.Add([]byte(preamble + sectionOf(2, "\x03\x01a\x01b\x02\x00\x01\x01a\x01c\x03\x7f\x00\x01a\x01d\x01\x70\x00\x01")))
	f.Add([]byte(preamble + namesOf("\x03\x05\x01f\x03\x02\ng\x06\x00") + sectionOf(7, "\x01\x06_start\x00\x00")))
	f.Add([]byte(preamble + "\x04\xff\xff\xff\xff\x0f"))
	f.Fuzz(func(t *testing.T, wasm []byte) {
		confined, _, err := confine(wasm, 16)
		if err != nil {
			return
		}
		again, _, err := confine(confined, 16)
		require.NoError(t, err)
		require.Equal(t, confined, again, "there is nothing left to confine")
		if _, err := meter(wasm, 1<<30); err != nil {
			return // wazero makes room for what such a module claims
		}
		for section, err := range wasmfmt.Sections(wasm) {
			if err == nil && section.Name == wasmfmt.NameSection {
				return // wazero makes room for as many names as it claims, of which confine leaves few
			}
		}
		ctx := context.Background()
		r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter().WithMemoryLimitPages(16))
		defer func() { require.NoError(t, r.Close(ctx)) }()
		if _, err := r.CompileModule(ctx, wasm); err == nil {
			_, err = r.CompileModule(ctx, confined)
			require.NoError(t, err)
		}
	})
}

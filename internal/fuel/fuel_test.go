package fuel_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"

	"github.com/iansmith/parigot/internal/fuel"
	"github.com/iansmith/parigot/internal/wasm"
)

const preamble = "\x00asm\x01\x00\x00\x00"

func uleb(n int) string { return string(binary.AppendUvarint(nil, uint64(n))) }

func section(id byte, content string) string {
	return string([]byte{id}) + uleb(len(content)) + content
}

// list repeats an entry a dozen times, so that the index 0x0b names one of it.
func list(entry string) string { return "\x0c" + strings.Repeat(entry, 12) }

// around returns a module with a dozen of everything, and a function with a body.
func around(body string) []byte {
	body = "\x00" + body + "\x0b"
	return []byte(preamble +
		section(1, list("\x60\x00\x00")) +
		section(2, "\x00") +
		section(3, list("\x00")) +
		section(4, list("\x70\x01\x01\x01")) +
		section(5, "\x01\x00\x01") +
		section(6, list("\x7f\x01\x41\x00\x0b")) +
		section(9, list("\x01\x00\x01\x00")) + // passive, of function 0
		section(12, "\x0c") +
		section(10, "\x0c"+strings.Repeat("\x02\x00\x0b", 11)+uleb(len(body))+body) +
		section(11, list("\x01\x01x")))
}

// TestOperands: for each instruction there is, wazero and this package read the same
// number of bytes. After the instruction, which is never reached, come an end and the
// rest of the function; the last byte of the operands is an end, too, wherever it may
// be one. So a different length does not compile.
func TestOperands(t *testing.T) {
	t.Parallel()
	var instructions []string
	for op := range 256 {
		instructions = append(instructions, string([]byte{byte(op)}), string([]byte{0xfc, byte(op)}), string([]byte{0xfd, byte(op)}))
	}
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter())
	defer func() { require.NoError(t, r.Close(ctx)) }()
	refuelable(t, r, func(context.Context) int64 { return fuel.Tank })
	valid := 0
	for _, in := range instructions {
		for _, n := range []int{0, 1, 2, 3, 4, 8, 16} {
			operands := strings.Repeat("\x00", n)
			if n > 0 {
				operands = operands[1:] + "\x0b"
			}
			name := fmt.Sprintf("%x %x", in, operands)
			// After unreachable, what is left on the stack does not count.
			wasm := around("\x02\x40\x0c\x00" + in + operands + "\x00\x0b\x41\x2a\x1a")
			changed, err := metered(wasm)
			if _, invalid := r.CompileModule(ctx, wasm); invalid != nil {
				continue
			}
			valid++
			require.NoError(t, err, name)
			_, err = r.CompileModule(ctx, changed)
			require.NoError(t, err, name)
		}
	}
	require.Greater(t, valid, 400)
}

// TestPrivate: a module cannot name what is added to it.
func TestPrivate(t *testing.T) {
	t.Parallel()
	for name, wasm := range map[string][]byte{
		"global.get":     around("\x23\x0c\x1a"),
		"global.set":     around("\x41\x00\x24\x0c"),
		"call":           around("\x10\x0c"),
		"ref.func":       around("\xd2\x0c\x1a"),
		"type of call":   around("\x41\x00\x11\x0c\x00"),
		"type of block":  around("\x02\x0c\x0b"),
		"export":         bytes.Replace(around(""), []byte(section(9, list("\x01\x00\x01\x00"))), []byte(section(7, "\x01\x01g\x03\x0c")), 1),
		"element":        bytes.Replace(around(""), []byte(section(9, list("\x01\x00\x01\x00"))), []byte(section(9, "\x01\x01\x00\x01\x0c")), 1),
		"start":          bytes.Replace(around(""), []byte(section(9, list("\x01\x00\x01\x00"))), []byte(section(8, "\x0c")), 1),
		"initial global": bytes.Replace(around(""), []byte(section(6, list("\x7f\x01\x41\x00\x0b"))), []byte(section(6, list("\x7e\x01\x23\x0c\x0b"))), 1),
		"initial table":  bytes.Replace(around(""), []byte(section(4, list("\x70\x01\x01\x01"))), []byte(section(4, "\x01\x40\x00\x70\x00\x01\xd2\x00\x0b")), 1),
	} {
		_, err := metered(wasm)
		require.Error(t, err, name)
	}
	_, err := metered(around("\x23\x0b\x1a\x10\x0b"))
	require.NoError(t, err, "what there is can be named")
}

// withoutNames returns a module without its names, for which wazero makes as much room as they
// claim.
func withoutNames(module []byte) []byte {
	out, rest := slices.Clone(module[:len(preamble)]), module[len(preamble):]
	for s, err := range wasm.Sections(module) {
		if err != nil {
			break
		}
		if s.Name != wasm.NameSection {
			out = append(out, rest[:s.Size]...)
		}
		rest = rest[s.Size:]
	}
	return append(out, rest...)
}

// FuzzMeter gives Meter arbitrary bytes. What it lets through wazero judges as it judges
// the original, and it is bounded and the same each time.
func FuzzMeter(f *testing.F) {
	f.Add([]byte(preamble))
	f.Add(around("\x03\x40\x0c\x00\x0b"))
	f.Add(around("\x41\x00\x41\x00\x41\x00\xfc\x0b\x00\x41\x00\x40\x00\x1a"))
	dir, err := specDir()
	require.NoError(f, err)
	for _, name := range []string{"bulk.0", "elem.0", "table_init.1", "br_table.0", "simd_lane.0", "custom.0", "names.0"} {
		wasm, err := os.ReadFile(filepath.Join(dir, "v2", "testdata", name+".wasm"))
		require.NoError(f, err)
		f.Add(wasm)
	}
	f.Fuzz(func(t *testing.T, module []byte) {
		changed, err := metered(module)
		if err != nil {
			return
		}
		require.LessOrEqual(t, len(changed), 16*len(module)+256)
		again, err := metered(module)
		require.NoError(t, err)
		require.Equal(t, changed, again)
		ctx := context.Background()
		r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter().WithMemoryLimitPages(16))
		defer func() { require.NoError(t, r.Close(ctx)) }()
		_, want := r.CompileModule(ctx, withoutNames(module))
		_, got := r.CompileModule(ctx, changed)
		require.Equal(t, want == nil, got == nil, "before: %v, after: %v", want, got)
	})
}

package runner

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// evil is a name that would move a cursor, set a title, end its line and forge another.
const evil = "evil\x1b[2J\x1b]0;owned\a\r\nERROR forged: line\u202e\u2028\u009b1m\x7f"

// section returns a section of a module.
func section(id byte, content string) string {
	return string(binary.AppendUvarint([]byte{id}, uint64(len(content)))) + content
}

func name(s string) string { return string(binary.AppendUvarint(nil, uint64(len(s)))) + s }

// hostileModules are modules whose names are evil: one traps, the others do not compile, lack
// imports, or have a contract with texts for people.
func hostileModules() map[string]string {
	const (
		preamble = "\x00asm\x01\x00\x00\x00"
		traps    = "\x01\x03\x00\x00\x0b" // one function: unreachable
	)
	functions := section(3, "\x01\x00") + section(5, "\x01\x00\x01")
	types := preamble + section(1, "\x01\x60\x00\x00")
	export := section(7, "\x02"+name("_start")+"\x00\x00"+name(evil)+"\x00\x00")
	code := section(10, traps)
	names := section(0, name("name")+section(0, name(evil))+section(1, "\x01\x00"+name(evil)))
	imports := section(2, "\x01"+name(evil)+name(evil)+"\x00\x00")
	return map[string]string{
		"trap":      types + functions + export + code + names,
		"twice":     types + functions + section(7, "\x03"+name("_start")+"\x00\x00"+name(evil)+"\x00\x00"+name(evil)+"\x00\x00") + code,
		"nowhere":   types + functions + section(7, "\x01"+name(evil)+"\x00\x09") + code,
		"badtype":   types + section(2, "\x01"+name(evil)+name(evil)+"\x00\x09") + functions + export + code,
		"badimport": types + section(2, "\x01"+name(evil)+name(evil)+"\x07\x00") + functions + export + code,
		"missing":   types + imports + functions + section(7, "\x01"+name("_start")+"\x00\x01") + code,
		"sections":  types + functions + export + code + section(0, name(evil)+evil) + section(0, name("parigot.contract")+evil),
	}
}

// TestHostileNamesAreHarmless: no name in a guest's file is a line of its own, or does anything
// on a terminal, in any output of run, check and inspect.
func TestHostileNamesAreHarmless(t *testing.T) {
	t.Parallel()
	for what, module := range hostileModules() {
		dir := t.TempDir()
		file, deployment := filepath.Join(dir, "evil.wasm"), filepath.Join(dir, "parigot.yaml")
		require.NoError(t, os.WriteFile(file, []byte(module), 0o600))
		require.NoError(t, os.WriteFile(deployment, []byte("engine: {cache_dir: cache}\nguests: [{name: evil, wasm: evil.wasm, main: true}]\n"), 0o600))
		for _, args := range [][]string{
			{"run", "--log-format", "text", deployment},
			{"run", "--log-format", "json", deployment},
			{"run", "--log-format", "json", "--raw", deployment},
			{"check", deployment},
			{"check", "--json", deployment},
			{"inspect", file},
			{"inspect", "--json", file},
		} {
			var out bytes.Buffer
			code := run(t.Context(), args, &out, &out)
			if args[0] == "run" {
				require.Equal(t, exitFailed, code, "%s %v: %s", what, args, out.String())
			}
			for line := range strings.Lines(out.String()) {
				require.False(t, strings.HasPrefix(strings.TrimSpace(line), "ERROR forged"), "%s %v: %s", what, args, out.String())
				for _, r := range strings.TrimSuffix(line, "\n") {
					require.True(t, r == '\t' || strconv.IsGraphic(r), "%s %v: %q", what, args, line)
				}
			}
		}
	}
}

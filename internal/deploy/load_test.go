package deploy

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/pluginsdk/status"
)

var update = flag.Bool("update", false, "write the golden files")

// TestLoad: each file of testdata/load has exactly the errors beside it, none when there is
// no such file.
func TestLoad(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/load/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			got := ""
			if _, err := Load(file); err != nil {
				require.Equal(t, status.FailedPrecondition, status.CodeOf(err))
				got = err.Error() + "\n"
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".txt", strings.ReplaceAll(got, "testdata/load/", ""))
		})
	}
}

// TestNotYAML: what cannot be read is found where it begins, or nearly so.
func TestNotYAML(t *testing.T) {
	t.Parallel()
	const start = "plugins:\n  - name: file\nguests:\n  - name: app\n"
	for text, want := range map[string]string{
		start + "    wasm: \"app.wasm\n    main: true\n":    "5:5: from here on this is no YAML: found unexpected end of stream",
		start + "    args: [a, b\n    main: true\n":         "5:5: from here on this is no YAML: did not find expected ',' or ']'",
		start + "    args: [a,\n      b]\n   main: true":    "7:4: from here on this is no YAML: did not find expected '-' indicator",
		start + "   wasm: app.wasm\n    main: true\n":       "5:4: from here on this is no YAML: did not find expected '-' indicator",
		start + "    wasm: a: b\n":                          "5:5: from here on this is no YAML: mapping values are not allowed in this context",
		start + "\twasm: a\n":                               "5:2: from here on this is no YAML: found a tab character that violates indentation",
		start + "    wasm: a\n---\nx: \"open\ny: 1\nz: 2\n": "7:1: from here on this is no YAML: found unexpected end of stream",
		"\"plugins":               "1:1: from here on this is no YAML: found unexpected end of stream",
		"\x00asm\x01\x00\x00\x00": "1:1: this is a guest, a WebAssembly module: pass a deployment file that names it as the wasm of a guest",
		"{":                       "1:1: from here on this is no YAML: did not find expected node content",
	} {
		_, err := parse("f.yaml", []byte(text))
		require.EqualError(t, err, "f.yaml:"+want, text)
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update && got != "" {
		require.NoError(t, os.WriteFile(name, []byte(got), 0o600))
	}
	want, err := os.ReadFile(name)
	if !os.IsNotExist(err) {
		require.NoError(t, err)
	}
	require.Equal(t, string(want), got)
}

// FuzzLoad: whatever the file has in it, reading it ends, and ends well: findings have
// places in the file.
func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("testdata/load/*.yaml")
	require.NoError(f, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(text)
	}
	f.Add([]byte("---"))
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := parse("f.yaml", text)
		if err == nil {
			require.NotEmpty(t, file.Deployment.GetGuests())
			return
		}
		var e *Error
		require.ErrorAs(t, err, &e)
		lines := bytes.Count(text, []byte("\n")) + 1
		for _, found := range e.Findings {
			require.Positive(t, found.Line)
			require.LessOrEqual(t, found.Line, lines)
			require.Positive(t, found.Column)
			require.NotEmpty(t, found.Message)
		}
	})
}

// TestLoadNothing: a file that is not there, or has no end.
func TestLoadNothing(t *testing.T) {
	t.Parallel()
	_, err := Load(filepath.Join(t.TempDir(), "none.yaml"))
	require.Equal(t, status.NotFound, status.CodeOf(err))
	_, err = Load(t.TempDir())
	require.Equal(t, status.FailedPrecondition, status.CodeOf(err))
	large := filepath.Join(t.TempDir(), "large.yaml")
	require.NoError(t, os.WriteFile(large, make([]byte, MaxSize+1), 0o600))
	_, err = Load(large)
	require.ErrorContains(t, err, "large.yaml:1:1: the file has more than 1048576 bytes")
}

// TestLoadHostile: large files that are wrong in many places are refused, with as much as
// people may read of it.
func TestLoadHostile(t *testing.T) {
	t.Parallel()
	const before = "guests: [{name: a, wasm: b, "
	for name, text := range map[string]string{
		"wrong values":   before + "args: [" + strings.Repeat("[],", maxValues-20) + "]}]",
		"unknown fields": before + strings.Repeat("x: 1, x", maxValues/2-20) + "y: 1}]",
		"rules":          before + "grants: [" + strings.Repeat("a,", maxValues-20) + "]}]",
		"many grants":    before + "grants: [" + strings.Repeat("a.b,", maxValues-20) + "]}]",
		"many values":    "[" + strings.Repeat("a,", MaxSize/2-10) + "]",
		"deep":           strings.Repeat("[", MaxSize),
		"deep mappings":  strings.Repeat("a: {", MaxSize/4),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := parse("f.yaml", []byte(text))
			var e *Error
			require.ErrorAs(t, err, &e)
			require.LessOrEqual(t, len(e.Findings), maxFindings)
			if name == "many values" {
				require.ErrorContains(t, err, "the file has more than 50000 values")
			}
		})
	}
}

// TestDocumented: the file in the documentation is one.
func TestDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/runner.md")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(text), "```yaml\n")
	require.True(t, found)
	file, _, _ := strings.Cut(rest, "```")
	_, err = parse("runner.md", []byte(file))
	require.NoError(t, err)
}

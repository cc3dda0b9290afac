package walk

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	shown = regexp.MustCompile("(?s)<!-- a test compares this with what make demo prints -->\n```text\n(.*?)```\n")
	// What differs from run to run: times, sizes of the guest, temporary folders.
	varying = regexp.MustCompile(`(\d+m)?\d+(\.\d+)?(µs|ms|s| MB)\b|/\S*parigot-(file|queue)-demo-\d+`)
	// Tests, fuzz targets and examples.
	named = regexp.MustCompile(`\b(Test|Fuzz|Example)[A-Z]\w*`)
)

// TestDemo runs the demo in a copy of the repository, which has to print what the README
// shows, and then adds a method to that copy, as a page says.
func TestDemo(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	want := shown.FindSubmatch(text)
	require.NotNil(t, want)
	w := &walker{t: t, dir: copyRepository(t)}
	w.run("make --no-print-directory demo")
	require.Equal(t, varying.ReplaceAllString(string(want[1]), "…"), varying.ReplaceAllString(w.output, "…"))

	w.walk("../../docs/plugins.md")
}

// TestReadmesNameRealTests: what a README of an example says is shown by a test,
// is.
func TestReadmesNameRealTests(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("../../examples/*/README.md")
	require.NoError(t, err)
	require.NotEmpty(t, pages)
	for _, page := range pages {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		var tests strings.Builder
		files, err := filepath.Glob(filepath.Join(filepath.Dir(page), "*_test.go"))
		require.NoError(t, err)
		for _, file := range files {
			code, err := os.ReadFile(file)
			require.NoError(t, err)
			tests.Write(code)
		}
		for _, name := range named.FindAllString(string(text), -1) {
			require.Contains(t, tests.String(), "\nfunc "+name+"(", page)
		}
	}
}

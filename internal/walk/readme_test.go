package walk

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	demoBlock = regexp.MustCompile("(?s)<!-- a test compares this with what make demo prints -->\n```text\n(.*?)```\n")
	// What differs from run to run, and from machine to machine: times, sizes, versions.
	varying = regexp.MustCompile(`\d\d:\d\d:\d\d\b|\b(\d+m)?\d+(\.\d+)?(µs|ms|s| MB)\b|\bgo1\.\d+(\.\d+)?\b|parigot (\(devel\)|v\d[^\s:]+)`)
	// Lines about the instances of a guest. They run at the same time as others, and all do the
	// same; one of them may come too late to do anything.
	ofInstances = regexp.MustCompile(`(?m)^.* greeting-\d\b.*\n`)
	// Lines that come when nothing else was printed for ten seconds.
	patience = regexp.MustCompile(`(?m)^    after \d+ s: still .*\n`)
	// Tests, fuzz targets and examples.
	named = regexp.MustCompile(`\b(Test|Fuzz|Example)[A-Z]\w*`)
)

// TestDemo runs the demo in a copy of the repository, which has to print what the README
// shows, and then adds a method to that copy, as a page says.
func TestDemo(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	shown := demoBlock.FindSubmatch(text)
	require.NotNil(t, shown)
	w := &walker{t: t, dir: copyRepository(t)}
	w.run("make --no-print-directory demo")
	want, got := varying.ReplaceAllString(string(shown[1]), "…"), varying.ReplaceAllString(patience.ReplaceAllString(w.output, ""), "…")
	require.Equal(t, ofInstances.ReplaceAllString(want, ""), ofInstances.ReplaceAllString(got, ""))
	require.Equal(t, instances(want), instances(got))

	w.walk("../../docs/plugins.md")
}

// instances returns the lines about instances, as if there was one.
func instances(text string) []string {
	lines := ofInstances.FindAllString(text, -1)
	for i, line := range lines {
		lines[i] = strings.Replace(line, "greeting-2", "greeting-1", 1)
	}
	slices.Sort(lines)
	return slices.Compact(lines)
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

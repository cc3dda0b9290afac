package walk

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	goLine = regexp.MustCompile(`(?m)^go (\S+)$`)
	// "Go 1.26.7 or newer", "Go (1.26.7 or newer)".
	goNeeded = regexp.MustCompile(`\bGo \(?(\d+\.\d+(?:\.\d+)?) or newer`)
)

// TestGoLine: all modules need the same version of Go, and the pages name it.
func TestGoLine(t *testing.T) {
	t.Parallel()
	want := goLine.FindStringSubmatch(read(t, filepath.Join(root, "go.mod")))[1]
	modules := 0
	for _, name := range sources(t) {
		base := filepath.Base(name)
		if base != "go.mod" && base != "go.mod.tmpl" && base != "go.work.tmpl" && filepath.Ext(base) != ".mod" || strings.Contains(name, "/testdata/") {
			continue
		}
		modules++
		line := goLine.FindStringSubmatch(read(t, filepath.Join(root, name)))
		require.NotNil(t, line, name)
		require.Equal(t, want, line[1], name)
	}
	require.GreaterOrEqual(t, modules, 7)
	for _, page := range []string{"README.md", "CONTRIBUTING.md", "docs/new-plugin.md"} {
		needed := goNeeded.FindStringSubmatch(read(t, filepath.Join(root, page)))
		require.NotNil(t, needed, "%s says no version", page)
		require.Equal(t, want, needed[1], page)
	}
}

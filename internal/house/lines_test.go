package house

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// maxLines is how long a file may be that people wrote.
const maxLines = 400

// longer are files that may be longer, such as tables, and why.
var longer = map[string]string{}

var generated = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

// TestLines: no file that people wrote is longer than a reader's patience.
func TestLines(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	walk(t, func(name string) {
		if path.Ext(name) != ".go" {
			return
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		require.NoError(t, err)
		lines := strings.Count(string(text), "\n")
		if lines <= maxLines || generated.Match(text) {
			return
		}
		seen[name] = true
		require.NotEmpty(t, longer[name], "%s has %d lines, more than %d: split it by what it is about", name, lines, maxLines)
	})
	for name := range longer {
		require.True(t, seen[name], "%s has no more than %d lines", name, maxLines)
	}
}

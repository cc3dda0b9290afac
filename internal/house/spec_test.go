package house_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	specRow  = regexp.MustCompile("(?m)^\\| (`[^|]+`) \\| (.+) \\|$")
	inCode   = regexp.MustCompile("`([^`]+)`")
	specUser = regexp.MustCompile("`([^`]+)` in `([^`]+)`")
)

// TestSpecification: docs/specification.md says of each documented name what uses it, and that
// is there.
func TestSpecification(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/specification.md")
	require.NoError(t, err)
	sections := strings.Split(string(page), "\n## Package ")[1:]
	require.Len(t, sections, 4)
	for _, section := range sections {
		folder := inCode.FindStringSubmatch(section)[1]
		known := identifiers(t, goFiles(t, folder)...)
		rows := specRow.FindAllStringSubmatch(section, -1)
		require.NotEmpty(t, rows)
		for _, row := range rows {
			users := specUser.FindAllStringSubmatch(row[2], -1)
			require.NotEmpty(t, users, row[0])
			for _, user := range users {
				require.True(t, identifiers(t, user[2])[user[1]], "%s has no %s", user[2], user[1])
			}
			for _, name := range inCode.FindAllStringSubmatch(row[1], -1) {
				require.True(t, known[name[1]], "%s has no %s", folder, name[1])
			}
		}
	}
}

// goFiles returns the Go files of a folder, without tests.
func goFiles(t *testing.T, folder string) (files []string) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join("../..", folder, "*.go"))
	require.NoError(t, err)
	for _, file := range all {
		if !strings.HasSuffix(file, "_test.go") {
			files = append(files, strings.TrimPrefix(file, "../../"))
		}
	}
	require.NotEmpty(t, files, folder)
	return files
}

// identifiers returns all identifiers in files.
func identifiers(t *testing.T, files ...string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join("../..", file), nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(parsed, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok {
				found[id.Name] = true
			}
			return true
		})
	}
	return found
}

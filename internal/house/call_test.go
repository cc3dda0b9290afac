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

// step is a row of the page that follows a call: a function, its file, and what it calls next.
type step struct{ function, file, next string }

var stepRow = regexp.MustCompile("(?m)^\\| [0-9]+ \\| `([^`]+)` \\| `([^`]+)` \\| `([^`]+)` \\|")

// TestCallPage: CONTRIBUTING follows a call through at most eight functions, each of which
// calls the next.
func TestCallPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../CONTRIBUTING.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(page), "\n## A call, step by step\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	var steps []step
	for _, m := range stepRow.FindAllStringSubmatch(section, -1) {
		steps = append(steps, step{m[1], m[2], m[3]})
	}
	require.NotEmpty(t, steps)
	require.LessOrEqual(t, len(steps), 8)
	for i, s := range steps {
		require.True(t, mentions(t, s, s.next), "%s in %s does not call %s", s.function, s.file, s.next)
		if i > 0 {
			previous := steps[i-1]
			last := s.function[strings.LastIndexByte(s.function, '.')+1:]
			require.True(t, previous.next == last || previous.next == "Import", "%s calls %s, and then comes %s", previous.function, previous.next, s.function)
		}
	}
}

// mentions reports whether the function of s, which must be in its file, has a name in it.
func mentions(t *testing.T, s step, name string) (found bool) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("../..", s.file), nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	receiver, function, isMethod := strings.Cut(s.function, ".")
	if !isMethod {
		receiver, function = "", receiver
	}
	known := false
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Name.Name != function || receiverOf(f) != receiver {
			continue
		}
		known = true
		ast.Inspect(f.Body, func(n ast.Node) bool {
			id, ok := n.(*ast.Ident)
			found = found || ok && id.Name == name
			return true
		})
	}
	require.True(t, known, "there is no function %s in %s", s.function, s.file)
	return found
}

func receiverOf(f *ast.FuncDecl) (name string) {
	if f.Recv == nil {
		return ""
	}
	ast.Inspect(f.Recv.List[0].Type, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && name == "" {
			name = id.Name
		}
		return name == ""
	})
	return name
}

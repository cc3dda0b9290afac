package gen_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/internal/gen"
	"github.com/iansmith/parigot/templates"
)

// What one more unary rpc, with a comment of one line, may add to all files together.
const (
	maxLines    = 45
	maxExported = 8
)

// TestSizeOfMethod: people review generated code, and look for things in it.
func TestSizeOfMethod(t *testing.T) {
	t.Parallel()
	lines, exported := sizeOf(t, "")
	more, also := sizeOf(t, "  // Part says goodbye.\n  rpc Part(PartRequest) returns (PartResponse);\n")
	t.Logf("%d lines and %d exported names", more-lines, also-exported)
	require.Positive(t, more-lines)
	require.LessOrEqual(t, more-lines, maxLines, "lines")
	require.LessOrEqual(t, also-exported, maxExported, "exported names")
}

// sizeOf returns the lines of all files for a service with the given rpc beside another,
// and the exported names.
func sizeOf(t *testing.T, rpc string) (lines, exported int) {
	t.Helper()
	text := "syntax = \"proto3\";\npackage greeting.v1;\noption go_package = \"ex.com/gen/greeting/v1;greetingv1\";\n" +
		"// Greeting greets.\nservice Greeting {\n  // Greet says hello.\n  rpc Greet(GreetRequest) returns (GreetResponse);\n" + rpc + "}\n" +
		"message GreetRequest {}\nmessage GreetResponse {}\nmessage PartRequest {}\nmessage PartResponse {}\n"
	files, failed := generateText(t, "", map[string]string{"greeting.proto": text}, "greeting.proto")
	require.Empty(t, failed)
	require.Len(t, files, 3)
	for name, content := range files {
		lines += strings.Count(content, "\n")
		exported += len(exportedIn(t, name, content))
	}
	return lines, exported
}

// exportedIn returns the exported names that a file declares, methods included.
func exportedIn(t *testing.T, name, content string) (names []string) {
	t.Helper()
	syntax, err := parser.ParseFile(token.NewFileSet(), name, content, parser.SkipObjectResolution)
	require.NoError(t, err)
	add := func(ids ...*ast.Ident) {
		for _, id := range ids {
			if id.IsExported() {
				names = append(names, id.Name)
			}
		}
	}
	ast.Inspect(syntax, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			add(n.Name)
			return false // what is inside is nobody's
		case *ast.ValueSpec:
			add(n.Names...)
			return false
		case *ast.TypeSpec:
			add(n.Name)
		case *ast.Field:
			add(n.Names...)
		}
		return true
	})
	return names
}

// TestNoImportIsHidden: the golden files declare no parameter, receiver or variable but
// those whose names no import gets.
func TestNoImportIsHidden(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	err := filepath.WalkDir("testdata", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_parigot.pb.go") {
			return err
		}
		syntax, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, id := range localsIn(syntax) {
			seen[id.Name] = true
			require.Contains(t, gen.Locals, id.Name, path)
		}
		return nil
	})
	require.NoError(t, err)
	for _, name := range gen.Locals {
		require.True(t, seen[name], "no file has a %s", name)
	}
}

func localsIn(syntax *ast.File) (ids []*ast.Ident) {
	ast.Inspect(syntax, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for _, x := range n.Lhs {
				if id, ok := x.(*ast.Ident); ok && n.Tok == token.DEFINE {
					ids = append(ids, id)
				}
			}
		case *ast.FuncDecl:
			if n.Recv != nil {
				ids = append(ids, n.Recv.List[0].Names...)
			}
		case *ast.FuncType:
			for _, f := range n.Params.List {
				ids = append(ids, f.Names...)
			}
		}
		return true
	})
	return ids
}

// TestTemplatesAreReadable: beside their output, on one screen.
func TestTemplatesAreReadable(t *testing.T) {
	t.Parallel()
	names, err := fs.Glob(templates.FS, "*")
	require.NoError(t, err)
	require.NotEmpty(t, names)
	for _, name := range names {
		text, err := fs.ReadFile(templates.FS, name)
		require.NoError(t, err)
		for i, line := range slices.Collect(strings.Lines(string(text))) {
			require.LessOrEqual(t, len(strings.ReplaceAll(line, "\t", "    ")), 121, "%s:%d", name, i+1)
		}
	}
}

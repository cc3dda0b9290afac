package merge_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzMerge: whatever a file looks like, its bytes stay, in their order, and
// nothing is added twice.
func FuzzMerge(f *testing.F) {
	f.Add(head+anchor+openMethod, "")
	f.Add("package file;import\"ex.com/gen/filev1parigot\";type T[A any]struct{};var _ filev1parigot.FileServer=new(T[int])", "package file\nfunc (T[A]) Open() {}")
	f.Add(strings.ReplaceAll(head+anchor, "\n", "\r\n"), "package main")
	f.Add("\uFEFF// a\n\n/* b */ package file /* c\n */ import (\n. \"ex.com/gen/filev1parigot\" /* d */\n)\nvar _ FileServer = X{} // e", "package file\ntype X struct { y }\ntype y = X")
	f.Add("package file\n\nimport \"C\"\nimport _ \"context\"\nimport f \"ex.com/gen/filev1parigot\"\n\ntype FilePlugin struct{}\n//line a.go:1\nvar _ f.FileServer = &FilePlugin{}\n", "")
	f.Add("package file\n\nimport (\n\t\"bytes\"\n\t\"os\" // for files\n\n\t\"ex.com/gen/filev1parigot\"\n\t// last\n\t\"ex.com/z\"\n)\n\ntype FilePlugin struct{}\n\n"+anchor, "")
	f.Fuzz(func(t *testing.T, source, other string) {
		files := map[string]string{"impl_file.go": source}
		if other != "" {
			files["other.go"] = other
		}
		target, got, err := complete(t, files)
		if err != nil || target == nil {
			require.Empty(t, got)
			if err != nil {
				// These are errors of the merge and not of its input.
				require.NotContains(t, err.Error(), "would not parse any more")
				require.NotContains(t, err.Error(), "what is to be added")
			}
			return
		}
		name := target.FileName()
		before := files[name]
		requireBytes(t, before, got)
		files[name] = got
		_, again, err := complete(t, files)
		require.NoError(t, err)
		require.Equal(t, got, again, "the second run is no no-op")
	})
}

// requireBytes checks that after is before with text inserted only where that
// may be: between the lines of the imports, before or behind the rest of the
// line that the last one ends on, and at the end.
func requireBytes(tb testing.TB, before, after string) {
	tb.Helper()
	rest := after
	for i, piece := range pieces(tb, before) {
		at := strings.Index(rest, piece)
		require.GreaterOrEqual(tb, at, 0, "lost %q of:\n%s\n---\n%s", piece, before, after)
		if i == 0 {
			require.Zero(tb, at, "something is before %q", piece)
		}
		rest = rest[at+len(piece):]
	}
}

// pieces splits a file where text may be inserted.
func pieces(tb testing.TB, source string) []string {
	tb.Helper()
	fset := token.NewFileSet()
	syntax, err := parser.ParseFile(fset, "", source, parser.ParseComments)
	require.NoError(tb, err)
	offset := func(pos token.Pos) int { return fset.File(syntax.FileStart).Offset(pos) }
	first := offset(syntax.Name.End())
	last := first
	for _, decl := range syntax.Decls {
		if gen, ok := decl.(*ast.GenDecl); ok && gen.Tok == token.IMPORT {
			last = offset(gen.End())
		}
	}
	result := []string{source[:first]}
	result = slices.AppendSeq(result, strings.Lines(source[first:last]))
	behind := source[last:]
	eol := strings.Index(behind, "\n") + 1
	return append(result, behind[:eol], behind[eol:])
}

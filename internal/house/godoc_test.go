package house

import (
	"go/ast"
	"go/build"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestGuestAPIsAreDocumentedEverywhere: go doc shows what is for guests on each platform, so
// nothing exported is in a file for wasip1 alone.
func TestGuestAPIsAreDocumentedEverywhere(t *testing.T) {
	t.Parallel()
	checked := 0
	for _, r := range readMap(t) {
		if r.section != "Guest authors" && r.section != "All of them" {
			continue
		}
		for _, folder := range r.folders {
			onGuests, onHosts := exported(t, folder, "wasip1", "wasm"), exported(t, folder, "linux", "amd64")
			require.Subset(t, onHosts, onGuests, folder)
			checked += len(onGuests)
		}
	}
	require.Greater(t, checked, 100)
}

// exported returns the exported names of a package on a platform, methods included.
func exported(t *testing.T, folder, goos, goarch string) (names []string) {
	t.Helper()
	on := build.Default
	on.GOOS, on.GOARCH, on.CgoEnabled = goos, goarch, false
	dir := filepath.Join(root, filepath.FromSlash(folder))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	files := token.NewFileSet()
	var pkg []*ast.File
	for _, e := range entries {
		if ok, err := on.MatchFile(dir, e.Name()); err != nil || !ok || !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(files, filepath.Join(dir, e.Name()), nil, parser.ParseComments)
		require.NoError(t, err)
		pkg = append(pkg, f)
	}
	d, err := doc.NewFromFiles(files, pkg, module+"/"+folder)
	require.NoError(t, err)
	for _, v := range append(d.Consts, d.Vars...) {
		names = append(names, v.Names...)
	}
	for _, f := range d.Funcs {
		names = append(names, f.Name)
	}
	for _, typ := range d.Types {
		names = append(names, typ.Name)
		for _, v := range append(typ.Consts, typ.Vars...) {
			names = append(names, v.Names...)
		}
		for _, f := range typ.Funcs {
			names = append(names, f.Name)
		}
		for _, f := range typ.Methods {
			names = append(names, typ.Name+"."+f.Name)
		}
	}
	return names
}

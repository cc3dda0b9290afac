package gen

import (
	"errors"
	"io/fs"
	"path"
	"strings"

	"golang.org/x/mod/modfile"
	"google.golang.org/protobuf/compiler/protogen"

	"github.com/iansmith/parigot/internal/gen/merge"
)

// programDir is the folder, and programFile the file, of the package main that a plugin is built from.
const (
	programDir  = "plugin"
	programFile = programDir + "/main.go"
)

// program adds the package main that starts the plugin in a process of its own and,
// built as a Go plugin, exports it. What is in its folder already stays as it is.
func (r *skeletonRun) program() error {
	dir := r.tree.working()
	if dir == nil {
		return nil
	}
	in := path.Join(r.in, programDir)
	if there, err := fs.Glob(dir, path.Join(in, "*.go")); err != nil || len(there) > 0 {
		return err
	}
	if len(r.created) == 0 && r.pkg.Declares(initialize) == "" || r.pkg.Name == "main" {
		return nil // there is nothing that it could import
	}
	importPath, err := importPathOf(r.tree.fsys, path.Join(r.tree.dir, r.in))
	if err != nil || importPath == "" {
		return err
	}
	program, err := merge.Load(dir, in, "main")
	if err != nil {
		return err
	}
	editor := program.New("main.go")
	qualify := func(id protogen.GoIdent) string {
		name := path.Base(string(id.GoImportPath))
		if id.GoImportPath == protogen.GoImportPath(importPath) {
			name = r.pkg.Name
		}
		return editor.Qualify(string(id.GoImportPath), name, id.GoName)
	}
	var text strings.Builder
	if err := newBinding(qualify).execute(&text, "program", protogen.GoImportPath(importPath).Ident(initialize)); err != nil {
		return err
	}
	editor.Append(text.String())
	r.editors[programFile] = editor
	return nil
}

// importPathOf returns the import path of a folder by the go.mod there or above, ""
// without one.
func importPathOf(dir fs.FS, folder string) (string, error) {
	for at := folder; ; at = path.Dir(at) {
		b, err := fs.ReadFile(dir, path.Join(at, "go.mod"))
		if err == nil {
			module := modfile.ModulePath(b)
			if module == "" {
				return "", nil
			}
			return path.Join(module, below(folder, at)), nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		if at == "." {
			return "", nil
		}
	}
}

// below returns folder relative to at, which is it or above it.
func below(folder, at string) string {
	if at == "." {
		return folder
	}
	return strings.TrimPrefix(folder, at)
}

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

// program adds the package main. That of a plugin starts it in a process of its own and,
// built as a Go plugin, exports it; that of a guest serves. What is in its folder already
// stays as it is.
func (r *skeletonRun) program() error {
	importPath, err := r.importPath()
	if err != nil {
		return err
	}
	r.noteGuest(importPath != "")
	if importPath == "" {
		return nil
	}
	program, err := merge.Load(r.tree.working(), r.programDir(), "main")
	if err != nil {
		return err
	}
	r.names[importPath] = r.pkg.Name
	var data any = importPath.Ident(initialize)
	if r.kind == guestImpl {
		data = newGuestProgram(r.created, importPath)
	}
	editor := program.New(path.Base(r.kind.programFile()), r.kind.mainConstraint, "main", "exit")
	editor.Hide("ended", "err", "ok")
	var text strings.Builder
	if err := newBinding(r.qualifier(editor)).execute(&text, r.kind.name+" program", data); err != nil {
		return err
	}
	editor.Append(text.String())
	r.editors[r.kind.programFile()] = editor
	return nil
}

// programDir is the folder of the package main.
func (r *skeletonRun) programDir() string { return path.Join(r.in, path.Dir(r.kind.programFile())) }

// importPath returns the path by which a new package main imports the implementation, ""
// if there is to be none.
func (r *skeletonRun) importPath() (protogen.GoImportPath, error) {
	dir := r.tree.working()
	if dir == nil || r.pkg.Name == "main" || !r.isToRun() {
		return "", nil
	}
	if there, err := fs.Glob(dir, path.Join(r.programDir(), "*.go")); err != nil || len(there) > 0 {
		return "", err
	}
	importPath, err := importPathOf(r.tree.fsys, path.Join(r.tree.dir, r.in))
	return protogen.GoImportPath(importPath), err
}

// isToRun reports whether the package has what its program starts. The program of a guest
// comes with the first implementations: how later ones are made, and who serves them, is
// the author's.
func (r *skeletonRun) isToRun() bool {
	if r.kind == guestImpl {
		return len(r.created) > 0 && len(r.found) == 0
	}
	return len(r.created) > 0 || r.pkg.Declares(initialize) != ""
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

// Package merge adds methods to Go files that people edit, and changes no byte
// that is already there.
//
// [Load] reads the package in a directory. [Package.Find] looks for the type
// that implements an interface, by the assertion
//
//	var _ filev1parigot.FileServer = (*FilePlugin)(nil)
//
// in any of its files. The [Editor] of a file then takes new declarations, and
// gives them the import names of that file. Nothing here writes a file.
package merge

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Package is the Go package in a directory: all its files that are no tests,
// whatever their build constraints, because a method that is there for one
// target only is there all the same.
type Package struct {
	// Name is the name in the package clauses. When there are no files it is
	// the one that Load was told, which may be "".
	Name string

	dir     string
	fset    *token.FileSet
	files   []*file
	foreign []*file  // programs beside the package, such as those that go generate runs
	entries []string // the names of all that is in the directory
}

// file is one file of a package.
type file struct {
	name   string // without the directory
	source []byte
	syntax *ast.File
	editor *Editor
}

// Load reads the package in dir, which need not exist. A file that does not
// parse is an error, because nobody can tell which methods it has.
//
// All files must be of one package, want if that is not "". Only a package main
// may be beside another.
func Load(fsys fs.FS, dir, want string) (*Package, error) {
	p := &Package{Name: want, dir: dir, fset: token.NewFileSet()}
	if fsys == nil {
		return p, nil
	}
	entries, err := fs.ReadDir(fsys, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		p.entries = append(p.entries, entry.Name())
		if entry.IsDir() || !counts(entry.Name()) {
			continue
		}
		if err := p.read(fsys, entry.Name()); err != nil {
			return nil, err
		}
	}
	return p, p.choose(want)
}

// counts reports whether the go command may take a file of this name for part
// of a package, outside of tests.
func counts(name string) bool {
	return strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") &&
		!strings.HasPrefix(name, "_") && !strings.HasPrefix(name, ".")
}

func (p *Package) read(fsys fs.FS, name string) error {
	full := path.Join(p.dir, name)
	source, err := fs.ReadFile(fsys, full)
	if err != nil {
		return err
	}
	syntax, err := parser.ParseFile(p.fset, full, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return fmt.Errorf("%s does not parse, so nothing is written: %w", full, err)
	}
	p.files = append(p.files, &file{name: name, source: source, syntax: syntax})
	return nil
}

// choose settles the name of the package, and sets programs beside it apart. Which
// methods there are cannot be told of a package that is half renamed.
func (p *Package) choose(want string) error {
	count := make(map[string]int)
	for _, f := range p.files {
		count[f.syntax.Name.Name]++
	}
	if want == "" {
		p.Name = mostCommon(p.files, count)
	}
	if want != "" && len(p.files) > 0 && count[want] == 0 {
		f := p.files[0]
		return fmt.Errorf("the package is to be %s, but %s says package %s", want, path.Join(p.dir, f.name), f.syntax.Name.Name)
	}
	for _, f := range p.files {
		if name := f.syntax.Name.Name; name != p.Name && name != "main" {
			return p.refuseForeign(f)
		}
	}
	isForeign := func(f *file) bool { return f.syntax.Name.Name != p.Name }
	for _, f := range p.files {
		if isForeign(f) {
			p.foreign = append(p.foreign, f)
		}
	}
	p.files = slices.DeleteFunc(p.files, isForeign)
	return nil
}

// refuseForeign is the error about a file of another package that may be part of this one.
func (p *Package) refuseForeign(f *file) error {
	of := ""
	for _, other := range p.files {
		if other.syntax.Name.Name == p.Name {
			of = path.Join(p.dir, other.name)
			break
		}
	}
	return fmt.Errorf("%s says package %s, but %s says package %s, so nothing is written: name the same package in both, or move one away",
		path.Join(p.dir, f.name), f.syntax.Name.Name, of, p.Name)
}

func mostCommon(files []*file, count map[string]int) string {
	best := ""
	for _, f := range files {
		name := f.syntax.Name.Name
		switch {
		case best == "", best == "main" && name != "main":
			best = name
		case name != "main" && count[name] > count[best]:
			best = name
		}
	}
	return best
}

// Declares returns where the package declares name at its top level, such as
// "impl_file.go:12", or "" when it does not.
func (p *Package) Declares(name string) string {
	for _, f := range p.files {
		for _, id := range topLevel(f.syntax) {
			if id.Name == name {
				return p.place(f, id.Pos())
			}
		}
	}
	return ""
}

// place names a line of a file for a person.
func (p *Package) place(f *file, pos token.Pos) string {
	return fmt.Sprintf("%s:%d", path.Join(p.dir, f.name), p.fset.PositionFor(pos, false).Line)
}

// topLevel returns the identifiers that a file declares at its top level,
// except for methods and imports.
func topLevel(f *ast.File) []*ast.Ident {
	var ids []*ast.Ident
	for _, decl := range f.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			if decl.Recv == nil {
				ids = append(ids, decl.Name)
			}
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					ids = append(ids, spec.Name)
				case *ast.ValueSpec:
					ids = append(ids, spec.Names...)
				}
			}
		}
	}
	return ids
}

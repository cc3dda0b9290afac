package merge

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"strings"
)

// checkAbsent reports what stands in the way of a new implementation.
func (p *Package) checkAbsent(i Interface, newFile, newType string) error {
	assertion := fmt.Sprintf("var _ %s = (*%s)(nil)", i, newType)
	for _, f := range p.foreign {
		if strings.EqualFold(f.name, newFile) || len(f.anchors(i)) > 0 {
			if len(p.files) > 0 {
				return p.refuseForeign(f)
			}
			return fmt.Errorf("%s says package %s, and the package is to be %s, so nothing is written", path.Join(p.dir, f.name), f.syntax.Name.Name, p.Name)
		}
	}
	if err := p.checkMoved(i); err != nil {
		return err
	}
	for _, name := range p.entries {
		if strings.EqualFold(name, newFile) {
			return fmt.Errorf("%s does not say which type implements %s, so nothing is written: add the line\n\t%s\nwith the name of the type, or move the file away",
				path.Join(p.dir, name), i, assertion)
		}
	}
	if at := p.Declares(newType); at != "" {
		return fmt.Errorf("%s: there is a %s that is not said to implement %s, so nothing is written: add the line\n\t%s\nor rename the type",
			at, newType, i, assertion)
	}
	return nil
}

// checkMoved reports an assertion about an interface of the same name in another
// package: an implementation from before its Go package moved.
func (p *Package) checkMoved(i Interface) error {
	for _, f := range p.files {
		var old, at string
		f.eachVar(func(spec *ast.ValueSpec) {
			if from := importOf(f, spec, i.Name); from != "" && from != i.ImportPath {
				old, at = from, p.place(f, spec.Pos())
			}
		})
		if old == "" {
			continue
		}
		return fmt.Errorf("%s implements the %s of %s, but this one is in %s, so nothing is written: if the package moved, change\n%sor choose another directory",
			at, i.Name, old, i.ImportPath, p.movedImports(i, old))
	}
	return nil
}

// importOf returns the import path of an interface of this name that is asserted
// to be implemented, or "".
func importOf(f *file, spec *ast.ValueSpec, name string) string {
	x := spec.Type
	if x == nil && len(spec.Values) == 1 {
		if call, ok := ast.Unparen(spec.Values[0]).(*ast.CallExpr); ok {
			x = call.Fun
		}
	}
	if x == nil || spec.Names[0].Name != "_" {
		return ""
	}
	sel, ok := ast.Unparen(x).(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != name {
		return ""
	}
	pkg, ok := sel.X.(*ast.Ident)
	if !ok {
		return ""
	}
	from := importedAs(f.syntax, pkg.Name)
	if from == pkg.Name {
		return "" // no import that is known by this name
	}
	return from
}

// Asserts returns the first place where the package asserts that a type implements an
// interface whose name ends in suffix, of a package whose import path ends in
// packageSuffix, or "".
func (p *Package) Asserts(packageSuffix, suffix string) string {
	at := ""
	for _, f := range p.files {
		f.eachVar(func(spec *ast.ValueSpec) {
			sel, ok := spec.Type.(*ast.SelectorExpr)
			if at != "" || !ok || spec.Names[0].Name != "_" || !strings.HasSuffix(sel.Sel.Name, suffix) {
				return
			}
			if pkg, ok := sel.X.(*ast.Ident); ok && strings.HasSuffix(importedAs(f.syntax, pkg.Name), packageSuffix) {
				at = p.place(f, spec.Pos())
			}
		})
	}
	return at
}

// movedImports returns a line for each import of the package that has to change
// with the one of the interface.
func (p *Package) movedImports(i Interface, old string) string {
	to := map[string]string{old: i.ImportPath}
	if i.Messages != "" && i.Messages == path.Dir(i.ImportPath) {
		to[path.Dir(old)] = i.Messages
	}
	var b strings.Builder
	for _, f := range p.files {
		for _, s := range f.syntax.Imports {
			if now := to[pathOf(s)]; now != "" {
				changed := spec{path: now}
				if s.Name != nil {
					changed.name = s.Name.Name
				}
				fmt.Fprintf(&b, "\t%s to %s\n", p.place(f, s.Pos()), changed)
			}
		}
	}
	return b.String()
}

// Implements returns the line of a Go file, which may be of any package, at which it
// asserts that one of its types implements an interface, or 0. The error says that it
// names the interface, but does not parse.
func Implements(source []byte, i Interface) (line int, err error) {
	if !bytes.Contains(source, []byte(i.Name)) {
		return 0, nil
	}
	fset := token.NewFileSet()
	syntax, err := parser.ParseFile(fset, "", source, parser.SkipObjectResolution)
	if err != nil {
		return 0, err
	}
	found := (&file{syntax: syntax}).anchors(i)
	if len(found) == 0 {
		return 0, nil
	}
	return fset.PositionFor(found[0].pos, false).Line, nil
}

package merge

import (
	"fmt"
	"go/ast"
	"go/token"
)

// Interface is the interface that a type is to implement.
type Interface struct {
	ImportPath  string
	PackageName string
	Name        string

	// Messages is the import path of the messages, "" when it is not known.
	Messages string
}

func (i Interface) String() string { return i.PackageName + "." + i.Name }

// anchor is an assertion that a type implements an interface.
type anchor struct {
	file    *file
	pos     token.Pos
	typ     string // "" when the type is of another package
	pointer bool   // it is the pointer that implements the interface
}

// Find returns the type that implements an interface. The error says why no
// methods can be added although there seems to be one.
//
// preferFile and preferType decide between several: they are the file and the
// type that a new implementation would get. A nil target without an error
// means that the package has no implementation yet.
func (p *Package) Find(i Interface, preferFile, preferType string) (*Target, error) {
	anchors := p.anchors(i)
	if len(anchors) == 0 {
		return nil, p.checkAbsent(i, preferFile, preferType)
	}
	preferType, _ = p.declared(preferType)
	best := anchors[0]
	for _, a := range anchors {
		if rank(a, preferFile, preferType) > rank(best, preferFile, preferType) {
			best = a
		}
	}
	t := p.target(best)
	for _, a := range anchors {
		if a.typ != best.typ {
			t.Others = append(t.Others, fmt.Sprintf("%s (%s)", a.typ, p.place(a.file, a.pos)))
		}
	}
	return t, nil
}

func rank(a anchor, preferFile, preferType string) int {
	n := 0
	if a.typ != "" {
		n++
	}
	if a.file.name == preferFile {
		n += 2
	}
	if a.typ == preferType {
		n += 4
	}
	return n
}

// anchors returns all assertions about an interface in the package.
func (p *Package) anchors(i Interface) []anchor {
	var found []anchor
	for _, f := range p.files {
		found = append(found, f.anchors(i)...)
	}
	for n := range found {
		name, pointer := p.declared(found[n].typ)
		found[n].typ, found[n].pointer = name, found[n].pointer || pointer
	}
	return found
}

// anchors returns the assertions about an interface in the file.
func (f *file) anchors(i Interface) []anchor {
	var found []anchor
	f.eachVar(func(spec *ast.ValueSpec) { found = append(found, anchorsIn(f, spec, i)...) })
	return found
}

// eachVar calls do for each declaration of variables at the top level.
func (f *file) eachVar(do func(*ast.ValueSpec)) {
	for _, decl := range f.syntax.Decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok || gen.Tok != token.VAR {
			continue
		}
		for _, spec := range gen.Specs {
			do(spec.(*ast.ValueSpec))
		}
	}
}

func anchorsIn(f *file, spec *ast.ValueSpec, i Interface) []anchor {
	if spec.Type != nil && !refersTo(f, spec.Type, i) {
		return nil
	}
	var found []anchor
	for n, name := range spec.Names {
		if name.Name != "_" || n >= len(spec.Values) {
			continue
		}
		value := spec.Values[n]
		if spec.Type == nil {
			// var _ = filev1parigot.FileServer((*FilePlugin)(nil))
			call, ok := ast.Unparen(value).(*ast.CallExpr)
			if !ok || len(call.Args) != 1 || !refersTo(f, call.Fun, i) {
				continue
			}
			value = call.Args[0]
		}
		if a, ok := implementer(value); ok {
			a.file, a.pos = f, spec.Pos()
			found = append(found, a)
		}
	}
	return found
}

// refersTo reports whether an expression is the name of the interface.
func refersTo(f *file, x ast.Expr, i Interface) bool {
	switch x := ast.Unparen(x).(type) {
	case *ast.SelectorExpr:
		pkg, ok := x.X.(*ast.Ident)
		return ok && x.Sel.Name == i.Name && importsAs(f.syntax, i.ImportPath, i.PackageName, pkg.Name)
	case *ast.Ident:
		return x.Name == i.Name && importsAs(f.syntax, i.ImportPath, i.PackageName, ".")
	}
	return false
}

// implementer returns the type of a value in an assertion: (*T)(nil), &T{},
// new(T), T{} or T(…), and the same with type arguments. It has no name when
// it is of another package.
func implementer(value ast.Expr) (anchor, bool) {
	switch v := ast.Unparen(value).(type) {
	case *ast.UnaryExpr:
		if lit, ok := ast.Unparen(v.X).(*ast.CompositeLit); ok && v.Op == token.AND {
			return anchor{typ: baseName(lit.Type), pointer: true}, true
		}
	case *ast.CompositeLit:
		return anchor{typ: baseName(v.Type)}, true
	case *ast.CallExpr:
		if len(v.Args) != 1 {
			return anchor{}, false
		}
		fun := ast.Unparen(v.Fun)
		if star, ok := fun.(*ast.StarExpr); ok {
			return anchor{typ: baseName(star.X), pointer: true}, true
		}
		if id, ok := fun.(*ast.Ident); ok && id.Name == "new" {
			return anchor{typ: baseName(v.Args[0]), pointer: true}, true
		}
		return anchor{typ: baseName(fun)}, true
	}
	return anchor{}, false
}

// baseName returns the name of a type of this package without its pointer and
// type arguments, or "" for any other type.
func baseName(x ast.Expr) string {
	switch x := ast.Unparen(x).(type) {
	case *ast.Ident:
		return x.Name
	case *ast.StarExpr:
		return baseName(x.X)
	case *ast.IndexExpr:
		return baseName(x.X)
	case *ast.IndexListExpr:
		return baseName(x.X)
	}
	return ""
}

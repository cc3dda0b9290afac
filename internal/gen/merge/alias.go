package merge

import (
	"go/ast"
	"go/token"
)

// declared returns the name that a type of the package is declared by, which
// the aliases that lead to it do not change, and whether one of them is for the
// pointer. An alias of another package's type stays what it is.
func (p *Package) declared(typ string) (name string, pointer bool) {
	for seen := map[string]bool{}; !seen[typ]; {
		seen[typ] = true
		next := ""
		p.eachSpec(typ, func(_ *file, spec *ast.TypeSpec) {
			if of := aliasOf(spec); next == "" && of != "" {
				next = of
				_, star := ast.Unparen(spec.Type).(*ast.StarExpr)
				pointer = pointer || star
			}
		})
		if next == "" {
			break
		}
		typ = next
	}
	return typ, pointer
}

// names returns all names of a type: its own and those of its aliases, of which
// build constraints may choose some.
func (p *Package) names(typ string) map[string]bool {
	names := map[string]bool{typ: true}
	for grown := true; grown; {
		grown = false
		p.eachTypeSpec(func(_ *file, spec *ast.TypeSpec) {
			of := aliasOf(spec)
			if of != "" && names[of] != names[spec.Name.Name] {
				names[of], names[spec.Name.Name], grown = true, true, true
			}
		})
	}
	return names
}

// aliasOf returns the type of the package that an alias is for, or that its
// pointer or one of its instances is. It is "" for any other declaration.
func aliasOf(spec *ast.TypeSpec) string {
	if !spec.Assign.IsValid() {
		return ""
	}
	of := baseName(spec.Type)
	if spec.TypeParams != nil {
		for _, field := range spec.TypeParams.List {
			for _, id := range field.Names {
				if id.Name == of {
					return ""
				}
			}
		}
	}
	return of
}

// eachSpec calls do for each declaration of a type: build constraints may
// choose between several.
func (p *Package) eachSpec(typ string, do func(*file, *ast.TypeSpec)) {
	p.eachTypeSpec(func(f *file, spec *ast.TypeSpec) {
		if spec.Name.Name == typ {
			do(f, spec)
		}
	})
}

func (p *Package) eachTypeSpec(do func(*file, *ast.TypeSpec)) {
	for _, f := range p.files {
		for _, decl := range f.syntax.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok || gen.Tok != token.TYPE {
				continue
			}
			for _, spec := range gen.Specs {
				do(f, spec.(*ast.TypeSpec))
			}
		}
	}
}

// eachMethod calls do for each method declared on a type, by whatever name.
func (p *Package) eachMethod(typ string, do func(*file, *ast.FuncDecl)) {
	names := p.names(typ)
	for _, f := range p.files {
		for _, decl := range f.syntax.Decls {
			if m, ok := decl.(*ast.FuncDecl); ok && m.Recv != nil && len(m.Recv.List) == 1 && names[baseName(m.Recv.List[0].Type)] {
				do(f, m)
			}
		}
	}
}

package merge

import (
	"go/ast"
	"slices"
	"strings"
)

// Target is a type that implements an interface, and the file that its
// missing methods go to.
type Target struct {
	// Type is its name, or "" when it is of another package, and then nothing
	// can be added.
	Type string

	// Others are further types that are said to implement the interface.
	Others []string

	// Receiver and ReceiverType are what its methods call the receiver, such
	// as "p" and "*FilePlugin". Receiver is "" when it has no method that names it.
	Receiver, ReceiverType string

	pkg    *Package
	file   *file
	have   map[string]bool
	embeds []embedded
}

// embedded is an embedded type of another package.
type embedded struct {
	name       string
	importPath string
}

func (p *Package) target(a anchor) *Target {
	t := &Target{Type: a.typ, pkg: p, file: a.file, have: make(map[string]bool)}
	if a.typ == "" {
		return t
	}
	t.collect(a.typ, true, make(map[string]bool))
	t.chooseReceiver(a)
	return t
}

// FileName returns the name of the file that the methods go to.
func (t *Target) FileName() string { return t.file.name }

// Place names the file and the line of the type's first method, or of the
// file, for a person.
func (t *Target) Place() string { return t.pkg.place(t.file, t.file.syntax.Package) }

// Editor returns the editor of that file.
func (t *Target) Editor() *Editor { return t.pkg.editorOf(t.file) }

// Missing returns those of names that the type has no method for, in any file
// of the package and also by embedding a type of the package.
func (t *Target) Missing(names []string) []string {
	if t.Type == "" {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return t.have[name] })
}

// Hidden returns an embedded type of another package that may have the missing
// methods, so that adding them would take its place unnoticed. There is none
// when the type embeds fallback, the type that answers for missing methods:
// two embedded types with one method would not compile.
func (t *Target) Hidden(fallback Interface) string {
	hidden := ""
	for _, e := range t.embeds {
		if e.importPath == fallback.ImportPath && e.name == fallback.Name {
			return ""
		}
		if !isStandard(e.importPath) && !strings.HasPrefix(e.name, "Unimplemented") {
			hidden = e.importPath + "." + e.name
		}
	}
	return hidden
}

// Stray is a method that looks like one of an interface that has it no more.
type Stray struct {
	At     string // its type, its name, and where it is
	Refers string // what it refers to that is gone as well, "" for nothing
}

// Stray returns the methods of the type that look like those of the interface
// but are not among names.
func (t *Target) Stray(i Interface, names []string) []Stray {
	var stray []Stray
	t.pkg.eachMethod(t.Type, func(f *file, m *ast.FuncDecl) {
		if m.Name.IsExported() && !slices.Contains(names, m.Name.Name) && isCall(m.Type) {
			at := t.pkg.place(f, m.Pos()) + ": " + t.Type + "." + m.Name.Name
			stray = append(stray, Stray{At: at, Refers: fullNameIn(f, m, i)})
		}
	})
	return stray
}

// fullNameIn returns the constant for the full name of the method's rpc if the method
// refers to it, as the stub does.
func fullNameIn(f *file, m *ast.FuncDecl, i Interface) string {
	found := ""
	ast.Inspect(m, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		pkg, ok := sel.X.(*ast.Ident)
		if ok && strings.HasSuffix(sel.Sel.Name, "_"+m.Name.Name+"_FullName") && importsAs(f.syntax, i.ImportPath, i.PackageName, pkg.Name) {
			found = pkg.Name + "." + sel.Sel.Name
		}
		return true
	})
	return found
}

// AlsoImplements reports whether the type is asserted to implement an
// interface besides i whose name ends as i's does.
func (t *Target) AlsoImplements(i Interface, suffix string) bool {
	found := false
	for _, f := range t.pkg.files {
		f.eachVar(func(spec *ast.ValueSpec) { found = found || t.asserted(f, spec, i, suffix) })
	}
	return found
}

func (t *Target) asserted(f *file, spec *ast.ValueSpec, i Interface, suffix string) bool {
	sel, ok := spec.Type.(*ast.SelectorExpr)
	if !ok || !strings.HasSuffix(sel.Sel.Name, suffix) || refersTo(f, spec.Type, i) {
		return false
	}
	for _, value := range spec.Values {
		if a, ok := implementer(value); ok && t.pkg.names(t.Type)[a.typ] {
			return true
		}
	}
	return false
}

// isCall reports whether a signature is that of a service's method:
// (context.Context, *Request) (*Response, error).
func isCall(typ *ast.FuncType) bool {
	params, results := typesOf(typ.Params), typesOf(typ.Results)
	if len(params) != 2 || len(results) != 2 {
		return false
	}
	context, ok := params[0].(*ast.SelectorExpr)
	_, request := params[1].(*ast.StarExpr)
	_, response := results[0].(*ast.StarExpr)
	return ok && context.Sel.Name == "Context" && request && response && baseName(results[1]) == "error"
}

// typesOf returns the type of each parameter or result.
func typesOf(fields *ast.FieldList) []ast.Expr {
	var all []ast.Expr
	if fields == nil {
		return nil
	}
	for _, field := range fields.List {
		for range max(1, len(field.Names)) {
			all = append(all, field.Type)
		}
	}
	return all
}

// Field returns where the type has a field of this name, embedded ones
// included, such as "impl_file.go:12", or "" when it has none. It can have no
// method of the same name then. Fields of embedded types do not count: a
// method goes before them.
func (t *Target) Field(name string) string {
	return t.field(t.Type, name, make(map[string]bool))
}

func (t *Target) field(typ, name string, seen map[string]bool) string {
	if seen[typ] {
		return ""
	}
	seen[typ] = true
	at := ""
	t.pkg.eachSpec(typ, func(f *file, spec *ast.TypeSpec) {
		if at != "" {
			return
		}
		x, ok := ast.Unparen(spec.Type).(*ast.StructType)
		if !ok {
			// An alias, or a type like another, which has its fields.
			at = t.field(baseName(spec.Type), name, seen)
			return
		}
		for _, id := range fieldNames(x) {
			if id.Name == name {
				at = t.pkg.place(f, id.Pos())
			}
		}
	})
	return at
}

// fieldNames returns the names of the fields that a struct has itself.
func fieldNames(x *ast.StructType) []*ast.Ident {
	var ids []*ast.Ident
	for _, field := range x.Fields.List {
		ids = append(ids, field.Names...)
		if len(field.Names) == 0 {
			if id := embeddedName(field.Type); id != nil {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// embeddedName returns the name of an embedded field, which is that of its
// type, or nil.
func embeddedName(x ast.Expr) *ast.Ident {
	switch x := ast.Unparen(x).(type) {
	case *ast.Ident:
		return x
	case *ast.SelectorExpr:
		return x.Sel
	case *ast.StarExpr:
		return embeddedName(x.X)
	case *ast.IndexExpr:
		return embeddedName(x.X)
	case *ast.IndexListExpr:
		return embeddedName(x.X)
	}
	return nil
}

// spec returns the first declaration of a type and its file.
func (p *Package) spec(typ string) (*file, *ast.TypeSpec) {
	var in *file
	var first *ast.TypeSpec
	p.eachSpec(typ, func(f *file, spec *ast.TypeSpec) {
		if first == nil {
			in, first = f, spec
		}
	})
	return in, first
}

// collect notes the methods of a type of the package and of what it embeds.
func (t *Target) collect(typ string, own bool, seen map[string]bool) {
	if seen[typ] {
		return
	}
	seen[typ] = true
	if own {
		t.pkg.eachMethod(typ, func(_ *file, m *ast.FuncDecl) { t.have[m.Name.Name] = true })
	}
	t.pkg.eachSpec(typ, func(f *file, spec *ast.TypeSpec) { t.collectSpec(f, spec, seen) })
}

func (t *Target) collectSpec(f *file, spec *ast.TypeSpec, seen map[string]bool) {
	switch x := ast.Unparen(spec.Type).(type) {
	case *ast.StructType:
		for _, field := range x.Fields.List {
			if len(field.Names) == 0 {
				t.embed(f, field.Type, seen)
			}
		}
	case *ast.InterfaceType:
		t.collectInterface(f, x, seen)
	default:
		// An alias has the methods of the other type; a type defined by it has
		// those that it gets by embedding.
		if base := baseName(x); base != "" {
			t.collect(base, spec.Assign.IsValid(), seen)
		} else if spec.Assign.IsValid() {
			t.embed(f, x, seen)
		}
	}
}

func (t *Target) collectInterface(f *file, x *ast.InterfaceType, seen map[string]bool) {
	for _, field := range x.Methods.List {
		for _, name := range field.Names {
			t.have[name.Name] = true
		}
		if len(field.Names) == 0 {
			t.embed(f, field.Type, seen)
		}
	}
}

// embed notes an embedded type.
func (t *Target) embed(f *file, x ast.Expr, seen map[string]bool) {
	if base := baseName(x); base != "" {
		t.collect(base, true, seen)
		return
	}
	if star, ok := ast.Unparen(x).(*ast.StarExpr); ok {
		x = star.X
	}
	switch i := ast.Unparen(x).(type) {
	case *ast.IndexExpr:
		x = i.X
	case *ast.IndexListExpr:
		x = i.X
	}
	if sel, ok := x.(*ast.SelectorExpr); ok {
		if pkg, ok := sel.X.(*ast.Ident); ok {
			t.embeds = append(t.embeds, embedded{name: sel.Sel.Name, importPath: importedAs(f.syntax, pkg.Name)})
		}
	}
}

// chooseReceiver follows the methods that the type has, those of the anchor's
// file first.
func (t *Target) chooseReceiver(a anchor) {
	pointers, values := 0, 0
	names := make(map[bool]string) // in the anchor's file or not → name
	t.pkg.eachMethod(t.Type, func(f *file, m *ast.FuncDecl) {
		receiver := m.Recv.List[0]
		_, star := ast.Unparen(receiver.Type).(*ast.StarExpr)
		if _, alias := t.pkg.declared(baseName(receiver.Type)); star || alias {
			pointers++
		} else {
			values++
		}
		here := f == a.file
		if len(receiver.Names) == 1 && usable(receiver.Names[0].Name) && names[here] == "" {
			names[here] = receiver.Names[0].Name
		}
	})
	for _, here := range []bool{true, false} {
		if names[here] != "" {
			t.Receiver = names[here]
			break
		}
	}
	t.ReceiverType = t.Type
	if _, spec := t.pkg.spec(t.Type); spec != nil && spec.TypeParams != nil {
		blanks := slices.Repeat([]string{"_"}, spec.TypeParams.NumFields())
		t.ReceiverType += "[" + strings.Join(blanks, ", ") + "]"
	}
	// A value implements the interface only with methods of the value.
	if a.pointer && (pointers > 0 || values == 0) {
		t.ReceiverType = "*" + t.ReceiverType
	}
}

// locals are the parameters of the declarations that are added.
var locals = []string{"ctx", "req", "e"}

// usable reports whether a receiver's name leaves room for the parameters.
func usable(name string) bool {
	return name != "_" && !slices.Contains(locals, name)
}

package gen

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/template"

	"google.golang.org/protobuf/compiler/protogen"

	"github.com/iansmith/parigot/templates"
)

const (
	// modulePath is the path of Parigot's module.
	modulePath = "github.com/iansmith/parigot"
	// sdkPath is the import path of the packages that generated code builds on.
	sdkPath = modulePath + "/pluginsdk"
)

// packages are what {{go "name.Ident"}} in a template may refer to.
var packages = map[string]protogen.GoImportPath{
	"api":       "github.com/tetratelabs/wazero/api",
	"context":   "context",
	"eng":       sdkPath + "/eng",
	"future":    sdkPath + "/future",
	"guest":     sdkPath + "/guest",
	"id":        sdkPath + "/id",
	"kernel":    sdkPath + "/guest/kernel",
	"parigotpb": sdkPath + "/parigotpb",
	"pluginsdk": sdkPath,
	"process":   sdkPath + "/process",
	"proto":     "google.golang.org/protobuf/proto",
	"status":    sdkPath + "/status",
	"unsafe":    "unsafe",
}

// The templates of the three files of a proto file.
const (
	sharedTemplate = "shared.go.tmpl"
	hostTemplate   = "host.go.tmpl"
	guestTemplate  = "guest.go.tmpl"
)

// parsed are the templates, with functions that are bound for each file.
var parsed = template.Must(template.New("").
	Funcs(newBinding(nil).funcs()).
	ParseFS(templates.FS, "*.go.tmpl"))

// qualifier returns how a file refers to an identifier of another package, and
// makes the file import that package.
type qualifier func(protogen.GoIdent) string

// binding is what templates need to know about the file that they print.
type binding struct {
	qualify qualifier
	imports map[string]protogen.GoImportPath // the packages that the file uses, by name
	idents  map[protogen.GoIdent]string      // what was printed for each
	locals  map[string]string
	finish  bool // leave a mark for the imports
}

func newBinding(q qualifier) *binding {
	return &binding{qualify: q, imports: make(map[string]protogen.GoImportPath), idents: make(map[protogen.GoIdent]string), locals: make(map[string]string)}
}

func (b *binding) funcs() template.FuncMap {
	return template.FuncMap{
		"comment":   comment,
		"commentOr": commentOr,
		"go":        b.sdkIdent,
		"ident":     b.ident,
		"imports":   b.importsHere,
		"inside":    inside,
		"local":     b.local,
	}
}

// sdkIdent prints an identifier such as "pluginsdk.Adapt".
func (b *binding) sdkIdent(name string) (string, error) {
	pkg, ident, _ := strings.Cut(name, ".")
	path, ok := packages[pkg]
	if !ok {
		return "", fmt.Errorf("no package is known as %q", pkg)
	}
	return b.ident(path.Ident(ident)), nil
}

// importsHere prints nothing, or where the imports go.
func (b *binding) importsHere() string {
	if b.finish {
		return importMark
	}
	return ""
}

func (b *binding) ident(id protogen.GoIdent) string {
	if text, ok := b.idents[id]; ok {
		return text
	}
	text := b.qualify(id)
	b.idents[id] = text
	if pkg, _, ok := strings.Cut(text, "."); ok {
		b.imports[pkg] = id.GoImportPath
	}
	return text
}

// local prints the name of a parameter or variable. It gets underscores when
// the file imports a package of that name, so that it hides nothing.
func (b *binding) local(name string) string {
	if chosen, ok := b.locals[name]; ok {
		return chosen
	}
	chosen := name
	for b.imports[chosen] != "" {
		chosen += "_"
	}
	b.locals[name] = chosen
	return chosen
}

// execute runs a template. Only after that all imports are known, which the names
// of locals depend on: in the rare case that one hides an import, it runs again.
func (b *binding) execute(w io.Writer, name string, data any) error {
	bound, err := parsed.Clone()
	if err != nil {
		return err
	}
	bound.Funcs(b.funcs())
	var text bytes.Buffer
	if err := bound.ExecuteTemplate(&text, name, data); err != nil {
		return err
	}
	if b.hidesImport() {
		text.Reset()
		clear(b.locals)
		if err := bound.ExecuteTemplate(&text, name, data); err != nil {
			return err
		}
	}
	_, err = w.Write(text.Bytes())
	return err
}

// hidesImport reports whether a local has the name of an imported package.
func (b *binding) hidesImport() bool {
	for _, chosen := range b.locals {
		if b.imports[chosen] != "" {
			return true
		}
	}
	return false
}

// outputFile is one file to print: the view of the proto file, and what the
// header and the templates need beside it.
type outputFile struct {
	*fileView
	BuildTag   string
	PackageDoc string
	Versions   bool
	Version    string
	Protoc     string
}

// render adds one generated file to the plugin.
func (g *generator) render(file *outputFile, name, tmpl string) error {
	finished := g.canFinish(file, tmpl)
	if finished {
		name += rawSuffix
	}
	out := g.plugin.NewGeneratedFile(name, file.ImportPath)
	b := newBinding(out.QualifiedGoIdent)
	b.finish = finished
	var text bytes.Buffer
	if err := b.execute(&text, tmpl, file); err != nil {
		return fmt.Errorf("%s: %w", file.Desc.Path(), err)
	}
	content := text.Bytes()
	if finished {
		content = finish(content, b.imports)
	}
	if _, err := out.Write(content); err != nil {
		return err
	}
	g.checkImports(file.fileView, b)
	annotate(out, file.fileView, tmpl)
	return nil
}

// annotate tells where the symbols of a file come from, for annotate_code.
func annotate(out *protogen.GeneratedFile, file *fileView, tmpl string) {
	mark := func(loc protogen.Location, symbols ...string) {
		for _, symbol := range symbols {
			out.AnnotateSymbol(symbol, protogen.Annotation{Location: loc})
		}
	}
	if tmpl == sharedTemplate {
		for _, id := range file.IDs {
			mark(id.location, id.all()...)
		}
	}
	for _, s := range file.Services {
		switch tmpl {
		case sharedTemplate:
			mark(s.Location, s.shared()...)
		case hostTemplate:
			mark(s.Location, s.host()...)
		case guestTemplate:
			mark(s.Location, s.guest()...)
		}
		for _, m := range s.Methods {
			switch tmpl {
			case sharedTemplate:
				mark(m.Location, m.FullNameConst, s.ImplName+"."+m.GoName, s.UnimplementedName+"."+m.GoName)
				mark(m.Location, s.unlessNative(nil, s.ServerName+"."+m.GoName)...)
			case hostTemplate:
				mark(m.Location, s.ClientName+"."+m.GoName, s.ClientName+"."+m.AsyncName, s.ClientName+"."+m.IntoName)
				mark(m.Location, m.BridgeName, s.LocalType+"."+m.GoName, s.LocalType+"."+m.AsyncName, s.LocalType+"."+m.IntoName)
				mark(m.Location, s.unlessNative(nil, s.HostClientType+"."+m.GoName, s.HostClientType+"."+m.AsyncName, s.HostClientType+"."+m.IntoName)...)
			case guestTemplate:
				mark(m.Location, m.ImportName, m.MethodVar, s.ClientName+"."+m.GoName, s.ClientName+"."+m.AsyncName, s.ClientName+"."+m.IntoName)
			}
		}
	}
}

// checkImports reports an imported package whose name is that of a declaration
// in the same package. It takes an import path such as "ex.com/FileImpl".
func (g *generator) checkImports(file *fileView, b *binding) {
	for _, s := range g.scopes.of(file.ImportPath) {
		for _, name := range sortedKeys(b.imports) {
			if by, ok := s.taken[name]; ok {
				g.problems.add(by.at, "%s and an imported package both need the Go name %s", by.what, name)
			}
		}
	}
}

package gen

import (
	"bytes"
	"cmp"
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
	"api":          "github.com/tetratelabs/wazero/api",
	"context":      "context",
	"eng":          sdkPath + "/eng",
	"guest":        sdkPath + "/guest",
	"id":           sdkPath + "/id",
	"kernel":       sdkPath + "/guest/kernel",
	"parigotimpl":  sdkPath + "/parigotimpl",
	"parigotpb":    sdkPath + "/parigotpb",
	"pluginsdk":    sdkPath,
	"process":      sdkPath + "/process",
	"proto":        "google.golang.org/protobuf/proto",
	"protoreflect": "google.golang.org/protobuf/reflect/protoreflect",
	"status":       sdkPath + "/status",
	"time":         "time",
	"unsafe":       "unsafe",
}

// mainPackages are what the templates of programs may refer to as well. Generated files
// leave their names to the packages of messages.
var mainPackages = map[string]protogen.GoImportPath{
	"errors": "errors",
	"fmt":    "fmt",
	"os":     "os",
}

// The templates of the three files of a proto file.
const (
	sharedTemplate = "shared.go.tmpl"
	hostTemplate   = "host.go.tmpl"
	guestTemplate  = "guest.go.tmpl"
)

// parsed are the templates, with functions that are bound for each file.
var parsed = inlined(template.Must(template.New("").
	Funcs(newBinding(nil).funcs()).
	ParseFS(templates.FS, "*.go.tmpl")))

// qualifier returns how a file refers to an identifier of another package, and
// makes the file import that package.
type qualifier func(protogen.GoIdent) string

// binding is what templates need to know about the file that they print.
type binding struct {
	qualify qualifier
	idents  map[protogen.GoIdent]string // what was printed for each
}

func newBinding(q qualifier) *binding {
	return &binding{qualify: q, idents: make(map[protogen.GoIdent]string)}
}

func (b *binding) funcs() template.FuncMap {
	return template.FuncMap{
		"comment":   comment,
		"commentOr": commentOr,
		"go":        b.sdkIdent,
		"ident":     b.ident,
		"imports":   func() string { return importMark },
		"in":        func(m methodTypes) string { return b.ident(m.input()) },
		"inside":    inside,
		"link":      b.link,
		"out":       func(m methodTypes) string { return b.ident(m.output()) },
	}
}

// methodTypes is a view of a method.
type methodTypes interface {
	input() protogen.GoIdent
	output() protogen.GoIdent
}

// sdkIdent prints an identifier such as "pluginsdk.Register".
func (b *binding) sdkIdent(name string) (string, error) {
	pkg, ident, _ := strings.Cut(name, ".")
	path := cmp.Or(packages[pkg], mainPackages[pkg])
	if path == "" {
		return "", fmt.Errorf("no package is known as %q", pkg)
	}
	return b.ident(path.Ident(ident)), nil
}

// link prints the identifier as doc comments refer to it.
func (b *binding) link(name string) (string, error) {
	text, err := b.sdkIdent(name)
	return "[" + text + "]", err
}

func (b *binding) ident(id protogen.GoIdent) string {
	text, ok := b.idents[id]
	if !ok {
		text = b.qualify(id)
		b.idents[id] = text
	}
	return text
}

// execute runs a template.
func (b *binding) execute(w io.Writer, name string, data any) error {
	bound, err := parsed.Clone()
	if err != nil {
		return err
	}
	var marked bytes.Buffer
	if err := bound.Funcs(b.funcs()).ExecuteTemplate(&marked, name, data); err != nil {
		return err
	}
	text, err := b.resolve(marked.Bytes())
	if err == nil {
		_, err = w.Write(text)
	}
	return err
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
	used := newImports(file.ImportPath, g.scopes.of(file.ImportPath))
	var text bytes.Buffer
	if err := newBinding(used.qualify).execute(&text, tmpl, file); err != nil {
		return fmt.Errorf("%s: %w", file.Desc.Path(), err)
	}
	content := withImports(text.Bytes(), used.block())
	if g.canFinish(file, tmpl) {
		g.addFinished(name, file.ImportPath, finish(content))
		return nil
	}
	out := g.plugin.NewGeneratedFile(name, file.ImportPath)
	if _, err := out.Write(content); err != nil {
		return err
	}
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
				mark(m.Location, m.FullNameConst, s.ServerName+"."+m.GoName, s.UnimplementedName+"."+m.GoName)
			case hostTemplate:
				mark(m.Location, s.ClientName+"."+m.GoName, s.ClientType+"."+m.GoName, s.IntoServerName+"."+m.IntoName, m.BridgeName)
			case guestTemplate:
				mark(m.Location, m.ImportName, m.MethodVar, s.ClientName+"."+m.GoName)
			}
		}
	}
}

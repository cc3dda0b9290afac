package gen_test

import (
	"fmt"
	"go/format"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/compiler/protogen"

	"github.com/iansmith/parigot/internal/gen"
)

// TestCallProgram keeps the two programs up to date that call every golden
// method: testdata/allgoldens, which package calltest runs.
func TestCallProgram(t *testing.T) {
	t.Parallel()
	services := goldenServices(t)
	for name, content := range map[string]string{
		"testdata/allgoldens/host.go":       hostProgram(t, services),
		"testdata/allgoldens/guest/main.go": guestProgram(t, services),
	} {
		if *update {
			require.NoError(t, os.WriteFile(name, []byte(content), 0o644))
		}
		want, err := os.ReadFile(name)
		require.NoError(t, err)
		// The difference would be thousands of lines.
		same := string(want) == content
		require.True(t, same, "%s is out of date; if this is meant: go test ./internal/gen -update", name)
	}
}

// goldenServices returns the services of all goldens that have both halves.
func goldenServices(t *testing.T) []gen.Service {
	t.Helper()
	params, err := filepath.Glob("testdata/*/params")
	require.NoError(t, err)
	var all []gen.Service
	for _, file := range params {
		c := readCase(t, filepath.Base(filepath.Dir(file)))
		if _, err := os.Stat(filepath.Join("testdata", c.name, "error.txt")); err == nil || c.noCompile {
			continue
		}
		set := compile(t, c.root(), c.protos(t)...)
		c.adjust(t, set)
		services, err := gen.Services(c.request(set, c.runs[0]))
		require.NoError(t, err)
		for _, s := range services {
			// Only its siblings may import an internal package.
			hidden := strings.Contains(strings.TrimPrefix(string(s.Server.GoImportPath), testdataPath), "/internal/")
			if s.HasHost && s.HasGuest && !hidden {
				all = append(all, s)
			}
		}
	}
	require.Greater(t, len(all), 50)
	return all
}

// program is the text of a Go file, with its imports.
type program struct {
	strings.Builder
	names map[protogen.GoImportPath]string
	paths []protogen.GoImportPath
}

func (p *program) ident(id protogen.GoIdent) string {
	name, ok := p.names[id.GoImportPath]
	if !ok {
		name = fmt.Sprintf("p%d", len(p.paths))
		p.names[id.GoImportPath] = name
		p.paths = append(p.paths, id.GoImportPath)
	}
	return name + "." + id.GoName
}

func (p *program) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(&p.Builder, format, args...)
}

func (p *program) file(t *testing.T, header string, imports ...string) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(header + "\n\nimport (\n")
	for _, i := range imports {
		fmt.Fprintf(&b, "\t%q\n", i)
	}
	for _, path := range p.paths {
		fmt.Fprintf(&b, "\t%s %q\n", p.names[path], string(path))
	}
	b.WriteString(")\n" + p.String())
	text, err := format.Source([]byte(b.String()))
	require.NoError(t, err, b.String())
	return string(text)
}

func hostProgram(t *testing.T, services []gen.Service) string {
	t.Helper()
	p := &program{names: make(map[protogen.GoImportPath]string)}
	p.WriteString(`
// Seen is called with the full name of each method that is called.
type Seen func(method string)

// Invoke makes Seen a connection to somebody who answers.
func (s Seen) Invoke(_ context.Context, m *core.Method, req, resp proto.Message) error {
	s(m.FullName)
	fill.Fill(resp)
	return fill.Check(req)
}

func answer[U proto.Message](seen Seen, method string, req proto.Message, resp U) (U, error) {
	seen(method)
	fill.Fill(resp)
	return resp, fill.Check(req)
}

func check[T, U proto.Message](ctx context.Context, call func(context.Context, T) (U, error), req T) error {
	fill.Fill(req)
	resp, err := call(ctx, req)
	if err == nil {
		err = fill.Check(resp)
	}
	if err != nil {
		return err
	}
	if resp, err = future.Await(ctx, future.Go(ctx, call, req)); err != nil {
		return err
	}
	return fill.Check(resp)
}
`)
	for i, s := range services {
		p.printf("\ntype impl%d struct{ seen Seen }\n\n", i)
		for _, m := range s.Methods {
			out := p.ident(m.Output)
			p.printf("func (i impl%d) %s(_ context.Context, req *%s) (*%s, error) { return answer(i.seen, %q, req, new(%s)) }\n\n",
				i, m.GoName, p.ident(m.Input), out, m.FullName, out)
		}
	}
	p.WriteString("// Methods are the full names of all methods.\nvar Methods = []string{\n")
	for _, s := range services {
		for _, m := range s.Methods {
			p.printf("%q,\n", m.FullName)
		}
	}
	p.WriteString("}\n\n// Described describe all services.\nvar Described = []*core.Service{\n")
	for _, s := range services {
		p.printf("&%s,\n", p.ident(s.Desc))
	}
	p.WriteString("}\n\n// Register registers an implementation of every service.\nfunc Register(ctx context.Context, e eng.Engine, seen Seen, opts ...pluginsdk.ServiceOption) error {\nreturn errors.Join(\n")
	for i, s := range services {
		p.printf("%s(ctx, e, impl%d{seen}, opts...),\n", p.ident(s.Register), i)
	}
	p.WriteString(")\n}\n\n// CallLocal calls every method through its local client, twice.\nfunc CallLocal(ctx context.Context, seen Seen) error {\nreturn errors.Join(\n")
	for i, s := range services {
		for _, m := range s.Methods {
			local := p.ident(s.NewLocal)
			p.printf("check(ctx, %s(impl%d{seen}).%s, new(%s)),\n", local, i, m.GoName, p.ident(m.Input))
		}
	}
	p.WriteString(")\n}\n\n// Call calls every method through conn, twice.\nfunc Call(ctx context.Context, conn core.Conn) error {\nreturn errors.Join(\n")
	for _, s := range services {
		for _, m := range s.Methods {
			p.printf("check(ctx, %s(conn).%s, new(%s)),\n", p.ident(s.NewClient), m.GoName, p.ident(m.Input))
		}
	}
	p.WriteString(")\n}\n")
	return p.file(t, "// Code generated by the tests of package gen. DO NOT EDIT.\n\n//go:build !wasip1\n\n// Package allgoldens is the host's half of a test that calls every golden method.\npackage allgoldens",
		"context", "errors", "google.golang.org/protobuf/proto",
		testdataPath+"/allgoldens/fill", "github.com/iansmith/parigot/internal/core", "github.com/iansmith/parigot/pluginsdk", "github.com/iansmith/parigot/pluginsdk/eng", "github.com/iansmith/parigot/pluginsdk/future")
}

// served returns the services that guests may serve.
func served(services []gen.Service) []gen.Service {
	return slices.DeleteFunc(slices.Clone(services), func(s gen.Service) bool { return s.Serve.GoName == "" })
}

var borrowed = protogen.GoImportPath("github.com/iansmith/parigot/pluginsdk/guest").Ident("Borrowed")

func guestProgram(t *testing.T, services []gen.Service) string {
	t.Helper()
	p := &program{names: make(map[protogen.GoImportPath]string)}
	p.WriteString(`
func check[T, U proto.Message](method string, call func(context.Context, T) (U, error), req T) {
	ctx := context.Background()
	fill.Fill(req)
	resp, err := call(ctx, req)
	if err == nil {
		err = fill.Check(resp)
	}
	if err == nil {
		resp, err = future.Await(ctx, future.Go(ctx, call, req))
	}
	if err == nil {
		err = fill.Check(resp)
	}
	if err != nil {
		fmt.Println(method, err)
		os.Exit(1)
	}
}

func answer[U proto.Message](req proto.Message, resp U) (U, error) {
	fill.Fill(resp)
	return resp, fill.Check(req)
}

func located[C any](locate func(context.Context) (C, error)) C {
	client, err := locate(context.Background())
	end(err)
	return client
}

func end(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func main() {
	switch {
	case len(os.Args) == 1:
		callHost()
	case os.Args[1] == "serve":
		serve()
	default:
		callGuests()
		end(kernel.Exit(context.Background(), 0))
	}
}

func callHost() {
`)
	for _, s := range services {
		for _, m := range s.Methods {
			client := p.ident(s.NewClient)
			for _, option := range []string{"", p.ident(borrowed) + "()"} {
				p.printf("check(%q, %s(%s).%s, new(%s))\n", m.FullName, client, option, m.GoName, p.ident(m.Input))
			}
		}
		if len(s.Methods) == 0 {
			p.printf("_ = %s()\n", p.ident(s.NewClient))
		}
	}
	p.WriteString("}\n\nfunc callGuests() {\n")
	for _, s := range served(services) {
		locate := p.ident(s.Locate)
		for _, m := range s.Methods {
			p.printf("check(%q, located(%s).%s, new(%s))\n", m.FullName, locate, m.GoName, p.ident(m.Input))
		}
		if len(s.Methods) == 0 {
			p.printf("_ = located(%s)\n", locate)
		}
	}
	p.WriteString(`}

func serve() {
	ctx, ended := context.Background(), make(chan error)
	all := []func(){
`)
	for i, s := range served(services) {
		p.printf("func() { ended <- %s(ctx, server%d{}) },\n", p.ident(s.Serve), i)
	}
	p.WriteString(`}
	for _, one := range all {
		go one()
	}
	for range all {
		end(<-ended)
	}
}
`)
	for i, s := range served(services) {
		p.printf("\ntype server%d struct{}\n\n", i)
		for _, m := range s.Methods {
			out := p.ident(m.Output)
			p.printf("func (server%d) %s(_ context.Context, req *%s) (*%s, error) { return answer(req, new(%s)) }\n\n", i, m.GoName, p.ident(m.Input), out, out)
		}
	}
	return p.file(t, "// Code generated by the tests of package gen. DO NOT EDIT.\n\n//go:build wasip1\n\n// This program is the guest's half of a test that calls every golden method: those\n// of the host or, with the argument \"locate\", those of a guest with the argument\n// \"serve\".\npackage main",
		"context", "fmt", "os", "google.golang.org/protobuf/proto", testdataPath+"/allgoldens/fill", "github.com/iansmith/parigot/pluginsdk/future",
		"github.com/iansmith/parigot/pluginsdk/guest/kernel")
}

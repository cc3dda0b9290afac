// Package newproject makes the project of a new plugin: a service, its implementation
// and tests, a guest that calls it, a host, and the deployment file of all that.
package newproject

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"go/format"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
)

//go:embed files
var files embed.FS

var templates = template.Must(template.ParseFS(files, "files/*.tmpl"))

// Project says what to make.
type Project struct {
	// Name is the name of the plugin, of its package, and of its service: lower-case
	// letters and digits.
	Name string
	// Module is the path of the Go module.
	Module string
	// Dir is the folder to make. It must not exist, or be empty.
	Dir string
	// Version is the version of the module github.com/iansmith/parigot.
	Version string
	// Replace is the folder of a checkout that takes the module's place, or "". It is in go.work
	// alone, as others have it elsewhere.
	Replace string
}

// Service returns the name of the service.
func (p Project) Service() string { return strings.ToUpper(p.Name[:1]) + p.Name[1:] }

// Quoted returns Replace as go.work wants it.
func (p Project) Quoted() string { return modfile.AutoQuote(p.Replace) }

var (
	nameForm = regexp.MustCompile(`^[a-z][a-z0-9]*$`)
	// What the project's packages import and declare, and its other folders.
	taken = []string{
		"args", "build", "code", "context", "ctx", "eng", "err", "errors", "file", "fmt", "gen", "guest", "host", "id", "internal", "main",
		"os", "plugin", "pluginsdk", "process", "proto", "run", "runner", "signal", "status", "stop", "testdata", "testing", "vendor", "wasm",
	}
)

// Check returns what is wrong with the names, or nil.
func (p Project) Check() error {
	switch {
	case strings.Contains(p.Name, "/"):
		return fmt.Errorf("%q cannot be the name of a plugin: it is a Go package, so use one word such as \"hello\"; the module path goes in --module", p.Name)
	case !nameForm.MatchString(p.Name):
		return fmt.Errorf("%q cannot be the name of a plugin: it is a Go package, so use lower-case letters and digits, such as \"hello\"", p.Name)
	case token.IsKeyword(p.Name) || types.Universe.Lookup(p.Name) != nil || slices.Contains(taken, p.Name):
		return fmt.Errorf("%q cannot be the name of a plugin: Go or the project uses the word already", p.Name)
	}
	if err := module.CheckImportPath(p.Module); err != nil {
		return fmt.Errorf("%q cannot be the path of a module: %w", p.Module, err)
	}
	left, err := os.ReadDir(p.Dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case len(left) > 0:
		return fmt.Errorf("the folder %s is not empty: name another one with --dir", p.Dir)
	}
	return nil
}

// Create makes the project, all or nothing. It says on progress what it does.
func (p Project) Create(ctx context.Context, progress io.Writer) (err error) {
	if err := p.Check(); err != nil {
		return err
	}
	parent := filepath.Dir(p.Dir)
	if err := os.MkdirAll(parent, 0o777); err != nil {
		return err
	}
	draft, err := os.MkdirTemp(parent, "."+filepath.Base(p.Dir)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(draft))
		}
	}()
	_, _ = fmt.Fprintf(progress, "==> writing the project into %s\n", p.Dir)
	if err := p.write(ctx, draft); err != nil {
		return err
	}
	_, _ = fmt.Fprintln(progress, "==> go mod tidy (it may have to download modules)")
	if err := p.tidy(ctx, draft); err != nil {
		return err
	}
	if err := os.Chmod(draft, 0o755); err != nil {
		return err
	}
	if err := os.Remove(p.Dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Rename(draft, p.Dir)
}

// tidy runs "go mod tidy", which does not read go.work: go.mod has the replace directive meanwhile.
func (p Project) tidy(ctx context.Context, dir string) error {
	commands := [][]string{{"mod", "tidy"}}
	if p.Replace != "" {
		commands = [][]string{
			{"mod", "edit", "-replace=" + parigot + "=" + p.Replace},
			{"mod", "tidy"},
			{"mod", "edit", "-dropreplace=" + parigot},
		}
	}
	for _, args := range commands {
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOWORK=off")
		if text, err := cmd.CombinedOutput(); err != nil {
			return errors.Join(ctx.Err(), fmt.Errorf("go %s %s: %w\n%s", args[0], args[1], err, bytes.TrimSpace(text)))
		}
	}
	return nil
}

const parigot = "github.com/iansmith/parigot"

// written are the files that are written from templates, by their paths.
func (p Project) written() map[string]string {
	files := map[string]string{
		p.protoFile():                           "service.proto.tmpl",
		"buf.yaml":                              "buf.yaml.tmpl",
		"buf.gen.yaml":                          "buf.gen.yaml.tmpl",
		"go.mod":                                "go.mod.tmpl",
		".gitignore":                            "gitignore.tmpl",
		"Makefile":                              "Makefile.tmpl",
		"parigot.yaml":                          "parigot.yaml.tmpl",
		"README.md":                             "README.md.tmpl",
		"guest/main.go":                         "guest.go.tmpl",
		"host/main.go":                          "host.go.tmpl",
		p.Name + "/impl_" + p.Name + "_test.go": "impl_test.go.tmpl",
	}
	if p.Replace != "" {
		files["go.work"] = "go.work.tmpl"
	}
	return files
}

func (p Project) protoFile() string { return "proto/" + p.protoPath() }

// protoPath is the path of the proto file as buf and the generated code know it.
func (p Project) protoPath() string { return p.Name + "/v1/" + p.Name + ".proto" }

func (p Project) write(ctx context.Context, dir string) error {
	all := map[string][]byte{}
	for path, name := range p.written() {
		text, err := p.render(name)
		if err != nil {
			return err
		}
		all[path] = text
	}
	if err := save(dir, all); err != nil {
		return err
	}
	made, err := p.generate(ctx, dir, all[p.protoFile()])
	if err != nil {
		return err
	}
	return save(dir, made)
}

// save writes files below dir.
func save(dir string, files map[string][]byte) error {
	for path, text := range files {
		name := filepath.Join(dir, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			return err
		}
		if err := os.WriteFile(name, text, 0o666); err != nil {
			return err
		}
	}
	return nil
}

// render renders a template. Go files have gofmt's form.
func (p Project) render(name string) ([]byte, error) {
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, name, p); err != nil {
		return nil, err
	}
	if !strings.HasSuffix(name, ".go.tmpl") || name == bodyTemplate {
		return b.Bytes(), nil
	}
	text, err := format.Source(b.Bytes())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return text, nil
}

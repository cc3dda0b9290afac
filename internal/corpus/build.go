package corpus

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// modulePath is the module that the output is compiled in. It is below the
// module of the generator, but imports nothing that is internal.
const modulePath = "github.com/iansmith/parigot/build/corpus"

// Tree is the output as a Go module of its own on disk. It requires what the
// module of the corpus requires.
type Tree struct {
	dir    string
	output *Output
}

// Write writes the output below dir, replacing what is there. Root is the
// directory of the generator's module. The same dir each time lets Go's build
// cache know the packages again.
func (o *Output) Write(root, dir string) (*Tree, error) {
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	t := &Tree{dir: dir, output: o}
	for name, content := range o.Content {
		if err := t.write(name, []byte(content)); err != nil {
			return nil, err
		}
	}
	if err := t.write("register/main.go", o.registerAll()); err != nil {
		return nil, err
	}
	return t, t.writeModule(root)
}

// writeModule writes go.mod and go.sum after those of the corpus.
func (t *Tree) writeModule(root string) error {
	root, err := filepath.Abs(root)
	if err != nil {
		return err
	}
	module, err := os.ReadFile(filepath.Join(root, "internal", "corpus", "go.mod"))
	if err != nil {
		return err
	}
	sum, err := os.ReadFile(filepath.Join(root, "internal", "corpus", "go.sum"))
	if err != nil {
		return err
	}
	_, rest, _ := bytes.Cut(module, []byte("\n"))
	rest = bytes.Replace(rest, []byte("=> ../..\n"), fmt.Appendf(nil, "=> %s\n", root), 1)
	if err := t.write("go.mod", append([]byte("module "+modulePath+"\n"), rest...)); err != nil {
		return err
	}
	return t.write("go.sum", sum)
}

func (t *Tree) write(name string, content []byte) error {
	file := filepath.Join(t.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		return err
	}
	return os.WriteFile(file, content, 0o600)
}

// Packages returns the directories of the packages, relative to the module.
func (o *Output) Packages() []string {
	var dirs []string
	for name := range o.Content {
		dirs = append(dirs, path.Dir(name))
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

// Target is an operating system and an architecture to compile for. The zero
// Target is the host.
type Target struct{ OS, Arch string }

// Wasip1 is the target of guests.
var Wasip1 = Target{"wasip1", "wasm"}

func (t Target) String() string {
	if t == (Target{}) {
		return "host"
	}
	return t.OS
}

// Build compiles every package for a target.
func (t *Tree) Build(ctx context.Context, target Target) []Failure {
	return t.run(ctx, target, "build", t.output.Packages())
}

// Vet runs go vet on every nth package for a target.
func (t *Tree) Vet(ctx context.Context, target Target, nth int) []Failure {
	var sample []string
	for i, dir := range t.output.Packages() {
		if i%nth == 0 {
			sample = append(sample, dir)
		}
	}
	return t.run(ctx, target, "vet", sample)
}

// run runs a go command on packages and returns what it says as failures.
func (t *Tree) run(ctx context.Context, target Target, command string, dirs []string) []Failure {
	args := []string{command}
	for _, dir := range dirs {
		args = append(args, "./"+dir)
	}
	text, err := t.goCommand(ctx, target, args...)
	if err == nil {
		return nil
	}
	failures := t.failures(target, text)
	if len(failures) == 0 {
		failures = append(failures, Failure{Where: "go " + command, Text: fmt.Sprintf("%s: %v: %s", target, err, text)})
	}
	return failures
}

// Register runs a program that registers an implementation of every service
// with one engine of its own. It returns what that printed.
func (t *Tree) Register(ctx context.Context) (string, []Failure) {
	text, err := t.goCommand(ctx, Target{}, "run", "./register")
	if err != nil {
		return "", []Failure{{Where: "register", Text: fmt.Sprintf("%v: %s", err, text)}}
	}
	return strings.TrimSpace(text), nil
}

func (t *Tree) goCommand(ctx context.Context, target Target, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = t.dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-buildvcs=false")
	if target != (Target{}) {
		cmd.Env = append(cmd.Env, "GOOS="+target.OS, "GOARCH="+target.Arch, "CGO_ENABLED=0")
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// aboutFile matches a line that the compiler or vet prints about a file.
var aboutFile = regexp.MustCompile(`(?m)^(?:vet: )?(?:\./)?([^\s:]+_parigot\.pb\.go):(\d+.*)$`)

// failures makes one failure for each line about a generated file.
func (t *Tree) failures(target Target, text string) []Failure {
	owner := make(map[string]*File)
	for _, file := range t.output.Generated {
		owner[file.ImportPath] = file
	}
	var failures []Failure
	for _, match := range aboutFile.FindAllStringSubmatch(text, -1) {
		failure := Failure{Where: match[1], Text: target.String() + ": " + match[2]}
		if file := owner[path.Dir(path.Dir(match[1]))]; file != nil {
			failure.Module = file.Module
		}
		failures = append(failures, failure)
	}
	return failures
}

// registerFunc matches the function that registers a service with an engine.
var registerFunc = regexp.MustCompile(`(?m)^func Register(\w+)\(ctx `)

// registerAll returns the program for [Tree.Register].
func (o *Output) registerAll() []byte {
	var imports, calls bytes.Buffer
	names := make(map[string]string)
	for i, dir := range o.Packages() {
		names[dir] = fmt.Sprintf("p%d", i)
		fmt.Fprintf(&imports, "\tp%d %q\n", i, modulePath+"/"+dir)
	}
	count := 0
	for _, name := range sortedNames(o.Content) {
		for _, match := range registerFunc.FindAllStringSubmatch(o.Content[name], -1) {
			p := names[path.Dir(name)]
			fmt.Fprintf(&calls, "\tfail(%[1]s.Register%[2]s(ctx, host, %[1]s.Unimplemented%[2]sServer{}))\n", p, match[1])
			count++
		}
	}
	return fmt.Appendf(nil, registerProgram, imports.String(), calls.String(), count)
}

const registerProgram = `package main

import (
	"context"
	"fmt"
	"log"

	"github.com/iansmith/parigot/pluginsdk/eng"
%s)

func main() {
	ctx := context.Background()
	host, err := eng.New(ctx)
	fail(err)
%s	fail(host.Failures())
	fail(host.Close(ctx))
	fmt.Println(%d)
}

func fail(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
`

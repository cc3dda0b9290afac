// Gen measures protoc-gen-parigot beside protoc-gen-go-grpc and
// protoc-gen-connect-go, as processes that get the same request on standard
// input, and writes the tables into docs/benchmarks.md. Run it with make
// bench-gen.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/iansmith/parigot/bench/internal/block"
)

// plugins are the packages that are compared, the first with the others.
var plugins = []string{
	"github.com/iansmith/parigot/cmd/protoc-gen-parigot",
	"google.golang.org/grpc/cmd/protoc-gen-go-grpc",
	"connectrpc.com/connect/cmd/protoc-gen-connect-go",
}

func main() {
	corpus := flag.String("corpus", "", "a request to measure besides the synthetic ones, with some large files of it alone")
	doc := flag.String("doc", "", "the Markdown file to write the tables into, between its markers")
	rounds := flag.Int("rounds", 7, "how often each plugin gets each request")
	prepare := flag.String("prepare", "", "only write the requests into this directory (used by gen itself)")
	inspect := flag.String("inspect", "", "only print what is in this response (used by gen itself)")
	flag.Parse()
	if err := run(*corpus, *doc, *rounds, *prepare, *inspect); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(corpus, doc string, rounds int, prepare, inspect string) error {
	switch {
	case prepare != "":
		return writeRequests(prepare, corpus)
	case inspect != "":
		return printResponse(inspect)
	}
	dir, err := os.MkdirTemp("", "bench-gen")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	b := &bench{dir: dir, rounds: rounds}
	tables, err := b.tables(corpus)
	if err != nil {
		return err
	}
	fmt.Print(tables)
	if doc != "" {
		if err := block.Insert(doc, "bench-gen", tables); err != nil {
			return err
		}
	}
	return b.over
}

// bench is one comparison.
type bench struct {
	dir    string
	rounds int
	over   error // what is over a bound
}

// tables measures everything and returns it as Markdown.
func (b *bench) tables(corpus string) (string, error) {
	ctx := context.Background()
	build := exec.CommandContext(ctx, "go", append([]string{"build", "-o", b.dir + string(filepath.Separator)}, plugins...)...)
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return "", fmt.Errorf("go build: %w", err)
	}
	// Another process makes the requests, because a child's peak memory counts
	// from that of this process.
	if _, err := b.self(ctx, "-prepare", b.dir, "-corpus", corpus); err != nil {
		return "", err
	}
	var text bytes.Buffer
	fmt.Fprintf(&text, "Measured with `make bench-gen` on %s/%s, %d CPUs, %s: medians of %d rounds, in which the plugins take turns.\n",
		runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), b.rounds)
	text.WriteString("Parigot writes three files for a proto file with services, the others one, and it leaves streaming methods out, of which the corpus has some (the files that stand alone have none). The request goes in and the response comes out through files.\n\n")
	compared, err := b.compare(ctx, corpus != "")
	if err != nil {
		return "", err
	}
	text.WriteString(compared)
	linear, err := b.linearity(ctx)
	if err != nil {
		return "", err
	}
	text.WriteString(linear)
	return text.String(), nil
}

// self runs this program again and returns what it prints.
func (b *bench) self(ctx context.Context, args ...string) (string, error) {
	program, err := os.Executable()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	return string(out), err
}

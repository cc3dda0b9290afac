// Call measures a typed call out of a guest, side by side with peers and with what is
// possible at all, and writes tables and a plot into docs/benchmarks.md. Run it with
// make bench, or make bench-full.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/iansmith/parigot/bench/internal/block"
)

// options are what the command line says.
type options struct {
	dir, raw, doc string
	sides         *regexp.Regexp
	plan          plan
}

func main() {
	var o options
	var sides string
	flag.StringVar(&o.dir, "dir", "", "the directory for what is built")
	flag.StringVar(&o.raw, "raw", "", "the file for all samples, for benchstat")
	flag.StringVar(&o.doc, "doc", "", "the Markdown file to write the tables into, between its markers")
	flag.StringVar(&sides, "sides", "", "a regular expression of those to measure; all, if empty")
	flag.IntVar(&o.plan.rounds, "rounds", 7, "how many samples of each side there are")
	flag.DurationVar(&o.plan.each, "time", 20*time.Millisecond, "how long a sample takes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	var err error
	if o.sides, err = regexp.Compile(sides); err == nil {
		err = run(ctx, o, os.Stdout, os.Stderr)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "call:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, out, progress io.Writer) (err error) {
	dir, err := os.MkdirTemp(o.dir, "bench-call")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b, err := newBench(ctx, dir, filepath.Join(dir, "cache"), progress)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close(ctx)) }()
	sides := slices.DeleteFunc(b.sides, func(s side) bool { return !o.sides.MatchString(s.name) })
	all, err := measure(ctx, sides, payloads, o.plan, progress)
	if err != nil {
		return err
	}
	if o.raw != "" {
		if err := toFile(o.raw, func(w io.Writer) error { return writeRaw(w, all) }); err != nil {
			return err
		}
	}
	text := fmt.Sprintf("%s\n%s\n%s", timesTable(sides, payloads, all), memoryTable(sides, payloads, all), figuresTable(outcomes(all)))
	if _, err := fmt.Fprint(out, text); err != nil || o.doc == "" {
		return err
	}
	return block.Insert(o.doc, "bench-call", text)
}

// bench is the comparison: all sides, and what they stand on.
type bench struct {
	parigot *parigot
	sides   []side
}

// newBench builds the guests in dir, and compiles them into the directory cache.
func newBench(ctx context.Context, dir, cache string, progress io.Writer) (_ *bench, err error) {
	wasm := map[string][]byte{}
	for _, name := range []string{"parigot", "knqyf", "extism", "wapc"} {
		say(progress, "building the guest %s", name)
		if wasm[name], err = buildGuest(ctx, dir, name); err != nil {
			return nil, err
		}
	}
	say(progress, "building the native process")
	native := filepath.Join(dir, "peer")
	if err := goBuild(ctx, native, "peer"); err != nil {
		return nil, err
	}
	say(progress, "compiling Parigot's guest, trusted and interruptible")
	p, err := openParigot(ctx, wasm["parigot"], cache)
	if err != nil {
		return nil, err
	}
	return &bench{p, slices.Concat(limits(), p.sides(), []side{
		knqyfSide(wasm["knqyf"], cache), extismSide(wasm["extism"], cache), wapcSide(wasm["wapc"], cache),
		grpcSide(native), hashicorpSide(native),
	})}, nil
}

func (b *bench) close(ctx context.Context) error { return b.parigot.close(context.WithoutCancel(ctx)) }

// buildGuest builds one of the guests, a library.
func buildGuest(ctx context.Context, dir, name string) ([]byte, error) {
	out := filepath.Join(dir, name+".wasm")
	err := goBuild(ctx, out, "guest/"+name, "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=-buildmode=c-shared")
	if err != nil {
		return nil, err
	}
	return os.ReadFile(out)
}

// goBuild builds a program of the benchmark.
func goBuild(ctx context.Context, out, name string, env ...string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", out, "github.com/iansmith/parigot/bench/call/"+name)
	cmd.Env = append(append(os.Environ(), "GOFLAGS="), env...)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go build %s: %w", name, err)
	}
	return nil
}

// toFile has fn write a file.
func toFile(name string, fn func(io.Writer) error) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return fn(f)
}

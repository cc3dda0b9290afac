// Queue measures the queue plugin beside goqite, a queue for Go programs on the
// same SQLite driver, and writes the table into docs/benchmarks.md. Run it with
// make bench-queue.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/iansmith/parigot/bench/internal/block"
)

func main() {
	dir := flag.String("dir", "", "the directory for the databases, which should be on a disk")
	doc := flag.String("doc", "", "the Markdown file to write the table into, between its markers")
	var p plan
	flag.IntVar(&p.rounds, "rounds", 3, "how many databases each side gets for each work")
	flag.IntVar(&p.turns, "turns", 10, "how many turns it gets with each of them")
	flag.DurationVar(&p.each, "time", 100*time.Millisecond, "how long a turn is")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *dir, *doc, p)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "queue:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, dir, doc string, p plan) (err error) {
	dir, err = os.MkdirTemp(dir, "bench-queue")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b, err := newBench(ctx, dir, filepath.Join(dir, "cache"), os.Stderr)
	if err != nil {
		return err
	}
	if err := b.measure(ctx, p); err != nil {
		return err
	}
	table := b.table(p)
	fmt.Print(table)
	if doc == "" {
		return nil
	}
	return block.Insert(doc, "bench-queue", table)
}

// newBench builds the guest, compiles it into the directory cache, and finds
// everything else. progress gets a line for each round.
func newBench(ctx context.Context, dir, cache string, progress io.Writer) (*bench, error) {
	goqite, err := findGoqite(ctx)
	if err != nil {
		return nil, err
	}
	say(progress, "building and compiling the guest")
	guest, err := buildGuest(ctx, dir, cache)
	if err != nil {
		return nil, err
	}
	return &bench{dir: dir, progress: progress, works: works(), sides: []side{
		{name: "goqite", batch: 1, open: goqite.open},
		{name: "bridge", batch: 1, least: 1, open: openBridge},
		{name: "guest", batch: 1, open: guest.open},
		{name: "goqite, its own transactions of 100", batch: batch, open: goqite.open},
		{name: "bridge, batches of 100", batch: batch, least: 10, open: openBridge},
		{name: "guest, batches of 100", batch: batch, open: guest.open},
	}}, nil
}

// say tells those who wait how far it is.
func say(progress io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintf(progress, format+"\n", args...)
}

// buildGuest builds the guest in dir and compiles it into cache.
func buildGuest(ctx context.Context, dir, cache string) (*guest, error) {
	name := filepath.Join(dir, "guest.wasm")
	build := exec.CommandContext(ctx, "go", "build", "-buildmode=c-shared", "-o", name, "github.com/iansmith/parigot/bench/queue/guest")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return nil, fmt.Errorf("go build: %w", err)
	}
	wasm, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	g := &guest{wasm: wasm, cache: cache}
	warm, err := g.open(ctx, dir, 0)
	if err != nil {
		return nil, err
	}
	return g, cmp.Or(warm.close(ctx), os.Remove(filepath.Join(dir, database)))
}

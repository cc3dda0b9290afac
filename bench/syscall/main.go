// Syscall measures calls of guests that serve, by other guests and by the host, through the
// kernel in examples/syscall: beside gRPC over a unix socket between two native processes, and
// beside the host's calls of a library. It writes the tables into docs/benchmarks.md. Run it
// with make bench-syscall.
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
	"time"

	"github.com/iansmith/parigot/bench/internal/block"
)

func main() {
	dir := flag.String("dir", "", "the directory for what is built")
	doc := flag.String("doc", "", "the Markdown file to write the tables into, between its markers")
	rounds := flag.Int("rounds", 7, "how often each side does each work")
	each := flag.Duration("time", time.Second, "for how long it does it")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *dir, *doc, *rounds, *each)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "syscall:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, dir, doc string, rounds int, each time.Duration) (err error) {
	dir, err = os.MkdirTemp(dir, "bench-syscall")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b, err := newBench(ctx, dir, filepath.Join(dir, "cache"), scale{callers: 100, few: 4, many: 50}, os.Stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close(ctx)) }()
	if err := b.measure(ctx, rounds, each); err != nil {
		return err
	}
	tables := b.tables(rounds, each)
	fmt.Print(tables)
	if doc == "" {
		return nil
	}
	return block.Insert(doc, "bench-syscall", tables)
}

// scale is how many there are where there are many callers.
type scale struct {
	callers   int // in all
	few, many int // guests that serve, and as many that call
}

// newBench builds everything in dir, compiles the guests into the directory cache and starts
// all sides. progress gets a line for each round.
func newBench(ctx context.Context, dir, cache string, sc scale, progress io.Writer) (_ *bench, err error) {
	say(progress, "building and compiling the guests and the native processes")
	peer, program, library := filepath.Join(dir, "peer"), filepath.Join(dir, "guest.wasm"), filepath.Join(dir, "library.wasm")
	wasip1 := []string{"GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0"}
	err = errors.Join(build(ctx, peer, "peer"), build(ctx, program, "guest", wasip1...),
		build(ctx, library, "library", append(wasip1, "GOFLAGS=-buildmode=c-shared")...))
	if err != nil {
		return nil, err
	}
	b := &bench{progress: progress}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close(ctx))
		}
	}()
	o := opener{bench: b, cache: cache}
	if o.program, err = os.ReadFile(program); err != nil {
		return nil, err
	}
	if o.library, err = os.ReadFile(library); err != nil {
		return nil, err
	}
	grpc, err := openPeers(ctx, peer)
	if err != nil {
		return nil, err
	}
	b.open = append(b.open, grpc)
	err = o.groups(ctx, side{name: grpcName, contest: grpc}, sc)
	return b, err
}

func build(ctx context.Context, out, name string, env ...string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", out, "github.com/iansmith/parigot/bench/syscall/"+name)
	cmd.Env = append(append(os.Environ(), "GOFLAGS="), env...)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go build %s: %w", name, err)
	}
	return nil
}

// say tells those who wait how far it is.
func say(progress io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintf(progress, format+"\n", args...)
}

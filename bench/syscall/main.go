// Syscall measures calls from guest to guest through the kernel in examples/syscall
// beside gRPC over a unix socket between two native processes, and writes the table
// into docs/benchmarks.md. Run it with make bench-syscall.
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
	"github.com/iansmith/parigot/pluginsdk/eng"
)

func main() {
	dir := flag.String("dir", "", "the directory for what is built")
	doc := flag.String("doc", "", "the Markdown file to write the table into, between its markers")
	rounds := flag.Int("rounds", 7, "how often each side does each work")
	each := flag.Duration("time", 400*time.Millisecond, "for how long it does it")
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
	b, err := newBench(ctx, dir, filepath.Join(dir, "cache"), 50, os.Stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close(ctx)) }()
	if err := b.measure(ctx, rounds, each); err != nil {
		return err
	}
	table := b.table(rounds, each)
	fmt.Print(table)
	if doc == "" {
		return nil
	}
	return block.Insert(doc, "bench-syscall", table)
}

// newBench builds everything in dir, compiles the guest into the directory cache and
// starts all sides. many is how many guests there are where there are many. progress
// gets a line for each round.
func newBench(ctx context.Context, dir, cache string, many int, progress io.Writer) (_ *bench, err error) {
	say(progress, "building and compiling the guest and the native processes")
	peer, wasm := filepath.Join(dir, "peer"), filepath.Join(dir, "guest.wasm")
	if err := errors.Join(build(ctx, peer, "peer"), build(ctx, wasm, "guest", "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")); err != nil {
		return nil, err
	}
	guest, err := os.ReadFile(wasm)
	if err != nil {
		return nil, err
	}
	b := &bench{progress: progress, works: works()}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close(ctx))
		}
	}()
	p, err := openPeers(ctx, peer)
	if err != nil {
		return nil, err
	}
	b.sides = append(b.sides, side{"gRPC", p})
	for _, n := range []int{2, many} {
		for _, trusted := range []bool{true, false} {
			name, opts := fmt.Sprintf("%d guests", n), []eng.GuestOption(nil)
			if trusted {
				name, opts = fmt.Sprintf("%d trusted", n), []eng.GuestOption{eng.Trusted()}
			}
			g, err := openGuests(ctx, guest, cache, n, opts...)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			b.sides = append(b.sides, side{name, g})
		}
	}
	return b, nil
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

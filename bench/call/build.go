package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// built is what sides stand on.
type built struct {
	dir     string // of the guests, that of NAME in the file NAME.wasm
	cache   string // for compiled guests
	native  string // the program of the native processes
	parigot *parigot
}

func (b *built) file(guest string) string { return filepath.Join(b.dir, guest+".wasm") }

// bench is a comparison that is ready: all sides, and what they stand on.
type bench struct {
	suite
	built
	sides []side
}

// newBench builds the guests of s in dir, and compiles them into the directory cache, which is
// in dir if it is empty.
func newBench(ctx context.Context, s suite, dir, cache string, progress io.Writer) (_ *bench, err error) {
	b := &bench{suite: s, built: built{dir: dir, cache: cmp.Or(cache, filepath.Join(dir, "cache")), native: filepath.Join(dir, "peer")}}
	for _, name := range append([]string{"parigot"}, s.guests...) {
		say(progress, "building the guest %s", name)
		if err := goBuild(ctx, b.file(name), "guest/"+name, "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=-buildmode=c-shared"); err != nil {
			return nil, err
		}
	}
	if s.process {
		say(progress, "building the native process")
		if err := goBuild(ctx, b.native, "peer"); err != nil {
			return nil, err
		}
	}
	wasm, err := os.ReadFile(b.file("parigot"))
	if err != nil {
		return nil, err
	}
	say(progress, "compiling Parigot's guest, trusted and interruptible")
	if b.parigot, err = openParigot(ctx, wasm, b.cache); err != nil {
		return nil, err
	}
	b.sides = s.sides(&b.built)
	return b, nil
}

func (b *bench) close(ctx context.Context) error { return b.parigot.close(context.WithoutCancel(ctx)) }

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

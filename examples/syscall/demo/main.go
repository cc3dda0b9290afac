//go:build !wasip1

// Command demo is a host program: it runs a guest that serves greetings and one that
// calls it. See -help.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/iansmith/parigot/examples/syscall"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
)

const usage = `demo runs two guests, WebAssembly programs: greeting serves greetings, hello calls it.

usage: demo -greeting GREETING.wasm -hello HELLO.wasm [-replicas N] [-cache DIR]

  -greeting FILE  the guest that serves; required
  -hello FILE     the guest that calls it; required
  -replicas N     how many instances of greeting share the calls (default: 2)
  -cache DIR      keeps the compiled guests, so that the next run starts at once
                  (default: the guests are compiled each time)

examples, in the root of the repository:

  export GOOS=wasip1 GOARCH=wasm
  go build -o /tmp/greeting.wasm ./examples/syscall/guest/greeting
  go build -o /tmp/hello.wasm ./examples/syscall/guest/hello
  unset GOOS GOARCH
  go run ./examples/syscall/demo -greeting /tmp/greeting.wasm -hello /tmp/hello.wasm
  go run ./examples/syscall/demo -greeting /tmp/greeting.wasm -hello /tmp/hello.wasm -replicas 5 -cache ./cache

The last line is "demo: ok", and the exit code 0, when all guests ended well.
`

// maxReplicas keeps a mistyped number from eating the machine: a Go guest takes some
// megabytes.
const maxReplicas = 100

func main() {
	// The first interrupt ends the guests and cleans up; a second one is not
	// caught.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is main with everything passed in. It returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	d, err := parse(args, stdout, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		_, _ = io.WriteString(stdout, usage)
		return 0
	case err != nil:
		_, _ = fmt.Fprintf(stderr, "demo: %v\nRun demo -help for how to use it.\n", err)
		return 2
	}
	if err := d.run(ctx); err != nil {
		_, _ = fmt.Fprintf(stderr, "demo: failed: %v\n", err)
		return 1
	}
	_, _ = fmt.Fprintln(stdout, "demo: ok")
	return 0
}

type demo struct {
	greeting, hello, cache string
	replicas               int
	stdout, stderr         io.Writer
}

func parse(args []string, stdout, stderr io.Writer) (*demo, error) {
	d := &demo{stdout: &sharedWriter{w: stdout}, stderr: &sharedWriter{w: stderr}}
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // run says what is wrong
	flags.StringVar(&d.greeting, "greeting", "", "")
	flags.StringVar(&d.hello, "hello", "", "")
	flags.IntVar(&d.replicas, "replicas", 2, "")
	flags.StringVar(&d.cache, "cache", "", "")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	switch {
	case flags.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case d.greeting == "":
		return nil, errors.New("-greeting is missing: name the guest that serves")
	case d.hello == "":
		return nil, errors.New("-hello is missing: name the guest that calls")
	case d.replicas < 1 || d.replicas > maxReplicas:
		return nil, fmt.Errorf("-replicas is %d: want 1 to %d", d.replicas, maxReplicas)
	}
	return d, nil
}

func (d *demo) run(ctx context.Context) (err error) {
	host, err := eng.New(ctx, eng.WithCacheDir(d.cache), eng.WithLogger(d.logger()))
	if err != nil {
		return err
	}
	// An interrupt is no reason not to clean up.
	defer func() { err = errors.Join(err, host.Close(context.WithoutCancel(ctx))) }()
	if err := pluginsdk.Start(ctx, host, syscall.ParigotInitialize); err != nil {
		return err
	}
	greeting, err := d.compile(ctx, host, "greeting", d.greeting)
	if err != nil {
		return err
	}
	hello, err := d.compile(ctx, host, "hello", d.hello)
	if err != nil {
		return err
	}
	return d.runGuests(ctx, hello, greeting)
}

// logger leaves out what the demo says itself.
func (d *demo) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(d.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

func (d *demo) compile(ctx context.Context, host *eng.Host, name, file string) (*eng.Guest, error) {
	wasm, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the guest: %w", err)
	}
	d.say("compiling %s (%.1f MB): seconds the first time, at once from the cache",
		filepath.Base(file), float64(len(wasm))/1e6)
	start := time.Now()
	guest, err := host.Compile(ctx, name, wasm)
	if err != nil {
		return nil, err
	}
	d.say("compiled in %s", took(start))
	return guest, nil
}

// runGuests runs hello when all of greeting serve, which end when hello asks them to. When
// one of the guests fails, the others are stopped.
func (d *demo) runGuests(ctx context.Context, hello, greeting *eng.Guest) error {
	d.say("running %d of greeting, and hello", d.replicas)
	start := time.Now()
	all, ctx := errgroup.WithContext(ctx)
	served := make(chan struct{}, d.replicas)
	for range d.replicas {
		out := &announced{Writer: d.stdout, first: sync.OnceFunc(func() { served <- struct{}{} })}
		all.Go(func() error { return runGuest(ctx, greeting, out, d.stderr) })
	}
	all.Go(func() error {
		for range d.replicas {
			select {
			case <-served:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return runGuest(ctx, hello, d.stdout, d.stderr)
	})
	if err := all.Wait(); err != nil {
		return err
	}
	d.say("all guests ended after %s", took(start))
	return nil
}

// runGuest runs one guest.
func runGuest(ctx context.Context, guest *eng.Guest, stdout, stderr io.Writer) error {
	exitCode, err := guest.Run(ctx, eng.WithStdout(stdout), eng.WithStderr(stderr))
	if err != nil {
		return err
	}
	if exitCode != 0 {
		return fmt.Errorf("the guest %s exited with %d", guest.Name(), exitCode)
	}
	return nil
}

// announced is a writer that tells of what is written first: greeting says that it
// serves.
type announced struct {
	io.Writer
	first func()
}

func (a *announced) Write(p []byte) (int, error) {
	n, err := a.Writer.Write(p)
	a.first()
	return n, err
}

func (d *demo) say(format string, args ...any) {
	_, _ = fmt.Fprintf(d.stdout, "demo: "+format+"\n", args...)
}

func took(start time.Time) time.Duration {
	return time.Since(start).Round(time.Millisecond)
}

// sharedWriter is a writer for several guests.
type sharedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (s *sharedWriter) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}

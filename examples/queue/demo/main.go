//go:build !wasip1

// Command demo is a host program: it runs a guest that uses the queue service.
// See -help.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/iansmith/parigot/examples/queue"
	queuev1 "github.com/iansmith/parigot/examples/queue/gen/queue/v1"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
)

const usage = `demo runs a guest, a WebAssembly program, and gives it the queue service.

usage: demo -guest GUEST.wasm [-messages N] [-database FILE] [-cache DIR]

  -guest FILE     the guest; required
  -messages N     how many messages the guest is told to send (default: 10000)
  -database FILE  keeps the queues, so that the next run finds them
                  (default: a temporary file, removed at the end)
  -cache DIR      keeps the compiled guest, so that the next run starts at once
                  (default: the guest is compiled each time)

examples, in the root of the repository:

  GOOS=wasip1 GOARCH=wasm go build -o /tmp/guest.wasm ./examples/queue/guest
  go run ./examples/queue/demo -guest /tmp/guest.wasm
  go run ./examples/queue/demo -guest /tmp/guest.wasm -database ./queues.db -cache ./cache

Interrupt the last one, and run it again: the guest finds what was not done.

The last line is "demo: ok", and the exit code 0, when the guest ended well.
`

// visibility is short, as the demo waits for messages that its guest forgets on
// purpose. Without such guests, a message that comes back is one that somebody
// may still be working on: the default is 30 s.
const visibility = 500 * time.Millisecond

func main() {
	// The first interrupt ends the guest and cleans up; a second one is not
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
	guest, database, cache string
	messages               uint
	stdout, stderr         io.Writer
}

func parse(args []string, stdout, stderr io.Writer) (*demo, error) {
	d := &demo{stdout: stdout, stderr: stderr}
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // run says what is wrong
	flags.StringVar(&d.guest, "guest", "", "")
	flags.UintVar(&d.messages, "messages", 10_000, "")
	flags.StringVar(&d.database, "database", "", "")
	flags.StringVar(&d.cache, "cache", "", "")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if d.guest == "" {
		return nil, errors.New("-guest is missing: name the guest to run")
	}
	return d, nil
}

func (d *demo) run(ctx context.Context) (err error) {
	wasm, err := os.ReadFile(d.guest)
	if err != nil {
		return fmt.Errorf("read the guest: %w", err)
	}
	database, removeDatabase, err := d.prepareDatabase()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, removeDatabase()) }()

	host, err := eng.New(ctx, eng.WithCacheDir(d.cache))
	if err != nil {
		return err
	}
	// An interrupt is no reason not to clean up.
	defer func() { err = errors.Join(err, host.Close(context.WithoutCancel(ctx))) }()

	config := &queuev1.QueueConfig{Database: database, VisibilityTimeout: durationpb.New(visibility)}
	if err := pluginsdk.Start(ctx, host, queue.ParigotInitialize, pluginsdk.WithConfig(config)); err != nil {
		return err
	}
	d.say("the queues are in %s", database)
	return d.runGuest(ctx, host, wasm)
}

// prepareDatabase returns the file for the queues and what to do with it in the
// end.
func (d *demo) prepareDatabase() (string, func() error, error) {
	if d.database != "" {
		return d.database, func() error { return nil }, nil
	}
	dir, err := os.MkdirTemp("", "parigot-queue-demo-")
	if err != nil {
		return "", nil, fmt.Errorf("make a directory for the queues: %w", err)
	}
	return filepath.Join(dir, "queues.db"), func() error { return os.RemoveAll(dir) }, nil
}

func (d *demo) runGuest(ctx context.Context, host *eng.Host, wasm []byte) error {
	d.say("compiling %s (%.1f MB): seconds the first time, at once from the cache",
		filepath.Base(d.guest), float64(len(wasm))/1e6)
	start := time.Now()
	guest, err := host.Compile(ctx, "guest", wasm)
	if err != nil {
		return err
	}
	d.say("compiled in %s; running it", took(start))
	start = time.Now()
	exitCode, err := guest.Run(ctx, eng.WithArgs(strconv.FormatUint(uint64(d.messages), 10)),
		eng.WithStdout(d.stdout), eng.WithStderr(d.stderr))
	if err != nil {
		return err
	}
	if exitCode != 0 {
		return fmt.Errorf("the guest exited with %d", exitCode)
	}
	d.say("the guest ended after %s", took(start))
	return nil
}

func (d *demo) say(format string, args ...any) {
	_, _ = fmt.Fprintf(d.stdout, "demo: "+format+"\n", args...)
}

func took(start time.Time) time.Duration {
	return time.Since(start).Round(time.Millisecond)
}

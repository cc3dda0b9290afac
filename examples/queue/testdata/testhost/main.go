//go:build !wasip1

// Command testhost is a host that the crash tests kill: it runs producers and
// consumers, instances of testguest, on the queues of a database. What they print
// goes to its standard output as it is. It prints "host opening" before it opens the
// database, and "host open" after.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"strconv"

	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/iansmith/parigot/examples/queue"
	queuev1 "github.com/iansmith/parigot/examples/queue/gen/queue/v1"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
)

var (
	database   = flag.String("database", "", "the `file` of the queues")
	guestFile  = flag.String("guest", "", "the `file` of the guest")
	cache      = flag.String("cache", "", "the `directory` of compiled guests")
	round      = flag.String("round", "", "what the names of the guests begin with")
	visibility = flag.Duration("visibility", 0, "the visibility timeout")
	batches    = flag.Int("batches", -1, "what each producer sends; -1 is without end")
	forget     = flag.Int("forget", 0, "consumers forget one in this many messages")
	producers  = flag.Int("producers", 2, "how many producers there are")
	consumers  = flag.Int("consumers", 3, "how many consumers there are")
)

func main() {
	flag.Parse()
	slog.SetLogLoggerLevel(slog.LevelWarn)
	if err := run(context.Background()); err != nil {
		fmt.Fprintf(os.Stderr, "testhost: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	wasm, err := os.ReadFile(*guestFile)
	if err != nil {
		return err
	}
	host, err := eng.New(ctx, eng.WithCacheDir(*cache))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, host.Close(ctx)) }()
	fmt.Println("host opening")
	if err := pluginsdk.Start(ctx, host, queue.ParigotInitialize, pluginsdk.WithConfig(&queuev1.QueueConfig{
		Database: *database, VisibilityTimeout: durationpb.New(*visibility),
	})); err != nil {
		return err
	}
	fmt.Println("host open")
	guest, err := host.Compile(ctx, "testguest", wasm)
	if err != nil {
		return err
	}
	return runAll(ctx, guest)
}

// runAll runs all guests to their end. When one fails, it ends the others.
func runAll(ctx context.Context, guest *eng.Guest) error {
	all, ctx := errgroup.WithContext(ctx)
	start := func(args ...string) {
		all.Go(func() error {
			code, err := guest.Run(ctx, eng.WithArgs(args...), eng.WithStdout(os.Stdout), eng.WithStderr(os.Stderr))
			if err == nil && code != 0 {
				err = fmt.Errorf("guest %q exited with %d", args, code)
			}
			return err
		})
	}
	for i := range *producers {
		start(fmt.Sprintf("%s.p%d", *round, i), "produce", strconv.Itoa(*batches))
	}
	for i := range *consumers {
		start(fmt.Sprintf("%s.c%d", *round, i), "consume", strconv.Itoa(*forget), "0")
	}
	return all.Wait()
}

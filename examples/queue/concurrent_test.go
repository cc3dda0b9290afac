//go:build !wasip1

package queue

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/durationpb"

	queuev1 "github.com/iansmith/parigot/examples/queue/gen/queue/v1"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/plugintest"
)

const (
	// concurrentVisibility is long beside a call, and short enough to come to its
	// end several times in a test.
	concurrentVisibility = 400 * time.Millisecond

	concurrentBatches  = 100 // of 3 messages on the average
	concurrentMessages = concurrentBatches * 3

	crashedGuest = 3 // the exit code of testdata/testguest
)

// TestConcurrentConsumers has 8 guests receive from one queue while another one
// sends to it. Two of them crash again and again with messages they hold, and
// the others forget some. No message is ever held by two, and all are done in the end.
func TestConcurrentConsumers(t *testing.T) {
	t.Parallel()
	b := setupConcurrent(t, 1)
	b.run(8)
	require.NoError(t, b.history.check(concurrentVisibility, clockStep))
	b.requireEventful()
}

// TestConcurrentHosts is TestConcurrentConsumers with the guests of two engines,
// each with a plugin of its own, on one database.
func TestConcurrentHosts(t *testing.T) {
	t.Parallel()
	b := setupConcurrent(t, 2)
	b.run(8)
	// Each engine reads the clock once, and counts from there.
	const clocks = 20 * time.Millisecond
	require.NoError(t, b.history.check(concurrentVisibility, clocks))
	b.requireEventful()
}

// clockStep is the precision of a lease.
const clockStep = time.Microsecond

// concurrentBundle are engines with recorders on one database.
type concurrentBundle struct {
	t       *testing.T
	history *history
	guests  []*eng.Guest // testdata/testguest, for each engine
}

func setupConcurrent(t *testing.T, engines int) *concurrentBundle {
	t.Helper()
	b := &concurrentBundle{t: t, history: newHistory()}
	config := &queuev1.QueueConfig{
		Database: t.TempDir() + "/queues.db", VisibilityTimeout: durationpb.New(concurrentVisibility),
	}
	for range engines {
		host := plugintest.Host(t, plugintest.With(recorder{history: b.history}, pluginsdk.WithConfig(config)))
		b.guests = append(b.guests, plugintest.Guest(t, host, "testdata/testguest"))
	}
	return b
}

// run runs a producer and some consumers, on all engines in turn, until all
// messages are done.
func (b *concurrentBundle) run(consumers int) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), hangs)
	defer cancel()
	var all sync.WaitGroup
	errs := make(chan error, 1+consumers)
	start := func(i int, do func(*eng.Guest) error) {
		all.Go(func() { errs <- do(b.guests[i%len(b.guests)]) })
	}
	start(0, func(g *eng.Guest) error {
		_, err := b.guest(ctx, g, "producer", "produce", strconv.Itoa(concurrentBatches))
		return err
	})
	for i := range consumers {
		name := fmt.Sprintf("consumer%d", i)
		start(i, func(g *eng.Guest) (err error) {
			if i < 2 { // one for each engine
				err = b.crash(ctx, g, name)
			}
			if err == nil {
				_, err = b.guest(ctx, g, name, "consume", "20", "0")
			}
			return err
		})
	}
	all.Wait()
	close(errs)
	for err := range errs {
		require.NoError(b.t, err)
	}
}

// crash runs a consumer that crashes with the messages that it holds, a few times
// or until all are done.
func (b *concurrentBundle) crash(ctx context.Context, g *eng.Guest, name string) error {
	for range 5 {
		if crashed, err := b.guest(ctx, g, name, "consume", "20", "12"); err != nil || !crashed {
			return err
		}
	}
	return nil
}

// guest runs an instance of a guest until it ends or crashes.
func (b *concurrentBundle) guest(ctx context.Context, g *eng.Guest, args ...string) (crashed bool, err error) {
	stderr := new(plugintest.Output)
	code, err := g.Run(ctx, eng.WithArgs(args...), eng.WithStderr(stderr))
	if err == nil && code != 0 && code != crashedGuest {
		err = fmt.Errorf("guest %q exited with %d: %s", args, code, stderr)
	}
	return code == crashedGuest, err
}

// requireEventful: the run was one in which something could have gone wrong.
func (b *concurrentBundle) requireEventful() {
	b.t.Helper()
	callers := map[eng.Caller]bool{}
	for _, m := range b.history.messages {
		for _, d := range m.deliveries {
			callers[d.caller] = true
		}
	}
	b.t.Logf("%d messages, %d deliveries were not the first, %d guests received some",
		len(b.history.messages), b.history.repeated(), len(callers))
	require.Len(b.t, b.history.messages, concurrentMessages)
	require.Greater(b.t, b.history.repeated(), 20)
	require.Greater(b.t, len(callers), 8)
}

//go:build !wasip1

package syscall

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"io"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/iansmith/parigot/internal/guesttest"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/status"
)

var (
	chaosTime  = flag.Duration("chaos.time", 2*time.Second, "how long TestGuestChaos ends guests; make chaos takes a minute")
	chaosNodes = flag.Int("chaos.guests", 8, "how many guests TestGuestChaos has; make chaos has 50")
	chaosSeed  = flag.Uint64("chaos.seed", 0, "what TestGuestChaos makes its choices by; 0 takes a new one")
)

const (
	// hostCallers is how many calls the host makes at a time.
	hostCallers = 8
	// chaosGrace is when a call, or a guest, is taken to hang. It is far more than
	// they need.
	chaosGrace = time.Minute
	// chaosLeft is how much more memory there may be in the end than there was when
	// all had run once, in bytes. A guest that is not freed has more.
	chaosLeft = 4 << 20
)

// allowed are how a call may end while others do.
var allowed = []status.Code{status.OK, status.Unavailable, status.DeadlineExceeded, status.Cancelled, status.ResourceExhausted}

// ways are how a guest of the chaos ends.
var ways = []string{"cancel", "trap", "exit", "leave", "panic"}

// guestChaos is a random graph of guests, each of which serves a service and requires
// those of some before it.
type guestChaos struct {
	t      *testing.T
	host   *eng.Host
	guests pluginsdk.Dispatcher
	wasm   []byte
	nodes  []*chaosNode

	over    atomic.Bool // what ends is not started again
	running sync.WaitGroup

	mu       sync.Mutex
	random   *rand.Rand
	outcomes map[string]int // of calls by code, and of lives by how they ended
}

type chaosNode struct {
	service  string
	requires []string

	mu   sync.Mutex
	stop context.CancelFunc // ends the life that goes on
}

// TestGuestChaos ends real guests in all ways there are, and starts them again, while
// they and the host call each other, on behalf of calls and not. Each call ends,
// with a result or a typed error, not much later than its deadline. Once nobody ends
// them any longer all guests serve again, and all end when they are asked to. Then
// the kernel holds nothing, and there are as many goroutines and as much memory as
// before.
//
// It is not parallel, as it counts what there is in the process.
func TestGuestChaos(t *testing.T) { //nolint:paralleltest // documented
	if *chaosSeed == 0 {
		*chaosSeed = rand.Uint64()
	}
	t.Logf("to make the same choices again: go test ./examples/syscall -run '^TestGuestChaos$' -chaos.guests %d -chaos.time %s -chaos.seed %d",
		*chaosNodes, *chaosTime, *chaosSeed)
	wasm := guesttest.Build(t, "testdata/node")
	bare := settledGoroutines(0)
	c := newGuestChaos(t, wasm)

	c.start() // once without harm: whatever is made once is made
	c.allServe()
	c.end()
	goroutines, heap := settledGoroutines(bare), heapNow()

	c.start()
	c.harm(*chaosTime)
	c.allServe()
	c.end()
	c.report()
	t.Logf("%d goroutines and %d KiB of heap more than before", settledGoroutines(goroutines)-goroutines, (heapNow()-heap)>>10)
	left := settledGoroutines(goroutines)
	require.LessOrEqual(t, left, goroutines, "goroutines")
	require.Less(t, heapNow()-heap, int64(chaosLeft), "bytes of heap")
	require.NoError(t, c.host.Close(t.Context()))
	require.LessOrEqual(t, settledGoroutines(bare), bare, "goroutines when the engine is closed")
}

func newGuestChaos(t *testing.T, wasm []byte) *guestChaos {
	t.Helper()
	c := &guestChaos{
		t: t, host: newHost(t), wasm: wasm, outcomes: map[string]int{},
		random: rand.New(rand.NewPCG(*chaosSeed, 0)), //nolint:gosec // repeatable on purpose
	}
	require.NoError(t, pluginsdk.Start(t.Context(), c.host, ParigotInitialize, pluginsdk.WithDispatcher(&c.guests)))
	for i := range *chaosNodes {
		n := &chaosNode{service: "chaos.v1.Node" + strconv.Itoa(i)}
		for _, j := range c.random.Perm(i)[:min(i, 3)] {
			n.requires = append(n.requires, c.nodes[j].service)
		}
		c.nodes = append(c.nodes, n)
	}
	return c
}

func (c *guestChaos) intN(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.random.IntN(n)
}

func (c *guestChaos) count(outcome string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.outcomes[outcome]++
}

// start runs all guests, each of them again when it ends.
func (c *guestChaos) start() {
	c.over.Store(false)
	for _, n := range c.nodes {
		guest, err := c.host.Compile(c.t.Context(), n.service, c.wasm)
		require.NoError(c.t, err)
		c.running.Go(func() {
			for !c.over.Load() {
				c.live(guest, n)
			}
		})
	}
}

// live is one life of a node.
func (c *guestChaos) live(guest *eng.Guest, n *chaosNode) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	n.mu.Lock()
	n.stop = cancel
	n.mu.Unlock()
	said, w := io.Pipe()
	var text strings.Builder
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(said); lines.Scan(); {
			if strings.HasPrefix(lines.Text(), "chaos:") {
				c.t.Errorf("%s: %s", n.service, lines.Text())
			}
			text.WriteString(lines.Text() + "\n")
		}
		_, _ = io.Copy(io.Discard, said) // a line that is too long ends a Scanner
	}()
	args := append([]string{n.service, strconv.Itoa(c.intN(1 << 30))}, n.requires...)
	code, err := guest.Run(ctx, eng.WithArgs(args...), eng.WithStderr(w))
	_ = w.Close() // never fails
	<-read
	c.count("life: " + c.ending(n, code, err, ctx.Err() != nil, text.String()))
}

// ending names how a node ended, and reports when it may not end so.
func (c *guestChaos) ending(n *chaosNode, code uint32, err error, cancelled bool, said string) string {
	switch {
	case cancelled:
		return "cancelled" // it may have seen that, and have ended by itself
	case err != nil && errors.Is(err, status.Of(status.Aborted)) && strings.Contains(err.Error(), "out of bounds"):
		return "trapped"
	case err == nil && (code == 0 || code == 3 || code == 4):
		return "exit code " + strconv.Itoa(int(code))
	case err == nil && code == 1:
		// It could not start or go on, as all are asked to end.
		return "failed: " + strings.TrimSpace(said)
	}
	c.t.Errorf("%s ended with the code %d, %v: %s", n.service, code, err, said)
	return "wrong"
}

// harm ends guests for some time, while the host calls them.
func (c *guestChaos) harm(d time.Duration) {
	ctx, cancel := context.WithTimeout(c.t.Context(), d)
	defer cancel()
	var working sync.WaitGroup
	for range hostCallers {
		working.Go(func() {
			for ctx.Err() == nil {
				c.callOne(time.Duration(c.intN(int(time.Second))))
			}
		})
	}
	c.nodes[0].cancel() // at least one, on the slowest machine too
	for ctx.Err() == nil {
		n := c.nodes[c.intN(len(c.nodes))]
		if way := ways[c.intN(len(ways))]; way == "cancel" {
			n.cancel()
		} else {
			_ = c.call(n, way, time.Second)
		}
	}
	working.Wait()
}

// cancel ends the life that goes on by its context.
func (n *chaosNode) cancel() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.stop()
}

// callOne calls a node that goes on to others.
func (c *guestChaos) callOne(limit time.Duration) {
	_ = c.call(c.nodes[c.intN(len(c.nodes))], strconv.Itoa(c.intN(5)), limit)
}

// call calls a node and checks how that ends.
func (c *guestChaos) call(n *chaosNode, word string, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	start, resp := time.Now(), new(wrapperspb.StringValue)
	err := c.guests.Invoke(ctx, methodOf(n.service, "Visit"), wrapperspb.String(word), resp)
	if took := time.Since(start); took > limit+chaosGrace {
		c.t.Errorf("a call of %s took %s", n.service, took)
	}
	code := status.CodeOf(err)
	c.count("call: " + code.String())
	if _, notNumber := strconv.Atoi(word); err == nil && notNumber == nil && !strings.HasPrefix(resp.GetValue(), n.service) {
		c.t.Errorf("a call of %s was answered with %q", n.service, resp.GetValue())
	}
	if panics := word == "panic" && code == status.Internal; !panics && !slices.Contains(allowed, code) {
		c.t.Errorf("a call of %s ended with %v", n.service, err)
	}
	return err
}

// allServe wants each node to answer.
func (c *guestChaos) allServe() {
	for _, n := range c.nodes {
		require.NoError(c.t, c.call(n, "0", chaosGrace))
	}
}

// end asks all to end, one of whom may not have been there to hear it.
func (c *guestChaos) end() {
	c.over.Store(true)
	require.NoError(c.t, c.call(c.nodes[c.intN(len(c.nodes))], "end", chaosGrace))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.running.Wait()
	}()
	select {
	case <-ended:
	case <-time.After(chaosGrace):
		require.Fail(c.t, "guests do not end when they are asked to", stacks())
	}
	d, ok := c.guests.(dispatcher)
	require.True(c.t, ok)
	(&bundle{t: c.t, kernel: d.kernel}).empty()
}

func (c *guestChaos) report() {
	for _, outcome := range slices.Sorted(maps.Keys(c.outcomes)) {
		c.t.Logf("%7d %s", c.outcomes[outcome], outcome)
	}
	require.Positive(c.t, c.outcomes["call: OK"])
	require.Positive(c.t, c.outcomes["life: cancelled"])
}

func stacks() string {
	all := make([]byte, 1<<20)
	return string(all[:runtime.Stack(all, true)])
}

// settledGoroutines returns how many goroutines there are, once there are no more
// than wanted or they do not become fewer.
func settledGoroutines(want int) int {
	n := runtime.NumGoroutine()
	for tries := 0; n > want && tries < 100; tries++ {
		heapNow() // takes a while, and ends what waits for the garbage collector
		n = runtime.NumGoroutine()
	}
	return n
}

// heapNow returns the bytes of the heap that are in use.
func heapNow() int64 {
	runtime.GC()
	runtime.GC() // what the first one finalised
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

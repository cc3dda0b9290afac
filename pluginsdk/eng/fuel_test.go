package eng

import (
	"context"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero/api"

	"github.com/iansmith/parigot/pluginsdk/status"
)

// A module of the tests below: it imports m.f as function 0, which is how the test
// knows that it runs. All functions have type 0, () -> (), unless said otherwise. Type 1
// is the signature of m.f, type 2 is (i32) -> (), type 3 (i32 i32) -> (i32 i32).
type endless struct {
	bodies []string // of functions 1 and so on; locals come first
	types  string   // of each function, as many bytes
	start  bool     // function 1 is the start function, too
}

// tell calls m.f.
const tell = "\x41\x00\x41\x00\x41\x00\x41\x00\x10\x00\x1a"

func (e endless) module(entry string) []byte {
	var code strings.Builder
	for _, b := range e.bodies {
		code.WriteString(uleb(uint64(len(b)+1)) + b + "\x0b")
	}
	count := uleb(uint64(len(e.bodies)))
	types := e.types
	if types == "" {
		types = strings.Repeat("\x00", len(e.bodies))
	}
	m := preamble +
		sectionOf(1, "\x04\x60\x00\x00\x60\x04\x7f\x7f\x7f\x7f\x01\x7e\x60\x01\x7f\x00\x60\x02\x7f\x7f\x02\x7f\x7f") +
		sectionOf(2, "\x01\x01m\x01f\x00\x01") +
		sectionOf(3, count+types) +
		sectionOf(4, "\x01\x70\x00\x10") + // a table of 16 functions
		sectionOf(5, "\x01\x00\x80\x08") // a memory of 64 MiB
	exports := sectionOf(7, "\x01"+uleb(uint64(len(entry)))+entry+"\x00\x01")
	if e.start {
		exports += sectionOf(8, "\x01")
	}
	return []byte(m + exports +
		sectionOf(9, "\x01\x00\x41\x00\x0b\x02"+count+"\x00") + // elements 0 and 1: the last function, and m.f
		sectionOf(10, count+code.String()))
}

// endlessModules run for ever, or for longer than anybody waits, each in another way.
var endlessModules = map[string]endless{
	"loop":                      {bodies: []string{"\x00" + tell + "\x03\x40\x0c\x00\x0b"}},
	"loop of nothing but an if": {bodies: []string{"\x00" + tell + "\x03\x40\x41\x01\x04\x40\x0c\x01\x0b\x0b"}},
	"loop by br_table":          {bodies: []string{"\x00" + tell + "\x02\x40\x03\x40\x41\x00\x0e\x01\x00\x01\x0b\x0b"}},
	"loop with values":          {bodies: []string{"\x00" + tell + "\x41\x01\x41\x02\x03\x03\x0c\x00\x0b\x1a\x1a"}},
	"loop in a loop":            {bodies: []string{"\x00" + tell + "\x03\x40\x03\x40\x41\x00\x0d\x00\x0b\x0c\x00\x0b"}},
	"loop at the start":         {bodies: []string{"\x01\x01\x7f\x03\x40\x20\x00\x45\x04\x40" + tell + "\x41\x01\x21\x00\x0b\x0c\x00\x0b"}},
	// f(n) { if n { f(n-1); f(n-1) } } is never deep, but takes 2^60 calls.
	"recursion": {types: "\x00\x02", bodies: []string{
		"\x00" + tell + "\x41\x3c\x10\x02",
		"\x00\x20\x00\x04\x40\x20\x00\x41\x01\x6b\x10\x02\x20\x00\x41\x01\x6b\x10\x02\x0b",
	}},
	"recursion by call_indirect": {types: "\x00\x02", bodies: []string{
		"\x00" + tell + "\x41\x3c\x10\x02",
		"\x00\x20\x00\x04\x40" + strings.Repeat("\x20\x00\x41\x01\x6b\x41\x00\x11\x02\x00", 2) + "\x0b",
	}},
	"calls without recursion": {bodies: func() (bodies []string) {
		const depth = 60
		bodies = []string{"\x00" + tell + "\x10\x02\x10\x02"}
		for f := range uint64(depth) {
			bodies = append(bodies, "\x00"+strings.Repeat("\x10"+uleb(f+3), 2))
		}
		return append(bodies, "\x00")
	}()},
	// 32 MiB are filled again and again, a million times, without a loop.
	"memory.fill": {bodies: []string{
		"\x00" + tell + strings.Repeat("\x10\x02", 1000),
		"\x00" + strings.Repeat("\x41\x00\x41\x00\x41\x80\x80\x80\x10\xfc\x0b\x00", 1000),
	}},
	"memory.copy": {bodies: []string{
		"\x00" + tell + strings.Repeat("\x10\x02", 1000),
		"\x00" + strings.Repeat("\x41\x00\x41\x00\x41\x80\x80\x80\x10\xfc\x0a\x00\x00", 1000),
	}},
	"memory.grow": {bodies: []string{"\x00" + tell + "\x03\x40\x41\x00\x40\x00\x1a\x0c\x00\x0b"}},
	"host calls":  {bodies: []string{"\x00\x03\x40" + tell + "\x0c\x00\x0b"}},
	"host calls by call_indirect": {bodies: []string{
		"\x00\x03\x40" + strings.Repeat("\x41\x00\x41\x00\x41\x00\x41\x00\x41\x01\x11\x01\x00\x1a", 1000) + "\x0c\x00\x0b",
	}},
	"start function": {start: true, bodies: []string{"\x00" + tell + "\x03\x40\x0c\x00\x0b"}},
}

// newTeller returns an engine in which m.f tells that it was called.
func newTeller(t *testing.T) (h *Host, called <-chan struct{}) {
	t.Helper()
	h, err := New(t.Context(), WithLogger(slog.New(slog.DiscardHandler)))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.Close(context.Background())) })
	c := make(chan struct{}, 1)
	require.NoError(t, h.Register(t.Context(), HostModule{Name: "m", Functions: []Function{{
		Name: "f", Call: func(context.Context, api.Module, []uint64) {
			select {
			case c <- struct{}{}:
			default:
			}
		},
	}}}))
	return h, c
}

// TestEndlessGuestsAreStopped: whatever a guest does for ever, it ends with its
// context, and the garbage collector does not wait for it meanwhile.
func TestEndlessGuestsAreStopped(t *testing.T) {
	t.Parallel()
	for name, e := range endlessModules {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, called := newTeller(t)
			g, err := h.Compile(t.Context(), name, e.module("_start"))
			require.NoError(t, err)
			stops(t, called, func(ctx context.Context) error {
				_, err := g.Run(ctx)
				return err
			})
		})
	}
}

// stops runs what is endless, and requires that it can be stopped.
func stops(t *testing.T, called <-chan struct{}, run func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	select {
	case <-called:
	case err := <-ended:
		require.NoError(t, err, "it ended before it began")
	}
	began := time.Now()
	runtime.GC()
	collected := time.Now()
	cancel()
	err := <-ended
	t.Logf("collected after %s, stopped after %s", collected.Sub(began), time.Since(collected))
	require.ErrorIs(t, err, status.Of(status.Cancelled))
	require.ErrorContains(t, err, "stopped while it was running: CANCELLED: its context was cancelled")
}

// TestEndlessLibrariesAreStopped: also at their start, and in a call.
func TestEndlessLibrariesAreStopped(t *testing.T) {
	t.Parallel()
	h, called := newTeller(t)
	loop := endlessModules["loop"]
	g, err := h.Compile(t.Context(), "initialize", loop.module("_initialize"))
	require.NoError(t, err)
	stops(t, called, func(ctx context.Context) error {
		_, err := g.Instantiate(ctx)
		return err
	})
	g, err = h.Compile(t.Context(), "call", loop.module("loop"))
	require.NoError(t, err)
	i, err := g.Instantiate(t.Context())
	require.NoError(t, err)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = i.Call(over, "loop")
	require.ErrorIs(t, err, status.Of(status.Cancelled))
	stops(t, called, func(ctx context.Context) error {
		_, err := i.Call(ctx, "loop")
		return err
	})
	_, err = i.Call(t.Context(), "loop")
	require.ErrorIs(t, err, status.Of(status.Aborted))
	require.NoError(t, i.Close(t.Context()))
}

// TestNeighboursOfEndlessGuestsGoOn: also when there are more endless guests than
// processors.
func TestNeighboursOfEndlessGuestsGoOn(t *testing.T) {
	t.Parallel()
	h, called := newTeller(t)
	g, err := h.Compile(t.Context(), "endless", endlessModules["loop"].module("_start"))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	count := runtime.GOMAXPROCS(0) + 1
	ended := make(chan error, count)
	for range count {
		go func() {
			_, err := g.Run(ctx)
			ended <- err
		}()
		<-called
	}
	neighbour, err := h.Compile(t.Context(), "neighbour", endless{bodies: []string{"\x00" + tell}}.module("_start"))
	require.NoError(t, err)
	code, err := neighbour.Run(t.Context())
	require.NoError(t, err)
	require.Zero(t, code)
	cancel()
	for range count {
		require.ErrorIs(t, <-ended, status.Of(status.Cancelled))
	}
}

// TestRefuelIsNotForGuests: a guest that imports the function of the checks, or whose
// code cannot be read, is refused.
func TestRefuelIsNotForGuests(t *testing.T) {
	t.Parallel()
	h, _ := newTeller(t)
	g, err := h.Compile(t.Context(), "own", []byte(preamble+
		sectionOf(1, "\x01\x60\x00\x01\x7e")+
		sectionOf(2, "\x01\x07parigot\x06refuel\x00\x00")+
		sectionOf(5, "\x01\x00\x01")))
	require.NoError(t, err)
	require.ErrorContains(t, g.CheckImports(), "parigot.refuel: no such function in ABI v1")
	_, err = h.Compile(t.Context(), "tail call", endless{bodies: []string{"\x00\x12\x01"}}.module("_start"))
	require.ErrorIs(t, err, status.Of(status.InvalidArgument))
	require.ErrorContains(t, err, "the module cannot be made interruptible: section 10: function 1: the instruction at byte 1: guests may not use 0x12")
}

// TestGuestIsStoppedAfterItsRead: a guest that reads again and again is stopped after
// the read in which its context ends.
func TestGuestIsStoppedAfterItsRead(t *testing.T) {
	t.Parallel()
	h, _ := newTeller(t)
	// A buffer of one byte is described at 0.
	body := "\x00\x41\x04\x41\x01\x36\x02\x00\x03\x40\x41\x00\x41\x00\x41\x01\x41\x08\x10\x00\x1a\x0c\x00\x0b\x0b"
	g, err := h.Compile(t.Context(), "reader", []byte(preamble+
		sectionOf(1, "\x02\x60\x00\x00\x60\x04\x7f\x7f\x7f\x7f\x01\x7f")+
		sectionOf(2, "\x01\x16wasi_snapshot_preview1\x07fd_read\x00\x01")+
		sectionOf(3, "\x01\x00")+
		sectionOf(5, "\x01\x00\x01")+
		sectionOf(7, "\x01\x06_start\x00\x01")+
		sectionOf(10, "\x01"+uleb(uint64(len(body)))+body)))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	reads := 0
	_, err = g.Run(ctx, WithStdin(readerFunc(func([]byte) (int, error) {
		reads++
		cancel()
		return 1, nil
	})))
	require.ErrorIs(t, err, status.Of(status.Cancelled))
	require.Equal(t, 1, reads)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

package eng_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/internal/guesttest"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/plugintest"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// TestCallsOverlap: calls of one guest go on at the same time, and end in about the
// time of one.
func TestCallsOverlap(t *testing.T) {
	t.Parallel()
	const calls, each = 100, 10 * time.Millisecond
	b := setupOverlap(t)
	var rounds []time.Duration
	for line := range strings.Lines(b.run("many", strconv.Itoa(calls), "sleep "+each.String())) {
		us, err := strconv.Atoi(strings.TrimSpace(line))
		require.NoError(t, err)
		rounds = append(rounds, time.Duration(us)*time.Microsecond)
	}
	t.Logf("%d calls of %v each: %v cold, %v warm", calls, each, rounds[0], rounds[1])
	require.Less(t, rounds[1], calls*each/4, "one after the other they take %v", calls*each)
}

// TestGuestGoesOnWhileCallsArePending: timers, goroutines and other calls do.
func TestGuestGoesOnWhileCallsArePending(t *testing.T) {
	t.Parallel()
	var ticks, sum int
	_, err := fmt.Sscan(setupOverlap(t).run("alive"), &ticks, &sum)
	require.NoError(t, err)
	require.Greater(t, ticks, 4, "of 40 in 200 ms, when the machine has time")
	require.Equal(t, ticks, sum)
}

// TestGuestThatNeverRests: what keeps the guest busy does not keep results from it.
func TestGuestThatNeverRests(t *testing.T) {
	t.Parallel()
	require.Equal(t, "done\n", setupOverlap(t).run("busy"))
}

func TestOutcomesOfPendingCalls(t *testing.T) {
	t.Parallel()
	var log plugintest.Output
	b := setupOverlap(t, eng.WithLogger(slog.New(slog.NewTextHandler(&log, nil))), eng.WithCallBudget(time.Millisecond))
	got := b.run("outcomes")
	incidents := regexp.MustCompile("i-[0-9a-f]{32}").FindAllString(got, -1)
	require.Len(t, incidents, 3)
	for i, incident := range incidents {
		require.Contains(t, log.String(), "incident="+incident)
		got = strings.Replace(got, incident, "ABC"[i:i+1], 1)
	}
	require.Equal(t, `late ok: "late ok" <nil>
late fail: "" NOT_FOUND: nothing there
late panic: "" INTERNAL: test.v1.Overlap.Work: internal error, incident A
late goexit: "" INTERNAL: test.v1.Overlap.Work: internal error, incident B
late secret: "" INTERNAL: test.v1.Overlap.Work: internal error, incident C
16384 true
102400 true
3145728 true
deadline false false traceparent "" caller tester
deadline true true traceparent "00-abc" caller tester
`, got, "and no call has the budget of the engine")
	require.EqualValues(t, 3, b.host.Stats().Incidents)
	require.Zero(t, b.host.Stats().SlowCalls)
}

func TestPendingCallsAreCancelled(t *testing.T) {
	t.Parallel()
	b := setupOverlap(t)
	done := make(chan string)
	go func() { done <- b.run("cancel") }()
	for range 4 { // block, block, ignore, block
		<-b.impl.entered
	}
	require.Equal(t, `cancelled: true true
deadline: true
ignored: true
future: true CANCELLED: the future was cancelled
3 calls ended
`, <-done)
	close(b.impl.gate)
}

func TestFuturesInGuests(t *testing.T) {
	t.Parallel()
	require.Equal(t, `late ok again handler late ok
a plain call is complete: true
at once plain
NOT_FOUND: nothing there
`, setupOverlap(t).run("async"))
}

// TestAwaitByHand calls the imports as a guest without a runtime does, and as none
// may.
func TestAwaitByHand(t *testing.T) {
	t.Parallel()
	require.Equal(t, `1 8 0
nothing in flight: -9 0
no such handle: -5 0
timeout: 0 0
at once: 0 0
too small: -11 0
outside: -11 0
other handle: -5 0
cancel: 0 0
result: 0 38
true -1 true
again: -5 0
empty: -9 0
1 0 0
true true
parked: 0 12
true 102
take: 0 102
take again: -9 0
the other: 0 215
true 203
`, setupOverlap(t).run("raw"))
}

func TestTooManyPendingCalls(t *testing.T) {
	t.Parallel()
	b := setupOverlap(t, eng.WithMaxPending(3))
	done := make(chan string)
	go func() { done <- b.run("full", "3") }()
	require.Equal(t, "RESOURCE_EXHAUSTED: test.v1.Overlap.Work: too many calls are pending\nok\n", <-done)
}

// TestWithoutPendingCalls: they can be switched off, and then calls block.
func TestWithoutPendingCalls(t *testing.T) {
	t.Parallel()
	require.Empty(t, setupOverlap(t, eng.WithMaxPending(-1)).run("only"))
}

// TestDeadlock: a guest is deadlocked when it waits and no call is pending, and not
// before.
func TestDeadlock(t *testing.T) {
	t.Parallel()
	b := setupOverlap(t)
	require.Empty(t, b.run("only"))
	var out bytes.Buffer
	code, err := b.guest.Run(t.Context(), eng.WithArgs("deadlock"), eng.WithStderr(&out))
	require.NoError(t, err)
	require.EqualValues(t, 2, code)
	require.Contains(t, out.String(), "all goroutines are asleep - deadlock!")
}

// TestGuestEndsWhileCallsArePending: they are cancelled, and the plugins hear of the
// end after them.
func TestGuestEndsWhileCallsArePending(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string]uint32{"leave": 3, "panic": 2} {
		b := setupOverlap(t)
		ended := int64(-1)
		b.host.OnGuestExit(func(context.Context, eng.Caller) { ended = b.impl.ended.Load() })
		code, err := b.guest.Run(t.Context(), eng.WithArgs(mode))
		require.NoError(t, err)
		require.Equal(t, want, code)
		require.EqualValues(t, 1, ended, mode)
	}
	for _, opts := range [][]eng.GuestOption{nil, {eng.Trusted()}} {
		b := setupOverlap(t)
		g, err := b.host.Compile(t.Context(), "tester", guesttest.Build(t, "testdata/overlap"), opts...)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := g.Run(ctx, eng.WithArgs("hold", "10"))
			done <- err
		}()
		for range 10 {
			<-b.impl.entered
		}
		cancel()
		require.ErrorIs(t, <-done, status.Of(status.Cancelled))
	}
}

// TestCallThatIgnoresItsContext: a guest that ends does not wait for it for long,
// but the engine does before it closes the plugin.
func TestCallThatIgnoresItsContext(t *testing.T) {
	t.Parallel()
	b := setupOverlap(t, eng.WithCallBudget(time.Millisecond))
	exited := make(chan struct{})
	b.host.OnGuestExit(func(context.Context, eng.Caller) { close(exited) })
	closed := make(chan struct{})
	b.host.OnClose(func(context.Context) error { close(closed); return nil })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := b.guest.Run(ctx, eng.WithArgs("ignore"))
		done <- err
	}()
	<-b.impl.entered
	cancel()
	require.ErrorIs(t, <-done, status.Of(status.Cancelled))
	<-exited
	short, stop := context.WithTimeout(t.Context(), time.Millisecond)
	defer stop()
	require.ErrorContains(t, b.host.Close(short), "guest tester is still in test.v1.Overlap.Work since ")
	select {
	case <-closed:
		require.Fail(t, "the plugin was closed under a call")
	default:
	}
	close(b.impl.gate)
	require.NoError(t, b.host.Close(t.Context()))
	<-closed
}

// TestLibraryCollectsLater: a call outlives the call of the export that made it, and
// not the instance.
func TestLibraryCollectsLater(t *testing.T) {
	t.Parallel()
	b := setupOverlap(t)
	g, err := b.host.Compile(t.Context(), "library", guesttest.Build(t, "testdata/overlaplib", "-buildmode=c-shared"))
	require.NoError(t, err)
	i, err := g.Instantiate(t.Context())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	_, err = i.Call(ctx, "begin", 1)
	require.NoError(t, err)
	<-b.impl.entered
	cancel()
	close(b.impl.gate)
	got, err := i.Call(t.Context(), "collect")
	require.NoError(t, err)
	require.EqualValues(t, len("gate"), got[0])

	_, err = i.Call(t.Context(), "begin", 0)
	require.NoError(t, err)
	<-b.impl.entered
	require.NoError(t, i.Close(t.Context()))
	require.EqualValues(t, 1, b.impl.ended.Load())

	// One that is broken waits to be closed. Its calls do not.
	i, err = g.Instantiate(t.Context())
	require.NoError(t, err)
	_, err = i.Call(t.Context(), "begin", 0)
	require.NoError(t, err)
	<-b.impl.entered
	<-b.impl.endings // of the call above
	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(time.Millisecond, cancel)
	_, err = i.Call(ctx, "collect")
	require.ErrorIs(t, err, status.Of(status.Cancelled))
	<-b.impl.endings
	require.NoError(t, i.Close(t.Context()))
}

// TestGuestThatDoesNotAwait: one that does not import await never gets PENDING.
func TestGuestThatDoesNotAwait(t *testing.T) {
	t.Parallel()
	b := setupOverlap(t)
	g, err := b.host.Compile(t.Context(), "blocks", blocks)
	require.NoError(t, err)
	_, err = g.Run(t.Context())
	require.NoError(t, err, "it traps when the result is not that of a call that is over")
	require.EqualValues(t, 1, b.impl.begun.Load())
}

// blocks is a wasm module that calls Work with "late ok" and traps unless the result is
// a success with a response of 9 bytes.
var blocks = []byte("\x00asm\x01\x00\x00\x00" +
	section(1, "\x02\x60\x04\x7f\x7f\x7f\x7f\x01\x7e\x60\x00\x00") + // types: (i32 × 4) -> i64, () -> ()
	section(2, "\x01\x0ftest.v1.Overlap\x04Work\x00\x00") + // imports: Work, of type 0
	section(3, "\x01\x01") + // functions: one of type 1
	section(5, "\x01\x00\x01") + // memory: a page
	section(7, "\x02\x06_start\x00\x01\x06memory\x02\x00") + // exports
	section(10, "\x01\x13\x00"+ // code: a function without locals
		"\x41\x00\x41\x09\x41\x20\x41\x20\x10\x00"+ // Work(0, 9, 32, 32)
		"\x42\x09\x52\x04\x40\x00\x0b\x0b") + // trap if that is not 9
	section(11, "\x01\x00\x41\x00\x0b\x09\x0a\x07late ok")) // data at 0: the request

// TestManyPendingCallsLeaveNothingBehind is not parallel, as it counts goroutines and
// memory: 10,000 calls of 100 guests are pending at the same time.
func TestManyPendingCallsLeaveNothingBehind(t *testing.T) {
	const guests, each = 100, 100
	b := setupOverlap(t)
	b.run("only") // whatever is made once is made
	goroutines, heap := runtime.NumGoroutine(), liveHeap()
	errs := make(chan error, guests)
	for range guests {
		go func() {
			code, err := b.guest.Run(t.Context(), eng.WithArgs("hold", strconv.Itoa(each)))
			if err == nil && code != 0 {
				err = fmt.Errorf("exit code %d", code)
			}
			errs <- err
		}()
	}
	for range guests * each {
		<-b.impl.entered
	}
	require.GreaterOrEqual(t, runtime.NumGoroutine(), guests*each)
	t.Logf("%d calls pending: %d goroutines and %d KiB of heap more", guests*each, runtime.NumGoroutine()-goroutines, (liveHeap()-heap)>>10)
	close(b.impl.gate)
	for range guests {
		require.NoError(t, <-errs)
	}
	for runtime.NumGoroutine() > goroutines+guests/10 {
		runtime.Gosched() // those that have ended, and are not gone yet
	}
	left := liveHeap() - heap // Go keeps some 400 bytes of each goroutine for another
	t.Logf("all have ended: %d goroutines and %d KiB of heap more", runtime.NumGoroutine()-goroutines, left>>10)
	require.Less(t, left, int64(8<<20))
}

func liveHeap() int64 {
	runtime.GC()
	runtime.GC() // what the first one finalised
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

package guest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/iansmith/parigot/internal/abi"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// slowHost answers every call with PENDING, and delivers results when it is told to.
// Its poller is woken for each, if it is not asleep.
type slowHost struct {
	fakeHost
	mu        sync.Mutex
	last      uint32
	records   []byte // what await delivers next
	cancelled []uint32
	code      int32 // of await
	wake      chan struct{}
	late      *time.Timer
	asleep    bool // the guest never rests, so that nothing polls
	pollErr   error
	waits     []time.Duration // the time limits that the poller got
}

func newSlowHost(t *testing.T) *slowHost {
	return &slowHost{fakeHost: fakeHost{t: t}, wake: make(chan struct{}, 1), late: time.NewTimer(0)}
}

func (h *slowHost) wire() *wire {
	return &wire{take: h.take, header: h.header, await: h.await, cancel: h.cancel, poll: h}
}

func (h *slowHost) method(unsafe.Pointer, uint32, unsafe.Pointer, uint32) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last++
	return int64(abi.Result(abi.Pending, h.last))
}

func (h *slowHost) await(timeoutNs int64, p unsafe.Pointer, size uint32) int64 {
	for timeoutNs < 0 && len(h.wake) == 0 {
		time.Sleep(time.Millisecond) // in a bubble: the whole guest stands still
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	n := copy(bytesAt(p, size), h.records)
	h.records = nil
	return int64(abi.Result(h.code, uint32(n)))
}

func (h *slowHost) cancel(handle uint32) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cancelled = append(h.cancelled, handle)
	return 0
}

// finish has a call end.
func (h *slowHost) finish(handle uint32, code int32, body []byte) {
	h.mu.Lock()
	b := make([]byte, abi.RecordSize)
	abi.Record{Handle: handle, Code: code, Size: uint32(len(body))}.Put(b)
	h.records = append(h.records, b...)
	if abi.RecordSize+len(body) <= resultsSize {
		h.records = append(h.records, body...)
	} else {
		h.parked = body
	}
	h.mu.Unlock()
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

func (h *slowHost) limit(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waits = append(h.waits, d)
	h.late.Reset(d)
}

func (h *slowHost) wait(ready func() bool) (bool, error) {
	if h.pollErr != nil {
		return false, h.pollErr
	}
	wake := h.wake
	if h.asleep {
		wake = nil
	}
	for !ready() {
		select {
		case <-wake:
		case <-h.late.C:
			return false, nil
		}
	}
	return true, nil
}

// limitAt returns one of the time limits that the poller got; -1 is the last.
func (h *slowHost) limitAt(i int) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.waits[(i+len(h.waits))%len(h.waits)]
}

// requirePending requires that so many calls are pending.
func requirePending(t *testing.T, w *wire, want int) {
	t.Helper()
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	require.Len(t, w.pending, want)
	require.Equal(t, want > 0, w.pumping)
}

type result struct {
	value string
	err   error
}

// begin makes a call from a goroutine of its own.
func (h *slowHost) begin(ctx context.Context, w *wire) <-chan result {
	done := make(chan result, 1)
	go func() {
		resp := new(wrapperspb.BytesValue)
		err := w.doBlocking(ctx, h.method, new(wrapperspb.BytesValue), resp)
		done <- result{string(resp.Value), err}
	}()
	synctest.Wait()
	return done
}

func TestPendingCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newSlowHost(t)
		w := h.wire()
		a, b := h.begin(t.Context(), w), h.begin(t.Context(), w)
		h.finish(2, 0, encode(t, wrapperspb.Bytes([]byte("second"))))
		require.Equal(t, result{"second", nil}, <-b)
		require.Empty(t, a)
		h.finish(1, -int32(status.NotFound), nil)
		require.ErrorIs(t, (<-a).err, status.Of(status.NotFound))
		requirePending(t, w, 0)

		// A result that does not fit into the buffer is taken.
		large := string(make([]byte, 2*resultsSize))
		c := h.begin(t.Context(), w)
		h.finish(3, 0, encode(t, wrapperspb.Bytes([]byte(large))))
		require.Equal(t, result{large, nil}, <-c)

		// Two at once, and one that nobody knows.
		d, e := h.begin(t.Context(), w), h.begin(t.Context(), w)
		h.finish(99, 0, nil)
		h.finish(5, 0, encode(t, wrapperspb.Bytes([]byte("five"))))
		h.finish(4, 0, encode(t, wrapperspb.Bytes([]byte("four"))))
		require.Equal(t, result{"four", nil}, <-d)
		require.Equal(t, result{"five", nil}, <-e)
		require.Empty(t, h.cancelled)
		close(w.resume)
	})
}

func TestContextOfPendingCallEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newSlowHost(t)
		w := h.wire()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		require.ErrorIs(t, (<-h.begin(ctx, w)).err, context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(begin))
		require.Equal(t, []uint32{1}, h.cancelled)
		requirePending(t, w, 1) // its result is still to come
		h.finish(1, -int32(status.Cancelled), nil)
		requirePending(t, w, 0)
		close(w.resume)
	})
}

// TestBusyGuest: results are looked for even when nothing polls, and ever less often
// the longer there are none.
func TestBusyGuest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newSlowHost(t)
		h.asleep = true
		w := h.wire()
		a := h.begin(t.Context(), w)
		time.Sleep(time.Second)
		h.finish(1, 0, nil)
		begin := time.Now()
		<-a
		require.LessOrEqual(t, time.Since(begin), time.Second)
		synctest.Wait()
		require.Equal(t, firstTick, h.limitAt(0))
		require.Equal(t, 2*firstTick, h.limitAt(1))

		b := h.begin(t.Context(), w)
		require.Equal(t, firstTick, h.limitAt(-1), "once there are some, soon again")
		time.Sleep(24 * time.Hour)
		require.Equal(t, lastTick, h.limitAt(-1))
		c := h.begin(t.Context(), w)
		require.Equal(t, firstTick, h.limitAt(-1), "a new call may be done soon")
		h.finish(3, 0, nil)
		begin = time.Now()
		<-c
		require.LessOrEqual(t, time.Since(begin), firstTick)
		h.finish(2, 0, nil)
		<-b
		close(w.resume)
	})
}

// TestAwaitEnd: who waits for room goes on when any call has ended, however it did.
func TestAwaitEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newSlowHost(t)
		w := h.wire()
		require.False(t, w.awaitEnd(w.ends()), "no call is pending")
		for range 3 {
			m := &Method{Import: h.method, MayBlock: true}
			p, err := w.roundTrip(t.Context(), m, nil, nil, wrapperspb.String("x"), new(wrapperspb.StringValue))
			require.NoError(t, err)
			require.NotNil(t, p)
		}
		before := w.ends()
		waited := make(chan bool)
		for range 2 {
			go func() { waited <- w.awaitEnd(before) }()
		}
		synctest.Wait()
		h.finish(2, 0, nil)
		require.True(t, <-waited)
		require.True(t, <-waited)
		require.True(t, w.awaitEnd(before), "one has ended since")
		h.finish(1, 0, nil)
		h.finish(3, 0, nil)
		requirePending(t, w, 0)
		require.False(t, w.awaitEnd(w.ends()))
		close(w.resume)
	})
}

// TestHostThatCannotBePolled: the guest stands still, but gets its results.
func TestHostThatCannotBePolled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newSlowHost(t)
		h.pollErr = errors.New("not pollable")
		w := h.wire()
		time.AfterFunc(time.Second, func() { h.finish(1, 0, nil) })
		resp := new(wrapperspb.BytesValue)
		require.NoError(t, w.doBlocking(t.Context(), h.method, new(wrapperspb.BytesValue), resp))
		close(w.resume)
	})
}

func TestHostThatLosesCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newSlowHost(t)
		w := h.wire()
		a, b := h.begin(t.Context(), w), h.begin(t.Context(), w)
		h.mu.Lock()
		h.code = -int32(status.FailedPrecondition)
		h.mu.Unlock()
		h.wake <- struct{}{}
		require.ErrorIs(t, (<-a).err, status.Of(status.Internal))
		require.ErrorContains(t, (<-b).err, "the host lost the call")
		requirePending(t, w, 0)
		close(w.resume)
	})
}

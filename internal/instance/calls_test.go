package instance

import (
	"bytes"
	"context"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/iansmith/parigot/internal/abi"
)

func newCalls(maxCalls int, room uint64) (*Calls, *sync.WaitGroup) {
	busy := new(sync.WaitGroup)
	return NewCalls(maxCalls, NewAccount(room), busy), busy
}

func start(t require.TestingT, c *Calls) *OpenCall {
	o, refusal := c.Start(0, func() {})
	require.Empty(t, refusal)
	return o
}

// finish ends a call with a result that is reserved, as the bridge does.
func finish(t require.TestingT, c *Calls, o *OpenCall, code int32, body []byte) {
	require.True(t, c.account.Reserve(uint64(len(body))))
	c.Finish(o, code, body)
}

// TestDeliverFraming: the bytes are those that docs/abi.md says.
func TestDeliverFraming(t *testing.T) {
	t.Parallel()
	c, _ := newCalls(10, 1<<20)
	a, b, d := start(t, c), start(t, c), start(t, c)
	finish(t, c, b, 7, []byte("second"))
	finish(t, c, a, -5, nil)
	finish(t, c, d, 0, []byte("third"))
	dst := bytes.Repeat([]byte{0xa5}, 40)
	n, parked := c.Deliver(dst)
	require.Nil(t, parked)
	require.EqualValues(t, 30, n, "the third does not fit any more")
	require.Equal(t, "\x02\x00\x00\x00"+"\x07\x00\x00\x00"+"\x06\x00\x00\x00"+"second"+
		"\x01\x00\x00\x00"+"\xfb\xff\xff\xff"+"\x00\x00\x00\x00", string(dst[:n]))
	require.Equal(t, bytes.Repeat([]byte{0xa5}, 10), dst[n:])

	n, parked = c.Deliver(dst[:16])
	require.Equal(t, "third", string(parked), "a result that fits nowhere is parked")
	require.EqualValues(t, abi.RecordSize, n)
	require.Equal(t, abi.Record{Handle: 3, Size: 5}, abi.ReadRecord(dst))
	require.True(t, c.Empty())
	n, _ = c.Deliver(dst)
	require.Zero(t, n)
}

func TestLimits(t *testing.T) {
	t.Parallel()
	c, _ := newCalls(3, 100)
	first, refusal := c.Start(100, func() {})
	require.Empty(t, refusal)
	_, refusal = c.Start(1, func() {})
	require.Equal(t, NoRoom, refusal)
	c.Drop(first)
	require.Zero(t, c.account.Held())

	finish(t, c, start(t, c), 0, make([]byte, 60))
	_, refusal = c.Start(41, func() {})
	require.Equal(t, NoRoom, refusal, "a result counts until it is delivered")
	_, _ = c.Deliver(make([]byte, 100))
	require.Zero(t, c.account.Held())

	finish(t, c, start(t, c), 0, make([]byte, 60))
	_, parked := c.Deliver(make([]byte, 12))
	require.EqualValues(t, len(parked), c.account.Held(), "one that is parked goes on counting")
	c.account.Release(60)

	a, b := start(t, c), start(t, c)
	start(t, c)
	_, refusal = c.Start(0, func() {})
	require.Equal(t, TooMany, refusal)
	finish(t, c, a, 0, make([]byte, 60))
	select {
	case <-c.Close():
		require.Fail(t, "calls still run")
	default:
	}
	require.Zero(t, c.account.Held(), "nobody takes the result any more")
	finish(t, c, b, 0, make([]byte, 60))
	require.Zero(t, c.account.Held())
}

func TestHandlesAreNotReused(t *testing.T) {
	t.Parallel()
	c, _ := newCalls(10, 1<<20)
	c.last = math.MaxUint32 - 2
	seen := map[uint32]bool{0: true} // 0 is never one
	kept := start(t, c)
	seen[kept.Handle] = true
	for range 4 {
		o := start(t, c)
		require.False(t, seen[o.Handle])
		seen[o.Handle] = true
		c.Drop(o)
		require.False(t, c.Cancel(o.Handle))
	}
	c.last = kept.Handle - 1
	require.NotEqual(t, kept.Handle, start(t, c).Handle)
	for _, h := range []uint32{0, 12345, math.MaxUint32 / 2} {
		require.False(t, c.Cancel(h))
	}
}

func TestCancelAndClose(t *testing.T) {
	t.Parallel()
	c, busy := newCalls(10, 1<<20)
	cancelled := make([]int, 3)
	var calls []*OpenCall
	for i := range cancelled {
		o, _ := c.Start(0, func() { cancelled[i]++ })
		calls = append(calls, o)
	}
	require.True(t, c.Cancel(calls[0].Handle))
	finish(t, c, calls[1], 0, nil)
	require.True(t, c.Cancel(calls[1].Handle), "its result is not delivered yet")
	require.Equal(t, []int{1, 0, 0}, cancelled)

	quiet := c.Close()
	require.Equal(t, []int{2, 0, 1}, cancelled)
	require.True(t, c.Closed())
	_, refusal := c.Start(0, func() {})
	require.Equal(t, Ending, refusal)
	finish(t, c, calls[0], 0, []byte("late"))
	require.False(t, c.Ready(), "nobody is there to take it")
	c.Drop(calls[2])
	<-quiet
	<-c.Close()
	busy.Wait()
}

func TestWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, _ := newCalls(10, 1<<20)
		ctx, cancel := context.WithCancel(context.Background())
		begin := time.Now()
		ready, err := c.Wait(ctx, time.Second, nil)
		require.NoError(t, err)
		require.False(t, ready)
		require.Equal(t, time.Second, time.Since(begin))

		for range 2 { // the second time, the token of an older result is there
			o := start(t, c)
			time.AfterFunc(time.Minute, func() { finish(t, c, o, 0, nil) })
			begin = time.Now()
			ready, err = c.Wait(ctx, -1, nil)
			require.NoError(t, err)
			require.True(t, ready)
			require.Equal(t, time.Minute, time.Since(begin))
			o = start(t, c)
			finish(t, c, o, 0, nil)
			_, _ = c.Deliver(make([]byte, 100))
		}
		time.AfterFunc(time.Hour, cancel)
		_, err = c.Wait(ctx, -1, nil)
		require.ErrorIs(t, err, context.Canceled)
	})
}

// TestCallsModel: whatever happens in whatever order, each result is delivered once,
// to its own handle, and the limits hold.
func TestCallsModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const maxCalls = 5
		c, busy := newCalls(maxCalls, 1<<20)
		running := map[uint32]*OpenCall{}
		finished := map[uint32][]byte{}
		pick := func(label string) *OpenCall {
			var handles []uint32
			for h := range running {
				handles = append(handles, h)
			}
			if len(handles) == 0 {
				return nil
			}
			return running[rapid.SampledFrom(handles).Draw(t, label)]
		}
		t.Repeat(map[string]func(*rapid.T){
			"start": func(t *rapid.T) {
				o, refusal := c.Start(rapid.Uint64Range(0, 100).Draw(t, "size"), func() {})
				require.Equal(t, len(running)+len(finished) >= maxCalls, refusal == TooMany)
				if o != nil {
					require.NotContains(t, finished, o.Handle)
					running[o.Handle] = o
				}
			},
			"finish": func(t *rapid.T) {
				if o := pick("finish"); o != nil {
					body := rapid.SliceOfN(rapid.Byte(), 0, 30).Draw(t, "body")
					finish(t, c, o, int32(o.Handle), body)
					finished[o.Handle] = body
					delete(running, o.Handle)
				}
			},
			"drop": func(t *rapid.T) {
				if o := pick("drop"); o != nil {
					c.Drop(o)
					delete(running, o.Handle)
				}
			},
			"deliver": func(t *rapid.T) {
				dst := make([]byte, rapid.IntRange(abi.RecordSize, 100).Draw(t, "cap"))
				n, rest := c.Deliver(dst)
				c.account.Release(uint64(len(rest))) // as parigot.take does
				require.Equal(t, len(finished) > 0, n > 0)
				for got := dst[:n]; len(got) > 0; {
					r := abi.ReadRecord(got)
					got = got[abi.RecordSize:]
					body := rest
					if rest == nil {
						body, got = got[:r.Size], got[r.Size:]
					}
					require.Contains(t, finished, r.Handle)
					require.True(t, bytes.Equal(finished[r.Handle], body))
					require.Equal(t, int32(r.Handle), r.Code)
					delete(finished, r.Handle)
				}
			},
			"": func(t *rapid.T) {
				require.Equal(t, len(finished) > 0, c.Ready())
				require.Equal(t, len(finished)+len(running) == 0, c.Empty())
			},
		})
		quiet := c.Close()
		for _, o := range running {
			c.Drop(o)
		}
		<-quiet
		busy.Wait()
		require.Zero(t, c.account.Held())
	})
}

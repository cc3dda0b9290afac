package eng_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"github.com/iansmith/parigot/internal/guesttest"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/status"
)

func newReactor(t *testing.T) (*eng.Host, *eng.Guest) {
	t.Helper()
	h := newHost(t)
	g, err := h.Compile(t.Context(), "reactor", guesttest.Build(t, "testdata/reactor", "-buildmode=c-shared"))
	require.NoError(t, err)
	return h, g
}

// counter is a library that starts at once. It exports add, which adds to what it has
// counted, and fail, which traps.
var counter = []byte("\x00asm\x01\x00\x00\x00" +
	"\x01\x09\x02\x60\x01\x7e\x01\x7e\x60\x00\x00" + // types: i64 -> i64, none -> none
	"\x03\x04\x03\x00\x01\x01" + // three functions
	"\x06\x06\x01\x7e\x01\x42\x00\x0b" + // a variable
	"\x07\x1c\x03\x03add\x00\x00\x04fail\x00\x01\x0b_initialize\x00\x02" +
	"\x0a\x14\x03\x0b\x00\x23\x00\x20\x00\x7c\x24\x00\x23\x00\x0b\x03\x00\x00\x0b\x02\x00\x0b")

func newCounter(t *testing.T) *eng.Guest {
	t.Helper()
	g, err := newHost(t).Compile(t.Context(), "counter", counter)
	require.NoError(t, err)
	return g
}

// TestPoolModel compares a pool that one goroutine uses with a model: the count that each
// instance keeps. The one that was used last is used next.
func TestPoolModel(t *testing.T) {
	t.Parallel()
	g := newCounter(t)
	ctx := t.Context()
	rapid.Check(t, func(rt *rapid.T) {
		warm := rapid.IntRange(0, 2).Draw(rt, "warm")
		p, err := g.NewPool(ctx, warm, 2)
		require.NoError(rt, err)
		idle := make([]uint64, warm) // what each has counted
		closed := false
		rt.Repeat(map[string]func(*rapid.T){
			"add": func(rt *rapid.T) {
				result, err := p.Call(ctx, "add", 1)
				if closed {
					require.ErrorIs(rt, err, status.Of(status.Unavailable))
					return
				}
				require.NoError(rt, err)
				if len(idle) == 0 {
					idle = append(idle, 0)
				}
				idle[len(idle)-1]++
				require.Equal(rt, []uint64{idle[len(idle)-1]}, result)
			},
			"fail": func(rt *rapid.T) {
				_, err := p.Call(ctx, "fail")
				require.Error(rt, err)
				require.NoError(rt, p.Settle(ctx))
				if !closed {
					idle = idle[:max(0, len(idle)-1)]
					if len(idle) < warm {
						idle = append(idle, 0)
					}
				}
			},
			"no such function": func(rt *rapid.T) {
				_, err := p.Call(ctx, "nothing")
				require.Error(rt, err)
				if !closed && len(idle) == 0 {
					idle = append(idle, 0)
				}
			},
			"close": func(rt *rapid.T) {
				if rapid.IntRange(0, 9).Draw(rt, "really") == 0 {
					require.NoError(rt, p.Close(ctx))
					closed = true
				}
			},
		})
		require.NoError(rt, p.Close(ctx))
	})
}

// TestPoolIsShared has many goroutines call, some of which break their instance.
func TestPoolIsShared(t *testing.T) {
	t.Parallel()
	p, err := newCounter(t).NewPool(t.Context(), 1, 3)
	require.NoError(t, err)
	var group errgroup.Group
	for n := range 12 {
		group.Go(func() error {
			for range 100 {
				if n == 0 {
					_, _ = p.Call(t.Context(), "fail")
				} else if _, err := p.Call(t.Context(), "add", 1); err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	require.NoError(t, p.Close(t.Context()))
}

// TestPoolWaits has calls wait for the only instance, and Close for the call that has it. Then
// calls fail, those that wait already, too.
func TestPoolWaits(t *testing.T) {
	t.Parallel()
	_, g := newReactor(t)
	p, err := g.NewPool(t.Context(), 1, 1)
	require.NoError(t, err)
	busy, stop := context.WithCancel(t.Context())
	spun := make(chan error)
	began := make(chan struct{})
	go func() {
		close(began)
		_, err := p.Call(busy, "spin")
		spun <- err
	}()
	<-began
	ended, end := context.WithCancel(t.Context())
	end()
	for err = nil; err == nil; { // until spin has the instance
		_, err = p.Call(ended, "nothing")
		if status.CodeOf(err) == status.NotFound {
			err = nil
		}
	}
	require.ErrorIs(t, err, status.Of(status.Cancelled))
	waited := make(chan error, 1)
	go func() {
		_, err := p.Call(t.Context(), "nothing")
		waited <- err
	}()
	require.ErrorIs(t, p.Close(ended), status.Of(status.Cancelled))
	require.ErrorIs(t, <-waited, status.Of(status.Unavailable))
	_, err = p.Call(t.Context(), "nothing")
	require.ErrorIs(t, err, status.Of(status.Unavailable))
	stop()
	require.ErrorIs(t, <-spun, status.Of(status.Cancelled))
	require.NoError(t, p.Close(t.Context()))
	require.NoError(t, p.Close(t.Context()))
}

func TestPoolThatCannotBe(t *testing.T) {
	t.Parallel()
	h, g := newReactor(t)
	for _, n := range [][2]int{{-1, 1}, {0, 0}, {2, 1}} {
		_, err := g.NewPool(t.Context(), n[0], n[1])
		require.ErrorIs(t, err, status.Of(status.InvalidArgument))
	}
	_, err := compile(t, h).NewPool(t.Context(), 1, 1)
	require.ErrorIs(t, err, status.Of(status.FailedPrecondition))
}

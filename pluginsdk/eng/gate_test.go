package eng

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/pluginsdk/status"
)

// TestGateOrder: who comes while somebody leaves overtakes those that wait, for a while.
func TestGateOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := &gate{free: 1, most: 10}
		require.NoError(t, g.enter(t.Context()))
		got := make(chan int, 10)
		for n := range 3 {
			go func() {
				if g.enter(t.Context()) == nil {
					got <- n
				}
			}()
			synctest.Wait()
		}
		g.leave(false) // the first is called, and has not looked
		require.NoError(t, g.enter(t.Context()), "it is not overtaken before it looks")
		synctest.Wait()
		require.Empty(t, got)
		time.Sleep(2 * handOver)
		g.leave(false)
		require.Equal(t, 0, <-got, "it has waited for long")
		g.leave(true)
		require.Equal(t, 1, <-got)
		g.leave(true)
		require.Equal(t, 2, <-got)
		g.leave(true)
		require.NoError(t, g.enter(t.Context()))
		require.Equal(t, 0, g.free)
		g.leave(false)
		require.Equal(t, 1, g.free)
	})
}

// TestGateBound: those beyond the bound are refused, and those that give up make room.
func TestGateBound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		roused := 0
		g := &gate{free: 1, most: 2, rouse: func() { roused++ }}
		require.NoError(t, g.enter(t.Context()))
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		for range 2 {
			group.Go(func() {
				if err := g.enter(ctx); err != context.Canceled { //nolint:errorlint // as it is
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		require.ErrorIs(t, g.enter(t.Context()), status.Of(status.ResourceExhausted))
		require.Equal(t, 2, roused)
		cancel()
		group.Wait()
		require.Empty(t, g.waiting)
		g.leave(false)
		require.NoError(t, g.force(t.Context()))
	})
}

// TestGateLetsAllPass: many goroutines, some of which give up: never more than may be are
// through, and nobody is forgotten.
func TestGateLetsAllPass(t *testing.T) {
	t.Parallel()
	const through = 3
	g := &gate{free: through, most: 1000}
	var inside, passed atomic.Int32
	var group sync.WaitGroup
	for n := range 30 {
		group.Go(func() {
			for k := range 300 {
				ctx := t.Context()
				if n%3 == 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, time.Duration(k)*time.Microsecond)
					defer cancel()
				}
				if g.enter(ctx) != nil {
					continue
				}
				if inside.Add(1) > through {
					t.Error("too many are through")
				}
				passed.Add(1)
				inside.Add(-1)
				g.leave(n%5 == 0)
			}
		})
	}
	group.Wait()
	require.Equal(t, through, g.free)
	require.Empty(t, g.waiting)
	require.GreaterOrEqual(t, passed.Load(), int32(20*300))
}

// TestGateRefuses: after that nobody enters, and those that wait to do so are told; who forces it
// passes.
func TestGateRefuses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := &gate{free: 1, most: 10}
		require.NoError(t, g.enter(t.Context()))
		closed := status.Error(status.Unavailable, "closed")
		refused, passed := make(chan error, 2), make(chan error, 1)
		go func() { refused <- g.enter(t.Context()) }()
		synctest.Wait()
		go func() { passed <- g.force(t.Context()) }()
		go func() { refused <- g.enter(t.Context()) }()
		synctest.Wait()
		g.refuse(closed)
		require.Equal(t, closed, <-refused)
		require.Equal(t, closed, <-refused)
		require.Equal(t, closed, g.enter(t.Context()))
		g.leave(false)
		require.NoError(t, <-passed)
		g.leave(false)
		require.Equal(t, 1, g.free)
	})
}

// TestGateRousesAgain: who passes while others wait is told that somebody does.
func TestGateRousesAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		roused := 0
		g := &gate{free: 1, most: 10, rouse: func() { roused++ }}
		require.NoError(t, g.enter(t.Context()))
		passed := make(chan error, 1)
		go func() { passed <- g.enter(t.Context()) }()
		synctest.Wait()
		require.Equal(t, 1, roused)
		g.leave(false)
		require.NoError(t, g.force(t.Context()), "it overtakes")
		synctest.Wait()
		require.Equal(t, 2, roused)
		g.remind()
		require.Equal(t, 3, roused)
		g.leave(true)
		require.NoError(t, <-passed)
		g.remind()
		require.Equal(t, 3, roused, "nobody waits")
	})
}

// TestGateOvertake: the one that overtakes is next, however long others wait.
func TestGateOvertake(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := &gate{free: 1, most: 10}
		require.NoError(t, g.enter(t.Context()))
		got := make(chan string, 2)
		go func() {
			if g.enter(t.Context()) == nil {
				got <- "waits"
			}
		}()
		synctest.Wait()
		time.Sleep(2 * handOver)
		go func() {
			if g.overtake(t.Context()) == nil {
				got <- "overtakes"
			}
		}()
		synctest.Wait()
		g.leave(true)
		require.Equal(t, "overtakes", <-got)
		g.leave(true)
		require.Equal(t, "waits", <-got)
	})
}

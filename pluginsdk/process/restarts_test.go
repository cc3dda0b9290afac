package process

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestBackoff(t *testing.T) {
	t.Parallel()
	r := &restarts{settings: newSettings("x", []Option{WithBreaker(-1, 0, 0)}), jitter: func() float64 { return 0 }}
	var waits []time.Duration
	for range 9 {
		wait, opened := r.failed(time.Unix(0, 0), 0)
		require.False(t, opened)
		waits = append(waits, wait*2/DefaultMinBackoff)
	}
	require.Equal(t, []time.Duration{1, 2, 4, 8, 16, 32, 64, 100, 100}, waits)
	wait, _ := r.failed(time.Unix(0, 0), DefaultStableAfter)
	require.Equal(t, DefaultMinBackoff/2, wait, "it was well")
}

// TestFirstRestartIsSoon: a plugin that was well waits for a tenth of a second at most, whatever
// the jitter, which leaves the rest of a second to its start.
func TestFirstRestartIsSoon(t *testing.T) {
	t.Parallel()
	r := &restarts{settings: newSettings("x", nil), jitter: func() float64 { return 1 }}
	for range 3 {
		wait, opened := r.failed(time.Unix(0, 0), DefaultStableAfter)
		require.False(t, opened)
		require.LessOrEqual(t, wait, 100*time.Millisecond)
	}
}

// TestBreaker: the clock is that of the test's bubble.
func TestBreaker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &restarts{settings: newSettings("x", []Option{WithBreaker(3, 0, 0)}), jitter: func() float64 { return 0 }}
		fail := func(up time.Duration) bool {
			time.Sleep(up)
			wait, opened := r.failed(time.Now(), up)
			require.Equal(t, opened, wait == DefaultBreakerCooldown)
			time.Sleep(wait)
			return opened
		}
		require.False(t, fail(0))
		require.False(t, fail(0))
		time.Sleep(DefaultBreakerWindow)
		require.False(t, fail(0), "those before are forgotten")
		require.False(t, fail(0))
		require.True(t, fail(0), "the third in a minute")
		require.True(t, fail(time.Second), "the probe")
		require.False(t, fail(DefaultStableAfter), "the probe was well")
		require.False(t, fail(0))
		require.True(t, fail(0))
	})
}

// TestRestartsWaitWithinBounds: whatever fails whenever.
func TestRestartsWaitWithinBounds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := &restarts{settings: newSettings("x", nil), jitter: func() float64 { return rapid.Float64Range(0, 0.999).Draw(t, "jitter") }}
		now := time.Unix(0, 0)
		for range rapid.IntRange(1, 200).Draw(t, "failures") {
			up := time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "up"))
			now = now.Add(up)
			wait, opened := r.failed(now, up)
			now = now.Add(wait)
			if !opened && (wait < DefaultMinBackoff/2 || wait > DefaultMaxBackoff) {
				t.Fatalf("wait %v", wait)
			}
			if len(r.recent) >= DefaultBreakerFailures {
				t.Fatal("the breaker forgets nothing")
			}
		}
	})
}

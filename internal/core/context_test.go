package core

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestContextDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		parent, cancel := context.WithCancel(context.Background())
		defer cancel()
		c := NewContext(parent, "test")
		c.limit(time.Now().Add(time.Second))
		c.limit(time.Now().Add(time.Minute))
		require.NoError(t, c.Err())
		child, cancelChild := context.WithCancel(c)
		defer cancelChild()
		start := time.Now()
		<-child.Done()
		require.Equal(t, time.Second, time.Since(start), "the earlier limit counts")
		require.ErrorIs(t, child.Err(), context.DeadlineExceeded)
		require.ErrorIs(t, c.Err(), context.DeadlineExceeded)
	})
}

func TestContextWithoutTimer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		parent, cancel := context.WithCancel(context.Background())
		c := NewContext(parent, "test")
		c.limit(time.Now().Add(time.Second))
		time.Sleep(2 * time.Second)
		require.ErrorIs(t, c.Err(), context.DeadlineExceeded, "nobody asked for Done")
		c.end()

		c = NewContext(parent, "test")
		require.NoError(t, c.Err())
		cancel()
		require.ErrorIs(t, c.Err(), context.Canceled)
		<-c.Done()
	})
}

func TestContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := NewContext(context.Background(), "test")
		c.limit(time.Now().Add(time.Hour))
		done := c.Done()
		c.end()
		<-done // a goroutine that outlives its call is told
		require.ErrorIs(t, c.Err(), context.Canceled)
	})
}

// TestContextNeedsNoGoroutines is not parallel, as it counts goroutines.
func TestContextNeedsNoGoroutines(t *testing.T) {
	c := NewContext(t.Context(), "test")
	c.limit(time.Now().Add(time.Hour))
	defer c.end()
	_ = c.Done()
	before := runtime.NumGoroutine()
	for range 100 {
		_, cancel := context.WithCancel(c)
		defer cancel()
	}
	require.Less(t, runtime.NumGoroutine(), before+50)
}

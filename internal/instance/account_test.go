package instance

import (
	"math"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAccount(t *testing.T) {
	t.Parallel()
	a := NewAccount(100)
	require.True(t, a.Reserve(100))
	require.False(t, a.Reserve(1))
	require.False(t, a.Reserve(math.MaxUint64), "no sum overflows")
	require.True(t, a.Reserve(0))
	a.Release(40)
	require.True(t, a.Reserve(40))
	require.EqualValues(t, 100, a.Held())

	var none *Account
	require.True(t, none.Reserve(math.MaxUint64))
	none.Release(1)
	require.Zero(t, none.Held())
}

func TestAccountIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	a := NewAccount(10)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 1000 {
				if a.Reserve(3) {
					if held := a.Held(); held > 10 {
						t.Errorf("%d bytes are held", held)
					}
					a.Release(3)
				}
			}
		})
	}
	all.Wait()
	require.Zero(t, a.Held())
}

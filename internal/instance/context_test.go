package instance

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestWaits: a call waits for its instance, but one that goes on while others may enter does not.
func TestWaits(t *testing.T) {
	t.Parallel()
	var a, b State
	require.False(t, a.Waits(t.Context()))
	run := Enter(t.Context(), &a, t.Context(), time.Time{})
	require.True(t, a.Waits(run))
	require.True(t, a.Waits(Apart(run)), "it goes on in a call that lets nobody enter")
	require.False(t, b.Waits(run))

	run.Shared = true
	require.False(t, a.Waits(run))
	method := "s.M"
	a.Running.Begin(&method, time.Now())
	require.True(t, a.Waits(run))
	require.False(t, a.Waits(Apart(run)))
	other := Enter(Apart(run), &b, t.Context(), time.Time{})
	require.False(t, a.Waits(other))
	require.True(t, b.Waits(other))
	require.True(t, a.Waits(Enter(run, &b, t.Context(), time.Time{})))
	a.Running.End()

	run.Stop()
	require.False(t, a.Waits(run))
	require.NoError(t, Apart(run).Err())
	require.Nil(t, Apart(run).Done())
}

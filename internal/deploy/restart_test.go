package deploy

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/iansmith/parigot/pluginsdk/parigotpb/deploymentpb"
	"github.com/iansmith/parigot/pluginsdk/status"
)

var (
	succeeds = ending{reason: "exit code 0"}
	fails    = ending{code: 3, reason: "exit code 3"}
)

// supervised returns when instances start, of which each runs for so long and ends so.
func supervised(t *testing.T, r *deploymentpb.Restart, runs ...func() ending) (starts []time.Duration, last ending, err error) {
	t.Helper()
	begin := time.Now()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	last, err = newRestarts(r).supervise(ctx, slog.New(slog.DiscardHandler), func() ending {
		run := runs[len(starts)]
		starts = append(starts, time.Since(begin))
		if len(starts) == len(runs) {
			defer cancel() // enough was seen
		}
		return run()
	})
	return starts, last, err
}

func after(d time.Duration, e ending) func() ending {
	return func() ending { time.Sleep(d); return e }
}

// TestRestartPolicy: who is started again after what.
func TestRestartPolicy(t *testing.T) {
	t.Parallel()
	for policy, want := range map[string][2]int{"": {1, 1}, "never": {1, 1}, "on_failure": {1, 2}, "always": {2, 2}} {
		for i, e := range []ending{succeeds, fails} {
			synctest.Test(t, func(t *testing.T) {
				starts, last, err := supervised(t, &deploymentpb.Restart{Policy: policy}, after(0, e), after(0, e))
				require.NoError(t, err)
				require.Equal(t, e, last)
				require.Len(t, starts, want[i], "%s after %s", policy, e.reason)
			})
		}
	}
	starts, _, err := supervised(t, nil, after(0, fails), after(0, fails))
	require.NoError(t, err)
	require.Len(t, starts, 1)
}

// TestBackoff: waits double up to the longest, and begin again after a long run.
func TestBackoff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &deploymentpb.Restart{
			Policy: "on_failure", Limit: proto.Uint32(0),
			Backoff: durationpb.New(time.Second), MaxBackoff: durationpb.New(4 * time.Second),
		}
		starts, _, err := supervised(t, r, after(0, fails), after(0, fails), after(0, fails), after(0, fails),
			after(40*time.Second, fails), after(39*time.Second, fails), after(0, fails))
		require.NoError(t, err)
		require.Equal(t, []time.Duration{0, 1 * time.Second, 3 * time.Second, 7 * time.Second, 11 * time.Second, 52 * time.Second, 93 * time.Second}, starts)
	})
}

// TestRestartLimit: so many restarts, and no more; a stop ends the wait before the next.
func TestRestartLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		runs := make([]func() ending, 20)
		for i := range runs {
			runs[i] = after(0, fails)
		}
		starts, last, err := supervised(t, &deploymentpb.Restart{Policy: "always"}, runs...)
		require.ErrorIs(t, err, status.Of(status.Aborted))
		require.ErrorContains(t, err, "after 10 restarts in a row, which is the limit: exit code 3")
		require.Equal(t, fails, last)
		require.Len(t, starts, 11)

		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		begin := time.Now()
		_, err = newRestarts(&deploymentpb.Restart{Policy: "always"}).supervise(ctx, slog.New(slog.DiscardHandler), after(0, fails))
		require.NoError(t, err)
		require.Equal(t, 50*time.Millisecond, time.Since(begin))
	})
}

// TestStartOrder: servers first, the order of the file otherwise, and in a circle.
func TestStartOrder(t *testing.T) {
	t.Parallel()
	guest := func(serves string, grants ...string) *deploymentpb.Guest {
		return &deploymentpb.Guest{Serves: []string{serves}, Grants: grants}
	}
	require.Equal(t, []int{2, 1, 0, 3}, startOrder([]*deploymentpb.Guest{
		guest("a.A", "b.B.Method", "c.C"), guest("b.B", "c.C"), guest("c.C", "c.CC"), guest("d.D"),
	}))
	require.Equal(t, []int{2, 0, 1}, startOrder([]*deploymentpb.Guest{guest("a.A", "b.B", "c.C"), guest("b.B", "a.A"), guest("c.C")}))
}

// TestAround: the shortest way, and none where there is none.
func TestAround(t *testing.T) {
	t.Parallel()
	needs := [][]int{{1}, {2, 4}, {3}, {1, 0}, {0}, {0}}
	require.Equal(t, []int{0, 1, 4}, around(needs, 0))
	require.Equal(t, []int{1, 2, 3}, around(needs, 1), "the first of two")
	require.Equal(t, []int{2, 3, 1}, around(needs, 2))
	require.Nil(t, around(needs, 5))
}

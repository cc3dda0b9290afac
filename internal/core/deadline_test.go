package core_test

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/internal/core"
	"github.com/iansmith/parigot/internal/instance"
	"github.com/iansmith/parigot/internal/metadata"
	"github.com/iansmith/parigot/pluginsdk/parigotpb"
	"github.com/iansmith/parigot/pluginsdk/status"
)

func TestBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		code, n := b.call(func(ctx context.Context, _, _ bytesValue) error {
			deadline, ok := ctx.Deadline()
			require.True(t, ok)
			require.Equal(t, time.Second, time.Until(deadline))
			<-ctx.Done()
			return ctx.Err()
		})
		require.ErrorIs(t, b.statusAt(code, 4096, n), context.DeadlineExceeded)

		// One that does not watch its context gives its result all the same, late.
		slow := b.state.Counters.Slow.Load()
		code, _ = b.call(func(ctx context.Context, req, resp bytesValue) error {
			time.Sleep(time.Minute)
			require.ErrorIs(t, ctx.Err(), context.DeadlineExceeded)
			return echo(ctx, req, resp)
		})
		require.Zero(t, code)
		require.Equal(t, slow+1, b.state.Counters.Slow.Load())
		require.Contains(t, b.log.String(), `msg="slow call" call=test.v1.Test.Call guest=test took=1m0s budget=1s`)
	})
}

func TestBudgetOfMethodAndNone(t *testing.T) {
	t.Parallel()
	for _, budget := range []time.Duration{time.Hour, -1} {
		b := newBench(t)
		b.budget = budget
		_, _ = b.call(func(ctx context.Context, _, _ bytesValue) error {
			deadline, ok := ctx.Deadline()
			require.Equal(t, budget > 0, ok)
			if ok {
				require.Greater(t, time.Until(deadline), time.Minute)
			}
			return nil
		})
	}
}

func TestHeader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.state.Next = instance.Header{
			Call:     &parigotpb.CallHeader{TimeoutNs: int64(time.Millisecond), Metadata: map[string]string{"traceparent": "00-1"}},
			Received: time.Now(),
		}
		code, _ := b.call(func(ctx context.Context, _, _ bytesValue) error {
			deadline, _ := ctx.Deadline()
			require.Equal(t, time.Millisecond, time.Until(deadline))
			require.Equal(t, "00-1", metadata.Of(ctx)["traceparent"])
			require.Equal(t, "test.v1.Test.Call", core.NameOf(ctx))
			return nil
		})
		require.Zero(t, code)
		code, _ = b.call(func(ctx context.Context, _, _ bytesValue) error {
			require.Nil(t, metadata.Of(ctx), "a header belongs to one call")
			return nil
		})
		require.Zero(t, code)
		for name, h := range map[string]instance.Header{
			"expired":  {Call: &parigotpb.CallHeader{TimeoutNs: 5}, Received: time.Now().Add(-5)},
			"negative": {Call: &parigotpb.CallHeader{TimeoutNs: math.MinInt64}, Received: time.Now()},
			"broken":   {Err: refusal(status.InvalidArgument, "the call header does not decode")},
		} {
			b.state.Next = h
			code, _ = b.call(func(context.Context, bytesValue, bytesValue) error {
				t.Error("the implementation ran: ", name)
				return nil
			})
			want := -int32(status.DeadlineExceeded)
			if h.Err != nil {
				want = -int32(status.InvalidArgument)
			}
			require.Equal(t, want, code, name)
		}
	})
}

package main

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestGuard fails for what is lost each time, and not for what was noise.
func TestGuard(t *testing.T) {
	t.Parallel()
	baseline := ratios{"a": 10, "b": 2}
	run := func(now ...ratios) (rounds []int, err error) {
		err = guard(baseline, 0.2, io.Discard, func(n int) (ratios, error) {
			r := now[min(len(rounds), len(now)-1)]
			rounds = append(rounds, n)
			return r, nil
		})
		return rounds, err
	}
	rounds, err := run(ratios{"a": 8.1, "b": 5})
	require.NoError(t, err)
	require.Len(t, rounds, 1)
	rounds, err = run(ratios{"a": 5, "b": 2}, ratios{"a": 9, "b": 2})
	require.NoError(t, err)
	require.Len(t, rounds, 2)
	rounds, err = run(ratios{"a": 7.9, "b": 2})
	require.ErrorContains(t, err, "a is 7.9000 times as fast as "+guardReference+", and was 10.0000 times")
	require.IsIncreasing(t, rounds)
	_, err = run(ratios{"a": 10})
	require.ErrorContains(t, err, "b is in the baseline and was not measured")
	require.ErrorIs(t, guard(baseline, 0.2, io.Discard, func(int) (ratios, error) { return nil, io.ErrUnexpectedEOF }), io.ErrUnexpectedEOF)
}

func TestRatios(t *testing.T) {
	t.Parallel()
	all := []*results{resultsOf("default-trusted", 16, 500), resultsOf(guardReference, 16, 1000)}
	require.Equal(t, ratios{"default-trusted/16 B": 2}, ratiosOf([]side{{name: "default-trusted"}, {name: guardReference}}, all))
}

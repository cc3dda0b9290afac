package main

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/bench/internal/latency"
	"github.com/iansmith/parigot/internal/guesttest"
)

// TestBench has every side make some calls, in both directions: a benchmark that takes no time.
func TestBench(t *testing.T) {
	t.Parallel()
	for _, s := range []suite{outward(), inward()} {
		t.Run(s.target, func(t *testing.T) {
			t.Parallel()
			b, err := newBench(t.Context(), s, t.TempDir(), guesttest.CacheDir(t), io.Discard)
			require.NoError(t, err)
			defer func() { require.NoError(t, b.close(t.Context())) }()
			sizes := []int{16, 64 << 10}
			all, err := measure(t.Context(), b.sides, sizes, plan{rounds: 2}, io.Discard)
			require.NoError(t, err)
			require.Len(t, all, len(sizes)*len(b.sides))
			for _, r := range all {
				require.Positive(t, r.median(), r.side)
			}
			for _, f := range s.figures { // a figure of a side that is not there is left out
				require.NotNil(t, find(all, f.side, sizes[0]), f.side)
				require.True(t, f.allocs || find(all, f.against, sizes[0]) != nil, f.against)
			}
			var raw strings.Builder
			require.NoError(t, writeRaw(&raw, all))
			require.Equal(t, 2*len(all), strings.Count(raw.String(), "\nBenchmarkCall/side="))
			if s.target == inward().target {
				testPools(t, b.parigot)
			}
		})
	}
}

func testPools(t *testing.T, p *parigot) {
	all, err := p.pools(t.Context(), plan{rounds: 1})
	require.NoError(t, err)
	require.Len(t, all, len(forms)*len(poolCallers))
	for _, c := range all {
		require.Equal(t, c.callers, c.took.Len(), "each caller calls once when there is no time")
	}
}

func TestPoolTable(t *testing.T) {
	t.Parallel()
	var took latency.Counts
	took.Add(2 * time.Millisecond)
	text := poolTable([]*pooled{
		{form: "trusted", callers: 1, rates: []float64{100, 300, 200}, took: took, cpu: 5 * time.Microsecond},
		{form: "trusted", callers: 8, rates: []float64{170, 510, 380}, took: took},
		{form: "trusted", callers: 64, rates: []float64{190, 330, 300}, took: took},
	})
	require.Contains(t, text, "| trusted | 1 | 200 | 1.00× | 5.00 | 2000 | 2000 | 2.0 |\n"+
		"| trusted | 8 | 380 | **1.70×** | 0.000 | 2000 | 2000 | 2.0 |\n"+
		"| trusted | 64 | 300 | 1.50× | 0.000 | 2000 | 2000 | 2.0 |\n")
}

func TestStarts(t *testing.T) {
	t.Parallel()
	s, err := measureStarts(t.Context(), t.TempDir(), 1)
	require.NoError(t, err)
	require.Greater(t, s.compile, s.cached)
	require.Greater(t, s.cached, s.again)
	require.Positive(t, s.start)
	require.Contains(t, startTable(s), " MB |\n")
}

// resultsOf makes results of a side whose calls took some nanoseconds each.
func resultsOf(side string, size int, ns ...int) *results {
	r := &results{side: side, payload: size}
	for _, n := range ns {
		r.samples = append(r.samples, sample{calls: 10, took: 10 * time.Duration(n), mallocs: 20, grown: 640})
	}
	return r
}

func TestTables(t *testing.T) {
	t.Parallel()
	sides := []side{{name: "optin-trusted", kind: ours}, {name: "copy-trusted", kind: limit}, {name: reference, kind: peer}}
	all := []*results{
		resultsOf("optin-trusted", 1<<20, 1200, 1000, 1100),
		resultsOf("copy-trusted", 1<<20, 1000, 1, 1999),
		resultsOf(reference, 1<<20, 40000, 44000, 74400),
	}
	sizes := []int{1 << 20}
	text := timesTable(sides, sizes, all, outcomes(figures(), all))
	require.Contains(t, text, "| | 1 MiB | |\n|---|--:|--:|\n| **limits** | | |\n| copy-trusted | 1.00 ∞ | 44.0× |\n"+
		"| **Parigot** | | |\n| optin-trusted | 1.10 ∞ | **40.0×** |\n")
	require.Equal(t, "| | 1 MiB | 1 MiB |\n|---|--:|--:|\n| optin-trusted | 2.0 | 64 |\n| "+reference+" | 2.0 | 64 |\n",
		memoryTable(sides, sizes, all))
	require.Equal(t, "| work | side | against | payload | bound | medians | all rounds | met |\n|---|---|---|--:|--:|--:|--:|---|\n"+
		"| opt-in call | optin-trusted | "+reference+" | 1 MiB | at least 45× | 40.00× | 48.00× | over all rounds |\n"+
		"| opt-in call | optin-trusted | copy-trusted | 1 MiB | at most 1.1× | 1.10× | 1.10× | yes |\n"+
		"| host allocations | optin-trusted |  | 1 MiB | at most 0 | **2.00** |  | **no** |\n", figuresTable(outcomes(figures(), all)))
}

package main

import (
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/bench/internal/latency"
	"github.com/iansmith/parigot/internal/guesttest"
)

// TestBench has every side do all works once: a round of the benchmark that takes no time.
func TestBench(t *testing.T) {
	t.Parallel()
	b, err := newBench(t.Context(), t.TempDir(), guesttest.CacheDir(t), scale{callers: 6, few: 2, many: 3}, io.Discard)
	require.NoError(t, err)
	defer func() { require.NoError(t, b.close(t.Context())) }()
	require.NoError(t, b.measure(t.Context(), 1, 0))
	require.Len(t, b.groups, 3)
	for _, g := range b.groups {
		for i := range payloads {
			for j, s := range g.sides {
				require.Positive(t, g.results[i][j][0].clock, s.name)
				require.Equal(t, g.callers, g.results[i][j][0].calls.Len(), s.name)
			}
		}
	}
	require.Contains(t, b.tables(1, 0), "**Guest → guest, 6 callers**, by the clock at least: 2 serve, trusted 5× / 3.5× / 3×, ")
}

func TestTables(t *testing.T) {
	t.Parallel()
	var calls latency.Counts
	calls.Add(2 * time.Millisecond)
	theirs := []result{{clock: 100, cpu: 8000}, {clock: 9000, cpu: 1}, {clock: 10000, cpu: 9000, calls: calls}}
	ours := []result{{clock: 200000, cpu: 1, calls: calls}, {clock: 4500, cpu: 2000}, {clock: 100, cpu: 3000}}
	g := group{callers: 100, sides: []side{{name: "theirs"}, {name: "ours", against: "theirs", bounds: []float64{2, 3, 1}}}}
	for range payloads {
		g.results = append(g.results, [][]result{theirs, ours})
	}
	text := (&bench{groups: []group{g}}).tables(3, 0)
	require.Contains(t, text, "by the clock at least: ours 2× / 3× / 1×\n")
	require.Contains(t, text, "| calls a second | theirs | ours | × |\n|---|--:|--:|--:|\n"+
		"| 16 B | 111111 | 222222 | 2.00× |\n| 1 KiB | 111111 | 222222 | **2.00×** |\n")
	require.Contains(t, text, "| µs of processors | theirs | ours | × |\n|---|--:|--:|--:|\n| 16 B | 8.0 | 2.0 | 3.00× |\n")
	require.Contains(t, text, "| ms for a call: median / p99 / longest | theirs | ours |\n|---|--:|--:|\n| 16 B | 2 / 2 / 2 | 2 / 2 / 2 |\n")
}

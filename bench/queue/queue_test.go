package main

import (
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/internal/guesttest"
)

// TestBench has every side do one of the works once, in a turn that
// takes no time.
func TestBench(t *testing.T) {
	t.Parallel()
	b, err := newBench(t.Context(), t.TempDir(), guesttest.CacheDir(t), io.Discard)
	require.NoError(t, err)
	b.works = []work{{cycle: true, clients: 2, payload: 100}}
	require.NoError(t, b.measure(t.Context(), plan{rounds: 1, turns: 1}))
	for i, side := range b.sides {
		require.Positive(t, b.rate(0, i), side.name)
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	b := &bench{
		works: []work{{true, 8, 10 << 10}},
		sides: []side{{name: "theirs"}, {name: "ours", least: 1}},
		rates: [][][]float64{{{100, 10, 10}, {200, 20, 5}}},
		cpu:   [][][]time.Duration{{{2e6}, {1e6}}},
	}
	b.syncs = append(b.syncs, 1500)
	require.Contains(t, b.table(plan{}), "|  | clients | payload | theirs | ours | |\n|---|--:|--:|--:|--:|--:|\n"+
		"| send, receive, done | 8 | 10 KiB | 10 | 20 | 2.00× |\n")
	require.Contains(t, b.table(plan{}), "|  | clients | payload | theirs | ours |\n|---|--:|--:|--:|--:|\n"+
		"| send, receive, done | 8 | 10 KiB | 2000 | 1000 |\n")
	b.sides[1].least = 3
	require.Contains(t, b.table(plan{}), "| 20 | **2.00×** |\n")
}

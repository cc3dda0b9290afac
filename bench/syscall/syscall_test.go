package main

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/bench/syscall/echo"
	"github.com/iansmith/parigot/internal/guesttest"
)

// TestBench has every side do some of the works once: a round of the benchmark that
// takes no time.
func TestBench(t *testing.T) {
	t.Parallel()
	b, err := newBench(t.Context(), t.TempDir(), guesttest.CacheDir(t), 4, io.Discard)
	require.NoError(t, err)
	defer func() { require.NoError(t, b.close(t.Context())) }()
	b.works = []echo.Work{{Callers: 1, Payload: 16}, {Callers: 4, Payload: 64 << 10}}
	require.NoError(t, b.measure(t.Context(), 1, 0))
	require.Len(t, b.sides, 5)
	for i := range b.works {
		for j, s := range b.sides {
			require.Positive(t, b.results[i][j][0].clock, s.name)
		}
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	b := &bench{
		works:   []echo.Work{{Callers: 100, Payload: 64 << 10}},
		sides:   []side{{name: "theirs"}, {name: "ours"}},
		results: [][][]result{{{{100, 8000}, {9000, 1}, {10000, 9000}}, {{200000, 1}, {4500, 2000}, {100, 3000}}}},
	}
	text := b.table(3, 0)
	require.Contains(t, text, "| callers | payload | theirs | ours | |\n|--:|--:|--:|--:|--:|\n"+
		"| 100 | 64 KiB | 9.0 | 4.5 | 0.50× |\n")
	require.Contains(t, text, "| 100 | 64 KiB | 8.0 | 2.0 | 0.25× |\n")
}

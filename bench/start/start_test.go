package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRound builds both programs, here of the same version, and has them measure once.
func TestRound(t *testing.T) {
	t.Chdir("..")
	p, err := build(t.Context(), t.TempDir(), "HEAD")
	require.NoError(t, err)
	base, here, err := p.round(t.Context(), true)
	require.NoError(t, err)
	for _, row := range rows {
		require.Positive(t, row.of(base), row.name)
		require.Positive(t, row.of(here), row.name)
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	text := table("trusted", "6b5eaaa", []figures{{Cold: 2e9, Warm: 2e8, Start: 1e7, Heap: 3e6}}, []figures{{Cold: 1e9, Warm: 1e8, Start: 5e6, Heap: 1.5e6}})
	require.Contains(t, text, "| cold compile | 2000.00 ms | 1000.00 ms | 0.50 (")
	require.Contains(t, text, "| host heap of an idle instance | 3.00 MB | 1.50 MB | 0.50 (")
}

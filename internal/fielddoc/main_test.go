package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestFresh: docs/runner.md is what the schema says.
func TestFresh(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../" + doc)
	require.NoError(t, err)
	want, err := replace("../..", string(text))
	require.NoError(t, err)
	require.Equal(t, want, string(text), "stale: run make generate")
}

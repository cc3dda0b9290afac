package block

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestInsertKeepsTheRestOfTheFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "benchmarks.md")
	start, end := markers("mine")
	above, below := "above\n<!-- other: start -->\nother\n<!-- other: end -->\n", "below\n"
	require.NoError(t, os.WriteFile(file, []byte(above+start+end+below), 0o600))
	for _, text := range []string{"first\n", "second\n"} {
		require.NoError(t, Insert(file, "mine", text))
		got, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, above+start+text+end+below, string(got))
	}
	require.ErrorContains(t, Insert(file, "missing", "third\n"), "has no markers")
	require.ErrorIs(t, Insert(file+"x", "mine", "third\n"), os.ErrNotExist)
}

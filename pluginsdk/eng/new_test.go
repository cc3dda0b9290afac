package eng_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/status"
)

func TestNewWithoutACacheDirectory(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := eng.New(t.Context(), eng.WithCacheDir(file))
	require.ErrorIs(t, err, status.Of(status.FailedPrecondition))
	require.ErrorContains(t, err, file)
}

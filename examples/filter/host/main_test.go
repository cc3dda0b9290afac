package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/pluginsdk/plugintest"
)

func TestRun(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "shout.wasm")
	require.NoError(t, os.WriteFile(file, plugintest.Build(t, "../guest/shout", "-buildmode=c-shared"), 0o600))
	var out strings.Builder
	require.NoError(t, run(t.Context(), []string{file}, strings.NewReader("one\ntwo\n"), &out))
	require.Equal(t, "ONE\nTWO\n", out.String())
	require.Error(t, run(t.Context(), []string{"missing.wasm"}, strings.NewReader(""), &out))
}

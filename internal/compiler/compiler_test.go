package compiler

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	Main()
	os.Exit(m.Run())
}

// small is a module with a function that does nothing.
const small = "\x00asm\x01\x00\x00\x00\x01\x04\x01\x60\x00\x00\x03\x02\x01\x00\x0a\x04\x01\x02\x00\x0b"

// TestRun: another process compiles a module, and an error says what it printed.
func TestRun(t *testing.T) {
	t.Parallel()
	require.True(t, Available())
	for name, c := range map[string]struct{ module, want string }{
		"small":   {small, ""},
		"invalid": {"no module", "invalid magic number"},
		"cut":     {small[:len(small)-1], "section code"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, ModuleFile), []byte(c.module), 0o600))
			err := Run(t.Context(), dir, 2)
			files, globErr := filepath.Glob(filepath.Join(dir, "*", "*"))
			require.NoError(t, globErr)
			if c.want != "" {
				require.ErrorContains(t, err, c.want)
				require.Empty(t, files)
				return
			}
			require.NoError(t, err)
			require.Len(t, files, 1)
		})
	}
}

// TestRunEnds: the process ends with the context.
func TestRunEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, Run(ctx, t.TempDir(), 2), context.Canceled)
	require.ErrorContains(t, Run(t.Context(), t.TempDir(), 2), ModuleFile, "there is none")
}

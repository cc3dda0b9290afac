package runner

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/internal/version"
)

// parigot runs the command line with args.
func parigot(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(context.Background(), args, &out, &errs)
	return code, out.String(), errs.String()
}

// TestUsage: what is wrong with a command line has the code 2, and points to the help.
func TestUsage(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--nonsense"}} {
		code, stdout, stderr := parigot(t, args...)
		require.Equal(t, exitUsage, code, args)
		require.Empty(t, stdout, args)
		require.Contains(t, stderr, "nonsense", args)
		require.Contains(t, stderr, "--help' for how to use it", args)
	}
}

// TestVersion: a test program knows neither version nor commit, and says so.
func TestVersion(t *testing.T) {
	t.Parallel()
	for _, arg := range []string{"--version", "version"} {
		code, stdout, stderr := parigot(t, arg)
		require.Equal(t, exitOK, code)
		require.Empty(t, stderr)
		require.Equal(t, filepath.Base(os.Args[0])+" "+version.Unknown+"\n", stdout)
	}
}

// TestStopped: a command that a signal stopped ends as shells expect it.
func TestStopped(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(signalError{syscall.SIGTERM})
	var out, errs bytes.Buffer
	require.Equal(t, 143, run(ctx, []string{"guest", "build", "-o", t.TempDir() + "/x.wasm", "."}, &out, &errs), errs.String())
}

//go:build unix

package runner

import (
	"context"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
)

// TestSignalEndsWhatHangs: the first signal ends a command that is in something that nobody can
// interrupt: the Init of a plugin, or the read of a pipe.
func TestSignalEndsWhatHangs(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	pluginsdk.Register("hangs", pluginsdk.InitFunc(func(context.Context, eng.Engine) bool {
		close(entered)
		<-release
		return true
	}))
	r := startRun(t, `
plugins: [{name: hangs}]
guests: [{name: main, wasm: guest.wasm, main: true, grants: [syscall.v1.Syscall]}]
`, map[string]string{"guest.wasm": testGuest})
	<-entered
	r.stop(signalError{syscall.SIGTERM})
	code, log := r.ended()
	require.Equal(t, 143, code, log)
	require.Contains(t, log, "plugin hangs: it does not stop, and is abandoned: stopped by a signal: terminated")

	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	ctx, stop := context.WithCancelCause(t.Context())
	stop(signalError{syscall.SIGINT})
	stderr := &watchedLog{changed: make(chan struct{})}
	require.Equal(t, 130, run(ctx, []string{"inspect", pipe}, stderr, stderr))
	text, _ := stderr.read()
	require.Contains(t, text, "stopped by a signal: interrupt: what has not stopped after 2s is abandoned")
}

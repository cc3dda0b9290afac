//go:build unix

package runner

import (
	"context"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/internal/guesttest"
	"github.com/iansmith/parigot/internal/wasm"
)

// TestSignalEndsWhatHangs: the first signal ends a command that is in something that nobody can
// interrupt: the Init of a plugin, or the read of a pipe.
func TestSignalEndsWhatHangs(t *testing.T) {
	t.Parallel()
	defer close(hangs.release)
	r := startRun(t, `
plugins: [{name: hangs}]
guests: [{name: main, wasm: guest.wasm, main: true, grants: [syscall.v1.Syscall]}]
`, map[string]string{"guest.wasm": testGuest})
	<-hangs.entered
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

// TestRunEndsWhileAFileCompiles: with --watch, neither the end of the main guest nor a signal
// waits for the compilation of a file that has changed.
func TestRunEndsWhileAFileCompiles(t *testing.T) {
	t.Parallel()
	for _, signal := range []bool{false, true} {
		r := startRun(t, greetings+`
  - name: caller
    wasm: guest.wasm
    main: true
    args: [beside]
    mounts: [{host: shared, guest: /shared}]
    grants: [syscall.v1.Syscall, greeting.v1.Greeting]
`, map[string]string{"greeting.wasm": greetingGuest, "guest.wasm": testGuest}, "--watch")
		r.await("a hundred answers were right", 1)
		// Not in the cache, so it takes seconds.
		r.write("greeting.wasm", wasm.AppendCustom(guesttest.Build(t, greetingGuest), "new", []byte(t.TempDir())))
		r.await("the guest's file has changed", 1)
		want := exitOK
		if signal {
			want = 143
			r.stop(signalError{syscall.SIGTERM})
		} else {
			r.write("shared/stop", nil)
		}
		code, log := r.ended()
		require.Equal(t, want, code, log)
		require.NotContains(t, log, "abandoned")
		require.NotContains(t, log, "has taken the place")
	}
}

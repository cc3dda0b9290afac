package runner

import (
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestRunWithStuckLog: time_limit holds for a guest that logs without end, and the run ends,
// when nobody reads the log.
func TestRunWithStuckLog(t *testing.T) {
	t.Parallel()
	r := newRun(t, `
plugins: [{name: syscall}]
guests:
  - {name: main, wasm: guest.wasm, main: true, args: [flood], time_limit: 500ms, grants: [syscall.v1.Syscall]}
`, map[string]string{"guest.wasm": testGuest})
	reader, stderr := io.Pipe()
	go func() {
		r.code <- run(t.Context(), []string{"run", filepath.Join(r.dir, "parigot.yaml")}, io.Discard, stderr)
	}()
	select {
	case code := <-r.code:
		require.Equal(t, exitFailed, code)
	case <-time.After(2 * time.Minute):
		require.FailNow(t, "the run waits for a reader of its log")
	}
	require.NoError(t, reader.Close()) // ends the goroutine of the log
}

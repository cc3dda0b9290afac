package runner

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRunBeside: the limit of restarts of a guest that is not the main one ends the run, too, and
// its exit code is not that of the run.
func TestRunBeside(t *testing.T) {
	t.Parallel()
	r := startRun(t, `
plugins: [{name: syscall}]
guests:
  - {name: main, wasm: guest.wasm, main: true, args: [spin], grants: [syscall.v1.Syscall]}
  - name: beside
    wasm: guest.wasm
    args: [exit, "7"]
    grants: [syscall.v1.Syscall]
    restart: {policy: always, backoff: 1ms, limit: 1}
`, map[string]string{"guest.wasm": testGuest})
	code, log := r.ended()
	require.Equal(t, exitFailed, code, log)
	require.Regexp(t, "guest beside: .*it ended after 1 restarts in a row, which is the limit: exit code 7\n$", log)
}

// TestRunLimits: guests that spin, recurse and grow are stopped at their limits, the log says
// which, and all calls of a neighbour are right meanwhile.
func TestRunLimits(t *testing.T) {
	t.Parallel()
	r := startRun(t, greetings+`
  - name: beside
    wasm: guest.wasm
    main: true
    args: [beside]
    mounts: [{host: shared, guest: /shared}]
    grants: [syscall.v1.Syscall, greeting.v1.Greeting]
  - {name: spin, wasm: guest.wasm, args: [spin], time_limit: 500ms, grants: [syscall.v1.Syscall]}
  - {name: recurse, wasm: guest.wasm, args: [recurse], grants: [syscall.v1.Syscall]}
  - {name: grow, wasm: guest.wasm, args: [grow], grants: [syscall.v1.Syscall]}
`, map[string]string{"greeting.wasm": greetingGuest, "guest.wasm": testGuest})
	r.await("a hundred answers were right", 1)
	for _, text := range []string{
		`ERROR spin: the guest ended why="stopped: it ran for longer than its time_limit, which is 500ms"`,
		"ERROR recurse: the guest ended why=",
		"ERROR grow: the guest ended why=",
	} {
		r.await(text, 1)
	}
	r.write("shared/stop", nil)
	code, log := r.ended()
	require.Equal(t, exitOK, code, log)
	require.Regexp(t, `recurse: the guest ended why=".*RESOURCE_EXHAUSTED: .*its stack is larger than its stack_limit`, log)
	require.Regexp(t, `grow: the guest ended why="exit code 2: fatal error: .*out of memory.* its memory_limit is 256 MiB"`, log)
	require.Regexp(t, `all of \d+ answers were right`, log)
}

// TestRunLimitOfMain: the last line says which limit of the main guest ended the run, once and
// without what the engine saw of it.
func TestRunLimitOfMain(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"[spin], time_limit: 500ms":   "guest main: DEADLINE_EXCEEDED: stopped: it ran for longer than its time_limit, which is 500ms",
		"[recurse], stack_limit: 1Mi": `guest main: run guest "main": RESOURCE_EXHAUSTED: the guest stopped: its stack is larger than its stack_limit, which is 1 MiB: its functions call each other too deep`,
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			r := startRun(t, `
plugins: [{name: syscall}]
guests: [{name: main, wasm: guest.wasm, main: true, grants: [syscall.v1.Syscall], args: `+args+`}]
`, map[string]string{"guest.wasm": testGuest})
			code, log := r.ended()
			require.Equal(t, exitFailed, code, log)
			require.True(t, strings.HasSuffix(log, ": "+want+"\n"), log)
			require.NotContains(t, log, "stack trace")
		})
	}
}

// TestRunDiskLimit: instances that are started again fill the disk no further than one.
func TestRunDiskLimit(t *testing.T) {
	t.Parallel()
	r := startRun(t, `
plugins: [{name: syscall}]
guests:
  - name: fill
    wasm: guest.wasm
    args: [fill]
    restart: {policy: always, backoff: 1ms, limit: 4}
    disk_limit: 1Mi
    mounts: [{host: shared, guest: /shared, writable: true}]
    grants: [syscall.v1.Syscall]
`, map[string]string{"guest.wasm": testGuest})
	_, log := r.ended()
	require.Contains(t, log, "fill: the guest ended")
	files, err := os.ReadDir(filepath.Join(r.dir, "shared"))
	require.NoError(t, err)
	var sum int64
	for _, f := range files {
		info, err := f.Info()
		require.NoError(t, err)
		sum += info.Size()
	}
	require.EqualValues(t, 600_000, sum)
}

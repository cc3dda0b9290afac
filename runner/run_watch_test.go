package runner

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/internal/guesttest"
)

// TestRunWatch: while a guest calls all the time, the one that serves it is replaced by a
// broken one, which is not taken, and by one that works, and no call fails.
func TestRunWatch(t *testing.T) {
	t.Parallel()
	r := startRun(t, `
plugins: [{name: syscall}]
guests:
  - {name: greeting, wasm: greeting.wasm, args: [serve], replicas: 2, serves: [greeting.v1.Greeting], grants: [syscall.v1.Syscall]}
  - {name: caller, wasm: guest.wasm, main: true, args: [until, two], grants: [syscall.v1.Syscall, greeting.v1.Greeting]}
`, map[string]string{"greeting.wasm": greetingGuest, "guest.wasm": testGuest}, "--watch")
	r.await("a hundred answers were right", 1)
	r.write("greeting.wasm", []byte("no wasm"))
	r.await("the guest's new file is not taken, what ran before goes on", 1)
	r.write("greeting.wasm", guesttest.Build(t, testGuest))
	r.await("greeting: ends\n", 2)
	code, log := r.ended()
	require.Equal(t, exitOK, code, log)
	require.Contains(t, log, "greeting: the new guest has taken the place of the old\n")
	require.NotContains(t, log, "did not end in time")
}

// TestRunWatchHeld: a call that is under way while the guest that serves it is replaced ends on
// the old instance; calls that come meanwhile go to the new one.
func TestRunWatchHeld(t *testing.T) {
	t.Parallel()
	r := startRun(t, serverOfHeld+`
  - {name: caller, wasm: guest.wasm, main: true, args: [held], grants: [syscall.v1.Syscall, greeting.v1.Greeting]}
`, map[string]string{"server.wasm": testGuest, "guest.wasm": testGuest}, "--watch")
	r.await("a call is held", 1)
	r.write("server.wasm", guesttest.Build(t, greetingGuest))
	r.await("another instance answers", 1)
	log, _ := r.stderr.read()
	require.NotContains(t, log, "the held call")
	r.write("shared/release", nil)
	code, log := r.ended()
	require.Equal(t, exitOK, code, log)
	require.Contains(t, log, `caller | the held call got "two"`)
	require.NotContains(t, log, "did not end in time")
}

// serverOfHeld serves a call that does not end before there is a file shared/release.
const serverOfHeld = `
plugins: [{name: syscall}]
guests:
  - name: server
    wasm: server.wasm
    args: [serve]
    mounts: [{host: shared, guest: /shared}]
    serves: [greeting.v1.Greeting]
    grants: [syscall.v1.Syscall]
`

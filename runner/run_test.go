package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/internal/guesttest"
)

// runTest is a run of a deployment in a folder of its own.
type runTest struct {
	t      *testing.T
	dir    string
	stop   context.CancelCauseFunc
	stdout bytes.Buffer
	stderr *watchedLog
	code   chan int
}

// watchedLog keeps a log, and tells who waits for something in it.
type watchedLog struct {
	mu      sync.Mutex
	text    strings.Builder
	changed chan struct{} // closed with the next Write
}

func (l *watchedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.changed)
	l.changed = make(chan struct{})
	return l.text.Write(p)
}

func (l *watchedLog) read() (string, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String(), l.changed
}

// newRun writes a deployment, with the guests that it names by their folders in files.
func newRun(t *testing.T, deployment string, files map[string]string) *runTest {
	t.Helper()
	r := &runTest{t: t, dir: t.TempDir(), stderr: &watchedLog{changed: make(chan struct{})}, code: make(chan int, 1)}
	for name, folder := range files {
		r.write(name, guesttest.Build(t, folder))
	}
	require.NoError(t, os.Mkdir(filepath.Join(r.dir, "shared"), 0o700))
	r.write("parigot.yaml", []byte("engine: {cache_dir: "+guesttest.CacheDir(t)+", grace_period: 60s}\n"+deployment))
	return r
}

// startRun runs a deployment in this process.
func startRun(t *testing.T, deployment string, files map[string]string, flags ...string) *runTest {
	t.Helper()
	r := newRun(t, deployment, files)
	ctx, stop := context.WithCancelCause(context.Background())
	r.stop = stop
	t.Cleanup(func() { stop(context.Canceled) })
	args := append([]string{"run", "--log-format", "text", filepath.Join(r.dir, "parigot.yaml")}, flags...)
	go func() { r.code <- run(ctx, args, &r.stdout, r.stderr) }()
	return r
}

// write replaces a file, as the builders of guests do.
func (r *runTest) write(name string, content []byte) {
	r.t.Helper()
	require.NoError(r.t, replaceFile(filepath.Join(r.dir, name), content))
}

// await waits until the log has text so many times.
func (r *runTest) await(text string, times int) {
	r.t.Helper()
	for {
		log, changed := r.stderr.read()
		if strings.Count(log, text) >= times {
			return
		}
		select {
		case <-changed:
		case code := <-r.code:
			log, _ := r.stderr.read()
			require.FailNow(r.t, "the run ended", "with %d, before %q was in the log:\n%s", code, text, log)
		}
	}
}

// ended returns the exit code and the log.
func (r *runTest) ended() (int, string) {
	code := <-r.code
	log, _ := r.stderr.read()
	return code, log
}

const (
	greetingGuest = "../examples/syscall/guest/greeting"
	helloGuest    = "../examples/syscall/guest/hello"
	testGuest     = "testdata/guest"
)

const greetings = `
plugins: [{name: syscall}]
guests:
  - {name: greeting, wasm: greeting.wasm, replicas: 2, serves: [greeting.v1.Greeting], grants: [syscall.v1.Syscall]}
`

// TestRunStops: a signal ends those who serve in good order, callers before them, and the
// exit code tells of it.
func TestRunStops(t *testing.T) {
	t.Parallel()
	r := startRun(t, greetings+`
  - {name: caller, wasm: guest.wasm, args: [beside], grants: [syscall.v1.Syscall, greeting.v1.Greeting]}
`, map[string]string{"greeting.wasm": greetingGuest, "guest.wasm": testGuest})
	r.await("greeting: serves", 2)
	r.await("a hundred answers were right", 1)
	r.stop(signalError{syscall.SIGTERM})
	code, log := r.ended()
	require.Equal(t, 143, code, log)
	for _, name := range []string{"greeting-1", "greeting-2"} {
		require.Contains(t, log, name+" |   greeting: ends\n")
		require.Contains(t, log, name+": the guest ended why=\"exit code 0\" ran=")
	}
	require.Contains(t, log, "stopped by a signal: terminated")
	require.Regexp(t, `greeting: compiling .* file=greeting.wasm size="\d\.\d MB"\n.* greeting: compiled took=\d`, log)
	require.NotContains(t, log, " WARN ")
	require.NotContains(t, log, " ERROR ")
}

// TestRunMain: the run ends with the main guest, with its exit code and its restarts.
func TestRunMain(t *testing.T) {
	t.Parallel()
	r := startRun(t, greetings+`
  - name: main
    wasm: guest.wasm
    main: true
    args: [exit, "7"]
    grants: [syscall.v1.Syscall]
    restart: {policy: on_failure, backoff: 1ms, limit: 2}
`, map[string]string{"greeting.wasm": greetingGuest, "guest.wasm": testGuest})
	code, log := r.ended()
	require.Equal(t, 7, code, log)
	require.Equal(t, 3, strings.Count(log, "main | no end of this line\n"), log)
	require.Contains(t, log, "restart=2 of=2")
	require.Regexp(t, "guest main: .*it ended after 2 restarts in a row, which is the limit: exit code 7\n$", log)
	require.NotContains(t, log, " WARN ")
}

// TestRunHarmless: what a guest says last is harmless in the log, and where the run says why it ended.
func TestRunHarmless(t *testing.T) {
	t.Parallel()
	r := startRun(t, `
plugins: [{name: syscall}]
guests:
  - name: main
    wasm: guest.wasm
    main: true
    args: [fail, "panic: \e[2J\rparigot: forged"]
    grants: [syscall.v1.Syscall]
    restart: {policy: on_failure, backoff: 1ms, limit: 1}
`, map[string]string{"guest.wasm": testGuest})
	code, log := r.ended()
	require.Equal(t, 2, code, log)
	require.NotContains(t, log, "\x1b")
	require.NotContains(t, log, "\r")
	require.Regexp(t, `\nparigot: guest main: .*which is the limit: exit code 2: panic: \\x1b\[2J\\rparigot: forged\n$`, log)
}

// TestRunRaw: with --raw, standard output is what the main guest wrote, and nothing else. The
// log is JSON when it does not go to a terminal.
func TestRunRaw(t *testing.T) {
	t.Parallel()
	r := startRun(t, greetings+`
  - {name: hello, wasm: hello.wasm, main: true, grants: [syscall.v1.Syscall, greeting.v1.Greeting]}
`, map[string]string{"greeting.wasm": greetingGuest, "hello.wasm": helloGuest}, "--raw", "--log-format", "auto")
	code, log := r.ended()
	require.Equal(t, exitOK, code, log)
	require.True(t, strings.HasPrefix(r.stdout.String(), "  hello: asks for greetings"), r.stdout.String())
	require.NotContains(t, r.stdout.String(), "greeting: serves")
	d := json.NewDecoder(strings.NewReader(log))
	lines := 0
	for {
		var record struct{ Msg, Guest string }
		err := d.Decode(&record)
		if err == io.EOF {
			break
		}
		require.NoError(t, err, log)
		if record.Msg == "  greeting: serves" {
			lines++
			require.Contains(t, []string{"greeting-1", "greeting-2"}, record.Guest)
		}
	}
	require.Positive(t, lines, "of the instances, one may come too late to serve\n"+log)
}

// TestRunWrong: nothing starts when there is something to find.
func TestRunWrong(t *testing.T) {
	t.Parallel()
	r := startRun(t, greetings+`
  - {name: main, wasm: none.wasm, main: true}
`, map[string]string{"greeting.wasm": greetingGuest})
	code, log := r.ended()
	require.Equal(t, exitFailed, code, log)
	require.NotContains(t, log, "serves")
	require.Regexp(t, `\n\S*parigot.yaml:\d+:\d+: guests\[1\]\.wasm: there is no file \S*none.wasm\n$`, log)
	for _, flag := range []string{"--log-format=xml", "--log-level=loud"} {
		code, _, stderr := parigot(t, "run", flag, filepath.Join(r.dir, "parigot.yaml"))
		require.Equal(t, exitUsage, code, stderr)
		require.Contains(t, stderr, "want ")
	}
}

// start runs the deployment by a program. The exit code is -1 when a signal ends it.
func (r *runTest) start(program string) *exec.Cmd {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), program, "run", "--log-format", "text", filepath.Join(r.dir, "parigot.yaml"))
	r.stderr = &watchedLog{changed: make(chan struct{})}
	cmd.Stderr = r.stderr
	require.NoError(r.t, cmd.Start())
	go func() {
		_ = cmd.Wait() // the code says it
		r.code <- cmd.ProcessState.ExitCode()
	}()
	return cmd
}

// TestRunProgram: the real program, ended by real signals: in good order by the first, and at
// once by the second.
func TestRunProgram(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "parigot")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../cmd/parigot").CombinedOutput()
	require.NoError(t, err, string(out))
	r := startRun(t, greetings, map[string]string{"greeting.wasm": greetingGuest})
	r.stop(signalError{syscall.SIGINT})
	code, log := r.ended()
	require.Equal(t, 130, code, log)
	for signal, want := range map[syscall.Signal]int{syscall.SIGTERM: 143, syscall.SIGINT: 130} {
		cmd := r.start(program)
		r.await("greeting: serves\n", 2)
		require.NoError(t, cmd.Process.Signal(signal))
		code, log := r.ended()
		require.Equal(t, want, code, log)
		require.Equal(t, 2, strings.Count(log, "greeting: ends\n"), log)
	}

	r = newRun(t, serverOfHeld+`
  - {name: caller, wasm: guest.wasm, args: [held], grants: [syscall.v1.Syscall, greeting.v1.Greeting]}
`, map[string]string{"server.wasm": testGuest, "guest.wasm": testGuest})
	cmd := r.start(program)
	r.await("a call is held", 1)
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	r.await(`the run is stopped why="stopped by a signal: terminated" grace_period=1m0s`, 1)
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	code, log = r.ended()
	require.Equal(t, -1, code, log)
	require.NotContains(t, log, "did not end in time")
}

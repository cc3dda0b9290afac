//go:build !wasip1

package syscall

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/durationpb"

	kerneltestv1 "github.com/iansmith/parigot/examples/syscall/testdata/gen/kerneltest/v1"
	"github.com/iansmith/parigot/examples/syscall/testdata/gen/kerneltest/v1/kerneltestv1parigot"
	"github.com/iansmith/parigot/internal/guesttest"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/future"
	"github.com/iansmith/parigot/pluginsdk/status"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

// These tests run guests that stand on the generated code and its runtime, which is
// pluginsdk/guest/kernel.

type serveBundle struct {
	*hostBundle
}

func setupServe(t *testing.T, opts ...pluginsdk.StartOption) *serveBundle {
	t.Helper()
	return setupServeWith(t, ParigotInitialize, opts...)
}

// setupServeWith starts the plugin as it is placed.
func setupServeWith(t *testing.T, plugin pluginsdk.ParigotInit, opts ...pluginsdk.StartOption) *serveBundle {
	t.Helper()
	b := &serveBundle{&hostBundle{t: t, host: newHost(t), wasm: guesttest.Build(t, "testdata/servingguest")}}
	require.NoError(t, pluginsdk.Start(t.Context(), b.host, plugin, opts...))
	return b
}

// running is a guest that runs.
type running struct {
	t      *testing.T
	lines  chan string // its output
	in     io.WriteCloser
	stderr bytes.Buffer // until it has ended
	done   chan ending
}

// start runs a guest.
func (b *serveBundle) start(ctx context.Context, name string, args ...string) *running {
	b.t.Helper()
	guest := b.compile(name)
	stdout, out := io.Pipe()
	in, stdin := io.Pipe()
	r := &running{t: b.t, lines: make(chan string, 1000), in: stdin, done: make(chan ending, 1)}
	b.t.Cleanup(func() { _, _ = stdin.Close(), stdout.Close() }) // never fail
	go func() {                                                  // a guest that writes waits for who reads
		defer close(r.lines)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			r.lines <- lines.Text()
		}
	}()
	go func() {
		code, err := guest.Run(ctx, eng.WithArgs(args...), eng.WithStdin(in), eng.WithStdout(out), eng.WithStderr(&r.stderr))
		_ = out.Close() // never fails
		r.done <- ending{code, err}
	}()
	return r
}

// line returns the next line that the guest prints.
func (r *running) line() string {
	r.t.Helper()
	text, ok := <-r.lines
	require.True(r.t, ok, "the guest prints no more")
	return text
}

// serving runs a guest that serves, and returns when it does.
func (b *serveBundle) serving(ctx context.Context, args ...string) *running {
	b.t.Helper()
	r := b.start(ctx, args[0], args...)
	require.Equal(b.t, "serving", r.line())
	return r
}

// asking runs a guest that calls as ask tells it.
func (b *serveBundle) asking() *running { return b.start(b.t.Context(), "client", "ask") }

func (r *running) ask(line string) string {
	r.t.Helper()
	_, err := io.WriteString(r.in, line+"\n")
	require.NoError(r.t, err)
	return r.line()
}

// requireEnd wants the guest to end with an exit code.
func (r *running) requireEnd(code uint32) {
	r.t.Helper()
	require.Equal(r.t, ending{code: code}, <-r.done, r.stderr.String())
}

// TestWhatCallersGet: the ending of a call is what a plugin's would be.
func TestWhatCallersGet(t *testing.T) {
	t.Parallel()
	b := setupServe(t)
	worker, client := b.serving(t.Context(), "worker"), b.asking()
	for _, c := range []struct{ line, want string }{
		{"do echo hi", "hi"},
		{"do echo", ""},
		{"do nothing", ""},
		{"do caller", "client"},
		{"do metadata traceparent", ""},
		{"do deadline", "false false"},
		{"hour deadline", "true true"},
		{"hurry deadline", "true true"},
		{"do own", "WORKER_ERR_AS_ASKED: here you are"},
		{"do canonical", "NOT_FOUND: nothing there"},
		{"do size 1048576", "1048576 bytes"},
		{"do size 16777216", "RESOURCE_EXHAUSTED: the result has 16777221 bytes, the host takes 16777216"},
		{"do long", "WORKER_ERR_AS_ASKED"},
		{"do echo \xff", "INVALID_ARGUMENT: encode the request: string field contains invalid UTF-8"},
		{"do echo goes on", "goes on"},
	} {
		require.Equal(t, c.want, client.ask(c.line), c.line)
	}
	require.Empty(t, b.run("third", "exit", "0"))
	worker.requireEnd(0)
	require.Empty(t, worker.stderr.String())
}

// TestHandlersThatFail: the caller gets an incident, the guest's standard error what
// happened, and the guest goes on.
func TestHandlersThatFail(t *testing.T) {
	t.Parallel()
	b := setupServe(t)
	worker, client := b.serving(t.Context(), "worker"), b.asking()
	var incidents []string
	for _, how := range []string{"secret", "panic", "null", "goexit"} {
		got := client.ask("do " + how)
		incident, ok := strings.CutPrefix(got, "INTERNAL: kerneltest.v1.Worker.Do: internal error, incident ")
		require.True(t, ok, got)
		incidents = append(incidents, incident)
	}
	require.Equal(t, "still here", client.ask("do echo still here"))
	require.Empty(t, b.run("third", "exit", "0"))
	worker.requireEnd(0)
	log := worker.stderr.String()
	for i, want := range []string{"a secret of the worker\n", "panic: a secret of the worker\ngoroutine ", "panic: runtime error: invalid memory address", "the handler ended its goroutine\n"} {
		require.Contains(t, log, "parigot: incident "+incidents[i]+": kerneltest.v1.Worker.Do, called by client: "+want)
	}
}

// TestManyCallsAtOnce: each call is served on a goroutine of its own: none ends
// before all are there.
func TestManyCallsAtOnce(t *testing.T) {
	t.Parallel()
	b := setupServe(t)
	b.serving(t.Context(), "worker")
	require.Equal(t, "map[100:100]\n", b.run("client", "ask", "many meet 100"))
}

func TestReplicasShareCalls(t *testing.T) {
	t.Parallel()
	b := setupServe(t)
	one, two := b.serving(t.Context(), "worker", "one"), b.serving(t.Context(), "worker", "two")
	require.Equal(t, "map[one:50 two:50]\n", b.run("client", "ask", "many name 100"))
	b.run("client", "exit", "0")
	one.requireEnd(0)
	two.requireEnd(0)
}

// TestCallsEndWithTheirCallers: the context of who serves ends with the deadline and
// the context of who calls, also through another guest.
func TestCallsEndWithTheirCallers(t *testing.T) {
	t.Parallel()
	b := setupServe(t)
	worker := b.serving(t.Context(), "worker")
	relay := b.serving(t.Context(), "relay")
	client := b.asking()
	require.Contains(t, client.ask("within block"), "DEADLINE_EXCEEDED: the deadline ")
	require.Equal(t, "DEADLINE_EXCEEDED: the deadline passed", client.ask("hurry block"), "the budget of the method")
	n, err := strconv.Atoi(client.ask("do settle")) // the first one may not have got there
	require.NoError(t, err)

	require.Equal(t, fmt.Sprint(n+1, " CANCELLED: the call was cancelled"), client.ask(fmt.Sprint("cancel wait blocked ", n+1)))
	require.Equal(t, strconv.Itoa(n+1), client.ask("do settle"))
	require.Equal(t, fmt.Sprint(n+2, " CANCELLED: the future was cancelled"), client.ask(fmt.Sprint("forget wait blocked ", n+2)))
	require.Equal(t, strconv.Itoa(n+2), client.ask("do settle"))

	ctx, stop := context.WithCancel(t.Context())
	gone := b.start(ctx, "gone", "ask", "relay block")
	require.Equal(t, strconv.Itoa(n+3), client.ask(fmt.Sprint("do wait blocked ", n+3)))
	stop()
	requireStopped(t, <-gone.done, context.Canceled)
	require.Equal(t, strconv.Itoa(n+3), client.ask("do settle"))
	require.Empty(t, b.run("third", "exit", "0"))
	worker.requireEnd(0)
	relay.requireEnd(0)
}

// TestGuestThatServesAndCalls: what its caller sent goes on with the calls that it
// makes itself.
func TestGuestThatServesAndCalls(t *testing.T) {
	t.Parallel()
	b := setupServe(t)
	relay := b.start(t.Context(), "relay", "relay")
	worker := b.serving(t.Context(), "worker")
	require.Equal(t, "serving", relay.line(), "once its worker is there")
	client := b.asking()
	for _, c := range []struct{ line, want string }{
		{"relay echo hi", "relayed hi"},
		{"relay metadata traceparent", "relayed 00-abc"},
		{"relay caller", "relayed relay"},
		{"relay own", "WORKER_ERR_AS_ASKED: here you are"},
		{"relay canonical", "NOT_FOUND: nothing there"},
	} {
		require.Equal(t, c.want, client.ask(c.line), c.line)
	}
	require.Contains(t, client.ask("relay panic"), "INTERNAL: kerneltest.v1.Worker.Do: internal error, incident ")
	require.Empty(t, b.run("third", "exit", "0"))
	worker.requireEnd(0)
	relay.requireEnd(0)
}

// TestGuestWithSeveralServices serves two services, of which one calls the other.
func TestGuestWithSeveralServices(t *testing.T) {
	t.Parallel()
	b := setupServe(t)
	guest := b.serving(t.Context(), "both")
	require.Equal(t, "serving", guest.line())
	require.Equal(t, "relayed hi\nrelayed both\n", b.run("client", "ask", "relay echo hi", "relay caller"))
	require.Empty(t, b.run("third", "exit", "0"))
	guest.requireEnd(0)
}

// TestServerThatTraps: its callers hear of it at once, and what they found is good
// again when somebody else serves.
func TestServerThatTraps(t *testing.T) {
	t.Parallel()
	b := setupServe(t)
	for how, want := range map[string]ending{"die": {code: 3}, "trap": {err: status.Of(status.Aborted)}} {
		worker, client := b.serving(t.Context(), "worker"), b.asking()
		require.Equal(t, "UNAVAILABLE: the guest worker has ended: CallerUnavailable", client.ask("do "+how))
		got := <-worker.done
		require.Equal(t, want.code, got.code)
		require.ErrorIs(t, got.err, want.err)
		require.Equal(t, "UNAVAILABLE: nobody serves kerneltest.v1.Worker now: CallerUnavailable", client.ask("do echo hi"))

		ctx, stop := context.WithCancel(t.Context())
		again := b.serving(ctx, "worker")
		require.Equal(t, "hi", client.ask("do echo hi"), "without another Locate")
		stop()
		requireStopped(t, <-again.done, context.Canceled)
		require.Equal(t, "UNAVAILABLE: nobody serves kerneltest.v1.Worker now: CallerUnavailable", client.ask("do echo hi"))
	}
}

// TestExitCodes: who asks all to end sets the exit code of who serves.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	b := setupServe(t)
	one, two := b.serving(t.Context(), "worker"), b.start(t.Context(), "somebody else", "relay")
	require.Equal(t, "serving", two.line())
	require.Empty(t, b.run("client", "exit", "7"))
	one.requireEnd(7)
	two.requireEnd(7)

	var out bytes.Buffer
	code, err := b.compile("client").Run(t.Context(), eng.WithArgs("exit", "256"), eng.WithStdout(&out))
	require.NoError(t, err)
	require.EqualValues(t, 1, code)
	require.Equal(t, "ask all guests to end: ExitFailed: the exit code is 256, want one from 0 to 255\n", out.String())
}

// TestAllAreAskedToEnd: nothing new begins, and who serves ends with its last call.
func TestAllAreAskedToEnd(t *testing.T) {
	t.Parallel()
	b := setupServe(t)
	worker, client := b.serving(t.Context(), "worker"), b.asking()
	ctx, stop := context.WithCancel(t.Context())
	holder := b.start(ctx, "holder", "ask", "do block")
	require.Equal(t, "1", client.ask("do wait blocked 1"))
	require.Empty(t, b.run("third", "exit", "5"))
	require.Equal(t, "UNAVAILABLE: all guests were asked to end: AbortRequest", client.ask("do echo hi"))
	b.start(t.Context(), "late", "relay").requireEnd(0)
	stop()
	<-holder.done
	worker.requireEnd(5)
}

// TestServeThatFails: the guest is told why.
func TestServeThatFails(t *testing.T) {
	t.Parallel()
	b := setupServe(t, pluginsdk.WithConfig(&syscallpb.SyscallConfig{ExitGuests: []string{"client"}}))
	worker := b.serving(t.Context(), "worker")
	for _, c := range []struct{ name, arg, want string }{
		{"another", "worker", "serve kerneltest.v1.Worker: ServiceAlreadyClosedOrExported: kerneltest.v1.Worker is exported by the guest worker"},
		{"worker", "twice", "serve kerneltest.v1.Worker: ALREADY_EXISTS: this guest serves it already"},
		{"worker", "nil", "serve kerneltest.v1.Worker: FAILED_PRECONDITION: the implementation is nil"},
		{"other", "exit", "ask all guests to end: PERMISSION_DENIED: the host does not let this guest end the others"},
	} {
		r := b.start(t.Context(), c.name, c.arg, "0")
		r.requireEnd(1)
		said := r.line()
		if said == "serving" { // the first of two, if it was faster
			said = r.line()
		}
		require.Equal(t, c.want, said)
	}
	b.run("client", "exit", "0")
	worker.requireEnd(0)
}

// TestServeUntilItsContextEnds: calls that are being served end then, and the guest
// has left.
func TestServeUntilItsContextEnds(t *testing.T) {
	t.Parallel()
	b := setupServe(t)
	leaving := b.serving(t.Context(), "leave")
	client := b.asking()
	require.Equal(t, "CANCELLED: the call was cancelled", client.ask("do block"))
	require.Equal(t, "serve kerneltest.v1.Worker: CANCELLED: the call was cancelled true 1", leaving.line())
	require.Equal(t, "serve kerneltest.v1.Worker: ServiceAlreadyClosedOrExported: the guest has left with Exit, and serves nothing any more", leaving.line())
	leaving.requireEnd(0)
}

// TestLocateWaits until the service is there, or says which is missing.
func TestLocateWaits(t *testing.T) {
	t.Parallel()
	b := setupServe(t)
	client := b.asking()
	answer := make(chan string)
	go func() { answer <- client.ask("do echo hi") }()
	b.serving(t.Context(), "worker")
	require.Equal(t, "hi", <-answer)

	b = setupServe(t, pluginsdk.WithConfig(&syscallpb.SyscallConfig{LaunchTimeout: durationpb.New(time.Millisecond)}))
	require.Equal(t, "locate kerneltest.v1.Worker: RunTimeout: @guest.client requires kerneltest.v1.Worker, which has not started\n",
		b.run("client", "ask", "do echo hi"))
}

// TestHostCallsGuests: the client of native code gets what a guest's does.
func TestHostCallsGuests(t *testing.T) {
	t.Parallel()
	t.Run("static", func(t *testing.T) { t.Parallel(); hostCallsGuests(t, ParigotInitialize) })
	t.Run("process", func(t *testing.T) { t.Parallel(); hostCallsGuests(t, inProcess(t)) })
}

func hostCallsGuests(t *testing.T, plugin pluginsdk.ParigotInit) {
	var guests pluginsdk.Dispatcher
	b := setupServeWith(t, plugin, pluginsdk.WithDispatcher(&guests))
	client := kerneltestv1parigot.NewRelayClient(guests)
	b.serving(t.Context(), "both")
	ctx := pluginsdk.WithMetadata(t.Context(), "traceparent", "00-def")
	do := func(what, with string) (string, error) {
		resp, err := future.Await(ctx, future.Go(ctx, client.Do, &kerneltestv1.DoRequest{What: what, With: with}))
		return resp.GetText(), err
	}
	got, err := do("metadata", "traceparent")
	require.NoError(t, err)
	require.Equal(t, "relayed 00-def", got)
	_, err = do("own", "")
	require.ErrorIs(t, err, status.Of(kerneltestv1.WorkerErr_WORKER_ERR_AS_ASKED))
	_, err = do("panic", "")
	require.ErrorIs(t, err, status.Of(status.Internal))
}

// TestGuestsThatLocateFirst: of two guests that wait for each other before they serve,
// one is told of the ring.
func TestGuestsThatLocateFirst(t *testing.T) {
	t.Parallel()
	b := setupServe(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	worker, relay := b.start(ctx, kerneltestv1parigot.WorkerServiceName, "first"), b.start(ctx, kerneltestv1parigot.RelayServiceName, "first")
	told, other := worker, relay
	select {
	case out := <-worker.done:
		require.Equal(t, ending{code: 1}, out)
	case out := <-relay.done:
		require.Equal(t, ending{code: 1}, out)
		told, other = relay, worker
	}
	line := told.line()
	require.Contains(t, line, "DependencyCycle")
	require.Contains(t, line, "kerneltest.v1.Relay → kerneltest.v1.Worker")
	cancel()
	require.Error(t, (<-other.done).err)
}

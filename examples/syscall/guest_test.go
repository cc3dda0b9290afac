//go:build !wasip1

package syscall

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/internal/guesttest"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/plugintest"
	"github.com/iansmith/parigot/pluginsdk/status"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

// These tests run real guests on an engine, which says who they are and when they
// end.

func newHost(t *testing.T) *eng.Host {
	t.Helper()
	return plugintest.Engine(t, eng.WithCallBudget(-1))
}

type hostBundle struct {
	t    *testing.T
	host *eng.Host
	wasm []byte
}

// setupHost starts the plugin as any host does.
func setupHost(t *testing.T) *hostBundle {
	t.Helper()
	b := &hostBundle{t: t, host: newHost(t), wasm: guesttest.Build(t, "testdata/testguest")}
	require.NoError(t, pluginsdk.Start(t.Context(), b.host, ParigotInitialize))
	return b
}

func (b *hostBundle) compile(name string) *eng.Guest {
	b.t.Helper()
	g, err := b.host.Compile(b.t.Context(), name, b.wasm)
	require.NoError(b.t, err)
	return g
}

// run runs a guest to its end and returns what it printed.
func (b *hostBundle) run(name string, args ...string) string {
	b.t.Helper()
	var out bytes.Buffer
	code, err := b.compile(name).Run(b.t.Context(), eng.WithArgs(args...), eng.WithStdout(&out), eng.WithStderr(&out))
	require.NoError(b.t, err)
	require.Zero(b.t, code, out.String())
	return out.String()
}

type ending struct {
	code uint32
	err  error
}

// serve runs a guest until it serves.
func (b *hostBundle) serve(ctx context.Context, name string) <-chan ending {
	b.t.Helper()
	guest := b.compile(name)
	stdout, w := io.Pipe()
	done := make(chan ending, 1)
	go func() {
		code, err := guest.Run(ctx, eng.WithArgs("serve"), eng.WithStdout(w))
		_ = w.Close() // never fails
		done <- ending{code, err}
	}()
	out := bufio.NewReader(stdout)
	line, err := out.ReadString('\n')
	require.NoError(b.t, err)
	require.Equal(b.t, "serving\n", line)
	go func() { _, _ = io.Copy(io.Discard, out) }() // a guest that writes waits for who reads
	return done
}

func TestGuestsServeEachOther(t *testing.T) {
	t.Parallel()
	b := setupHost(t)
	one, two := b.serve(t.Context(), "greeting"), b.serve(t.Context(), "greeting")
	const want = "Hello, Ada, says hello's friend\nHello, Bob, says hello's friend\n"
	require.Equal(t, want, b.run("hello", "call", "Ada", "Bob"))
	require.Equal(t, want, b.run("hello", "exit", "Ada", "Bob"))
	require.Equal(t, ending{}, <-one, "all end, with 0")
	require.Equal(t, ending{}, <-two)
	b.serve(t.Context(), "another")
}

func TestGuestThatTraps(t *testing.T) {
	t.Parallel()
	b := setupHost(t)
	done := b.serve(t.Context(), "greeting")
	require.Equal(t, "CallerUnavailable: the guest greeting has ended\nCallerUnavailable: nobody serves greeting.v1.Greeting now\n",
		b.run("hello", "call", "die", "Ada"))
	require.NotZero(t, (<-done).code)

	again := b.serve(t.Context(), "somebody else")
	require.Contains(t, b.run("hello", "exit", "Ada"), "Hello, Ada")
	require.Equal(t, ending{}, <-again)
}

func TestGuestThatIsStopped(t *testing.T) {
	t.Parallel()
	b := setupHost(t)
	ctx, stop := context.WithCancel(t.Context())
	done := b.serve(ctx, "greeting")
	stop()
	requireStopped(t, <-done, context.Canceled)
	done = b.serve(t.Context(), "somebody else")
	require.NoError(t, b.host.Close(t.Context()), "guests that wait do not hold it up")
	requireStopped(t, <-done, status.Of(status.Unavailable))
}

// requireStopped wants a guest that was stopped, or that saw its call end and was
// faster: it exits with 1.
func requireStopped(t *testing.T, got ending, want error) {
	t.Helper()
	if got.err == nil {
		require.Equal(t, uint32(1), got.code)
		return
	}
	require.ErrorIs(t, got.err, want)
}

func TestInitExplainsItsFailures(t *testing.T) {
	t.Parallel()
	bad := pluginsdk.WithConfig(&syscallpb.SyscallConfig{MaxPayloadBytes: 1 << 30})
	require.ErrorContains(t, pluginsdk.Start(t.Context(), newHost(t), ParigotInitialize, bad), "max_payload_bytes is 1073741824")
	other := pluginsdk.WithConfig(new(syscallpb.ServiceInfo))
	require.ErrorIs(t, pluginsdk.Start(t.Context(), newHost(t), ParigotInitialize, other), status.Of(status.InvalidArgument))

	host := newHost(t)
	require.NoError(t, pluginsdk.Start(t.Context(), host, ParigotInitialize))
	require.ErrorIs(t, pluginsdk.Start(t.Context(), host, ParigotInitialize), status.Of(status.AlreadyExists))
	require.True(t, ParigotInitialize.Init(t.Context(), newHost(t)), "each engine has its own")
}

package eng_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero/api"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/iansmith/parigot/internal/core"
	"github.com/iansmith/parigot/internal/core/coretest"
	"github.com/iansmith/parigot/internal/guesttest"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/plugintest"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// newHost returns an engine with the service that the test guest imports.
func newHost(tb testing.TB, opts ...eng.Option) *eng.Host {
	tb.Helper()
	h := plugintest.Engine(tb, append([]eng.Option{eng.WithCallBudget(time.Minute)}, opts...)...)
	require.NoError(tb, coretest.Register(tb.Context(), h, "test.v1.Test", nil, coretest.Unary(core.Method{Name: "Echo"}, testImpl{}.echo)))
	return h
}

type testImpl struct{}

func (testImpl) echo(ctx context.Context, req, resp *wrapperspb.BytesValue) error {
	resp.Value = req.Value
	switch string(req.Value) {
	case "fail":
		return status.Error(status.NotFound, "nothing there")
	case "wait":
		<-ctx.Done()
		return ctx.Err()
	case "context":
		_, ok := ctx.Deadline()
		resp.Value = fmt.Appendf(nil, "deadline %v traceparent %q caller %s", ok,
			pluginsdk.Metadata(ctx)["traceparent"], eng.CallerFromContext(ctx).Name)
	}
	return nil
}

func compile(tb testing.TB, h *eng.Host, opts ...eng.GuestOption) *eng.Guest {
	tb.Helper()
	g, err := h.Compile(tb.Context(), "tester", guesttest.Build(tb, "testdata/guest"), opts...)
	require.NoError(tb, err)
	return g
}

// run runs the test guest in a mode and returns what it printed.
func run(t *testing.T, h *eng.Host, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	code, err := compile(t, h).Run(t.Context(), eng.WithArgs(args...), eng.WithStdout(&out), eng.WithStderr(&out))
	require.NoError(t, err)
	require.Zero(t, code, out.String())
	return out.String()
}

func TestGuestCallsHost(t *testing.T) {
	t.Parallel()
	require.Equal(t, "echoed\n", run(t, newHost(t), "echo"))
}

func TestGuestSeesNothingOfItsHost(t *testing.T) {
	t.Parallel()
	var out, stderr bytes.Buffer
	_, err := compile(t, newHost(t)).Run(t.Context(),
		eng.WithArgs("world", "a", "b"), eng.WithEnv("KEY", "value"), eng.WithStdout(&out), eng.WithStderr(&stderr))
	require.NoError(t, err)
	require.Equal(t, `args tester a,b
env KEY=value,GOMEMLIMIT=some,GOGC=300
files open /: No such file or directory
create open x: No such file or directory
zone unknown time zone Europe/Berlin
network true
clock true true
`, regexp.MustCompile(`GOMEMLIMIT=1\d{8}`).ReplaceAllString(out.String(), "GOMEMLIMIT=some"))
	require.Equal(t, "to stderr\n", stderr.String())
}

func TestHostileGuestGetsCodesAndGoesOn(t *testing.T) {
	t.Parallel()
	require.Equal(t, `-3 -8 -3 -3 -9 -9
header outside: true
parked: -5 -11 -11 0 -9
usable: ping
`, run(t, newHost(t), "hostile"))
}

func TestDeadlineAndMetadataReachTheHost(t *testing.T) {
	t.Parallel()
	require.Equal(t, `deadline true traceparent "00-abc" caller tester
waited: true true
ended before: true
deadline true traceparent "" caller tester
`, run(t, newHost(t), "deadline"))
	require.Contains(t, run(t, newHost(t, eng.WithCallBudget(-1)), "deadline"), "deadline false")
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string]uint32{"exit": 7, "exit-max": 0xffffffff, "panic": 2} {
		var out bytes.Buffer
		code, err := compile(t, newHost(t)).Run(t.Context(), eng.WithArgs(mode), eng.WithStderr(&out))
		require.NoError(t, err, mode)
		require.Equal(t, want, code, mode)
	}
}

func TestArgumentsThatCannotBe(t *testing.T) {
	t.Parallel()
	g := compile(t, newHost(t))
	for _, o := range []eng.RunOption{
		eng.WithArgs("a\x00"), eng.WithEnv("", "v"), eng.WithEnv("k=", "v"), eng.WithEnv("k", "\x00"),
	} {
		_, err := g.Run(t.Context(), o)
		require.ErrorIs(t, err, status.Of(status.InvalidArgument))
	}
}

func TestManyInstancesOfOneCompilation(t *testing.T) {
	t.Parallel()
	var log plugintest.Output
	h := newHost(t, eng.WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))))
	var exited atomic.Int32
	callers := sync.Map{}
	h.OnGuestExit(func(_ context.Context, c eng.Caller) {
		exited.Add(1)
		callers.Store(c, true)
	})
	wasm := guesttest.Build(t, "testdata/guest")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			g, err := h.Compile(t.Context(), "tester", wasm)
			if err == nil {
				_, err = g.Run(t.Context(), eng.WithArgs("world"))
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Equal(t, 1, strings.Count(log.String(), "msg=compiled"))
	require.EqualValues(t, 8, exited.Load())
	distinct := 0
	callers.Range(func(any, any) bool { distinct++; return true })
	require.Equal(t, 8, distinct, "each instance is a caller of its own")
}

func TestTrustedAndOtherGuestsLiveInOneEngine(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	for _, opts := range [][]eng.GuestOption{nil, {eng.Trusted()}} {
		var out bytes.Buffer
		code, err := compile(t, h, opts...).Run(t.Context(), eng.WithArgs("world"), eng.WithStdout(&out))
		require.NoError(t, err)
		require.Zero(t, code, out.String())
	}
}

func TestProgramsAndLibrariesAreNotMixedUp(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	_, err := compile(t, h).Instantiate(t.Context())
	require.ErrorIs(t, err, status.Of(status.FailedPrecondition))
	require.ErrorContains(t, err, "use Run")
	g, err := h.Compile(t.Context(), "library", guesttest.Build(t, "testdata/reactor", "-buildmode=c-shared"))
	require.NoError(t, err)
	_, err = g.Run(t.Context())
	require.ErrorIs(t, err, status.Of(status.FailedPrecondition))
	require.ErrorContains(t, err, "use Instantiate")
}

func TestGoexitInAnImplementationLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	h := plugintest.Engine(t)
	require.NoError(t, h.Register(t.Context(), eng.HostModule{Name: "test.v1.Test", Functions: []eng.Function{{
		Name: "Echo", Call: func(context.Context, api.Module, []uint64) { runtime.Goexit() },
	}}}))
	g := compile(t, h)
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = g.Run(context.Background(), eng.WithArgs("echo")) })
	wg.Wait()
	require.NoError(t, h.Close(t.Context()))
}

func TestReactor(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	g, err := h.Compile(t.Context(), "library", guesttest.Build(t, "testdata/reactor", "-buildmode=c-shared"))
	require.NoError(t, err)
	start := func() *eng.Instance {
		i, err := g.Instantiate(t.Context())
		require.NoError(t, err)
		return i
	}
	i := start()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				if _, err := i.Call(t.Context(), "add", 1); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	got, err := i.Call(t.Context(), "add", 0)
	require.NoError(t, err)
	require.EqualValues(t, 400, got[0])
	_, err = i.Call(t.Context(), "nothing")
	require.ErrorIs(t, err, status.Of(status.NotFound))
	require.NoError(t, i.Close(t.Context()))
	require.NoError(t, i.Close(t.Context()))
	_, err = i.Call(t.Context(), "add", 0)
	require.ErrorIs(t, err, status.Of(status.Unavailable))

	for function, want := range map[string]status.Code{"fail": status.Aborted, "leave": status.Aborted, "spin": status.DeadlineExceeded} {
		i := start()
		limit := time.Hour
		if function == "spin" {
			limit = 20 * time.Millisecond
		}
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		_, err := i.Call(ctx, function)
		cancel()
		require.ErrorIs(t, err, status.Of(want), function)
		_, err = i.Call(t.Context(), "add", 0)
		require.ErrorIs(t, err, status.Of(status.Aborted), "%s: the instance is of no use any more", function)
		require.NoError(t, i.Close(t.Context()))
	}
}

package eng_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero/api"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/iansmith/parigot/internal/guesttest"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// newHost returns an engine with the service that the test guest imports.
func newHost(tb testing.TB, opts ...eng.Option) *eng.Host {
	tb.Helper()
	h, err := eng.New(tb.Context(), append([]eng.Option{
		eng.WithCacheDir(guesttest.CacheDir(tb)),
		eng.WithLogger(slog.New(slog.DiscardHandler)),
		eng.WithCallBudget(time.Minute),
	}, opts...)...)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, h.Close(context.Background())) })
	require.NoError(tb, pluginsdk.RegisterService(tb.Context(), h, pluginsdk.Service{
		Name: "test.v1.Test", Impl: testImpl{},
		Methods: []pluginsdk.Method{{Name: "Echo", Bridge: bridgeEcho}},
	}))
	return h
}

type testImpl struct{}

var callEcho = pluginsdk.Adapt(testImpl{}, testImpl.echo)

func bridgeEcho(ctx context.Context, m api.Module, stack []uint64) {
	pluginsdk.InvokeImplFromStack(ctx, "test.v1.Test.Echo", m, stack, callEcho, new(wrapperspb.BytesValue), new(wrapperspb.BytesValue))
}

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
env KEY=value,GOMEMLIMIT=197640192,GOGC=300
files open /: No such file or directory
create open x: No such file or directory
zone unknown time zone Europe/Berlin
network true
clock true true
`, out.String())
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

func TestGuestIsStoppedAtItsLimits(t *testing.T) {
	t.Parallel()
	guesttest.Warm(t, guesttest.Build(t, "testdata/guest"), smallLimit)
	h := newHost(t, eng.WithMemoryLimit(smallLimit))
	g := compile(t, h)

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := g.Run(ctx, eng.WithArgs("spin"))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, err, status.Of(status.DeadlineExceeded))

	for _, mode := range []string{"recurse", "grow"} {
		var out bytes.Buffer
		code, err := g.Run(t.Context(), eng.WithArgs(mode), eng.WithStderr(&out))
		if err != nil {
			require.ErrorIs(t, err, status.Of(status.Aborted), mode)
		} else {
			require.NotZero(t, code, mode)
		}
		require.Contains(t, out.String(), "fatal error", mode)
	}

	_, err = newHost(t, eng.WithMemoryLimit(1<<20)).Compile(t.Context(), "big", guesttest.Build(t, "testdata/guest"))
	require.ErrorContains(t, err, "memory")
}

// TestDeepRecursion: a Go guest may call 100,000 functions deep.
func TestDeepRecursion(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	code, err := compile(t, h).Run(t.Context(), eng.WithArgs("deep", "100000"))
	require.NoError(t, err)
	require.Zero(t, code)
	code, err = compile(t, h, eng.GuestStackLimit(1<<20)).Run(t.Context(), eng.WithArgs("deep", "100000"))
	require.ErrorIs(t, err, status.Of(status.ResourceExhausted), code)
}

// smallLimit is little for a Go guest.
const smallLimit = 32 << 20

// tiny is a module with a memory, whose function _start does nothing.
const tiny = "\x00asm\x01\x00\x00\x00" +
	"\x01\x04\x01\x60\x00\x00" + // type 0: () -> ()
	"\x03\x02\x01\x00" + // function 0 is of type 0
	"\x05\x03\x01\x00\x01" + // a memory of at least one page
	"\x07\x13\x02\x06memory\x02\x00\x06_start\x00\x00" +
	"\x0a\x04\x01\x02\x00\x0b"

// TestGuestMemoryLimit: a guest can have a limit of its own, which others do not have, and
// the host can see that it reached it.
func TestGuestMemoryLimit(t *testing.T) {
	t.Parallel()
	guesttest.Warm(t, guesttest.Build(t, "testdata/guest"), smallLimit)
	h := newHost(t, eng.WithMemoryLimit(4<<30))
	var usage eng.Usage
	code, err := compile(t, h, eng.GuestMemoryLimit(smallLimit)).Run(t.Context(), eng.WithArgs("grow"), eng.WithUsage(&usage))
	require.NoError(t, err)
	require.EqualValues(t, 2, code)
	require.EqualValues(t, smallLimit, usage.MemoryLimit)
	require.LessOrEqual(t, usage.Memory, usage.MemoryLimit)
	require.Greater(t, usage.Memory, usage.MemoryLimit*3/4)

	g, err := h.Compile(t.Context(), "other", []byte(tiny))
	require.NoError(t, err)
	_, err = g.Run(t.Context(), eng.WithUsage(&usage))
	require.NoError(t, err)
	require.EqualValues(t, 4<<30, usage.MemoryLimit)
	_, err = h.Compile(t.Context(), "big", guesttest.Build(t, "testdata/guest"), eng.GuestMemoryLimit(1<<20))
	require.ErrorContains(t, err, "bytes of memory to begin with, more than its limit of 1048576")
}

func TestGuestIsStoppedInItsSleep(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	for _, opts := range [][]eng.GuestOption{nil, {eng.Trusted()}} {
		g := compile(t, h, opts...)
		ctx, cancel := context.WithCancel(t.Context())
		asleep := make(signal)
		context.AfterFunc(t.Context(), cancel)
		go func() {
			<-asleep
			cancel()
		}()
		_, err := g.Run(ctx, eng.WithArgs("sleep"), eng.WithStdout(asleep))
		require.ErrorIs(t, err, status.Of(status.Cancelled))
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

func TestMissingImportsAreNamedAllAtOnce(t *testing.T) {
	t.Parallel()
	h, err := eng.New(t.Context(), eng.WithCacheDir(guesttest.CacheDir(t)))
	require.NoError(t, err)
	defer func() { require.NoError(t, h.Close(t.Context())) }()
	g, err := h.Compile(t.Context(), "importer", importer)
	require.NoError(t, err)
	_, err = g.Run(t.Context())
	require.ErrorIs(t, err, status.Of(status.FailedPrecondition))
	require.ErrorIs(t, g.CheckImports(), status.Of(status.FailedPrecondition))
	require.ErrorContains(t, err, `guest "importer" cannot start, 6 of its imports cannot be met:
  "a.\nB.F": no plugin registered this module
  a.A.F: no plugin registered this module
  a.B.F: no plugin registered this module
  env.memory: a memory: guests have their own, and import functions only
  parigot.nothing: no such function in ABI v1
  parigot.take: the guest declares it as () -> (), the host has (i32, i32) -> (i64)`)

	nop := func(context.Context, api.Module, []uint64) {}
	require.NoError(t, h.Register(t.Context(), eng.HostModule{Name: "a.A"}))
	require.NoError(t, h.Register(t.Context(), eng.HostModule{Name: "a.B", Functions: []eng.Function{{Name: "F", Call: nop}, {Name: "G", Call: nop}}}))
	err = g.CheckImports()
	require.ErrorContains(t, err, "a.A.F: the plugin has no such function, it has none")
	require.ErrorContains(t, err, "a.B.F: the guest declares it as () -> (), the host has (i32, i32, i32, i32) -> (i64)")
}

// importer is a wasm module with five imports of type () -> () and one of a
// memory, and a function _start.
var importer = func() []byte {
	const module = "\x00asm\x01\x00\x00\x00" +
		"\x01\x04\x01\x60\x00\x00" // type section: () -> ()
	var imports strings.Builder
	imports.WriteByte(6)
	for _, im := range [][2]string{{"a.B", "F"}, {"parigot", "take"}, {"a.A", "F"}, {"parigot", "nothing"}, {"a.\nB", "F"}, {"env", "memory"}} {
		for _, s := range im {
			imports.WriteString(string(rune(len(s))) + s)
		}
		if im[0] == "env" {
			imports.WriteString("\x02\x00\x01") // a memory of at least one page
		} else {
			imports.WriteString("\x00\x00") // a function of type 0
		}
	}
	return []byte(module + section(2, imports.String()) +
		section(3, "\x01\x00") + // function section: one of type 0
		section(7, "\x01\x06_start\x00\x05") + // export section: it is _start
		section(10, "\x01\x02\x00\x0b")) // code section: it does nothing
}()

// section encodes a section of less than 128 bytes.
func section(id byte, content string) string {
	return string([]byte{id, byte(len(content))}) + content
}

func TestRegisterErrors(t *testing.T) {
	t.Parallel()
	nop := func(context.Context, api.Module, []uint64) {}
	f := func(names ...string) (fs []eng.Function) {
		for _, n := range names {
			fs = append(fs, eng.Function{Name: n, Call: nop})
		}
		return fs
	}
	tests := []struct {
		name string
		m    eng.HostModule
		want string
		code status.Code
	}{
		{"duplicate", eng.HostModule{Name: "test.v1.Test", Functions: f("New", "Echo")}, `"Echo" is registered already`, status.AlreadyExists},
		{"duplicate in itself", eng.HostModule{Name: "a.A", Functions: f("F", "F")}, `"F" is registered already`, status.AlreadyExists},
		{"no module name", eng.HostModule{Functions: f("F")}, "name is empty", status.InvalidArgument},
		{"WASI", eng.HostModule{Name: "wasi_snapshot_preview1", Functions: f("F")}, "reserved", status.InvalidArgument},
		{"parigot", eng.HostModule{Name: "parigot", Functions: f("F")}, "reserved", status.InvalidArgument},
		{"no function name", eng.HostModule{Name: "a.A", Functions: f("")}, "function 0 has no name", status.InvalidArgument},
		{"no call", eng.HostModule{Name: "a.A", Functions: []eng.Function{{Name: "F"}}}, `"F" has no Call`, status.InvalidArgument},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			err := h.Register(t.Context(), tt.m)
			require.ErrorContains(t, err, tt.want)
			require.ErrorIs(t, err, status.Of(tt.code))
			require.Equal(t, err, h.Failures())
			require.NoError(t, h.Failures())
			if tt.m.Name == "test.v1.Test" {
				require.NoError(t, h.Register(t.Context(), eng.HostModule{Name: tt.m.Name, Functions: f("New")}), "all or none")
			}
		})
	}
}

func TestRegisterAfterGuestsStarted(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	run(t, h, "world")
	f := []eng.Function{{Name: "F", Call: func(context.Context, api.Module, []uint64) {}}}
	require.ErrorIs(t, h.Register(t.Context(), eng.HostModule{Name: "test.v1.Test", Functions: f}), status.Of(status.FailedPrecondition))
	require.NoError(t, h.Register(t.Context(), eng.HostModule{Name: "test.v1.Other", Functions: f}))
}

func TestManyInstancesOfOneCompilation(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
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

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
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
	h, err := eng.New(t.Context(), eng.WithCacheDir(guesttest.CacheDir(t)))
	require.NoError(t, err)
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

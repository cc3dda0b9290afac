package process

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/typepb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/iansmith/parigot/internal/instance"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/parigotpb"
	"github.com/iansmith/parigot/pluginsdk/status"
)

func TestCall(t *testing.T) {
	t.Parallel()
	h := start(t, "")
	g := h.guest("app")
	require.Equal(t, "hello", g.must("echo hello"))
	require.Len(t, g.must("large"), 3<<20, "parked")
	got, err := g.call(context.Background(), "Do", "large", 4<<20)
	require.NoError(t, err)
	require.Len(t, got, 3<<20)
	big := strings.Repeat("y", 3<<20)
	require.Equal(t, big, g.must("echo "+big))

	_, err = g.do("error own")
	require.ErrorIs(t, err, status.Of(typepb.Field_TYPE_FLOAT))
	require.ErrorContains(t, err, "own")
	for i, request := range []string{"secret of the host", "panic of the host", "goexit"} {
		_, err = g.do(request)
		require.ErrorIs(t, err, status.Of(status.Internal))
		incident := regexp.MustCompile(`incident (i-[0-9a-f]+)`).FindStringSubmatch(err.Error())
		require.NotNil(t, incident, err)
		require.NotContains(t, err.Error(), "of the host")
		require.EqualValues(t, i+1, g.state.Counters.Incidents.Load())
		h.eventually(incident[1])
	}
	require.Equal(t, "still there", g.must("echo still there"))
}

// TestWhoCalls: identity, grants, metadata and deadline are those of the host.
func TestWhoCalls(t *testing.T) {
	t.Parallel()
	h := start(t, "")
	app, other := h.guest("app"), h.guest("other")
	app.state.Grants = &eng.Grants{Calls: []string{"test.v1.Test"}, Serves: []string{"x.X"}}
	for range 2 {
		require.Equal(t, "app "+app.state.ID.String()+" &{[test.v1.Test] [x.X]} map[] test.v1.Test.Do", app.must("who"))
		require.Equal(t, "other "+other.state.ID.String()+" <nil> map[] test.v1.Test.Do", other.must("who"))
	}
	app.state.Next = instance.Header{
		Call:     &parigotpb.CallHeader{TimeoutNs: int64(time.Hour), Metadata: map[string]string{"traceparent": "00-1"}},
		Received: time.Now(),
	}
	require.Contains(t, app.must("who"), "map[traceparent:00-1]")

	ok, left, _ := strings.Cut(app.must("deadline"), " ")
	require.Equal(t, "true", ok)
	d, err := time.ParseDuration(left)
	require.NoError(t, err)
	require.Greater(t, d, time.Second)
	require.LessOrEqual(t, d, app.state.Limits.Budget)
	got, err := app.call(context.Background(), "Block", "deadline", 100)
	require.NoError(t, err)
	require.Contains(t, got, "false ")

	h.engine.GuestEnded(context.Background(), eng.Caller{ID: app.state.ID, Name: "app"})
	require.Equal(t, "app", other.must("ended"), "it has heard when the engine goes on")
}

// TestBudget: the host tells of a slow call, once, and the late result counts.
func TestBudget(t *testing.T) {
	t.Parallel()
	h := start(t, "")
	g := h.guest("app")
	got, err := g.call(context.Background(), "Quick", "late", 100)
	require.NoError(t, err)
	require.Equal(t, "late", got)
	require.EqualValues(t, 1, g.state.Counters.Slow.Load())
	_, err = g.call(context.Background(), "Quick", "wait", 100)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Equal(t, "still there", g.must("echo still there"))
	require.LessOrEqual(t, strings.Count(h.log.String(), "slow call"), 2)
}

func TestCancel(t *testing.T) {
	t.Parallel()
	h := start(t, "")
	g := h.guest("app")
	pid := g.must("pid")
	for range 20 {
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(time.Millisecond, cancel)
		_, err := g.call(ctx, "Block", "wait", 100)
		require.ErrorIs(t, err, context.Canceled)
	}
	require.Equal(t, pid, g.must("pid"))
}

// TestOverlap: a call that may block is pending, and its result comes.
func TestOverlap(t *testing.T) {
	t.Parallel()
	h := start(t, "", WithMaxCalls(2))
	g := h.guest("app")
	g.state.Limits.Budget = -1
	g.state.Calls = instance.NewCalls(10, instance.NewAccount(64<<20), &g.busy)
	require.Equal(t, pending, g.raw("Block", "wait"))
	require.Equal(t, pending, g.raw("Block", "wait"))
	h.busyLinks(2)
	_, err := g.do("echo no room")
	require.ErrorIs(t, err, status.Of(status.ResourceExhausted))
	require.True(t, g.state.Calls.Cancel(1))
	code, _ := g.await()
	require.Equal(t, -int32(status.Cancelled), code)
	require.Equal(t, "there is room", g.must("echo there is room"))
	require.Equal(t, pending, g.raw("Block", "large"))
	code, body := g.await()
	got, err := decodeAnswer(t, code, body)
	require.NoError(t, err)
	require.Len(t, got, 3<<20)
	g.state.Calls.Close()
	g.busy.Wait()
}

// TestMemoryOfAGuest: the requests of a guest that a plugin's process has decoded stay within
// the guest's host_memory_limit together, and what has been answered does not count.
func TestMemoryOfAGuest(t *testing.T) {
	t.Parallel()
	g := start(t, "").guest("app")
	g.state.Limits.Budget = -1
	g.state.Account = instance.NewAccount(4 << 20)
	g.state.Calls = instance.NewCalls(10, nil, &g.busy) // the host itself has room
	wait := "wait " + strings.Repeat("x", 2<<20)
	require.Equal(t, pending, g.raw("Block", wait))
	require.Equal(t, pending, g.raw("Block", wait))
	code, body := g.await()
	_, err := decodeAnswer(t, code, body)
	require.ErrorIs(t, err, status.Of(status.ResourceExhausted))
	require.ErrorContains(t, err, "host_memory_limit")
	g.state.Calls.Cancel(1)
	g.state.Calls.Cancel(2)
	code, _ = g.await()
	require.Equal(t, -int32(status.Cancelled), code)
	for range 2 {
		require.Len(t, g.must("large"), 3<<20)
	}
	g.state.Calls.Close()
	g.busy.Wait()
}

func TestLogs(t *testing.T) {
	t.Parallel()
	h := start(t, "")
	g := h.guest("app")
	g.must("log a line of the plugin")
	h.eventually(`level=WARN msg="a line of the plugin" plugin=test a=1 g.b=1s g.c=2.5 g.d=true g.e=f`)
	g.must("print to " + strings.Repeat("x", maxOutputLine))
	h.eventually("stream=stdout")
	h.eventually("stream=stderr")
	h.eventually(`msg=xxx plugin=test stream`)
}

func TestInitFails(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "missing")
	for name, tt := range map[string]struct {
		config string
		opts   []Option
		want   []string
	}{
		"its own reason": {config: "fail no disk", want: []string{"plugin test: FAILED_PRECONDITION: no disk"}},
		"panic":          {config: "panic oh", want: []string{"panic in Init: oh"}},
		"too slow":       {config: "hang", opts: []Option{WithStartTimeout(300 * time.Millisecond)}, want: []string{"DEADLINE_EXCEEDED: the plugin did not start: it was not ready after"}},
		"no plugin":      {opts: []Option{WithEnv("TEST_MISBEHAVE=quits")}, want: []string{"FAILED_PRECONDITION", "exit status 3", "calls process.Main"}},
		"other version":  {opts: []Option{WithEnv("TEST_MISBEHAVE=version")}, want: []string{"the plugin (from tomorrow) speaks version 2", "build the two"}},
		"no magic":       {opts: []Option{WithEnv("TEST_MISBEHAVE=magic")}, want: []string{"magic"}},
		"huge hello":     {opts: []Option{WithEnv("TEST_MISBEHAVE=huge")}, want: []string{"too large"}},
		"half a hello":   {opts: []Option{WithEnv("TEST_MISBEHAVE=half")}, want: []string{"exit status 0"}},
		"empty ready":    {opts: []Option{WithEnv("TEST_MISBEHAVE=emptyready")}, want: []string{"plugin test: FAILED_PRECONDITION: the plugin did not send its proto files"}},
		"missing":        {opts: []Option{withPath(missing)}, want: []string{"no such file", missing}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			before := time.Now()
			err := h.start(tt.config, tt.opts...)
			for _, want := range tt.want {
				require.ErrorContains(t, err, want)
			}
			require.Less(t, time.Since(before), DefaultStartTimeout)
			require.NoError(t, h.engine.close(context.Background()))
		})
	}
}

func withPath(path string) Option { return option(func(s *settings) { s.path = path }) }

func TestConfigOfAnotherType(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	err := pluginsdk.Start(context.Background(), h.engine, Plugin(self(t)), pluginsdk.WithConfig(wrapperspb.Bool(true)))
	require.ErrorContains(t, err, "configured with a google.protobuf.StringValue, the host gave a google.protobuf.BoolValue")
}

func TestInitWithEndedContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	h := newHost(t)
	err := pluginsdk.Start(ctx, h.engine, Plugin(self(t)))
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, status.Of(status.Cancelled))
}

func TestNoDispatcher(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	var d pluginsdk.Dispatcher
	err := pluginsdk.Start(context.Background(), h.engine, Plugin(self(t)), pluginsdk.WithDispatcher(&d))
	require.ErrorContains(t, err, "offers no way to call guests")
	require.NoError(t, h.engine.close(context.Background()))
}

func TestClose(t *testing.T) {
	t.Parallel()
	h := start(t, "closes it")
	pid := h.pid()
	err := h.engine.close(context.Background())
	require.ErrorContains(t, err, "stop plugin test: UNKNOWN: closed badly: it")
	require.Contains(t, h.log.String(), "msg=closing")
	require.ErrorIs(t, syscall.Kill(pid, 0), syscall.ESRCH)
	_, err = h.guest("late").do("echo x")
	require.ErrorIs(t, err, status.Of(status.Unavailable))
}

// TestCloseHearsOut: what a plugin says of its stop counts, also when the end of its process is
// seen first. Here the line before it takes until then.
func TestCloseHearsOut(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	var pid atomic.Int64
	h.engine.Log = slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		for a.Key == slog.MessageKey && a.Value.String() == "closing" && syscall.Kill(int(pid.Load()), 0) == nil {
			runtime.Gosched()
		}
		return a
	}}))
	require.NoError(t, h.start("closes it"))
	pid.Store(int64(h.pid()))
	require.ErrorContains(t, h.engine.close(context.Background()), "closed badly: it")
}

func TestCloseOfAPluginThatRefuses(t *testing.T) {
	t.Parallel()
	h := start(t, "stubborn", WithStopGrace(100*time.Millisecond))
	pid := h.pid()
	err := h.engine.close(context.Background())
	require.ErrorIs(t, err, status.Of(status.DeadlineExceeded))
	require.ErrorContains(t, err, "was killed")
	require.ErrorIs(t, syscall.Kill(pid, 0), syscall.ESRCH)
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	d, err := Describe(context.Background(), self(t))
	require.NoError(t, err)
	require.Equal(t, wrapperspb.String("").ProtoReflect().Descriptor().FullName(), d.Config.ProtoReflect().Descriptor().FullName())
	require.Len(t, d.Services, 1)
	require.Equal(t, "test.v1.Test", d.Services[0].Name)
	require.Len(t, d.Services[0].Methods, 3)
	require.True(t, d.Services[0].Methods[1].MayBlock)
	require.Equal(t, 50*time.Millisecond, d.Services[0].Methods[2].Budget)

	_, err = Describe(context.Background(), self(t), WithEnv("TEST_MISBEHAVE=quits"))
	require.ErrorIs(t, err, status.Of(status.FailedPrecondition))
	require.ErrorContains(t, err, "process.Main")
	_, err = Describe(context.Background(), self(t), WithEnv("TEST_MISBEHAVE=silent"), WithStartTimeout(50*time.Millisecond))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = Describe(ctx, self(t))
	require.Equal(t, status.Cancelled, status.CodeOf(err))
	_, err = Describe(context.Background(), filepath.Join(t.TempDir(), "missing"))
	require.ErrorContains(t, err, "no such file")
}

// TestNotAPlugin: who runs the program by hand is told.
func TestNotAPlugin(t *testing.T) {
	t.Parallel()
	var stderr strings.Builder
	require.Equal(t, 2, run(testPlugin{}, &stderr))
	require.Contains(t, stderr.String(), "is a Parigot plugin")
}

// pid returns the number of the plugin's process.
func (h *host) pid() int {
	pid, err := strconv.Atoi(h.guest("asks").must("pid"))
	require.NoError(h.t, err)
	require.NotEqual(h.t, os.Getpid(), pid)
	return pid
}

package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental/wazerotest"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/typepb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/iansmith/parigot/internal/abi"
	"github.com/iansmith/parigot/internal/core"
	"github.com/iansmith/parigot/internal/core/coretest"
	"github.com/iansmith/parigot/internal/instance"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/id"
	"github.com/iansmith/parigot/pluginsdk/parigotimpl"
	"github.com/iansmith/parigot/pluginsdk/plugintest"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// TestMain makes a plugin of the test program: it is the cheapest program there is.
func TestMain(m *testing.M) {
	if misbehave := os.Getenv("TEST_MISBEHAVE"); misbehave != "" && IsPlugin() {
		runBroken(misbehave)
		return
	}
	if IsPlugin() {
		Main(testPlugin{})
	}
	if os.Getenv("TEST_HOST") != "" {
		runHost()
	}
	os.Exit(m.Run())
}

// testPlugin is the plugin in the process.
type testPlugin struct{}

type text = *wrapperspb.StringValue

// state is what a testPlugin has per engine.
type state struct {
	log     *slog.Logger
	calls   atomic.Int64
	mu      sync.Mutex
	ended   []string
	blocked chan struct{}
}

func (testPlugin) Describe() pluginsdk.Description {
	return pluginsdk.Description{Services: []pluginsdk.Service{service(nil)}, Config: new(wrapperspb.StringValue)}
}

// CheckConfig refuses a configuration that begins with "refuse", and panics over one of "fall".
func (testPlugin) CheckConfig(ctx context.Context) error {
	config := new(wrapperspb.StringValue)
	if err := pluginsdk.ReadConfig(ctx, config); err != nil {
		return err
	}
	switch verb, arg, _ := strings.Cut(config.Value, " "); verb {
	case "refuse":
		return status.Error(status.InvalidArgument, arg)
	case "fall":
		panic(arg)
	case "wait":
		select {}
	}
	return nil
}

func service(s *state) pluginsdk.Service {
	return pluginsdk.Service{Name: "test.v1.Test", Methods: []core.MethodDesc{
		coretest.Unary(core.Method{Name: "Do"}, s.do),
		coretest.Unary(core.Method{Name: "Block", MayBlock: true}, s.do),
		coretest.Unary(core.Method{
			Name: "Quick", Budget: 50 * time.Millisecond, Redacted: true, Idempotency: core.NoSideEffects, Descriptor: quick,
		}, s.do),
	}}
}

func (testPlugin) Init(ctx context.Context, e eng.Engine) bool {
	config := new(wrapperspb.StringValue)
	if err := pluginsdk.ReadConfig(ctx, config); err != nil {
		return pluginsdk.InitError(e, err)
	}
	s := &state{log: e.Logger(), blocked: make(chan struct{})}
	sv := service(s)
	switch verb, arg, _ := strings.Cut(config.Value, " "); verb {
	case "fail":
		return pluginsdk.InitError(e, status.Error(status.FailedPrecondition, arg))
	case "panic":
		panic(arg)
	case "hang":
		select {}
	case "other": // registers another function when it is started again
		if _, err := os.Stat(arg); err == nil {
			sv.Methods = sv.Methods[:2]
		}
		if err := os.WriteFile(arg, nil, 0o600); err != nil {
			return pluginsdk.InitError(e, err)
		}
	case "spawn":
		pids, err := spawn()
		if err != nil {
			return pluginsdk.InitError(e, err)
		}
		s.log.Info("spawned " + pids)
	case "stubborn":
		e.OnClose(func(context.Context) error { select {} })
	case "closes":
		e.OnClose(func(context.Context) error { return errors.New("closed badly: " + arg) })
		e.OnClose(func(context.Context) error { s.log.Info("closing"); return nil })
	}
	e.OnGuestExit(func(_ context.Context, c eng.Caller) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ended = append(s.ended, c.Name)
	})
	return parigotimpl.Register(ctx, e, &sv, s) == nil
}

// do does what the request says.
func (s *state) do(ctx context.Context, req, resp text) error {
	s.calls.Add(1)
	verb, arg, _ := strings.Cut(req.Value, " ")
	switch verb {
	case "echo":
		resp.Value = arg
	case "who":
		c := eng.CallerFromContext(ctx)
		resp.Value = fmt.Sprint(c.Name, " ", c.ID, " ", eng.GrantsOf(ctx), " ", pluginsdk.Metadata(ctx), " ", pluginsdk.FuncName(ctx))
	case "deadline":
		d, ok := ctx.Deadline()
		resp.Value = fmt.Sprint(ok, " ", time.Until(d))
	case "large":
		resp.Value = strings.Repeat("x", 3<<20)
	case "error":
		return status.Error(typepb.Field_TYPE_FLOAT, arg)
	case "secret":
		return errors.New(arg)
	case "panic":
		panic(arg)
	case "goexit":
		runtime.Goexit()
	case "exit":
		os.Exit(7)
	case "nil":
		go func() { var p *state; p.calls.Add(1) }()
		select {}
	case "spin":
		for {
			s.calls.Add(1)
		}
	case "wait":
		<-ctx.Done()
		return ctx.Err()
	case "hang":
		select {}
	case "late":
		<-ctx.Done()
		time.Sleep(20 * time.Millisecond)
		resp.Value = "late"
	case "eat":
		b := make([]byte, 1<<30)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		resp.Value = "ate"
	case "log":
		s.log.With("a", 1).WithGroup("g").Warn(arg, "b", time.Second, "c", 2.5, "d", true, "e", errors.New("f"))
	case "print":
		fmt.Println(arg)
		fmt.Fprintln(os.Stderr, arg)
	case "ended":
		s.mu.Lock()
		defer s.mu.Unlock()
		resp.Value = strings.Join(s.ended, ",")
	case "calls":
		resp.Value = strconv.FormatInt(s.calls.Load(), 10)
	case "spawn":
		pids, err := spawn()
		resp.Value = pids
		return err
	case "pid":
		resp.Value = strconv.Itoa(os.Getpid())
	default:
		return status.Errorf(status.InvalidArgument, "what is %q?", verb)
	}
	return nil
}

// host is an engine of the test's own with a plugin in a process.
type host struct {
	t      testing.TB
	engine *engine
	log    *plugintest.Output
	byName map[string]eng.Function
	v      *supervisor
}

func self(tb testing.TB) string {
	path, err := os.Executable()
	require.NoError(tb, err)
	return path
}

func newHost(tb testing.TB) *host {
	log := new(plugintest.Output)
	return &host{t: tb, engine: newEngine(slog.New(slog.NewTextHandler(log, nil))), log: log}
}

// start starts the plugin. config is what the test plugin is to do in Init.
func start(tb testing.TB, config string, opts ...Option) *host {
	h := newHost(tb)
	require.NoError(tb, h.start(config, opts...))
	tb.Cleanup(func() { _ = h.engine.close(context.Background()) })
	return h
}

func (h *host) start(config string, opts ...Option) error {
	opts = append([]Option{WithName("test"), WithBackoff(10*time.Millisecond, 0, 0), WithBreaker(-1, 0, 0)}, opts...)
	p := &plugin{newSettings(self(h.t), opts)}
	err := pluginsdk.Start(context.Background(), h.engine, pluginsdk.InitFunc(func(ctx context.Context, e eng.Engine) bool {
		var err error
		if h.v, err = p.start(ctx, e); err != nil {
			return pluginsdk.InitError(e, fmt.Errorf("plugin %s: %w", p.settings.name, err))
		}
		return true
	}), pluginsdk.WithConfig(wrapperspb.String(config)))
	h.byName = map[string]eng.Function{}
	for _, f := range h.engine.functions {
		h.byName[f.Name] = f.Function
	}
	return err
}

// guest is a guest without code: its memory and its state.
type guest struct {
	*host
	state *instance.State
	mem   *wazerotest.Memory
	busy  sync.WaitGroup
}

func (h *host) guest(name string) *guest {
	g := &guest{host: h, mem: wazerotest.NewFixedMemory(8 << 20)}
	g.state = &instance.State{
		ID: id.New[id.HostKind](), Name: name,
		Limits:   instance.Limits{MaxRequest: eng.DefaultMaxMessage, MaxResponse: eng.DefaultMaxMessage, MaxDecoded: eng.DefaultMaxDecoded, Budget: 5 * time.Second},
		Logger:   h.engine.Log,
		Counters: new(instance.Counters),
	}
	return g
}

// respAt is where a guest wants responses.
const respAt = 4 << 20

// call calls a function, with room for respCap bytes, and returns what the guest sees.
func (g *guest) call(ctx context.Context, function, request string, respCap uint32) (string, error) {
	req, err := proto.Marshal(wrapperspb.String(request))
	require.NoError(g.t, err)
	require.True(g.t, g.mem.Write(0, req))
	stack := []uint64{0, uint64(len(req)), respAt, uint64(respCap)}
	g.byName[function].Call(instance.NewContext(ctx, g.state), &guestModule{memory: g.mem}, stack)
	code, n := abi.Split(stack[0])
	body := g.state.Parked
	if n <= respCap {
		body, _ = g.mem.Read(respAt, n)
	}
	require.Len(g.t, body, int(n))
	return decodeAnswer(g.t, code, body)
}

func decodeAnswer(tb testing.TB, code int32, body []byte) (string, error) {
	if code != 0 {
		p := new(spb.Status)
		require.NoError(tb, proto.Unmarshal(body, p))
		return "", status.FromProto(code, p)
	}
	resp := new(wrapperspb.StringValue)
	require.NoError(tb, proto.Unmarshal(body, resp))
	return resp.Value, nil
}

// do calls Do.
func (g *guest) do(request string) (string, error) {
	return g.call(context.Background(), "Do", request, 64<<10)
}

func (g *guest) must(request string) string {
	g.t.Helper()
	got, err := g.do(request)
	require.NoError(g.t, err)
	return got
}

// again calls until the plugin is back.
func (g *guest) again(request string) string {
	g.t.Helper()
	for {
		got, err := g.do(request)
		if err == nil {
			return got
		}
		require.ErrorIs(g.t, err, status.Of(status.Unavailable))
		time.Sleep(time.Millisecond) // it takes some
	}
}

// eventually waits until the log has text.
func (h *host) eventually(text string) {
	h.t.Helper()
	require.Eventually(h.t, func() bool { return strings.Contains(h.log.String(), text) }, 10*time.Second, time.Millisecond,
		"%q is not in the log", text)
}

// pending is the code of a call that goes on.
const pending = abi.Pending

// raw calls a function and returns the code.
func (g *guest) raw(function, request string) int32 {
	req, err := proto.Marshal(wrapperspb.String(request))
	require.NoError(g.t, err)
	require.True(g.t, g.mem.Write(0, req))
	stack := []uint64{0, uint64(len(req)), respAt, 0}
	g.byName[function].Call(instance.NewContext(context.Background(), g.state), &guestModule{memory: g.mem}, stack)
	code, _ := abi.Split(stack[0])
	return code
}

// await waits for the result of a pending call.
func (g *guest) await() (code int32, body []byte) {
	ready, err := g.state.Calls.Wait(context.Background(), -1, nil)
	require.NoError(g.t, err)
	require.True(g.t, ready)
	record := make([]byte, abi.RecordSize)
	_, body = g.state.Calls.Deliver(record)
	return abi.ReadRecord(record).Code, body
}

// busyLinks waits until n connections are in use.
func (h *host) busyLinks(n int) {
	require.Eventually(h.t, func() bool {
		p := h.v.current.Load()
		p.mu.Lock()
		defer p.mu.Unlock()
		return len(p.all)-len(p.idle) == n
	}, 10*time.Second, time.Millisecond)
}

// functionOf returns the first function of a service, as it is registered.
func functionOf(s pluginsdk.Service) eng.Function {
	e := new(engine)
	_ = parigotimpl.Register(context.Background(), e, &s, struct{}{})
	return e.functions[0].Function
}

// guestModule is the module of a guest that has a memory and nothing else.
type guestModule struct {
	api.Module
	memory *wazerotest.Memory
}

func (m *guestModule) Memory() api.Memory { return m.memory }

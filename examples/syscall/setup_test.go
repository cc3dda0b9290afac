//go:build !wasip1

package syscall

import (
	"context"
	"log/slog"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/id"
	"github.com/iansmith/parigot/pluginsdk/parigotpb"
	"github.com/iansmith/parigot/pluginsdk/status"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
	"github.com/iansmith/parigot/pluginsdk/syscallpb/syscallpbparigot"
)

// bundle is a kernel, a client that calls it through the bridge, and the plugin, whose Call and
// Next guests call as bytes.
type bundle struct {
	t      require.TestingT
	kernel *kernel
	plugin *SyscallPlugin
	client syscallpbparigot.SyscallClient
}

type (
	callerKey struct{}
	grantsKey struct{}
)

// setup makes a kernel. configure may change its configuration, or be nil.
func setup(t require.TestingT, configure func(*syscallpb.SyscallConfig)) *bundle {
	cfg := new(syscallpb.SyscallConfig)
	if configure != nil {
		configure(cfg)
	}
	s, err := newSettings(cfg)
	require.NoError(t, err)
	k := newKernel(s, slog.New(slog.DiscardHandler))
	plugin := &SyscallPlugin{kernel: k, whoCalls: func(ctx context.Context) eng.Caller {
		c, _ := ctx.Value(callerKey{}).(eng.Caller)
		return c
	}, mayDo: func(ctx context.Context) *eng.Grants {
		g, _ := ctx.Value(grantsKey{}).(*eng.Grants)
		return g
	}}
	return &bundle{t: t, kernel: k, plugin: plugin, client: syscallpbparigot.NewLocalSyscallClient(plugin)}
}

// guest is a guest that no engine runs: its calls are the test's.
type guest struct {
	*bundle
	caller eng.Caller
	ctx    context.Context
	calls  *sentCalls
}

// guest starts a guest.
func (b *bundle) guest(name string) *guest {
	g := &guest{bundle: b, caller: eng.Caller{ID: id.New[id.HostKind](), Name: name}, calls: new(sentCalls)}
	return g.with(context.Background())
}

// with returns the guest with calls that have the context ctx.
func (g *guest) with(ctx context.Context) *guest {
	copied := *g
	copied.ctx = context.WithValue(ctx, callerKey{}, g.caller)
	return &copied
}

// granted returns the guest with calls that may do what g says, and nothing else.
func (g *guest) granted(grants eng.Grants) *guest {
	return g.with(context.WithValue(context.Background(), grantsKey{}, &grants))
}

// end ends the guest, as the engine does.
func (g *guest) end() { g.kernel.ended(g.caller) }

func fq(full string) *syscallpb.FullyQualifiedService {
	n := splitName(full)
	return &syscallpb.FullyQualifiedService{PackageName: n.pkg, ServiceName: n.short}
}

// register registers a service, or with "" a client.
func (g *guest) register(service string) (*parigotpb.Id, error) {
	req := &syscallpb.RegisterRequest{IsClient: service == ""}
	if service != "" {
		req.PackageName, req.ServiceName = fq(service).GetPackageName(), fq(service).GetServiceName()
	}
	resp, err := g.client.Register(g.ctx, req)
	return resp.GetServiceId(), err
}

func (g *guest) mustRegister(service string) *parigotpb.Id {
	sid, err := g.register(service)
	require.NoError(g.t, err)
	return sid
}

func (g *guest) bind(sid *parigotpb.Id, method string) (*parigotpb.Id, error) {
	resp, err := g.client.BindMethod(g.ctx, &syscallpb.BindMethodRequest{ServiceId: sid, MethodName: method})
	return resp.GetMethodId(), err
}

func (g *guest) export(sid *parigotpb.Id) error {
	_, err := g.client.Export(g.ctx, &syscallpb.ExportRequest{ServiceId: sid})
	return err
}

func (g *guest) require(sid *parigotpb.Id, services ...string) error {
	req := &syscallpb.RequireRequest{Source: sid}
	for _, s := range services {
		req.Dest = append(req.Dest, fq(s))
	}
	_, err := g.client.Require(g.ctx, req)
	return err
}

func (g *guest) launch(sid *parigotpb.Id) error {
	_, err := g.client.Launch(g.ctx, &syscallpb.LaunchRequest{ServiceId: sid})
	return err
}

func (g *guest) locate(service string) (*syscallpb.LocateResponse, error) {
	return g.client.Locate(g.ctx, &syscallpb.LocateRequest{Service: fq(service)})
}

// serve has the guest export a service with a method "Do", and launch it.
func (g *guest) serve(service string, requires ...string) *parigotpb.Id {
	sid := g.mustRegister(service)
	_, err := g.bind(sid, "Do")
	require.NoError(g.t, err)
	require.NoError(g.t, g.export(sid))
	if len(requires) > 0 {
		require.NoError(g.t, g.require(sid, requires...))
	}
	require.NoError(g.t, g.launch(sid))
	return sid
}

// use has the guest require services, as a client, and launch.
func (g *guest) use(services ...string) {
	sid := g.mustRegister("")
	require.NoError(g.t, g.require(sid, services...))
	require.NoError(g.t, g.launch(sid))
}

func (g *guest) exit(code int32, everyone bool) error {
	_, err := g.client.Exit(g.ctx, &syscallpb.ExitRequest{Code: code, Everyone: everyone})
	return err
}

// requireErr wants an error of the kernel, whose message has all of the words.
func requireErr(t require.TestingT, err error, want protoreflect.Enum, words ...string) {
	require.ErrorIs(t, err, status.Of(want))
	for _, w := range words {
		require.Contains(t, err.Error(), w)
	}
}

// empty wants the kernel to hold nothing of any guest.
func (b *bundle) empty() {
	k := b.kernel
	// A timer that was stopped too late may still find that there is nothing to do.
	for _, l := range []sync.Locker{k.hosts.mu.RLocker(), &k.matcher.mu, &k.data.mu, &k.native.mu} {
		l.Lock()
		defer l.Unlock()
	}
	require.Empty(b.t, k.hosts.byID)
	require.Empty(b.t, k.hosts.byName)
	require.Empty(b.t, k.matcher.promises)
	require.Empty(b.t, k.matcher.resolved)
	require.Empty(b.t, k.data.byID)
	require.Empty(b.t, k.data.byName)
	require.Zero(b.t, k.data.methods)
	require.Zero(b.t, k.native.outgoing.size)
}

// also has the guest, which is a client, require another service.
func (g *guest) also(service string) {
	sid := g.mustRegister("")
	require.NoError(g.t, g.require(sid, service))
	require.NoError(g.t, g.launch(sid))
}

// pair is a guest that serves greeting.v1.Greeting, and one that has located it.
func (b *bundle) pair() (server, client *guest, greeting remote) {
	server, client = b.guest("greeting"), b.guest("hello")
	server.serve("greeting.v1.Greeting")
	client.use("greeting.v1.Greeting")
	return server, client, client.find("greeting.v1.Greeting")
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	server, client, greeting := b.pair()

	call := greeting.mustCall("Ada")
	in := server.incoming()
	require.Equal(t, call.number, in.GetCall())
	require.Equal(t, "Ada", string(in.GetParam()))
	require.Equal(t, "hello", in.GetCallerName())
	require.Equal(t, client.caller.ID, id.From[id.HostKind](in.GetCallerHigh(), in.GetCallerLow()))
	require.NoError(t, server.answer(in.GetCall(), "Hello, Ada"))

	out := client.result()
	require.Equal(t, call, out.call)
	require.NoError(t, out.err)
	require.Equal(t, "Hello, Ada", out.body)
	client.nothing()
	server.nothing()

	server.end()
	client.end()
	b.empty()
}

// TestCallerThatStandsStill: a call that is answered while its caller stands still is in no
// CallMatcher.
func TestCallerThatStandsStill(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	server, client, greeting := b.pair()
	call, err := greeting.stand("Ada")
	require.NoError(t, err)
	require.Empty(t, b.kernel.matcher.promises)
	require.NoError(t, server.answer(server.incoming().GetCall(), "Hello, Ada"))
	require.Empty(t, b.kernel.matcher.resolved)
	require.False(t, call.Leave(), "the result is there")
	require.Equal(t, "Hello, Ada", client.result().body)

	call, err = greeting.stand("Bob")
	require.NoError(t, err)
	require.True(t, call.Leave())
	require.Len(t, b.kernel.matcher.promises, 1)
	require.NoError(t, server.answer(server.incoming().GetCall(), "Hello, Bob"))
	require.Equal(t, "Hello, Bob", client.result().body)
	require.Empty(t, b.kernel.matcher.promises)
	require.Empty(t, b.kernel.hosts.FindById(client.caller.ID).expected)
	server.end()
	client.end()
	b.empty()
}

//go:build !wasip1

package syscall

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/pluginsdk/id"
	"github.com/iansmith/parigot/pluginsdk/parigotpb"
	"github.com/iansmith/parigot/pluginsdk/status"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

const greetingService = "greeting.v1.Greeting"

func TestIdentityComesFromTheEngine(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	native := &guest{bundle: b}
	native = native.with(t.Context())
	_, err := native.register("")
	require.ErrorIs(t, err, status.Of(status.FailedPrecondition), "native code has no identity")
	_, err = native.poll()
	require.ErrorIs(t, err, status.Of(status.FailedPrecondition))

	stranger := b.guest("stranger")
	_, err = stranger.poll()
	requireErr(t, err, syscallpb.KernelErr_BadId, "call Register first")
}

func TestRegister(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	g := b.guest("greeting")
	sid := g.mustRegister(greetingService)
	again := g.mustRegister(greetingService)
	require.Equal(t, sid.GetLow(), again.GetLow(), "again changes nothing")
	require.Equal(t, sid.GetLow(), b.guest("replica").mustRegister(greetingService).GetLow())
	require.NotEqual(t, sid.GetLow(), g.mustRegister("").GetLow(), "a guest may serve and be a client")
	require.NotEqual(t, b.guest("one").mustRegister("").GetLow(), b.guest("two").mustRegister("").GetLow())

	for _, bad := range []string{"1.Greeting", "greeting.v1.Gree ting", "a..B", clientPackage + ".one", strings.Repeat("x", longestName), "."} {
		_, err := g.register(bad)
		requireErr(t, err, syscallpb.KernelErr_BadId)
	}
	_, err := g.client.Register(g.ctx, &syscallpb.RegisterRequest{IsClient: true, ServiceName: "Greeting"})
	requireErr(t, err, syscallpb.KernelErr_BadId, "without a name")
}

func TestExportBelongsToOneEntry(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	first, other, replica := b.guest("greeting"), b.guest("thief"), b.guest("greeting")
	sid := first.serve(greetingService)

	stolen := other.mustRegister(greetingService)
	requireErr(t, other.export(stolen), syscallpb.KernelErr_ServiceAlreadyClosedOrExported, greetingService, "the guest greeting")
	_, err := other.bind(stolen, "Do")
	requireErr(t, err, syscallpb.KernelErr_ServiceAlreadyClosedOrExported)
	requireErr(t, other.launch(stolen), syscallpb.KernelErr_NotReady)
	replica.serve(greetingService)
	require.NoError(t, first.export(sid), "again changes nothing")

	first.end()
	requireErr(t, other.export(stolen), syscallpb.KernelErr_ServiceAlreadyClosedOrExported)
	replica.end()
	require.NoError(t, other.export(stolen), "nobody exports it any longer")
}

func TestIdsOfOthersNameNothing(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	server, _, _ := b.pair()
	sid := server.mustRegister(greetingService)
	stranger := b.guest("stranger")
	own := stranger.mustRegister("")
	for name, bad := range map[string]*parigotpb.Id{
		"another's": sid, "unset": nil, "unknown": id.New[id.ServiceKind]().Proto(),
	} {
		_, bindErr := stranger.bind(bad, "Do")
		for _, err := range []error{bindErr, stranger.export(bad), stranger.require(bad, "p.A"), stranger.launch(bad)} {
			require.ErrorIs(t, err, status.Of(syscallpb.KernelErr_BadId), name)
		}
	}
	requireErr(t, stranger.export(own), syscallpb.KernelErr_BadId, "a client exports nothing")
	_, err := stranger.bind(own, "Do")
	requireErr(t, err, syscallpb.KernelErr_BadId)
}

func TestBindMethod(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	one, two := b.guest("greeting"), b.guest("greeting")
	sid := one.mustRegister(greetingService)
	two.mustRegister(greetingService)
	greet, err := one.bind(sid, "Greet")
	require.NoError(t, err)
	same, err := two.bind(sid, "Greet")
	require.NoError(t, err)
	require.Equal(t, greet.GetLow(), same.GetLow(), "replicas agree")
	part, err := one.bind(sid, "Part")
	require.NoError(t, err)
	require.NotEqual(t, greet.GetLow(), part.GetLow())
	for _, bad := range []string{"", "a.b", "1", "a b", strings.Repeat("x", longestName+1)} {
		_, err := one.bind(sid, bad)
		requireErr(t, err, syscallpb.KernelErr_BadId)
	}
}

func TestRequire(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	g := b.guest("g")
	a := g.mustRegister("p.A")
	require.NoError(t, g.require(a, "p.B", "p.C"))
	requireErr(t, g.require(a, "p.D", "p.B"), syscallpb.KernelErr_ServiceAlreadyRequired, "p.A", "p.B")
	_, err := g.client.ServiceByName(g.ctx, &syscallpb.ServiceByNameRequest{Service: fq("p.D")})
	requireErr(t, err, syscallpb.KernelErr_NotFound)
	requireErr(t, g.require(a, "p.C.."), syscallpb.KernelErr_BadId)

	bee := b.guest("b")
	bsid := bee.mustRegister("p.B")
	requireErr(t, bee.require(bsid, "p.X", "p.A"), cycle, "p.B → p.A → p.B")
	require.NoError(t, bee.require(bsid, "p.X"), "the refused request left nothing")
	replica := b.guest("g")
	require.NoError(t, replica.require(replica.mustRegister("p.A"), "p.B"), "each replica says it")

	exists := func(source, target string) bool {
		resp, err := bee.client.DependencyExists(bee.ctx, &syscallpb.DependencyExistsRequest{Source: fq(source), Target: fq(target)})
		require.NoError(t, err)
		return resp.GetExists()
	}
	require.True(t, exists("p.A", "p.X"))
	require.False(t, exists("p.X", "p.A"))
	g.end()
	require.True(t, exists("p.A", "p.X"), "the replica still requires it")
	require.False(t, exists("p.A", "p.C"))
	replica.end()
	require.False(t, exists("p.A", "p.B"))
	bee.end()
	b.empty()
}

func TestLocate(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	client := b.guest("hello")
	sid := client.mustRegister("")
	find := func() error {
		_, err := client.locate(greetingService)
		return err
	}
	requireErr(t, find(), syscallpb.KernelErr_NotFound)
	server := b.guest("greeting")
	greeting := server.mustRegister(greetingService)
	requireErr(t, find(), syscallpb.KernelErr_NotRequired)
	require.NoError(t, client.require(sid, greetingService))
	requireErr(t, find(), syscallpb.KernelErr_NotReady, "not launched")

	launched := make(chan error, 1)
	go func() { launched <- client.launch(sid) }()
	method, err := server.bind(greeting, "Greet")
	require.NoError(t, err)
	require.NoError(t, server.export(greeting))
	require.NoError(t, server.launch(greeting))
	require.NoError(t, <-launched)
	found, err := client.locate(greetingService)
	require.NoError(t, err)
	require.Equal(t, greeting.GetLow(), found.GetServiceId().GetLow())
	require.Equal(t, "Greet", found.GetBinding()[0].GetMethodName())
	require.Equal(t, method.GetLow(), found.GetBinding()[0].GetMethodId().GetLow())

	server.end()
	requireErr(t, find(), syscallpb.KernelErr_LocateError)
	server = b.guest("greeting")
	require.NoError(t, server.export(server.mustRegister(greetingService)))
	requireErr(t, find(), syscallpb.KernelErr_NotReady, "has not started")
	_, err = client.locate(clientPackage + ".hello")
	requireErr(t, err, syscallpb.KernelErr_NotFound)
}

func TestCallChecksWhatItNames(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *syscallpb.SyscallConfig) { c.MaxPayloadBytes = 8 })
	server, _, greeting := b.pair()
	otherServer := b.guest("other")
	other := otherServer.serve("p.Other")
	for name, c := range map[string]struct {
		change func(*syscallpb.CallRequest)
		want   syscallpb.KernelErr
	}{
		"service not located": {func(r *syscallpb.CallRequest) { r.MethodHigh = other.GetLow() }, syscallpb.KernelErr_NotRequired},
		"no service":          {func(r *syscallpb.CallRequest) { r.MethodHigh = 0 }, syscallpb.KernelErr_NotRequired},
		"unknown method":      {func(r *syscallpb.CallRequest) { r.MethodLow = 1 << 40 }, syscallpb.KernelErr_BadId},
		"no method":           {func(r *syscallpb.CallRequest) { r.MethodLow = 0 }, syscallpb.KernelErr_BadId},
		"too large":           {func(r *syscallpb.CallRequest) { r.Param = []byte("123456789") }, syscallpb.KernelErr_DataTooLarge},
		"strange parent":      {func(r *syscallpb.CallRequest) { r.Parent = 1 << 40 }, syscallpb.KernelErr_BadCallId},
	} {
		_, err := greeting.call("x", c.change)
		require.ErrorIs(t, err, status.Of(c.want), name)
	}
	server.nothing()

	late, err := server.bind(server.mustRegister(greetingService), "Late")
	require.NoError(t, err)
	_, err = greeting.call("x", func(r *syscallpb.CallRequest) { r.MethodLow = late.GetLow() })
	require.NoError(t, err, "a method may be bound later")
	require.Equal(t, late.GetLow(), server.incoming().GetMethodLow())
}

// A service that other guests took over keeps its ids. A method that they do not
// have is no method of it.
func TestIdsOutliveTheGuests(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	server, _, greeting := b.pair()
	extra, err := server.bind(server.mustRegister(greetingService), "Extra")
	require.NoError(t, err)
	server.end()
	_, err = greeting.call("x")
	requireErr(t, err, syscallpb.KernelErr_CallerUnavailable, greetingService)

	next := b.guest("greeting, next version")
	next.serve(greetingService)
	greeting.mustCall("to the next")
	require.Equal(t, "to the next", string(next.incoming().GetParam()))
	_, err = greeting.call("x", func(r *syscallpb.CallRequest) { r.MethodLow = extra.GetLow() })
	requireErr(t, err, syscallpb.KernelErr_NotFound, "Extra")
}

func TestReplicasTakeTurns(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *syscallpb.SyscallConfig) { c.MaxQueuedCalls = 4 })
	first, client, greeting := b.pair()
	replicas := []*guest{first, b.guest("greeting"), b.guest("greeting")}
	replicas[1].serve(greetingService)
	idle := replicas[2]
	sid := idle.mustRegister(greetingService)
	require.NoError(t, idle.export(sid))
	for range 8 {
		greeting.mustCall("")
	}
	for _, r := range replicas[:2] {
		for range 4 {
			require.NoError(t, r.answer(r.incoming().GetCall(), ""))
			client.result()
		}
	}
	idle.nothing() // it is not launched

	for range 8 {
		greeting.mustCall("")
	}
	replicas[0].incoming()
	greeting.mustCall("goes to the one that has room")
	_, err := greeting.call("nobody has")
	require.ErrorIs(t, err, status.Of(status.ResourceExhausted))
	require.NoError(t, idle.launch(sid))
	greeting.mustCall("to the new one")
	idle.incoming()
}

func TestServiceInfo(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	_, client, greeting := b.pair()
	byID, err := client.client.ServiceById(client.ctx, &syscallpb.ServiceByIdRequest{ServiceId: greeting.service})
	require.NoError(t, err)
	byName, err := client.client.ServiceByName(client.ctx, &syscallpb.ServiceByNameRequest{Service: fq(greetingService)})
	require.NoError(t, err)
	for _, info := range []*syscallpb.ServiceInfo{byID.GetInfo(), byName.GetInfo()} {
		require.True(t, info.GetExported() && info.GetStarted())
		require.False(t, info.GetIsClient() || info.GetRunRequested())
		require.Equal(t, "Greeting", info.GetService().GetServiceName())
		require.Equal(t, "Do", info.GetBinding()[0].GetMethodName())
	}
	own, err := client.client.ServiceByName(client.ctx, &syscallpb.ServiceByNameRequest{Service: fq("@guest.hello")})
	require.NoError(t, err)
	require.True(t, own.GetInfo().GetIsClient() && own.GetInfo().GetStarted())
	_, err = client.client.ServiceById(client.ctx, &syscallpb.ServiceByIdRequest{})
	requireErr(t, err, notFound)
}

// What the zero value answers, and what is left after Close.
func TestPluginWithoutEngine(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	_, err := (&SyscallPlugin{}).Register(ctx, new(syscallpb.RegisterRequest))
	require.ErrorIs(t, err, status.Of(status.Unavailable))
	_, err = (&SyscallPlugin{}).Next(ctx, new(syscallpb.NextRequest))
	require.ErrorIs(t, err, status.Of(status.Unavailable))
	require.NoError(t, (&SyscallPlugin{}).Close(ctx))

	b := setup(t, nil)
	server, client, greeting := b.pair()
	waiting := make(chan error)
	go func() {
		for {
			if _, err := server.client.Next(server.ctx, new(syscallpb.NextRequest)); err != nil {
				waiting <- err
				return
			}
		}
	}()
	launching := make(chan error)
	late := b.guest("late")
	sid := late.mustRegister("")
	require.NoError(t, late.require(sid, "p.Missing"))
	go func() { launching <- late.launch(sid) }()
	call := greeting.mustCall("x")
	require.NoError(t, (&SyscallPlugin{kernel: b.kernel}).Close(ctx))
	requireErr(t, <-waiting, syscallpb.KernelErr_ChannelClosed)
	requireErr(t, <-launching, syscallpb.KernelErr_ChannelClosed)
	require.Error(t, client.await(call).err, "whichever of the two the kernel ended first")
	_, err = client.poll()
	requireErr(t, err, syscallpb.KernelErr_ChannelClosed)
	_, err = b.guest("later").register("")
	requireErr(t, err, syscallpb.KernelErr_ChannelClosed)
	// As for a Launch that begins while the engine closes.
	require.Equal(t, syscallpb.KernelErr_ChannelClosed, b.kernel.data.Launch(ctx, id.FromProto[id.ServiceKind](sid)))
	b.empty()
}

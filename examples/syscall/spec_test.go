//go:build !wasip1

package syscall

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/iansmith/parigot/pluginsdk/id"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

// These tests hold the parts of the kernel to what their documentation says,
// sentence by sentence, through the documented interfaces.

const (
	ok         = syscallpb.KernelErr_NoError
	badID      = syscallpb.KernelErr_BadId
	badCallID  = syscallpb.KernelErr_BadCallId
	notFound   = syscallpb.KernelErr_NotFound
	cycle      = syscallpb.KernelErr_DependencyCycle
	exhausted  = syscallpb.KernelErr_NamespaceExhausted
	runTimeout = syscallpb.KernelErr_RunTimeout
)

func newHostID() id.HostId { return id.New[id.HostKind]() }
func newCallID() id.CallId { return id.New[id.CallKind]() }

func TestHostFinder(t *testing.T) {
	t.Parallel()
	var hosts HostFinder = setup(t, func(c *syscallpb.SyscallConfig) { c.MaxHosts = 2 }).kernel.hosts
	first, replica := newHostID(), newHostID()
	require.Nil(t, hosts.FindByName("greeting"))
	require.Nil(t, hosts.FindById(first))

	require.Equal(t, ok, hosts.AddHost("greeting", first))
	require.Equal(t, badID, hosts.AddHost("other", first), "an id names one host")
	require.Equal(t, ok, hosts.AddHost("greeting", replica))
	require.Equal(t, first, hosts.FindByName("greeting").id)
	require.Equal(t, replica, hosts.FindById(replica).id)
	require.Nil(t, hosts.FindByName("other"))

	require.Equal(t, exhausted, hosts.AddHost("more", newHostID()))
	require.Panics(t, func() { hosts.AddHost("", newHostID()) })
	require.Panics(t, func() { hosts.AddHost("unset", id.HostId{}) })
}

func TestCallMatcher(t *testing.T) {
	t.Parallel()
	k := setup(t, nil).kernel
	var matcher CallMatcher = k.matcher
	host, other := newHostID(), newHostID()
	require.Equal(t, ok, k.hosts.AddHost("a", host))
	require.Equal(t, ok, k.hosts.AddHost("b", other))

	first, second := newCallID(), newCallID()
	require.Equal(t, badCallID, matcher.Response(first, nil, 0), "nobody has dispatched it")
	require.Equal(t, ok, matcher.Dispatch(host, first))
	require.Equal(t, badCallID, matcher.Dispatch(other, first), "it is registered")
	require.Equal(t, badCallID, matcher.Dispatch(host, id.CallId{}))
	require.Equal(t, badID, matcher.Dispatch(newHostID(), newCallID()))
	require.Equal(t, ok, matcher.Dispatch(host, second))

	call, code := matcher.Ready(host)
	require.Equal(t, ok, code)
	require.Nil(t, call, "nothing is resolved")

	require.Equal(t, ok, matcher.Response(second, &anypb.Any{Value: []byte("two")}, 0))
	require.Equal(t, ok, matcher.Response(first, nil, 7), "what Response returns is its own outcome, not the call's")
	require.Equal(t, badCallID, matcher.Response(first, nil, 0), "a call has one response")

	call, code = matcher.Ready(other)
	require.Equal(t, ok, code)
	require.Nil(t, call, "another host's calls")
	call, _ = matcher.Ready(host)
	require.Equal(t, "two", string(call.GetResult().GetValue()))
	require.Equal(t, second, id.FromProto[id.CallKind](call.GetCallId()))
	call, _ = matcher.Ready(host)
	require.EqualValues(t, 7, call.GetResultError())
	require.Equal(t, first, id.FromProto[id.CallKind](call.GetCallId()))
	call, _ = matcher.Ready(host)
	require.Nil(t, call, "each is returned once")
	_, code = matcher.Ready(newHostID())
	require.Equal(t, badID, code)
	require.Empty(t, k.matcher.promises)
	require.Empty(t, k.matcher.resolved)
}

func TestSyscallDataLookup(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	var data SyscallData = setup(t, func(c *syscallpb.SyscallConfig) { c.MaxServices = 2 }).kernel.data
	require.Nil(t, data.ServiceByName(ctx, "greeting.v1", "Greeting"))

	s, added := data.SetService(ctx, "greeting.v1", "Greeting", false)
	require.True(t, added)
	again, added := data.SetService(ctx, "greeting.v1", "Greeting", true)
	require.False(t, added, "the pair existed")
	require.Same(t, s, again)
	require.Equal(t, syscallpb.KernelErr_NotReady, data.Launch(ctx, s.Id()), "no changes were made to it: it is no client")
	client, added := data.SetService(ctx, "", "hello", true)
	require.True(t, added)
	require.NotEqual(t, s.Id(), client.Id())
	full, added := data.SetService(ctx, "more", "Most", false)
	require.Nil(t, full)
	require.False(t, added)

	require.Same(t, s, data.ServiceByName(ctx, "greeting.v1", "Greeting"))
	require.Nil(t, data.ServiceByName(ctx, "greeting.v2", "Greeting"))
	require.Same(t, s, data.ServiceById(ctx, s.Id()))
	require.Nil(t, data.ServiceById(ctx, id.New[id.ServiceKind]()))
	require.Same(t, s, data.ServiceByIdString(ctx, s.Id().String()))
	for _, str := range []string{"", "nonsense", id.New[id.ServiceKind]().String(), s.Id().Short()} {
		require.Nil(t, data.ServiceByIdString(ctx, str), str)
	}
}

func TestService(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	var data SyscallData = setup(t, nil).kernel.data
	s, _ := data.SetService(ctx, "greeting.v1", "Greeting", false)
	require.Equal(t, "Greeting", s.Name())
	require.Equal(t, "greeting.v1", s.Package())
	require.Equal(t, s.Id().Short(), s.Short())
	require.Equal(t, s.Id().String(), s.String())
	require.False(t, s.Exported() || s.Started() || s.RunRequested())

	require.Empty(t, s.Method())
	greet, part := id.New[id.MethodKind](), id.New[id.MethodKind]()
	s.AddMethod("Greet", greet)
	s.AddMethod("Part", part)
	s.AddMethod("Greet", id.New[id.MethodKind]())
	require.Len(t, s.Method(), 2)
	require.Equal(t, "Greet", s.Method()[0].GetMethodName())
	require.Equal(t, greet, id.FromProto[id.MethodKind](s.Method()[0].GetMethodId()))
	require.Equal(t, part, id.FromProto[id.MethodKind](s.Method()[1].GetMethodId()))

	require.Nil(t, data.Export(ctx, id.New[id.ServiceKind]()), "there is no such service")
	require.Same(t, s, data.Export(ctx, s.Id()))
	require.True(t, s.Exported())
	require.Equal(t, ok, s.Run(ctx), "it needs nothing")
	require.False(t, s.Started(), "Run only waits")
	require.Equal(t, ok, data.Launch(ctx, s.Id()))
	require.True(t, s.Started())
	require.False(t, s.RunRequested())
}

// chain makes services each of which imports the next.
func chain(t *testing.T, data SyscallData, names ...string) []Service {
	var all []Service
	for i, name := range names {
		s, _ := data.SetService(t.Context(), "p", name, false)
		data.Export(t.Context(), s.Id())
		all = append(all, s)
		if i > 0 {
			require.Equal(t, ok, data.Import(t.Context(), all[i-1].Id(), s.Id()))
		}
	}
	return all
}

func TestImport(t *testing.T) {
	t.Parallel()
	var data SyscallData = setup(t, nil).kernel.data
	s := chain(t, data, "A", "B", "C")
	stranger := id.New[id.ServiceKind]()
	require.Equal(t, notFound, data.Import(t.Context(), stranger, s[0].Id()))
	require.Equal(t, notFound, data.Import(t.Context(), s[0].Id(), stranger))
	require.Equal(t, syscallpb.KernelErr_ServiceAlreadyRequired, data.Import(t.Context(), s[0].Id(), s[1].Id()))

	for _, c := range []struct {
		src, dest Service
		want      string
	}{
		{s[2], s[0], "p.C → p.A → p.B → p.C"},
		{s[1], s[0], "p.B → p.A → p.B"},
		{s[0], s[0], "p.A → p.A"},
	} {
		ctx, a := withAsker(t.Context(), nil)
		require.Equal(t, cycle, data.Import(ctx, c.src.Id(), c.dest.Id()))
		require.Contains(t, a.reason, ": "+c.want, "the cycle is named")
	}
	require.Equal(t, ok, data.Import(t.Context(), s[0].Id(), s[2].Id()), "two ways are no cycle")
}

func TestPathExists(t *testing.T) {
	t.Parallel()
	var data SyscallData = setup(t, nil).kernel.data
	chain(t, data, "A", "B", "C")
	for _, c := range []struct {
		source, target string
		want           bool
	}{
		{"p.A", "p.B", true},
		{"p.A", "p.C", true},
		{"p.C", "p.A", false},
		{"p.A", "p.A", false},
		{"p.A", "p.Missing", false},
		{"p.Missing", "p.A", false},
		{"A", "B", false},
	} {
		require.Equal(t, c.want, data.PathExists(t.Context(), c.source, c.target), c)
	}
}

// Launch blocks until everything that the service imports, at any distance, has
// been launched.
func TestLaunchWaitsForAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var data SyscallData = setup(t, nil).kernel.data
		s := chain(t, data, "A", "B", "C")
		also, _ := data.SetService(t.Context(), "p", "Also", false)
		data.Export(t.Context(), also.Id())
		require.Equal(t, ok, data.Import(t.Context(), s[0].Id(), also.Id()))

		launched := make(chan Service, 4)
		launch := func(s Service) {
			go func() {
				if data.Launch(t.Context(), s.Id()) == ok {
					launched <- s
				}
			}()
			synctest.Wait()
		}
		launch(s[0])
		launch(s[1])
		require.Empty(t, launched)
		require.True(t, s[0].RunRequested())
		require.False(t, s[0].Started())
		launch(s[2])
		require.Len(t, launched, 2, "C, and B which waited for it")
		require.True(t, s[1].Started() && s[2].Started())
		require.True(t, s[0].RunRequested(), "A still waits for Also")
		launch(also)
		require.Len(t, launched, 4)
		require.True(t, s[0].Started())
		require.False(t, s[0].RunRequested())
	})
}

func TestLaunchFailures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var data SyscallData = setup(t, nil).kernel.data
		s := chain(t, data, "A", "B")
		require.Equal(t, notFound, data.Launch(t.Context(), id.New[id.ServiceKind]()))

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		ctx, a := withAsker(ctx, nil)
		start := time.Now()
		require.Equal(t, runTimeout, data.Launch(ctx, s[0].Id()))
		require.Equal(t, time.Minute, time.Since(start))
		require.Equal(t, "p.A requires p.B, which has not started", a.reason)
		require.False(t, s[0].RunRequested() || s[0].Started())

		_, started := data.(*syscallData).start(t.Context(), s[0].(*service))
		require.False(t, started, "what it requires may end after Run")

		bare, _ := data.SetService(t.Context(), "p", "Bare", false)
		require.Equal(t, syscallpb.KernelErr_NotReady, data.Launch(t.Context(), bare.Id()), "a service has to export")
		client, _ := data.SetService(t.Context(), "", "client", true)
		require.Equal(t, ok, data.Launch(t.Context(), client.Id()), "a client does not")
	})
}

// A call goes to the channel of a Next that waits, and is queued when none does.
func TestCallInfoIsSentToChannels(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	server, _, greeting := b.pair()
	h := b.kernel.hosts.FindById(server.caller.ID)
	r, err := h.park()
	require.NoError(t, err)

	call := greeting.mustCall("first")
	require.Equal(t, call.ci, <-r.ch)
	greeting.mustCall("second")
	require.Empty(t, r.ch)
	require.Equal(t, "second", string(server.incoming().GetParam()))
}

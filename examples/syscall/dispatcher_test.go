//go:build !wasip1

package syscall

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/status"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

// hostCall is a call of the host that goes on.
type hostCall struct {
	resp *wrapperspb.StringValue
	err  error
	done chan struct{}
}

// hostCalls has the host call greeting.v1.Greeting.Do.
func (b *bundle) hostCalls(ctx context.Context, name string) *hostCall {
	c := &hostCall{resp: new(wrapperspb.StringValue), done: make(chan struct{})}
	go func() {
		defer close(c.done)
		c.err = dispatcher{b.kernel}.Invoke(ctx, methodOf(greetingService, "Do"), wrapperspb.String(name), c.resp)
	}()
	return c
}

func methodOf(service, name string) *pluginsdk.Method {
	return &pluginsdk.Method{Service: service, Name: name, FullName: service + "." + name}
}

func (c *hostCall) over() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

func message(t require.TestingT, m proto.Message) []byte {
	value, err := proto.Marshal(m)
	require.NoError(t, err)
	return value
}

// returns has a guest answer a call as generated code does.
func (g *guest) returns(call uint64, result []byte, code int32) error {
	_, err := g.client.ReturnValue(g.ctx, &syscallpb.ReturnValueRequest{CallId: call, Result: result, ResultError: code})
	return err
}

// greets answers one call of the host.
func (g *guest) greets() {
	in := g.incoming()
	name := new(wrapperspb.StringValue)
	require.NoError(g.t, proto.Unmarshal(in.GetParam(), name))
	require.NoError(g.t, g.returns(in.GetCall(), message(g.t, wrapperspb.String("Hello, "+name.GetValue())), 0))
}

func TestHostCallsGuest(t *testing.T) {
	t.Parallel()
	inTime(t, nil, func(t *testing.T, b *bundle) {
		server := b.guest("greeting")
		server.serve(greetingService)
		ctx, cancel := context.WithTimeout(pluginsdk.WithMetadata(t.Context(), "traceparent", "00-1"), time.Minute)
		defer cancel()
		call := b.hostCalls(ctx, "Ada")
		synctest.Wait()
		in := server.incoming()
		require.Zero(t, in.GetCallerHigh(), "what no guest is")
		require.Zero(t, in.GetCallerLow())
		require.Empty(t, in.GetCallerName())
		require.Equal(t, map[string]string{"traceparent": "00-1"}, in.GetMetadata())
		require.Equal(t, int64(time.Minute), in.GetTimeoutNs())
		require.NoError(t, server.returns(in.GetCall(), message(t, wrapperspb.String("Hello, Ada")), 0))
		<-call.done
		require.NoError(t, call.err)
		require.Equal(t, "Hello, Ada", call.resp.GetValue())

		server.end()
		b.empty()
	})
}

// It waits for a service that nobody knows, for one that is not launched, and for
// one that is between two guests; and it never polls: in the bubble nothing moves
// unless somebody wakes it.
func TestHostWaitsForTheService(t *testing.T) {
	t.Parallel()
	inTime(t, nil, func(t *testing.T, b *bundle) {
		call := b.hostCalls(t.Context(), "Ada")
		synctest.Wait()
		server := b.guest("greeting")
		sid := server.mustRegister(greetingService)
		_, err := server.bind(sid, "Do")
		require.NoError(t, err)
		require.NoError(t, server.export(sid))
		synctest.Wait()
		require.False(t, call.over())
		server.nothing()
		require.NoError(t, server.launch(sid))
		synctest.Wait()
		server.greets()
		<-call.done
		require.NoError(t, call.err)

		server.end()
		call = b.hostCalls(t.Context(), "Bob")
		synctest.Wait()
		require.False(t, call.over(), "it waits for the next one")
		server = b.guest("greeting")
		server.serve(greetingService)
		synctest.Wait()
		server.greets()
		<-call.done
		require.Equal(t, "Hello, Bob", call.resp.GetValue())
		server.end()
		b.empty()
	})
}

func TestHostCallEndsWithItsContext(t *testing.T) {
	t.Parallel()
	inTime(t, nil, func(t *testing.T, b *bundle) {
		// While nobody serves it.
		early, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		call := b.hostCalls(early, "Ada")
		<-call.done
		require.Equal(t, time.Second, time.Since(start))
		require.ErrorIs(t, call.err, context.DeadlineExceeded)
		require.ErrorContains(t, call.err, greetingService+" has not started")
		b.empty()
		call = b.hostCalls(early, "Ada")
		<-call.done
		require.Equal(t, status.DeadlineExceeded, status.CodeOf(call.err))

		// While the guest serves it: the guest is told.
		server := b.guest("greeting")
		server.serve(greetingService)
		stopped, stop := context.WithCancel(t.Context())
		call = b.hostCalls(stopped, "Ada")
		synctest.Wait()
		in := server.incoming()
		stop()
		<-call.done
		require.ErrorIs(t, call.err, context.Canceled)
		require.ErrorContains(t, call.err, "greeting")
		require.Equal(t, []uint64{in.GetCall()}, server.notice().GetCancelled())
		requireErr(t, server.answer(in.GetCall(), "late"), syscallpb.KernelErr_BadCallId)

		// Before it reads it: it never will.
		stopped, stop = context.WithCancel(t.Context())
		call = b.hostCalls(stopped, "Ada")
		synctest.Wait()
		stop()
		<-call.done
		require.ErrorIs(t, call.err, context.Canceled)
		server.nothing()
		server.end()
		b.empty()
	})
}

func TestHostCallFails(t *testing.T) {
	t.Parallel()
	limits := func(c *syscallpb.SyscallConfig) {
		c.MaxPayloadBytes, c.MaxQueuedCalls, c.MaxCallsInFlight, c.MaxServices = 256, 1, 2, 1
	}
	inTime(t, limits, func(t *testing.T, b *bundle) {
		host := dispatcher{b.kernel}
		dispatch := func(service, method, name string) error {
			return host.Invoke(t.Context(), methodOf(service, method), wrapperspb.String(name), new(wrapperspb.StringValue))
		}
		server := b.guest("greeting")
		server.serve(greetingService)
		requireErr(t, dispatch(greetingService, "Unknown", ""), syscallpb.KernelErr_NotFound, `no method "Unknown"`)
		requireErr(t, dispatch("no service", "Do", ""), syscallpb.KernelErr_BadId)
		requireErr(t, dispatch(clientPackage+".hello", "Do", ""), syscallpb.KernelErr_BadId)
		requireErr(t, dispatch("other.v1.Other", "Do", ""), syscallpb.KernelErr_NamespaceExhausted)
		requireErr(t, dispatch(greetingService, "Do", string(make([]byte, 257))), syscallpb.KernelErr_DataTooLarge)
		require.ErrorIs(t, dispatch(greetingService, "Do", "\xff"), status.Of(status.InvalidArgument), "it does not encode")

		first := b.hostCalls(t.Context(), "1")
		synctest.Wait()
		require.ErrorIs(t, dispatch(greetingService, "Do", "full"), status.Of(status.ResourceExhausted))
		in := server.incoming()
		second := b.hostCalls(t.Context(), "2")
		synctest.Wait()
		require.ErrorContains(t, dispatch(greetingService, "Do", "too many"), "2 calls in flight")

		// The errors of the service, whatever they look like.
		failure := failure(syscallpb.KernelErr_ExitFailed, "as its own")
		require.NoError(t, server.returns(in.GetCall(), failure.body, failure.code))
		<-first.done
		requireErr(t, first.err, syscallpb.KernelErr_ExitFailed, "as its own")
		require.NoError(t, server.returns(server.incoming().GetCall(), []byte("\xff\xff"), 7))
		<-second.done
		s, ok := status.From(second.err)
		require.True(t, ok)
		require.Equal(t, int32(7), s.Number())
		first = b.hostCalls(t.Context(), "1")
		synctest.Wait()
		require.NoError(t, server.answer(server.incoming().GetCall(), "\xff\xff"))
		<-first.done
		require.Equal(t, status.Internal, status.CodeOf(first.err))
		require.ErrorContains(t, first.err, "google.protobuf.StringValue")

		// The end of the guest, and of all.
		first = b.hostCalls(t.Context(), "1")
		synctest.Wait()
		server.incoming()
		server.end()
		<-first.done
		requireErr(t, first.err, syscallpb.KernelErr_CallerUnavailable, "greeting has ended")
		require.Equal(t, status.Unavailable, status.CodeOf(first.err), "as where a plugin is gone")
		b.empty()
		first = b.hostCalls(t.Context(), "1")
		client := b.guest("hello")
		synctest.Wait()
		require.Error(t, client.exit(0, true), "it is not registered")
		client.kernel.endAll(client.kernel.native, 0)
		<-first.done
		requireErr(t, first.err, syscallpb.KernelErr_AbortRequest)
		requireErr(t, dispatch(greetingService, "Do", ""), syscallpb.KernelErr_AbortRequest)
		b.empty()
		b.kernel.data.allEnded()
		first = b.hostCalls(t.Context(), "1")
		synctest.Wait()
		b.kernel.close()
		<-first.done
		requireErr(t, first.err, syscallpb.KernelErr_ChannelClosed)
		requireErr(t, dispatch(greetingService, "Do", ""), syscallpb.KernelErr_ChannelClosed)
		b.empty()
	})
}

// The engine closes while guests that it could not end still serve.
func TestHostCallEndsWithTheKernel(t *testing.T) {
	t.Parallel()
	inTime(t, nil, func(t *testing.T, b *bundle) {
		server := b.guest("greeting")
		server.serve(greetingService)
		call := b.hostCalls(t.Context(), "Ada")
		synctest.Wait()
		b.kernel.close()
		<-call.done
		requireErr(t, call.err, syscallpb.KernelErr_CallerUnavailable)
		b.empty()
	})
}

// No guest can be taken for the host, or touch a call of the host that is not its
// to answer.
func TestNobodyIsTheHost(t *testing.T) {
	t.Parallel()
	inTime(t, nil, func(t *testing.T, b *bundle) {
		server, client, greeting := b.pair()
		call := b.hostCalls(t.Context(), "Ada")
		synctest.Wait()
		in := server.incoming()
		requireErr(t, client.answer(in.GetCall(), "mine"), syscallpb.KernelErr_BadCallId)
		_, err := greeting.call("x", onBehalf(in.GetCall()))
		requireErr(t, err, syscallpb.KernelErr_BadCallId)
		require.NoError(t, server.returns(in.GetCall(), message(t, wrapperspb.String("Hello")), 0))
		<-call.done
		require.NoError(t, call.err)

		// Native code that calls the kernel as guests do has no identity, and one
		// that claims to have no id or no name is refused.
		for _, nobody := range []eng.Caller{{}, {Name: "host"}, {ID: client.caller.ID}} {
			g := &guest{bundle: b, caller: nobody}
			_, err := g.with(t.Context()).register("")
			if nobody.ID.IsZero() || nobody.Name == "" {
				require.ErrorIs(t, err, status.Of(status.FailedPrecondition))
			}
		}
		server.end()
		client.end()
		b.empty()
	})
}

// Calls that a guest makes on behalf of one of the host are bounded, and the error
// says where they began.
func TestHostCallsGoTooDeep(t *testing.T) {
	t.Parallel()
	inTime(t, func(c *syscallpb.SyscallConfig) { c.MaxCallDepth = 1 }, func(t *testing.T, b *bundle) {
		_, client, greeting := b.pair()
		client.serve("hello.v1.Hello")
		done := make(chan error)
		go func() {
			done <- dispatcher{b.kernel}.Invoke(t.Context(), methodOf("hello.v1.Hello", "Do"), new(wrapperspb.StringValue), new(wrapperspb.StringValue))
		}()
		synctest.Wait()
		in := client.incoming()
		greeting.mustCall("x", onBehalf(in.GetCall()))
		server := b.kernel.hosts.FindByName("greeting")
		b.kernel.maxCallDepth = 0
		_, err := greeting.call("x", onBehalf(in.GetCall()))
		requireErr(t, err, syscallpb.KernelErr_DependencyCycle, "the host → hello → greeting")
		b.kernel.ended(eng.Caller{ID: server.id})
		client.end()
		requireErr(t, <-done, syscallpb.KernelErr_CallerUnavailable)
		b.empty()
	})
}

func TestStartOffersTheDispatcher(t *testing.T) {
	t.Parallel()
	var one, two pluginsdk.Dispatcher
	require.NoError(t, pluginsdk.Start(t.Context(), newHost(t), ParigotInitialize, pluginsdk.WithDispatcher(&one)))
	require.NoError(t, pluginsdk.Start(t.Context(), newHost(t), ParigotInitialize, pluginsdk.WithDispatcher(&two)))
	require.NotNil(t, one)
	require.NotEqual(t, one, two, "each engine has its own")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	err := one.Invoke(ended, methodOf(greetingService, "Do"), new(wrapperspb.StringValue), new(wrapperspb.StringValue))
	require.True(t, errors.Is(err, context.Canceled) && status.CodeOf(err) == status.Cancelled, "%v", err)
}

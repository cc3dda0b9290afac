package core_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/iansmith/parigot/internal/abi"
	"github.com/iansmith/parigot/internal/core"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// intercepts has the calls of b go through interceptors.
func (b *bench) intercepts(interceptors ...core.Interceptor) {
	b.state.Intercept = core.Chain(interceptors)
}

// answered returns the response that a call has left at 4096.
func (b *bench) answered(n uint32) string {
	data, ok := b.m.Memory().Read(4096, n)
	require.True(b.t, ok)
	resp := new(wrapperspb.BytesValue)
	require.NoError(b.t, proto.Unmarshal(data, resp))
	return string(resp.GetValue())
}

// TestInterceptors: the first is outermost, each sees what those inside of it did, and may
// replace it, whether the call may block or not.
func TestInterceptors(t *testing.T) {
	t.Parallel()
	for _, mayBlock := range []bool{false, true} {
		t.Run(strconv.FormatBool(mayBlock), func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.mayBlock = mayBlock
			var seen []string
			type key struct{}
			b.intercepts(
				func(ctx context.Context, c *core.Call, next func(context.Context) error) error {
					seen = append(seen, "outer "+c.Method().FullName)
					require.Nil(t, c.Response())
					if err := next(context.WithValue(ctx, key{}, "made by outer")); err != nil {
						return err
					}
					got, _ := c.Response().(bytesValue)
					seen = append(seen, "outer got "+string(got.GetValue()))
					return c.SetResponse(wrapperspb.Bytes([]byte("outer's")))
				},
				func(ctx context.Context, c *core.Call, next func(context.Context) error) error {
					req, err := c.Request()
					require.NoError(t, err)
					got, _ := req.(bytesValue)
					seen = append(seen, "inner got "+string(got.GetValue()))
					require.ErrorIs(t, c.SetRequest(wrapperspb.String("x")), status.Of(status.InvalidArgument))
					require.NoError(t, c.SetRequest(wrapperspb.Bytes([]byte("inner's"))))
					return next(ctx)
				},
			)
			code, n := b.call(func(ctx context.Context, req, resp bytesValue) error {
				seen = append(seen, fmt.Sprint("server got ", string(req.GetValue()), ", ", ctx.Value(key{})))
				return echo(ctx, req, resp)
			})
			if mayBlock { // it may have gone on for longer
				b.busy.Wait()
			}
			require.Equal(t, []string{
				"outer test.v1.Test.Call", "inner got ping", "server got inner's, made by outer", "outer got inner's",
			}, seen)
			if code == 0 {
				require.Equal(t, "outer's", b.answered(n))
			}
		})
	}
}

// TestInterceptorFails: what an interceptor returns is what the caller sees.
func TestInterceptorFails(t *testing.T) {
	t.Parallel()
	refuses := func(err error) core.Interceptor {
		return func(context.Context, *core.Call, func(context.Context) error) error { return err }
	}
	for name, tt := range map[string]struct {
		interceptor core.Interceptor
		want        status.Code
		served      bool
	}{
		"with a code": {refuses(status.Error(status.PermissionDenied, "not you")), status.PermissionDenied, false},
		"without":     {refuses(errors.New("secret of the host")), status.Internal, false},
		"panics":      {func(context.Context, *core.Call, func(context.Context) error) error { panic("secret of the host") }, status.Internal, false},
		"swallows": {func(ctx context.Context, _ *core.Call, next func(context.Context) error) error {
			_ = next(ctx)
			return nil
		}, 0, true},
		"says nothing": {refuses(nil), 0, false},
		"answers first": {func(ctx context.Context, c *core.Call, next func(context.Context) error) error {
			_ = c.SetResponse(wrapperspb.Bytes([]byte("too early")))
			_ = next(ctx)
			return nil
		}, 0, true},
		"calls twice": {func(ctx context.Context, _ *core.Call, next func(context.Context) error) error {
			_ = next(ctx)
			return next(ctx)
		}, status.FailedPrecondition, true},
		"puts too much": {func(_ context.Context, c *core.Call, _ func(context.Context) error) error {
			return c.SetRequest(wrapperspb.Bytes(make([]byte, 64<<10)))
		}, status.ResourceExhausted, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.intercepts(tt.interceptor)
			served := false
			code, n := b.call(func(context.Context, bytesValue, bytesValue) error {
				served = true
				return status.Error(status.NotFound, "the server's own")
			})
			require.Equal(t, -int32(tt.want), code)
			require.Equal(t, tt.served, served)
			if code == 0 {
				require.Empty(t, b.answered(n))
			}
			if tt.want == status.Internal {
				require.NotContains(t, b.statusAt(code, 4096, n).Message(), "secret")
				require.Contains(t, b.log.String(), "secret of the host")
			}
			require.Zero(t, b.state.Account.Held())
			b.intercepts()
			code, _ = b.call(echo)
			require.Zero(t, code, "the instance stays usable")
		})
	}
}

// TestInterceptorsOfCarriedCalls: a request that goes elsewhere is decoded only for who asks.
func TestInterceptorsOfCarriedCalls(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	value := func(m proto.Message) string {
		require.NotNil(t, m)
		return string(m.ProtoReflect().Get(m.ProtoReflect().Descriptor().Fields().ByName("value")).Bytes())
	}
	b.intercepts(func(ctx context.Context, c *core.Call, next func(context.Context) error) error {
		req, err := c.Request()
		require.NoError(t, err)
		require.Equal(t, "ping", value(req))
		require.NoError(t, c.SetRequest(wrapperspb.Bytes([]byte("other"))))
		if err := next(ctx); err != nil {
			return err
		}
		require.Equal(t, "other", value(c.Response()))
		return c.SetResponse(wrapperspb.Bytes([]byte("mine")))
	})
	server := core.Carry(&core.Method{FullName: "test.v1.Test.Call", Descriptor: echoDescriptor(t)},
		func(_ context.Context, request []byte, _ func(uint32) ([]byte, error)) (int32, []byte, error) {
			return 0, request, nil
		})
	stack := []uint64{0, uint64(b.request(0, []byte("ping"))), 4096, 1024}
	server.Stack(b.ctx, b.m, stack)
	require.Zero(t, int32(stack[0]>>32))
	require.Equal(t, "mine", b.answered(uint32(stack[0])))
}

// TestInterceptorCannotPassABrokenRequest: a request that is over the limits reaches no server,
// whatever an interceptor makes of the error.
func TestInterceptorCannotPassABrokenRequest(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.state.Limits.MaxDecoded = 1 << 10
	b.intercepts(func(ctx context.Context, c *core.Call, next func(context.Context) error) error {
		require.Zero(t, c.Target())
		for range 2 {
			_, err := c.Request()
			require.ErrorIs(t, err, status.Of(status.ResourceExhausted))
		}
		return next(ctx)
	})
	n := b.request(0, make([]byte, 30<<10))
	code, _ := b.invoke(func(context.Context, bytesValue, bytesValue) error {
		t.Error("the implementation ran")
		return nil
	}, 0, n, 40<<10, 1024)
	require.Equal(t, -int32(status.ResourceExhausted), code)
	require.Zero(t, b.state.Account.Held())
}

// echoDescriptor describes a method that takes and returns a BytesValue.
func echoDescriptor(t *testing.T) func() protoreflect.MethodDescriptor {
	t.Helper()
	method := &descriptorpb.MethodDescriptorProto{
		Name: proto.String("Call"), InputType: proto.String(".google.protobuf.BytesValue"), OutputType: proto.String(".google.protobuf.BytesValue"),
	}
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("test.proto"), Package: proto.String("test.v1"), Dependency: []string{"google/protobuf/wrappers.proto"},
		Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("Test"), Method: []*descriptorpb.MethodDescriptorProto{method}}},
	}, protoregistry.GlobalFiles)
	require.NoError(t, err)
	return func() protoreflect.MethodDescriptor { return file.Services().Get(0).Methods().Get(0) }
}

// carries returns a server whose calls a carrier answers with code and body, by way of the
// caller's room if it fits.
func carries(code int32, body []byte) core.Server {
	return core.Carry(&core.Method{FullName: "test.v1.Test.Call"}, func(_ context.Context, _ []byte, room func(uint32) ([]byte, error)) (int32, []byte, error) {
		dst, err := room(uint32(len(body)))
		if err == nil {
			copy(dst, body)
		}
		return code, dst, err
	})
}

// TestInterceptorsHideWhatWasCarried: a guest sees nothing of an answer that an interceptor did
// not let through, neither as the answer nor elsewhere in its memory.
func TestInterceptorsHideWhatWasCarried(t *testing.T) {
	t.Parallel()
	failure, err := proto.Marshal(&spb.Status{Code: int32(status.NotFound), Message: "secret of the plugin"})
	require.NoError(t, err)
	response, err := proto.Marshal(wrapperspb.Bytes([]byte(strings.Repeat("secret of the plugin", 5))))
	require.NoError(t, err)
	for name, tt := range map[string]struct {
		server core.Server
		after  func(c *core.Call) error
		want   int32
	}{
		"swallowed": {carries(-int32(status.NotFound), failure), func(c *core.Call) error { require.Nil(t, c.Response()); return nil }, 0},
		"denied":    {carries(0, response), func(*core.Call) error { return status.Error(status.PermissionDenied, "no") }, -int32(status.PermissionDenied)},
		"uncoded":   {carries(0, response), func(*core.Call) error { return errors.New("of the interceptor") }, -int32(status.Internal)},
		"replaced":  {carries(0, response), func(c *core.Call) error { return c.SetResponse(wrapperspb.Bytes([]byte("x"))) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.intercepts(func(ctx context.Context, c *core.Call, next func(context.Context) error) error {
				_ = next(ctx)
				return tt.after(c)
			})
			stack := []uint64{0, uint64(b.request(0, []byte("ping"))), 4096, 1024}
			tt.server.Stack(b.ctx, b.m, stack)
			code, _ := abi.Split(stack[0])
			require.Equal(t, tt.want, code)
			memory, _ := b.m.Memory().Read(0, memorySize)
			require.NotContains(t, string(memory), "secret of the plugin")
			require.LessOrEqual(t, b.state.Counters.Incidents.Load(), uint64(1), "an error is one incident")
			b.intercepts()
			code, _ = b.call(echo)
			require.Zero(t, code)
			require.Zero(t, b.state.Account.Held())
		})
	}
}

// TestInterceptorsComeAfterLimits: a request that is too large reaches none, and one that an
// interceptor put in its place and that was refused reaches no server.
func TestInterceptorsComeAfterLimits(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	called := 0
	b.intercepts(func(ctx context.Context, c *core.Call, next func(context.Context) error) error {
		called++
		if err := c.SetRequest(wrapperspb.Bytes(make([]byte, 30<<10))); err == nil {
			return errors.New("the limit does not hold")
		}
		return next(ctx)
	})
	b.state.Limits.MaxDecoded = 1 << 10
	never := func(context.Context, bytesValue, bytesValue) error {
		t.Error("the implementation ran")
		return nil
	}
	code, _ := b.call(never)
	require.Equal(t, -int32(status.ResourceExhausted), code)
	require.Equal(t, 1, called)
	code, _ = b.invoke(never, 0, b.state.Limits.MaxRequest+1, 4096, 1024)
	require.Equal(t, -int32(status.ResourceExhausted), code)
	require.Equal(t, 1, called)
}

// TestCarrierThatPanics: nothing stays in the account.
func TestCarrierThatPanics(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	server := core.Carry(&core.Method{FullName: "test.v1.Test.Call"}, func(_ context.Context, _ []byte, room func(uint32) ([]byte, error)) (int32, []byte, error) {
		_, err := room(5000)
		require.NoError(t, err)
		panic("halfway")
	})
	for range 3 {
		stack := []uint64{0, 0, 4096, 1024}
		server.Stack(b.ctx, b.m, stack)
		require.Equal(t, -int32(status.Internal), int32(stack[0]>>32))
		require.Zero(t, b.state.Account.Held())
	}
}

package core_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

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

package process

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/iansmith/parigot/internal/core"
)

// quick describes the method Quick of the test plugin.
var quick = sync.OnceValue(func() protoreflect.MethodDescriptor {
	text := proto.String(".google.protobuf.StringValue")
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("quick.proto"), Package: proto.String("test.v1"), Dependency: []string{"google/protobuf/wrappers.proto"},
		Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("Test"), Method: []*descriptorpb.MethodDescriptorProto{
			{Name: proto.String("Quick"), InputType: text, OutputType: text},
		}}},
	}, protoregistry.GlobalFiles)
	if err != nil {
		return nil
	}
	return file.Services().Get(0).Methods().Get(0)
})

// TestInterceptors: those of the host see the calls to a plugin in a process, with all that the
// plugin says of the method.
func TestInterceptors(t *testing.T) {
	t.Parallel()
	g := start(t, "").guest("app")
	value := func(m proto.Message) string {
		require.NotNil(t, m)
		return m.ProtoReflect().Get(m.ProtoReflect().Descriptor().Fields().ByName("value")).String()
	}
	g.state.Intercept = core.Chain([]core.Interceptor{func(ctx context.Context, c *core.Call, next func(context.Context) error) error {
		m := c.Method()
		require.Equal(t, []any{"test.v1.Test", "Quick", "test.v1.Test.Quick", true, core.NoSideEffects},
			[]any{m.Service, m.Name, m.FullName, m.Redacted, m.Idempotency})
		req, err := c.Request()
		require.NoError(t, err)
		require.Equal(t, "echo ping", value(req))
		require.NoError(t, c.SetRequest(wrapperspb.String("echo other")))
		if err := next(ctx); err != nil {
			return err
		}
		require.Equal(t, "other", value(c.Response()))
		return c.SetResponse(wrapperspb.String("mine"))
	}})
	got, err := g.call(t.Context(), "Quick", "echo ping", 64<<10)
	require.NoError(t, err)
	require.Equal(t, "mine", got)
}

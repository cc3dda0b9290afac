package pluginsdk_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/iansmith/parigot/internal/core"
	"github.com/iansmith/parigot/internal/core/coretest"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/parigotimpl"
	"github.com/iansmith/parigot/pluginsdk/plugintest"
	"github.com/iansmith/parigot/pluginsdk/status"
)

func register(ctx context.Context, e eng.Engine, impl any) error {
	call := coretest.Unary(core.Method{Name: "Call"}, func(context.Context, *wrapperspb.StringValue, *wrapperspb.StringValue) error { return nil })
	return parigotimpl.Register(ctx, e, &core.Service{Name: "test.v1.Test", Methods: []core.MethodDesc{call}}, impl)
}

func TestStart(t *testing.T) {
	t.Parallel()
	reason := errors.New("no database")
	works := pluginsdk.InitFunc(func(ctx context.Context, e eng.Engine) bool { return register(ctx, e, 1) == nil })
	tests := []struct {
		name   string
		plugin pluginsdk.ParigotInit
		want   string
	}{
		{"works", works, ""},
		{"reports a reason", pluginsdk.InitFunc(func(_ context.Context, e eng.Engine) bool { return pluginsdk.InitError(e, reason) }), "no database"},
		{"fails to register", pluginsdk.InitAll(works, works), `module "test.v1.Test": ALREADY_EXISTS: function "Call" is registered already`},
		{"ignores that it failed to register", pluginsdk.InitFunc(func(ctx context.Context, e eng.Engine) bool {
			_ = register(ctx, e, nil)
			return true
		}), "test.v1.Test: the implementation is nil"},
		{"gives no reason", pluginsdk.InitFunc(func(context.Context, eng.Engine) bool { return false }), "pluginsdk.InitError"},
		{"panics", pluginsdk.InitFunc(func(context.Context, eng.Engine) bool { panic("oh") }), "panic in Init: oh"},
		{"is nil", nil, "the plugin is nil"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := plugintest.Host(t)
			err := pluginsdk.Start(t.Context(), h, tt.plugin)
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.want)
			require.NoError(t, pluginsdk.Start(t.Context(), h, pluginsdk.InitAll()), "a failure belongs to one plugin")
		})
	}
}

func TestStartDoesNotInheritFailures(t *testing.T) {
	t.Parallel()
	h := plugintest.Host(t)
	require.Error(t, h.Register(t.Context(), eng.HostModule{}))
	require.NoError(t, pluginsdk.Start(t.Context(), h, pluginsdk.InitAll()))
}

func TestReadConfig(t *testing.T) {
	t.Parallel()
	read := func(into *wrapperspb.StringValue, opts ...pluginsdk.StartOption) error {
		return pluginsdk.Start(t.Context(), plugintest.Host(t), pluginsdk.InitFunc(func(ctx context.Context, e eng.Engine) bool {
			if err := pluginsdk.ReadConfig(ctx, into); err != nil {
				return pluginsdk.InitError(e, err)
			}
			return true
		}), opts...)
	}
	got := wrapperspb.String("default")
	require.NoError(t, read(got))
	require.Equal(t, "default", got.Value)
	require.NoError(t, read(got, pluginsdk.WithConfig(wrapperspb.String("set"))))
	require.Equal(t, "set", got.Value)
	err := read(got, pluginsdk.WithConfig(durationpb.New(1)))
	require.ErrorContains(t, err, "configured with a google.protobuf.StringValue, the host gave a google.protobuf.Duration")
	require.ErrorIs(t, err, status.Of(status.InvalidArgument))
}

type testDispatcher struct{}

// Invoke implements [pluginsdk.Dispatcher]: it answers with the request.
func (testDispatcher) Invoke(_ context.Context, m *pluginsdk.Method, req, resp proto.Message) error {
	proto.Merge(resp, wrapperspb.String(m.FullName+" "+req.(*wrapperspb.StringValue).GetValue()))
	return nil
}

func TestWithDispatcher(t *testing.T) {
	t.Parallel()
	works := func(works bool) pluginsdk.ParigotInit {
		return pluginsdk.InitFunc(func(ctx context.Context, e eng.Engine) bool {
			pluginsdk.OfferDispatcher(ctx, testDispatcher{})
			return works || pluginsdk.InitError(e, errors.New("no"))
		})
	}
	var got pluginsdk.Dispatcher
	require.ErrorContains(t, pluginsdk.Start(t.Context(), plugintest.Host(t), works(false), pluginsdk.WithDispatcher(&got)), "no")
	require.Nil(t, got)
	err := pluginsdk.Start(t.Context(), plugintest.Host(t), pluginsdk.InitAll(), pluginsdk.WithDispatcher(&got))
	require.ErrorIs(t, err, status.Of(status.FailedPrecondition))
	require.Nil(t, got)
	require.NoError(t, pluginsdk.Start(t.Context(), plugintest.Host(t), works(true), pluginsdk.WithDispatcher(nil)))
	require.NoError(t, pluginsdk.Start(t.Context(), plugintest.Host(t), works(true), pluginsdk.WithDispatcher(&got)))
	require.Equal(t, testDispatcher{}, got)
	require.NotPanics(t, func() { pluginsdk.OfferDispatcher(t.Context(), got) }, "nobody asks")

	h := plugintest.Engine(t, eng.WithInterceptors(func(ctx context.Context, c *pluginsdk.Call, next func(context.Context) error) error {
		require.Zero(t, c.Target(), "the plugin knows it")
		require.Zero(t, eng.CallerFromContext(ctx))
		require.NoError(t, c.SetRequest(wrapperspb.String("of the interceptor")))
		return next(ctx)
	}))
	require.NoError(t, pluginsdk.Start(t.Context(), h, works(true), pluginsdk.WithDispatcher(&got)))
	resp := new(wrapperspb.StringValue)
	require.NoError(t, got.Invoke(t.Context(), &pluginsdk.Method{FullName: "a.B.C"}, wrapperspb.String("of the host"), resp))
	require.Equal(t, "a.B.C of the interceptor", resp.GetValue())
}

func TestWithMetadata(t *testing.T) {
	t.Parallel()
	one := pluginsdk.WithMetadata(t.Context(), "a", "1")
	two := pluginsdk.WithMetadata(pluginsdk.WithMetadata(one, "b", "2"), "a", "3")
	require.Nil(t, pluginsdk.Metadata(t.Context()))
	require.Equal(t, map[string]string{"a": "1"}, pluginsdk.Metadata(one))
	require.Equal(t, map[string]string{"a": "3", "b": "2"}, pluginsdk.Metadata(two))
	require.Nil(t, pluginsdk.Metadata(pluginsdk.ManufactureHostContext(one, "f")), "a call has what came with it")
}

type closingImpl struct{ closed *[]string }

func (c closingImpl) Close(context.Context) error {
	*c.closed = append(*c.closed, "impl")
	return errors.New("could not flush")
}

func TestImplIsClosedWithTheEngine(t *testing.T) {
	t.Parallel()
	h, err := eng.New(t.Context())
	require.NoError(t, err)
	var closed []string
	require.NoError(t, register(t.Context(), h, closingImpl{&closed}))
	h.OnClose(func(context.Context) error {
		closed = append(closed, "last")
		return nil
	})
	require.ErrorContains(t, h.Close(t.Context()), "could not flush")
	require.Equal(t, []string{"last", "impl"}, closed)
	require.NoError(t, h.Close(t.Context()))
	require.Len(t, closed, 2)
	require.ErrorIs(t, h.Register(t.Context(), eng.HostModule{Name: "late"}), status.Of(status.Unavailable))
}

type drainer struct{ pluginsdk.Drainer }

// TestWithDrainer: what a plugin offers to drain guests with reaches the host that asks,
// and a plugin that offers nothing changes nothing.
func TestWithDrainer(t *testing.T) {
	t.Parallel()
	offers := pluginsdk.InitFunc(func(ctx context.Context, _ eng.Engine) bool {
		pluginsdk.OfferDrainer(ctx, drainer{})
		return true
	})
	var got pluginsdk.Drainer
	require.NoError(t, pluginsdk.Start(t.Context(), plugintest.Host(t), pluginsdk.InitAll(), pluginsdk.WithDrainer(&got)))
	require.Nil(t, got)
	require.NoError(t, pluginsdk.Start(t.Context(), plugintest.Host(t), offers))
	require.NoError(t, pluginsdk.Start(t.Context(), plugintest.Host(t), offers, pluginsdk.WithDrainer(nil)))
	require.NoError(t, pluginsdk.Start(t.Context(), plugintest.Host(t), offers, pluginsdk.WithDrainer(&got)))
	require.Equal(t, drainer{}, got)
	require.NoError(t, pluginsdk.Start(t.Context(), plugintest.Host(t), pluginsdk.InitAll(), pluginsdk.WithDrainer(&got)))
	require.Equal(t, drainer{}, got)
}

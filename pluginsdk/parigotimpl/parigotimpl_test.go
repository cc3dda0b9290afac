package parigotimpl_test

import (
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero/api"
	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/parigotimpl"
	"github.com/iansmith/parigot/pluginsdk/status"
	echov1 "github.com/iansmith/parigot/pluginsdk/testdata/gen/echo/v1"
	"github.com/iansmith/parigot/pluginsdk/testdata/gen/echo/v1/echov1parigot"
)

// impl answers Send with what send returns.
type impl struct {
	echov1parigot.UnimplementedEchoServer
	send func(req *echov1.SendRequest) (*echov1.SendResponse, error)
}

func (i impl) Send(_ context.Context, req *echov1.SendRequest) (*echov1.SendResponse, error) {
	return i.send(req)
}

func newHost(t *testing.T) *eng.Host {
	t.Helper()
	h, err := eng.New(t.Context(), eng.WithLogger(slog.New(slog.DiscardHandler)))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.Close(context.Background())) })
	return h
}

// TestNoResponse: a nil response is an empty one.
func TestNoResponse(t *testing.T) {
	t.Parallel()
	client := echov1parigot.NewLocalEchoClient(impl{send: func(*echov1.SendRequest) (*echov1.SendResponse, error) { return nil, nil }})
	resp, err := client.Send(t.Context(), &echov1.SendRequest{Queue: "q"})
	require.NoError(t, err)
	require.True(t, proto.Equal(new(echov1.SendResponse), resp))
}

// TestLocalCopies: neither side sees the other's messages.
func TestLocalCopies(t *testing.T) {
	t.Parallel()
	kept := &echov1.SendResponse{Payload: []byte("abc")}
	client := echov1parigot.NewLocalEchoClient(impl{send: func(req *echov1.SendRequest) (*echov1.SendResponse, error) {
		req.Payload[0] = 'X'
		return kept, nil
	}})
	req := &echov1.SendRequest{Payload: []byte("abc")}
	resp, err := client.Send(t.Context(), req)
	require.NoError(t, err)
	require.Equal(t, "abc", string(req.GetPayload()))
	resp.Payload[0] = 'Y'
	require.Equal(t, "abc", string(kept.GetPayload()))
}

// TestLocalWithoutAnImplementation: the error is that of each call.
func TestLocalWithoutAnImplementation(t *testing.T) {
	t.Parallel()
	_, err := echov1parigot.NewLocalEchoClient(nil).Send(t.Context(), new(echov1.SendRequest))
	require.ErrorIs(t, err, status.Of(status.FailedPrecondition))
}

// TestIntoIsAskedFor: the form that fills a response is used if it is asked for, and only
// then, and an implementation that lacks it is refused.
func TestIntoIsAskedFor(t *testing.T) {
	t.Parallel()
	err := echov1parigot.RegisterEcho(t.Context(), newHost(t), impl{}, pluginsdk.Into())
	require.ErrorIs(t, err, status.Of(status.FailedPrecondition))
	require.ErrorContains(t, err, "echo.v1.Echo: pluginsdk.Into needs a echov1parigot.EchoIntoServer: parigotimpl_test.impl has no SendInto")
	require.NoError(t, echov1parigot.RegisterEcho(t.Context(), newHost(t), impl{}))
}

// TestNoConnection: a client of nothing says so.
func TestNoConnection(t *testing.T) {
	t.Parallel()
	_, err := echov1parigot.NewEchoClient(nil).Send(t.Context(), new(echov1.SendRequest))
	require.ErrorIs(t, err, status.Of(status.FailedPrecondition))
	require.ErrorContains(t, err, "the client has no connection")
}

// TestResponseStandsForWhatIsReturned: before the implementation returns, and if it returned
// nothing, it is the empty message of its type.
func TestResponseStandsForWhatIsReturned(t *testing.T) {
	t.Parallel()
	var want *echov1.SendResponse
	saw := false
	handler := parigotimpl.Handle(echov1parigot.EchoServer.Send, echov1parigot.EchoIntoServer.SendInto,
		func(ctx context.Context, h *parigotimpl.Handler[*echov1.SendRequest, *echov1.SendResponse], _ api.Module, _ []uint64) {
			req, resp := h.Messages(ctx)
			require.False(t, resp.ProtoReflect().IsValid())
			require.EqualValues(t, "echo.v1.SendResponse", resp.ProtoReflect().Descriptor().FullName())
			require.Zero(t, h.Serve(ctx, req, resp))
			require.Equal(t, want != nil, resp.ProtoReflect().IsValid())
			require.True(t, proto.Equal(want, resp.ProtoReflect().Interface()))
			saw = true
		})
	for _, want = range []*echov1.SendResponse{nil, {Id: "1"}} {
		s, err := handler.Bind(impl{send: func(*echov1.SendRequest) (*echov1.SendResponse, error) { return want, nil }},
			&echov1parigot.Echo_ServiceDesc.Methods[0].Method, false)
		require.NoError(t, err)
		s.Stack(t.Context(), nil, nil)
		require.True(t, saw)
	}
}

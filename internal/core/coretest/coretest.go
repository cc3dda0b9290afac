// Package coretest registers services in tests, without generated code.
package coretest

import (
	"context"

	"github.com/tetratelabs/wazero/api"
	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/core"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/parigotimpl"
)

// message is a pointer to a generated message type M.
type message[M any] interface {
	*M
	proto.Message
}

// Unary returns a method that fill serves. Of m only the name is needed.
func Unary[Q, P any, Req message[Q], Resp message[P]](m core.Method, fill func(context.Context, Req, Resp) error) core.MethodDesc {
	return core.MethodDesc{Method: m, Handler: parigotimpl.Handle(
		func(_ any, ctx context.Context, req Req) (Resp, error) {
			resp := Resp(new(P))
			return resp, fill(ctx, req, resp)
		},
		func(_ any, ctx context.Context, req Req, resp Resp) error { return fill(ctx, req, resp) },
		func(ctx context.Context, h *parigotimpl.Handler[Req, Resp], module api.Module, stack []uint64) {
			req, resp := h.Messages(ctx)
			pluginsdk.InvokeImplFromStack(ctx, m.Name, module, stack, h.Serve, req, resp)
		},
	)}
}

// Register registers a service with e. impl is what is closed with e, if it is not nil and
// can be closed.
func Register(ctx context.Context, e eng.Engine, name string, impl any, methods ...core.MethodDesc) error {
	if impl == nil {
		impl = struct{}{}
	}
	return parigotimpl.Register(ctx, e, &core.Service{Name: name, Methods: methods}, impl)
}

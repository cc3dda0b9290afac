// Package parigotimpl is what generated host code stands on. There is nothing in it for a
// person to use, and it may change with the generator: [Register] and [Handle] make host
// functions of implementations, [Call] makes calls of clients.
package parigotimpl

import (
	"context"

	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/core"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/status"
)

type (
	// ServiceDesc describes a service: see [core.Service].
	ServiceDesc = core.Service
	// MethodDesc describes a method of a [ServiceDesc].
	MethodDesc = core.MethodDesc
	// Method is what is known of a method by those who serve it, and those who call it.
	Method = core.Method
	// Conn is a client's way to whoever serves its methods: an eng.Instance, an eng.Pool or a
	// pluginsdk.Dispatcher.
	Conn = core.Conn
)

// What the proto file says, with idempotency_level, about calling a method a second time.
const (
	NoSideEffects = core.NoSideEffects
	Idempotent    = core.Idempotent
)

// Register registers all methods of impl, which implements the service of desc, with e, or
// none. Errors are those of [eng.Engine].Register, and FAILED_PRECONDITION if there is no
// implementation, or one that lacks what opts ask for. An implementation with a method
// Close(context.Context) error is closed with e, once for each service.
func Register(ctx context.Context, e eng.Engine, desc *ServiceDesc, impl any, opts ...core.ServiceOption) error {
	m, err := hostModule(desc, impl, opts)
	if err != nil {
		e.Fail(err)
		return err
	}
	if err := e.Register(ctx, m); err != nil {
		return err
	}
	if c, ok := impl.(interface {
		Close(ctx context.Context) error
	}); ok {
		e.OnClose(c.Close)
	}
	return nil
}

func hostModule(desc *ServiceDesc, impl any, opts []core.ServiceOption) (eng.HostModule, error) {
	m := eng.HostModule{Name: desc.ImportModule()}
	servers, err := bind(desc, impl, opts)
	if err != nil {
		return m, err
	}
	for i, s := range servers {
		d := &desc.Methods[i]
		method := desc.Bound(i)
		m.Functions = append(m.Functions, eng.Function{
			Name: d.Import(), Call: s.Stack, Server: s, Deprecated: method.Deprecated, Method: method.FullName,
			Budget: method.Budget, MayBlock: method.MayBlock, Descriptor: method.Descriptor,
		})
	}
	return m, nil
}

// bind makes servers of the methods of impl, in their order.
func bind(desc *ServiceDesc, impl any, opts []core.ServiceOption) ([]core.Server, error) {
	var c core.ServiceConfig
	for _, o := range opts {
		o(&c)
	}
	if impl == nil {
		return nil, status.Errorf(status.FailedPrecondition, "%s: the implementation is nil", desc.Name)
	}
	servers := make([]core.Server, len(desc.Methods))
	for i := range desc.Methods {
		m := desc.Bound(i)
		m.Borrow = c.Borrowed && !m.MayBlock
		s, err := desc.Methods[i].Handler.Bind(impl, &m, c.Into)
		if err != nil {
			return nil, status.Wrap(status.FailedPrecondition, err, desc.Name)
		}
		servers[i] = s
	}
	return servers, nil
}

// Call calls m by way of c, with resp for the response, which is empty. Generated clients
// call it.
func Call[R proto.Message](ctx context.Context, c Conn, m *MethodDesc, req proto.Message, resp R) (R, error) {
	var none R
	if c == nil {
		return none, status.Errorf(status.FailedPrecondition, "%s: the client has no connection: it is nil", m.FullName)
	}
	if err := c.Invoke(ctx, &m.Method, req, resp); err != nil {
		return none, err
	}
	return resp, nil
}

// Local returns a way to impl, in this process: for tests of impl, and for native callers.
// Requests, responses and errors are copied, as they are on the way to a guest.
func Local(desc *ServiceDesc, impl any) Conn {
	servers, err := bind(desc, impl, nil)
	return &local{desc, servers, err}
}

type local struct {
	desc    *ServiceDesc
	servers []core.Server
	err     error // why there are none
}

// Invoke implements [Conn].
func (l *local) Invoke(ctx context.Context, m *Method, req, resp proto.Message) error {
	if l.err != nil {
		return l.err
	}
	for i := range l.servers {
		if l.desc.Methods[i].Name == m.Name {
			return core.Invoke(ctx, l.servers[i], req, resp)
		}
	}
	return status.Errorf(status.Unimplemented, "%s has no method %s", l.desc.Name, m.Name)
}

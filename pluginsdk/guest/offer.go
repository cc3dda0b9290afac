package guest

import (
	"context"
	"errors"

	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/serve"
)

// What a guest serves: to its host with [Offer], to others through package kernel. Generated
// code makes them.
type (
	// Service is a service that a guest serves.
	Service = serve.Service
	// ServedMethod is a method of a [Service].
	ServedMethod = serve.Method
	// Handler serves a call of a method. [Adapt] makes one.
	Handler = serve.Handler
	// Caller is who makes a call that the guest serves. The zero value stands for native
	// code of the host.
	Caller = serve.Caller
)

// Adapt makes a [Handler] of an implementation's method, such as GreetingServer.Greet.
// Requests own their data. One that does not decode is INVALID_ARGUMENT. A nil response
// without an error is one without content.
func Adapt[I, Q, R any, Req interface {
	*Q
	proto.Message
}, Resp interface {
	*R
	proto.Message
}](impl I, method func(I, context.Context, Req) (Resp, error)) Handler {
	return serve.Adapt(impl, method)
}

// CallerFromContext returns who makes the call that ctx belongs to. The answer comes from the
// engine: nothing that a caller sends can change it. It is the zero value for a call of the
// host, and for a context that belongs to no call.
func CallerFromContext(ctx context.Context) Caller { return serve.CallerOf(ctx) }

// check returns what is wrong with a service.
func check(s Service) error {
	if s.Impl == nil {
		return errors.New("the implementation is nil")
	}
	for _, m := range s.Methods {
		if m.Name == "" || m.Handler == nil {
			return errors.New("a method lacks its name or its handler")
		}
	}
	return nil
}

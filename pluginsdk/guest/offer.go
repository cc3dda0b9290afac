package guest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/abi"
	"github.com/iansmith/parigot/internal/serve"
)

// What a guest serves: to its host with [Offer], to others through package kernel. Generated
// code makes them.
type (
	// Service is a service that a guest serves.
	Service = serve.Service
	// ServedMethod is a method of a [Service].
	ServedMethod = serve.Method
	// Handler runs a method of an implementation. [Adapt] makes one.
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
}](impl I, method func(I, context.Context, Req) (Resp, error)) *Handler {
	return serve.Adapt(impl, method)
}

// CallerFromContext returns who makes the call that ctx belongs to. The answer comes from the
// engine: nothing that a caller sends can change it. It is the zero value for a call of the
// host, and for a context that belongs to no call.
func CallerFromContext(ctx context.Context) Caller { return serve.CallerOf(ctx) }

// served is what the guest serves to its host, or nil. The exports are in all guests: only
// those that offer something refer to what serves it.
var served exports

type exports interface {
	offers() uint64
	serve(call, method, header, size uint32, timeout time.Duration) uint64
	run(cancel uint32, timeout time.Duration) uint64
}

// Offer offers a service to the host: from then on the host may call its methods, with a
// typed client on the instance or on a pool. Generated functions Register… call it. A guest
// offers its services in its functions init, before the host asks for them. Offering what
// cannot be offered, a nil implementation or a method twice, ends the guest with the exit
// code 2.
//
// The host makes one call at a time, and the guest's other goroutines run only while the call
// waits. A method that may block has a goroutine for each of its calls, and other calls come
// meanwhile.
func Offer(s Service) {
	v, ok := served.(*server)
	if !ok {
		v = &server{request: hostRequest, log: os.Stderr, poll: &descriptor{fd: abi.Wanted}}
		v.elapsed = func() time.Duration { return v.allowed - time.Duration(hostTimeLeft()) }
		served = v
	}
	if err := v.offer(s); err != nil {
		_, _ = fmt.Fprintf(os.Stderr, "parigot: offer %s: %v\n", s.Name, err)
		os.Exit(2) //nolint:forbidigo // it is for functions init, which have nobody to return an error to
	}
}

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

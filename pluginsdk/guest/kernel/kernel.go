// Package kernel lets a guest serve others, and call those that serve: it is what
// the generated functions Serve… and Locate… stand on. The host has to run the
// plugin in examples/syscall, the kernel.
//
// A guest that serves is a type with the methods of a generated interface, and
//
//	err := greetingv1parigot.ServeGreeting(ctx, new(greeter))
//
// Each call runs on a goroutine of its own. Its context carries the deadline and the
// metadata of the caller, see [guest.Metadata], and who that is, see
// [CallerFromContext]; it ends when the caller does not wait any longer. Calls that
// the method makes with it are made on behalf of the one that it serves.
//
// A guest that calls has a client of the same interface as that of a plugin of the
// host:
//
//	greeting, err := greetingv1parigot.LocateGreeting(ctx)
//	resp, err := greeting.Greet(ctx, req)
//
// Errors of the service arrive as they are. That nobody serves it now is UNAVAILABLE,
// as where a plugin is gone: a later call reaches whoever serves it then. What the
// kernel called it, such as CallerUnavailable, is found by [errors.Is], too.
package kernel

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/pluginsdk/id"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// Service is a service that a guest serves. Generated code makes it.
type Service struct {
	// Name is the full name of the service, such as "greeting.v1.Greeting".
	Name string
	// Impl is the implementation. It must not be nil.
	Impl any
	// Methods are the methods of the service.
	Methods []Method
}

// Method is a method of a [Service].
type Method struct {
	// Name is the name in the proto file, such as "Greet".
	Name string
	// Budget is how long a call may take: the deadline of its context, unless that of
	// the caller is earlier. 0 means any time.
	Budget time.Duration
	// Handler serves a call.
	Handler Handler
}

// Handler serves a call: it gets the encoded request and returns the encoded
// response. [Adapt] makes one.
type Handler func(ctx context.Context, param []byte) ([]byte, error)

// Adapt makes a [Handler] of an implementation's method, such as
// GreetingServer.Greet. A request that does not decode is INVALID_ARGUMENT. A nil
// response without an error is one without content.
func Adapt[I any, Req, Resp proto.Message](impl I, method func(I, context.Context, Req) (Resp, error)) Handler {
	return func(ctx context.Context, param []byte) ([]byte, error) {
		var none Req
		req, _ := none.ProtoReflect().New().Interface().(Req)
		if err := proto.Unmarshal(param, req); err != nil {
			return nil, status.Errorf(status.InvalidArgument, "the request does not decode as %s", req.ProtoReflect().Descriptor().FullName())
		}
		resp, err := method(impl, ctx, req)
		if err != nil {
			return nil, err
		}
		value, err := proto.Marshal(resp)
		if err != nil {
			return nil, fmt.Errorf("encode the response: %w", err)
		}
		return value, nil
	}
}

// Caller is who makes a call that the guest serves. It is comparable. The zero value
// stands for native code of the host.
type Caller struct {
	// ID names the instance of the guest that calls.
	ID id.HostId
	// Name is the name that the guest was compiled under.
	Name string
}

// String returns the name of the guest, or "the host".
func (c Caller) String() string {
	if c.Name == "" {
		return "the host"
	}
	return c.Name
}

// CallerFromContext returns who makes the call that ctx belongs to. The answer comes
// from the engine: nothing that a caller sends can change it. It is the zero value
// for a context that belongs to no call, too.
func CallerFromContext(ctx context.Context) Caller {
	if c := callOf(ctx); c != nil {
		return c.caller
	}
	return Caller{}
}

// ExitError is what [Serve] returns when all guests were asked to end with an exit
// code other than 0, so that main can pass it on to [os.Exit].
type ExitError struct {
	// Code is the exit code, from 1 to 255.
	Code int
}

// Error says what the exit code is.
func (e *ExitError) Error() string {
	return fmt.Sprintf("all guests were asked to end with the exit code %d", e.Code)
}

// Limits of what a guest serves at a time. A call beyond them is RESOURCE_EXHAUSTED.
const (
	// MaxCalls bounds the calls that a guest serves at a time.
	MaxCalls = 1024
	// MaxBytes bounds the requests of these calls together, in bytes, except that one
	// alone may have more.
	MaxBytes = 64 << 20
)

package core

import (
	"context"

	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/codec"
	"github.com/iansmith/parigot/internal/instance"
	"github.com/iansmith/parigot/pluginsdk/id"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// Interceptor is called around each call that an engine serves or makes: of a guest to a plugin, and
// of the host to a guest. Grants, limits and the deadline were checked before; a guest's request is
// decoded later. It calls next once, or not at all, with ctx or a context made of it. next returns
// when the call is over, with what it has failed with. The call fails with what the Interceptor
// returns; an error without a code becomes INTERNAL and an incident, and so does a panic.
//
// Interceptors must be safe for concurrent use. A call of a guest that may block has its
// interceptors on a goroutine of its own.
type Interceptor func(ctx context.Context, c *Call, next func(ctx context.Context) error) error

// Chain returns what calls interceptors in their order, the first outermost, in the form that
// instance.State has; nil if there are none.
func Chain(interceptors []Interceptor) func(ctx context.Context, call any, next func(context.Context) error) error {
	if len(interceptors) == 0 {
		return nil
	}
	return func(ctx context.Context, call any, next func(context.Context) error) error {
		c, _ := call.(*Call)
		return chained(ctx, interceptors, c, next)
	}
}

func chained(ctx context.Context, rest []Interceptor, c *Call, next func(context.Context) error) error {
	if len(rest) == 0 {
		return next(ctx)
	}
	return rest[0](ctx, c, func(ctx context.Context) error { return chained(ctx, rest[1:], c, next) })
}

// Caller is an instance of a guest, mostly one that makes a call. It is comparable. The zero
// value stands for native code.
type Caller struct {
	// ID is new for each instance.
	ID id.HostId
	// Name is the name that the guest was compiled under.
	Name string
}

// Call is a call as an [Interceptor] sees it. It is for the goroutine of that, until it
// returns.
type Call struct {
	way    way
	method *Method
	inst   *instance.State // of the guest that calls or is called
	target Caller
	called bool // next was
	answer bool // there is a response, or an empty one
}

// way is what differs between calls: where their messages are, and who serves them.
type way interface {
	request() (proto.Message, error)
	// setRequest puts the encoded b in the place of old, which request has returned.
	setRequest(old proto.Message, b []byte) error
	// response returns what the call has returned, if it has succeeded.
	response() proto.Message
	setResponse(m proto.Message) error
	// serve has the call served.
	serve(ctx context.Context) error
}

// Method returns what is known of the method.
func (c *Call) Method() *Method { return c.method }

// Target returns the instance of a guest that the host calls; the zero value if a guest calls a
// plugin, and if the host leaves it to a plugin which guest serves the call.
func (c *Call) Target() Caller { return c.target }

// Request returns the request, which is decoded now unless it was before. It must not be
// changed, see [Call.SetRequest]. Errors are those of the caller's limits, and
// INVALID_ARGUMENT. The request of a call that goes to another process is a dynamic message;
// if its type is not known it is UNIMPLEMENTED.
func (c *Call) Request() (proto.Message, error) { return c.way.request() }

// SetRequest has the server get m, which is copied. It is checked as what the caller sent:
// the errors are the same, and INVALID_ARGUMENT for a message of another type. If it is over
// the limit of decoded messages, next fails with the same error.
func (c *Call) SetRequest(m proto.Message) error {
	old, err := c.Request()
	if err != nil {
		return err
	}
	if err := c.sameType(old, m); err != nil {
		return err
	}
	b, err := proto.Marshal(m)
	if err != nil {
		return status.Wrap(status.InvalidArgument, err, c.method.FullName+": encode the request")
	}
	if s := requestOver(&c.inst.Limits, c.method.FullName, len(b)); s != nil {
		return s
	}
	return c.way.setRequest(old, b)
}

// Response returns what the server has returned, and nil before next has returned nil, and if
// the server returned no response. It must not be changed. See [Call.Request] for calls that
// go to another process, which may have none.
func (c *Call) Response() proto.Message {
	if !c.answer {
		return nil
	}
	return c.way.response()
}

// SetResponse has the caller get m, which must not change any more. It is INVALID_ARGUMENT if
// m has another type than the response. If m is over the limit of responses the call fails with
// RESOURCE_EXHAUSTED; in a call of the host SetResponse does.
func (c *Call) SetResponse(m proto.Message) error {
	err := c.way.setResponse(m)
	c.answer = c.answer || err == nil
	return err
}

func (c *Call) sameType(want, got proto.Message) error {
	if w, g := codec.NameOf(want), codec.NameOf(got); w != g {
		return status.Errorf(status.InvalidArgument, "%s: a %s was put in the place of a %s", c.method.FullName, g, w)
	}
	return nil
}

// next goes on to the server.
func (c *Call) next(ctx context.Context) error {
	if c.called {
		return status.Errorf(status.FailedPrecondition, "%s: an interceptor called next twice", c.method.FullName)
	}
	c.called = true
	err := c.way.serve(ctx)
	c.answer = err == nil
	return err
}

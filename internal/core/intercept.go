package core

import (
	"context"
	"math"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/iansmith/parigot/internal/codec"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// Interceptor is called around each call that an engine serves: after grants, limits and the
// deadline were checked, and before the request is decoded. It calls next once, or not at
// all, with ctx or a context made of it. next returns what the server has failed with. The
// call fails with what the Interceptor returns; an error without a code becomes INTERNAL
// and an incident, and so does a panic.
//
// Interceptors must be safe for concurrent use. One of a call that may block runs on the
// goroutine of that call.
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

// Call is a call as an [Interceptor] sees it. It is for the goroutine of that, until it
// returns.
type Call struct {
	x      *exchange
	w      *work
	run    func(context.Context) int32 // nil: the call is carried
	called bool                        // next was
	answer bool                        // there is a response, or an empty one
	broken error                       // why the request is none any more
}

// Method returns what is known of the method.
func (c *Call) Method() *Method { return c.x.Method }

// Request returns the request, which is decoded now unless it was before. It must not be
// changed, see [Call.SetRequest]. Errors are those of the caller's limits, and
// INVALID_ARGUMENT. The request of a call that goes to another process is a dynamic message;
// if its type is not known it is UNIMPLEMENTED.
func (c *Call) Request() (proto.Message, error) {
	if err := c.take(); err != nil {
		return nil, err
	}
	if c.run != nil {
		return c.w.request.Message, nil
	}
	m, err := c.dynamic(false)
	if err == nil {
		err = MaxDecoded(c.x.inst).Unmarshal(c.w.carried.request, m, c.x.name+": the request")
	}
	return m, err
}

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
		return status.Wrap(status.InvalidArgument, err, c.x.name+": encode the request")
	}
	if s := c.x.tooLarge(uint32(min(len(b), math.MaxUint32))); s != nil {
		return s
	}
	if c.run != nil {
		proto.Reset(old)
	}
	if s := c.x.takeBytes(c.w, b); s != nil {
		c.broken = s
		return s
	}
	return nil
}

// Response returns what the server has returned, and nil before next has returned nil, and if
// the server returned no response. It must not be changed. See [Call.Request] for calls that
// go to another process, which may have none.
func (c *Call) Response() proto.Message {
	if !c.answer {
		return nil
	}
	if c.run != nil {
		if c.w.response.Message != nil {
			return c.w.response.Message
		}
		return c.x.response
	}
	m, err := c.dynamic(true)
	if err == nil {
		err = MaxDecoded(c.x.inst).Unmarshal(c.w.carried.body, m, c.x.name+": the response")
	}
	if err != nil {
		return nil
	}
	return m
}

// SetResponse has the caller get m, which must not change any more. It is INVALID_ARGUMENT if
// m has another type than the response.
func (c *Call) SetResponse(m proto.Message) error {
	if d, err := c.dynamic(true); err == nil {
		if err := c.sameType(d, m); err != nil {
			return err
		}
	}
	if c.run != nil {
		c.w.response, c.answer = message{}, true
		c.x.Succeed(m, codec.Of(m))
		return nil
	}
	b, err := proto.Marshal(m)
	if err != nil {
		return status.Wrap(status.Internal, err, c.x.name+": encode the response")
	}
	c.w.carried.body, c.w.carried.err, c.answer = b, nil, true
	return nil
}

func (c *Call) sameType(want, got proto.Message) error {
	if w, g := codec.NameOf(want), codec.NameOf(got); w != g {
		return status.Errorf(status.InvalidArgument, "%s: a %s was put in the place of a %s", c.x.name, g, w)
	}
	return nil
}

// dynamic returns an empty message of the type of the response, or else of the request.
func (c *Call) dynamic(response bool) (proto.Message, error) {
	if describe := c.x.Method.Descriptor; describe != nil {
		if d := describe(); d != nil && response {
			return dynamicpb.NewMessage(d.Output()), nil
		} else if d != nil {
			return dynamicpb.NewMessage(d.Input()), nil
		}
	}
	return nil, status.Errorf(status.Unimplemented, "%s: the types of its messages are not known", c.x.name)
}

// take decodes the request once.
func (c *Call) take() error {
	if c.w.taken {
		return c.broken
	}
	if s := c.x.take(c.w); s != nil {
		return s
	}
	return nil
}

// serve runs the interceptors, and takes the place of the server's function.
func (c *Call) serve(ctx context.Context) int32 {
	err := c.x.inst.Intercept(ctx, c, c.next)
	if err != nil {
		c.w.carried.err = err
		return c.x.Fail(ctx, err)
	}
	c.x.failure, c.w.carried.err = nil, nil
	if !c.answer { // the call failed, and the interceptor says that it did not
		c.w.response, c.w.carried.body = message{}, nil
	}
	return 0
}

// next goes on to the server.
func (c *Call) next(ctx context.Context) error {
	if c.called {
		return status.Errorf(status.FailedPrecondition, "%s: an interceptor called next twice", c.x.name)
	}
	c.called = true
	if err := c.take(); err != nil {
		return err
	}
	if c.run != nil {
		if code := c.run(ctx); code != 0 {
			return c.x.failed(code, c.x.inst)
		}
		c.answer = true
		return nil
	}
	code := c.w.carried.carry(ctx, c.x, c.w.carry)
	switch {
	case c.w.carried.err != nil:
		return c.w.carried.err
	case code != 0:
		err := ErrorOf(code, c.w.carried.body)
		c.w.carried.body = nil
		return err
	}
	c.answer = true
	return nil
}

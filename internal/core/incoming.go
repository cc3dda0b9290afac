package core

import (
	"context"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/iansmith/parigot/internal/codec"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// incoming is a call that the host serves, as its interceptors see it.
type incoming struct {
	Call
	x      *exchange
	w      *work
	run    func(context.Context) int32
	broken error // why the request is none any more
}

// carrying is an incoming call that a [Carrier] takes elsewhere.
type carrying struct{ incoming }

// intercepted returns run with the interceptors around it. A run of nil means that the call is
// carried.
func intercepted(x *exchange, w *work, run func(context.Context) int32) func(context.Context) int32 {
	if x.inst.Intercept == nil {
		return run
	}
	w.lazy = !x.pends
	c := &carrying{incoming{Call: Call{method: x.Method, inst: x.inst}, x: x, w: w, run: run}}
	c.way = c
	if run != nil {
		c.way = &c.incoming
	}
	return c.intercept
}

// intercept runs the interceptors, and takes the place of the server's function.
func (c *incoming) intercept(ctx context.Context) int32 {
	err := c.inst.Intercept(ctx, &c.Call, c.next)
	if err != nil {
		c.w.carried.err = err
		return c.x.Fail(ctx, err)
	}
	c.x.failure, c.w.carried.err = nil, nil
	if !c.answer { // the call failed, and the interceptor says that it did not
		c.w.response, c.w.carried.body = message{}, nil
		c.x.Succeed(nil, nil)
	}
	return 0
}

// take decodes the request once.
func (c *incoming) take() error {
	if !c.w.taken {
		if s := c.x.take(c.w); s != nil {
			c.broken = s
		}
	}
	return c.broken
}

func (c *incoming) request() (proto.Message, error) {
	if err := c.take(); err != nil {
		return nil, err
	}
	return c.w.request.Message, nil
}

func (c *incoming) setRequest(old proto.Message, b []byte) error {
	proto.Reset(old)
	if s := c.x.takeBytes(c.w, b); s != nil {
		c.broken = s
	}
	return c.broken
}

func (c *incoming) response() proto.Message {
	if m := c.w.response.Message; m != nil {
		return m
	}
	return c.x.response
}

func (c *incoming) setResponse(m proto.Message) error {
	if d, err := c.dynamic(true); err == nil {
		if err := c.sameType(d, m); err != nil {
			return err
		}
	}
	c.w.response = message{}
	c.x.Succeed(m, codec.Of(m))
	return nil
}

func (c *incoming) serve(ctx context.Context) error {
	if err := c.take(); err != nil {
		return err
	}
	if code := c.run(ctx); code != 0 {
		return c.x.failed(code, c.inst)
	}
	return nil
}

// dynamic returns an empty message of the type of the response, or else of the request.
func (c *incoming) dynamic(response bool) (proto.Message, error) {
	if describe := c.method.Descriptor; describe != nil {
		if d := describe(); d != nil && response {
			return dynamicpb.NewMessage(d.Output()), nil
		} else if d != nil {
			return dynamicpb.NewMessage(d.Input()), nil
		}
	}
	return nil, status.Errorf(status.Unimplemented, "%s: the types of its messages are not known", c.method.FullName)
}

func (c *carrying) request() (proto.Message, error) {
	if err := c.take(); err != nil {
		return nil, err
	}
	m, err := c.dynamic(false)
	if err == nil {
		err = maxDecoded(&c.inst.Limits).Unmarshal(c.w.carried.request, m, c.method.FullName+": the request")
	}
	return m, err
}

func (c *carrying) setRequest(_ proto.Message, b []byte) error {
	c.w.carried.request = b
	return nil
}

func (c *carrying) response() proto.Message {
	m, err := c.dynamic(true)
	if err == nil {
		err = maxDecoded(&c.inst.Limits).Unmarshal(c.w.carried.body, m, c.method.FullName+": the response")
	}
	if err != nil {
		return nil
	}
	return m
}

func (c *carrying) setResponse(m proto.Message) error {
	if d, err := c.dynamic(true); err == nil {
		if err := c.sameType(d, m); err != nil {
			return err
		}
	}
	b, err := proto.Marshal(m)
	if err != nil {
		return status.Wrap(status.Internal, err, c.method.FullName+": encode the response")
	}
	c.w.carried.body, c.w.carried.err = b, nil
	return nil
}

func (c *carrying) serve(ctx context.Context) error {
	if err := c.take(); err != nil {
		return err
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
	return nil
}

package core

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/codec"
	"github.com/iansmith/parigot/internal/instance"
	"github.com/iansmith/parigot/internal/metadata"
	"github.com/iansmith/parigot/internal/wirestatus"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// outgoing is a call of the host to a guest, as its interceptors see it.
type outgoing struct {
	Call
	ctx       Context
	req, resp proto.Message
	do        func(ctx context.Context, req proto.Message) error
}

// Outgoing makes a call of m to the guest of inst, which has interceptors, with these around it.
// do makes the call itself, and leaves the response in resp. A zero deadline is none but that
// of ctx.
//
// It does not touch what of inst belongs to the goroutine that runs the guest.
func Outgoing(ctx context.Context, inst *instance.State, m *Method, deadline time.Time, req, resp proto.Message,
	do func(ctx context.Context, req proto.Message) error,
) (err error) {
	o := &outgoing{req: req, resp: resp, do: do}
	o.Call = Call{way: o, method: m, inst: inst, target: Caller{ID: inst.ID, Name: inst.Name}}
	o.ctx.start(ctx, m.FullName)
	o.ctx.metadata = metadata.Of(ctx)
	if !deadline.IsZero() {
		o.ctx.limit(deadline)
	}
	defer o.ctx.end()
	defer func() {
		if p := recover(); p != nil {
			err = panicked(inst, m.FullName, p)
		}
	}()
	return o.intercept()
}

// Steer returns c with the interceptors of inst around its calls; c itself if there are none.
func Steer(c Conn, inst *instance.State) Conn {
	if inst.Intercept == nil {
		return c
	}
	return steered{c, inst}
}

type steered struct {
	conn Conn
	inst *instance.State
}

// Invoke implements [Conn].
func (s steered) Invoke(ctx context.Context, m *Method, req, resp proto.Message) error {
	return Outgoing(ctx, s.inst, m, time.Time{}, req, resp, func(ctx context.Context, req proto.Message) error {
		return s.conn.Invoke(ctx, m, req, resp)
	})
}

// intercept runs the interceptors.
func (o *outgoing) intercept() error {
	if err := o.ctx.Err(); err != nil {
		return coded(o.inst, o.method.FullName, err)
	}
	if s := requestOver(&o.inst.Limits, o.method.FullName, codec.Of(o.req).Size(o.req)); s != nil {
		return s
	}
	if err := o.inst.Intercept(&o.ctx, &o.Call, o.next); err != nil {
		if _, why := wirestatus.Crossing(err); why != nil {
			return internal(o.inst, o.method.FullName, why)
		}
		return err
	}
	if !o.answer { // the call failed, and the interceptor says that it did not
		proto.Reset(o.resp)
	}
	return nil
}

func (o *outgoing) request() (proto.Message, error) { return o.req, nil }

func (o *outgoing) setRequest(old proto.Message, b []byte) error {
	fresh := old.ProtoReflect().New().Interface() // the other one is the caller's
	if err := maxDecoded(&o.inst.Limits).Unmarshal(b, fresh, o.method.FullName+": the request"); err != nil {
		return err
	}
	o.req = fresh
	return nil
}

func (o *outgoing) response() proto.Message { return o.resp }

func (o *outgoing) setResponse(m proto.Message) error {
	if err := o.sameType(o.resp, m); err != nil {
		return err
	}
	b, err := proto.Marshal(m)
	if err != nil {
		return status.Wrap(status.Internal, err, o.method.FullName+": encode the response")
	}
	if s := responseOver(&o.inst.Limits, o.method.FullName, len(b)); s != nil {
		return s
	}
	fresh := o.resp.ProtoReflect().New().Interface()
	if err := maxDecoded(&o.inst.Limits).Unmarshal(b, fresh, o.method.FullName+": the response"); err != nil {
		return err
	}
	proto.Reset(o.resp)
	proto.Merge(o.resp, fresh)
	return nil
}

func (o *outgoing) serve(ctx context.Context) error { return o.do(ctx, o.req) }

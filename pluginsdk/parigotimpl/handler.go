package parigotimpl

import (
	"context"
	"fmt"
	"reflect"

	"github.com/tetratelabs/wazero/api"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/iansmith/parigot/internal/codec"
	"github.com/iansmith/parigot/internal/core"
	"github.com/iansmith/parigot/internal/instance"
)

// keepRoom is the size up to which a request leaves the room of its lists to the next
// one, in bytes: the request's own, or that of the lists. It bounds what a hostile guest
// can have the host keep.
const keepRoom = 4 << 10

// message is a pointer to a generated message type M.
type message[M any] interface {
	*M
	proto.Message
}

// Handle returns what makes servers of implementations of a service S that have method, such
// as FileServer.Open. into is the form of it that fills a response, such as
// FileIntoServer.OpenInto. bridge is the generated host function of the method: it gives the
// messages and Serve of its [Handler] to pluginsdk.InvokeImplFromStack.
func Handle[S, F, Q, P any, Req message[Q], Resp message[P]](
	method func(S, context.Context, Req) (Resp, error),
	into func(F, context.Context, Req, Resp) error,
	bridge func(context.Context, *Handler[Req, Resp], api.Module, []uint64),
) core.Handler {
	return &unary[S, F, Q, P, Req, Resp]{method, into, bridge}
}

type unary[S, F, Q, P any, Req message[Q], Resp message[P]] struct {
	method func(S, context.Context, Req) (Resp, error)
	into   func(F, context.Context, Req, Resp) error
	bridge func(context.Context, *Handler[Req, Resp], api.Module, []uint64)
}

// Bind implements [core.Handler].
func (u *unary[S, F, Q, P, Req, Resp]) Bind(impl any, m *core.Method, into bool) (core.Server, error) {
	h := &Handler[Req, Resp]{
		method: m, bridge: u.bridge,
		newRequest: func() Req { return new(Q) }, newResponse: func() Resp { return new(P) },
		requests: codec.Of(Req(new(Q))), responses: codec.Of(Resp(new(P))), room: codec.RoomOf(Req(new(Q))),
	}
	if into {
		f, ok := impl.(F)
		if !ok {
			return nil, fmt.Errorf("pluginsdk.Into needs a %v: %T has no %s", reflect.TypeFor[F](), impl, missing[F](impl))
		}
		h.Serve = func(ctx context.Context, req Req, r *Response[Resp]) int32 {
			resp := r.fresh()
			return h.finish(ctx, r, resp, u.into(f, ctx, req, resp))
		}
		return h, nil
	}
	s, ok := impl.(S)
	if !ok {
		return nil, fmt.Errorf("a %T is no %v", impl, reflect.TypeFor[S]())
	}
	h.Serve = func(ctx context.Context, req Req, r *Response[Resp]) int32 {
		resp, err := u.method(s, ctx, req)
		return h.finish(ctx, r, resp, err)
	}
	return h, nil
}

// missing returns the first method of an interface F that impl lacks, or that has other
// parameters.
func missing[F any](impl any) string {
	want, got := reflect.TypeFor[F](), reflect.TypeOf(impl)
	for i := range want.NumMethod() {
		m := want.Method(i)
		if has, ok := got.MethodByName(m.Name); !ok || has.Type.NumIn() != m.Type.NumIn()+1 {
			return m.Name
		}
	}
	return "such methods"
}

// Handler serves a method of one implementation. It is a [core.Server].
type Handler[Req, Resp proto.Message] struct {
	// Serve calls the implementation and keeps what it returns in a [Response]. It returns
	// the call's code.
	Serve func(context.Context, Req, *Response[Resp]) int32

	identity    instance.Server
	method      *core.Method
	bridge      func(context.Context, *Handler[Req, Resp], api.Module, []uint64)
	newRequest  func() Req
	newResponse func() Resp
	requests    *codec.Codec
	responses   *codec.Codec
	room        codec.Room
}

// Method implements [core.Server].
func (h *Handler[Req, Resp]) Method() *core.Method { return h.method }

// Stack implements [core.Server].
func (h *Handler[Req, Resp]) Stack(ctx context.Context, m api.Module, stack []uint64) {
	h.bridge(ctx, h, m, stack)
}

// Bytes implements [core.Server].
func (h *Handler[Req, Resp]) Bytes(ctx context.Context, request, room []byte) (code int32, body []byte) {
	req, resp := h.Messages(ctx)
	return core.Bytes(ctx, request, room, h.Serve, req, resp)
}

// Messages returns the messages of one call: an empty request, and what holds the response.
// If the implementation is registered as one that borrows, each instance of a guest uses the
// same ones for all of its calls, which ctx tells apart, except in a plugin's own process.
func (h *Handler[Req, Resp]) Messages(ctx context.Context) (Req, *Response[Resp]) {
	var inst *instance.State
	if h.method.Borrow {
		inst = instance.FromContext(ctx)
	}
	if inst == nil || inst.Remote { // in a plugin's own process each call has its own
		r := new(Response[Resp])
		r.outcome.Method, r.outcome.Requests, r.fresh = h.method, h.requests, h.newResponse
		return h.newRequest(), r
	}
	f, _ := inst.Frames[&h.identity].(*frame[Req, Resp])
	if f == nil || f.busy {
		f = h.newFrame()
		inst.SetFrame(&h.identity, f)
	}
	f.busy = true
	return f.req, &f.resp
}

// finish keeps what the implementation returned.
func (h *Handler[Req, Resp]) finish(ctx context.Context, r *Response[Resp], resp Resp, err error) int32 {
	if err != nil {
		return r.outcome.Fail(ctx, err)
	}
	return r.outcome.Succeed(resp, h.responses)
}

// frame is what one instance uses for all calls of a method.
type frame[Req, Resp proto.Message] struct {
	busy     bool // also when it is not to be used again
	req      Req
	resp     Response[Resp]
	response Resp // for those that fill a response; made by the first call
	made     bool // response is there
}

func (h *Handler[Req, Resp]) newFrame() *frame[Req, Resp] {
	f := &frame[Req, Resp]{req: h.newRequest()}
	f.resp.outcome.Method, f.resp.outcome.Requests = h.method, h.requests
	f.resp.fresh = func() Resp {
		if !f.made {
			f.response, f.made = h.newResponse(), true
		}
		return f.response
	}
	f.resp.outcome.Recycle = func(size uint32) {
		if f.made {
			h.responses.Reset(f.response)
		}
		if size <= keepRoom || h.room.AtMost(keepRoom, f.req) {
			h.requests.Recycle(f.req)
		} else {
			h.requests.Reset(f.req)
		}
		f.busy = false
	}
	return f
}

// Response stands for the response of one call, which is there once the implementation has
// returned it: before that, and if it returned nil, it is an empty message.
type Response[Resp proto.Message] struct {
	outcome core.Outcome
	fresh   func() Resp // returns a message to fill
}

// Outcome implements [core.Holder].
func (r *Response[Resp]) Outcome() *core.Outcome { return &r.outcome }

// ProtoReflect implements [proto.Message].
func (r *Response[Resp]) ProtoReflect() protoreflect.Message {
	returned, _ := r.outcome.Response().(Resp)
	return returned.ProtoReflect()
}

package core

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/codec"
	"github.com/iansmith/parigot/internal/instance"
	"github.com/iansmith/parigot/internal/wirecost"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// Outcome is one call of a method, from its server's side: what the method is, the context
// that the server gets, and what it returned. Messages that have one, see [Holder], take it
// through functions that know nothing of it.
type Outcome struct {
	// Method is the method that is called. It is set before the call.
	Method *Method
	// Requests decodes the method's requests; nil: it is found by their type.
	Requests *codec.Codec
	// Recycle is called when the call is over and nobody has its context any more, so that
	// its messages may serve the next one; nil: they are not used again. size is that of
	// the encoded request, in bytes.
	Recycle func(size uint32)

	ctx      Context
	response proto.Message // nil: the server returned none
	codec    *codec.Codec  // of response, if that is not nil
	failure  *status.Status
	plan     *wirecost.Plan // of requests; nil: not asked for yet
}

// Holder is a message that stands for a response which is not there before the server has
// returned it.
type Holder interface {
	proto.Message
	// Outcome returns the call. It is not nil.
	Outcome() *Outcome
}

// outcomeOf returns the call that u stands for. A u that is a response itself belongs to a
// method without options.
func outcomeOf(u proto.Message, name string) (o *Outcome, holds bool) {
	if h, ok := u.(Holder); ok {
		return h.Outcome(), true
	}
	return &Outcome{Method: &Method{FullName: name}}, false
}

// Succeed keeps the response that the server returned, and c, which encodes it. A nil
// response is one without content. It returns 0, the code of success.
func (o *Outcome) Succeed(response proto.Message, c *codec.Codec) int32 {
	o.response, o.codec = response, c
	return 0
}

// Response returns what the server has returned; nil: nothing yet, or no response.
func (o *Outcome) Response() proto.Message { return o.response }

// Fail keeps the error that the server returned, as its caller will see it, and returns its
// code. ctx is the one that the server got.
func (o *Outcome) Fail(ctx context.Context, err error) int32 {
	o.failure = coded(stateOf(ctx), o.Method.FullName, err)
	code, _ := o.failure.WireCode()
	return code
}

// failed returns why the call failed with code. A server that did not call Fail has left
// nothing but the code.
func (o *Outcome) failed(code int32, inst *instance.State) *status.Status {
	if o.failure != nil {
		return o.failure
	}
	s := status.FromProto(code, nil)
	if _, ok := s.WireCode(); !ok {
		return internal(inst, o.Method.FullName, fmt.Errorf("the implementation returned %d, which is no code", code))
	}
	return s
}

// planOf returns what tells the cost of requests, of which m is one.
func (o *Outcome) planOf(m proto.Message) *wirecost.Plan {
	if o.plan == nil {
		o.plan = wirecost.Of(m)
	}
	return o.plan
}

// reset prepares the outcome for the next call.
func (o *Outcome) reset() {
	o.ctx.reset()
	o.response, o.codec, o.failure = nil, nil, nil
}

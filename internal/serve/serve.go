// Package serve is what a guest does for a call that it serves, whoever brings the call: its
// host or the kernel. It decodes the request, runs the implementation with a context of the
// call, and makes what comes of it a response or a status.
package serve

import (
	"context"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/codec"
	"github.com/iansmith/parigot/internal/wirestatus"
	"github.com/iansmith/parigot/pluginsdk/id"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// Service is a service that a guest serves.
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
	// the caller is earlier. 0 and less mean any time.
	Budget time.Duration
	// MayBlock says that calls wait for something other than the processor. Calls from the
	// host run on goroutines of their own then.
	MayBlock bool
	// Handler serves a call.
	Handler Handler
}

// Handler serves a call: it decodes req, appends the encoded response to dst and returns
// that. It keeps neither. [Adapt] makes one.
type Handler func(ctx context.Context, req, dst []byte) ([]byte, error)

// Adapt makes a [Handler] of an implementation's method, such as GreetingServer.Greet. The
// request owns its data. One that does not decode is INVALID_ARGUMENT. A nil response without
// an error is one without content.
func Adapt[I, Q, R any, Req message[Q], Resp message[R]](impl I, method func(I, context.Context, Req) (Resp, error)) Handler {
	var c codecs
	var lots Lots[Q]
	return func(ctx context.Context, param, dst []byte) ([]byte, error) {
		req := Req(lots.New(len(param)))
		c.find(req, Resp(nil))
		if err := c.req.decode(param, req); err != nil {
			return nil, status.Errorf(status.InvalidArgument, "the request does not decode as %s", codec.NameOf(req))
		}
		resp, err := method(impl, ctx, req)
		if err != nil {
			return nil, err
		}
		n := len(dst)
		dst = room(dst, c.resp.Size(resp))
		if err := c.resp.Encode(dst[n:], resp); err != nil {
			return nil, fmt.Errorf("encode the response: %w", err)
		}
		return dst, nil
	}
}

type message[T any] interface {
	*T
	proto.Message
}

// codecs are those of a method's messages. They are found by the first call: a guest that
// starts has no time.
type codecs struct {
	once sync.Once
	req  decoder
	resp *codec.Codec
}

func (c *codecs) find(req, resp proto.Message) {
	if c.resp != nil {
		return
	}
	c.once.Do(func() { c.req, c.resp = newDecoder(req), codec.Of(resp) })
}

// room returns b with n bytes more.
func room(b []byte, n int) []byte {
	if n <= cap(b)-len(b) {
		return b[:len(b)+n]
	}
	return slices.Grow(b, n)[:len(b)+n]
}

// Run runs the handler. A panic becomes an error without a code.
func (m *Method) Run(ctx context.Context, req, dst []byte) (out []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			out, err = nil, fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return m.Handler(ctx, req, dst)
}

// Coded returns err as the caller of a method is to see it. An error without a code becomes
// INTERNAL with the id of an incident, and log gets the rest. Whatever a handler of a guest
// returns goes through here.
func Coded(log io.Writer, method string, by Caller, err error) *status.Status {
	s, err := wirestatus.Crossing(err)
	if err == nil {
		return s
	}
	incident := id.New[id.IncidentKind]()
	_, _ = fmt.Fprintf(log, "parigot: incident %s: %s, called by %s: %v\n", incident, method, by, err)
	s, _ = status.From(status.Errorf(status.Internal, "%s: internal error, incident %s", method, incident))
	return s
}

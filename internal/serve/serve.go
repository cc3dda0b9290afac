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
	// Handler runs the implementation. It must not be nil.
	Handler *Handler
}

// Run serves a call: it decodes req, runs the handler, appends the encoded response to dst and
// returns that. It keeps neither. A panic becomes an error without a code.
//
// All of it is one function for the usual messages: what it costs a guest is mostly how much
// code it runs through, and how many functions it calls.
func (m *Method) Run(ctx context.Context, req, dst []byte) (out []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			out, err = nil, fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	h := m.Handler
	if h.response.codec == nil {
		if h.raw != nil {
			return h.raw(ctx, req, dst)
		}
		h.find()
	}
	param := h.empty(len(req))
	if err := h.decode(req, h.request.at(param)); err != nil {
		return nil, status.Errorf(status.InvalidArgument, "the request does not decode as %s", codec.NameOf(h.request.nothing))
	}
	result, err := h.call(ctx, param)
	if err != nil {
		return nil, err
	}
	resp, c := h.response.at(result), h.response.codec
	if !c.Fast {
		return appended(dst, c, resp)
	}
	x := c.Marshaler(resp)
	n, size := len(dst), x.SizeVT()
	if size > cap(dst)-n {
		dst = slices.Grow(dst, size)
	}
	out = dst[:n+size]
	if got, err := x.MarshalToSizedBufferVT(out[n:]); got != size || err != nil {
		return appended(dst, c, resp) // says what is wrong
	}
	return out, nil
}

// appended appends the encoded resp to dst.
//
//go:noinline
func appended(dst []byte, c *codec.Codec, resp proto.Message) ([]byte, error) {
	n, size := len(dst), c.Size(resp)
	dst = slices.Grow(dst, size)[:n+size]
	if err := c.Encode(dst[n:], resp); err != nil {
		return nil, fmt.Errorf("encode the response: %w", err)
	}
	return dst, nil
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

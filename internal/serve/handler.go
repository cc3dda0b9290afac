package serve

import (
	"context"
	"sync"
	"unsafe"

	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/codec"
)

// Handler runs a method of an implementation. [Adapt] makes one.
type Handler struct {
	// call and several know the types of the messages; the rest handles pointers, so that
	// there is one of it for all methods.
	call    func(ctx context.Context, req unsafe.Pointer) (resp unsafe.Pointer, err error)
	several func(n int) unsafe.Pointer // allocates requests, one behind the other
	size    uintptr                    // of a request, in bytes

	raw func(ctx context.Context, req, dst []byte) ([]byte, error) // nil, or takes the place of all others

	request, response kind
	once              sync.Once // the codecs are found by the first call: a guest that starts has no time
	decoder
}

// kind is the type of a message.
type kind struct {
	nothing proto.Message // a nil one of the type
	codec   *codec.Codec
}

// at returns the message at p.
func (k *kind) at(p unsafe.Pointer) proto.Message { return codec.At(k.nothing, p) }

// Adapt makes a [Handler] of an implementation's method, such as GreetingServer.Greet. The
// request owns its data. One that does not decode is INVALID_ARGUMENT. A nil response without
// an error is one without content.
func Adapt[I, Q, R any, Req message[Q], Resp message[R]](impl I, method func(I, context.Context, Req) (Resp, error)) *Handler {
	return &Handler{
		call: func(ctx context.Context, req unsafe.Pointer) (unsafe.Pointer, error) {
			resp, err := method(impl, ctx, Req((*Q)(req)))
			return unsafe.Pointer((*R)(resp)), err
		},
		several:  func(n int) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(make([]Q, n))) },
		size:     unsafe.Sizeof(*new(Q)),
		request:  kind{nothing: Req(nil)},
		response: kind{nothing: Resp(nil)},
	}
}

// Raw makes a [Handler] of a function that gets the encoded request, appends the encoded response
// to dst and returns that. It keeps neither.
func Raw(f func(ctx context.Context, req, dst []byte) ([]byte, error)) *Handler {
	return &Handler{raw: f}
}

type message[T any] interface {
	*T
	proto.Message
}

// find asks the messages how they are encoded and decoded.
func (h *Handler) find() {
	h.once.Do(func() {
		h.decoder = newDecoder(h.request.nothing)
		h.response.codec = codec.Of(h.response.nothing)
	})
}

package guest

import (
	"context"
	"unsafe"

	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/codec"
)

// Import is an imported method of ABI v1.
type Import = func(req unsafe.Pointer, reqLen uint32, resp unsafe.Pointer, respCap uint32) int64

// Method is an imported method. Generated code has a variable for each, which holds what its
// calls need to know of the messages: they are of the same two types each time. [Call] calls
// it.
type Method struct {
	// Import is the function of the host. It must not be nil.
	Import Import
	// MayBlock says that the method has the option may_block: its calls may go on in the host
	// while the guest does other things.
	MayBlock bool
	// New returns an empty response. It must not be nil.
	New func() proto.Message
	// Frame is for a method by which others are called; the zero value is none.
	Frame Frame

	req    *codec.Codec
	resp   *codec.Owner
	usual  bool // whether its next call may be, see [wire.call]
	number int  // see [borrowing]; 0 is none
}

// Frame is what surrounds the messages of a method by which others are called: the kernel's
// Call, whose requests and responses have those of the method that is called in them.
type Frame struct {
	// Head is the number of bytes before a request, and Put writes them to the start of b,
	// before a request of size bytes. ctx is that of the call. Put must not allocate.
	Head int
	Put  func(ctx context.Context, b []byte, size int)
	// Skip is the number of bytes before a response that is not empty.
	Skip int
}

// response returns the response in what a frame surrounds.
func (f *Frame) response(body []byte) []byte { return body[min(f.Skip, len(body)):] }

// find asks the messages how they are encoded and decoded. The caller holds the lock of the
// wire.
func (m *Method) find(req, resp proto.Message) {
	if m.resp == nil {
		m.req, m.resp = codec.Of(req), codec.OwnerOf(resp)
	}
}

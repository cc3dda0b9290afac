package guest

import (
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

	req    *codec.Codec
	resp   *codec.Owner
	usual  bool // whether its next call may be, see [wire.call]
	number int  // see [borrowing]; 0 is none
}

// find asks the messages how they are encoded and decoded. The caller holds the lock of the
// wire.
func (m *Method) find(req, resp proto.Message) {
	if m.resp == nil {
		m.req, m.resp = codec.Of(req), codec.OwnerOf(resp)
	}
}

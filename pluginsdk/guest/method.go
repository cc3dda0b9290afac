package guest

import (
	"unsafe"

	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/codec"
)

// Import is an imported method of ABI v1.
type Import = func(req unsafe.Pointer, reqLen uint32, resp unsafe.Pointer, respCap uint32) int64

// Method is an imported method whose calls are over when the import returns. Generated
// code has a variable for each, which holds what its calls need to know of the messages:
// they are of the same two types each time. Its methods are safe for concurrent use.
type Method struct {
	Import Import
	types
	usual bool // whether its next call may be, see [wire.call]
}

// types are how a method's messages are encoded and decoded, once it was called.
type types struct {
	req  *codec.Codec
	resp *codec.Owner
}

// find asks the messages. The caller holds the lock of the wire.
func (t *types) find(req, resp proto.Message) types {
	if t.resp == nil {
		t.req, t.resp = codec.Of(req), codec.OwnerOf(resp)
	}
	return *t
}

package eng

import (
	"context"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/iansmith/parigot/internal/abi"
	"github.com/iansmith/parigot/internal/instance"
	"github.com/iansmith/parigot/internal/wirecost"
	"github.com/iansmith/parigot/pluginsdk/parigotpb"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// header is the import parigot.header. It has no result: what is wrong with a
// header, the call that it belongs to tells.
func header(ctx context.Context, m api.Module, stack []uint64) {
	s := instance.FromContext(ctx)
	switch {
	case s == nil:
		return
	case ctx.Err() != nil:
		endGuest() // decoding takes longer than what the guest is ended by otherwise
	}
	call, err := readHeader(m.Memory(), api.DecodeU32(stack[0]), api.DecodeU32(stack[1]))
	failed, _ := status.From(err)
	s.Next = instance.Header{Call: call, Received: time.Now(), Err: failed}
}

// decodedHeader bounds what a header takes when it is decoded: a map of many short keys.
var decodedHeader = wirecost.Limit{Bytes: 4 << 20, Name: "the limit of a header"}

func readHeader(mem api.Memory, ptr, size uint32) (*parigotpb.CallHeader, error) {
	if size > abi.MaxHeader {
		return nil, status.Errorf(status.ResourceExhausted, "the call header has %d bytes, the host takes %d", size, abi.MaxHeader)
	}
	b, ok := mem.Read(ptr, size)
	if !ok {
		return nil, status.Errorf(status.InvalidArgument, "the call header is outside of the guest's memory: %d bytes at %#x", size, ptr)
	}
	h := new(parigotpb.CallHeader)
	if err := decodedHeader.Unmarshal(b, h, "the call header"); err != nil {
		return nil, err
	}
	return h, nil
}

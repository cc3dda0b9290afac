package eng

import (
	"context"
	"time"

	"github.com/tetratelabs/wazero/api"
	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/pluginsdk/internal/abi"
	"github.com/iansmith/parigot/pluginsdk/internal/instance"
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

func readHeader(mem api.Memory, ptr, size uint32) (*parigotpb.CallHeader, error) {
	if size > abi.MaxHeader {
		return nil, status.Errorf(status.ResourceExhausted, "the call header has %d bytes, the host takes %d", size, abi.MaxHeader)
	}
	b, ok := mem.Read(ptr, size)
	if !ok {
		return nil, status.Errorf(status.InvalidArgument, "the call header is outside of the guest's memory: %d bytes at %#x", size, ptr)
	}
	h := new(parigotpb.CallHeader)
	if err := proto.Unmarshal(b, h); err != nil {
		return nil, status.Error(status.InvalidArgument, "the call header does not decode")
	}
	return h, nil
}

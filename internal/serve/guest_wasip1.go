package serve

import (
	"unsafe"

	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/codec"
)

// decoder decodes requests, with few allocations.
type decoder struct {
	owner *codec.Owner

	lot   unsafe.Pointer // requests that were allocated at once; nil: none is left
	taken uintptr        // of these
	share int            // how much may be in the rest, in bytes
}

func newDecoder(m proto.Message) decoder { return decoder{owner: codec.OwnerOf(m)} }

func (d *decoder) decode(b []byte, m proto.Message) error { return d.owner.Own(b, m) }

// mutex is nothing in a guest, whose goroutines take turns only where they wait or allocate.
type mutex struct{}

func (mutex) Lock()   {}
func (mutex) Unlock() {}

// together is how many requests are allocated at once. To allocate each takes much of a small
// call. They share as [codec.Owner] has messages do it.
const together = 8

// empty returns a new request for size bytes.
func (h *Handler) empty(size int) unsafe.Pointer {
	if h.lot == nil || size > h.share {
		return h.allocate(size)
	}
	p := unsafe.Add(h.lot, h.taken*h.size)
	h.share -= size
	if h.taken++; h.taken == together {
		h.lot = nil
	}
	return p
}

// allocate is empty when there is none.
func (h *Handler) allocate(size int) unsafe.Pointer {
	if size > codec.Most {
		return h.several(1)
	}
	p := h.several(together) // others may run meanwhile
	h.lot, h.taken, h.share = p, 1, codec.Share-size
	return p
}

//go:build !wasip1

package serve

import (
	"sync"
	"unsafe"

	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/codec"
)

// decoder decodes requests. Outside of guests, in tests, goroutines run at the same time.
type decoder struct{ codec *codec.Codec }

func newDecoder(m proto.Message) decoder { return decoder{codec.Of(m)} }

func (d *decoder) decode(b []byte, m proto.Message) error { return d.codec.Decode(b, m) }

// mutex guards a [Call].
type mutex = sync.Mutex

// empty returns a new request.
func (h *Handler) empty(int) unsafe.Pointer { return h.several(1) }

package serve

import (
	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/codec"
)

// decoder decodes requests, with few allocations.
type decoder struct{ *codec.Owner }

func newDecoder(m proto.Message) *decoder { return &decoder{codec.OwnerOf(m)} }

func (d *decoder) decode(b []byte, m proto.Message) error { return d.Own(b, m) }

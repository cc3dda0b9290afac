//go:build !wasip1

package serve

import (
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/codec"
)

// decoder decodes requests. Outside of guests, in tests, goroutines run at the same time.
type decoder struct{ *codec.Codec }

func newDecoder(m proto.Message) decoder { return decoder{codec.Of(m)} }

func (d decoder) decode(b []byte, m proto.Message) error { return d.Decode(b, m) }

// mutex guards a [Call].
type mutex = sync.Mutex

// Lots allocates values.
type Lots[T any] struct{}

// New returns a new value.
func (Lots[T]) New(int) *T { return new(T) }

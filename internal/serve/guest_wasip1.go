package serve

import (
	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/codec"
)

// decoder decodes requests, with few allocations.
type decoder struct{ *codec.Owner }

func newDecoder(m proto.Message) decoder { return decoder{codec.OwnerOf(m)} }

func (d decoder) decode(b []byte, m proto.Message) error { return d.Own(b, m) }

// mutex is nothing in a guest, whose goroutines take turns only where they wait or allocate.
type mutex struct{}

func (mutex) Lock()   {}
func (mutex) Unlock() {}

const (
	// lot is how many requests are allocated at once, if they have up to smallest bytes. One
	// that lives keeps the others.
	lot      = 8
	smallest = 256
)

// Lots allocates values several at a time, which takes much of a small call otherwise.
type Lots[T any] struct{ rest []T }

// New returns a new value. size is about what it will refer to, in bytes.
func (l *Lots[T]) New(size int) *T {
	if size > smallest {
		return new(T)
	}
	rest := l.rest
	if len(rest) == 0 {
		rest = make([]T, lot) // others may run meanwhile
	}
	l.rest = rest[1:]
	return &rest[0]
}

package instance

import (
	"fmt"
	"sync/atomic"

	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/codec"
)

// Outgoing is what parigot.request hands to a guest: the header and the request of a call
// that its host makes. The zero value hands out nothing.
type Outgoing struct {
	Header  []byte
	Request proto.Message
	Codec   *codec.Codec
	Size    int // of the encoded request
	Open    bool

	// Err is why the request could not be encoded.
	Err error
}

// Len returns the number of bytes to hand out.
func (o *Outgoing) Len() uint64 { return uint64(len(o.Header)) + uint64(o.Size) }

// Put writes header and request to dst, which has room for Len bytes. It hands them out once.
// When it is false, Err says why, and dst has zeros.
func (o *Outgoing) Put(dst []byte) (ok bool) {
	o.Open = false
	defer func() {
		if p := recover(); p != nil { // whoever made the request changes it still
			o.Err = fmt.Errorf("panic: %v", p)
		}
		if ok = o.Err == nil; !ok {
			clear(dst)
		}
	}()
	n := copy(dst, o.Header)
	o.Err = o.Codec.Encode(dst[n:n+o.Size], o.Request)
	return true
}

// Wanted has a guest return whose host has entered it to let its calls go on. It is safe for
// concurrent use.
type Wanted struct {
	is   atomic.Bool
	wake chan struct{}
}

// NewWanted returns one that is not set.
func NewWanted() *Wanted { return &Wanted{wake: make(chan struct{}, 1)} }

// Set has the guest return.
func (w *Wanted) Set() {
	w.is.Store(true)
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Clear lets the guest stay.
func (w *Wanted) Clear() { w.is.Store(false) }

// Is reports whether the guest should return.
func (w *Wanted) Is() bool { return w.is.Load() }

// Wake returns what gets a token when Set is called. One may be old.
func (w *Wanted) Wake() <-chan struct{} { return w.wake }

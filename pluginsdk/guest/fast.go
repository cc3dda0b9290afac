package guest

import (
	"context"
	"unsafe"

	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/pluginsdk/internal/abi"
)

// express is what [wire.fast] encodes into and decodes from.
type express struct {
	busy      bool
	req, resp buffer
}

// fast makes the usual call: without a deadline and metadata, by a method that was called
// before, with messages that have the methods of vtprotobuf and are small, as the last
// response was. It is false when it has not called the host.
//
// It does what roundTrip does. What a call costs in a guest is mostly how much code it
// runs through: the machine code that comes of Go by way of WebAssembly is so long that
// all of a call's does not fit into the processor's first cache. This is a way with as
// little of it as there can be. Without a lock: nothing can wait between the import and
// the end of its answer, and busy keeps others away while messages are encoded and
// decoded. When that panics it stays so, and all calls go the other way.
func (w *wire) fast(m *Method, f form, req, resp proto.Message) (done bool, err error) {
	e, c := &w.express, m.resp
	if c == nil || m.large || !c.Fast || !m.req.Fast || e.busy {
		return false, nil
	}
	x := m.req.Marshaler(req)
	size := x.SizeVT()
	if size > len(e.req.b) && !e.grow(size) {
		return false, nil
	}
	e.busy = true
	b := e.req.b[:size]
	n, err := x.MarshalToSizedBufferVT(b)
	e.busy = false
	room := e.resp.b
	if f.receive != nil {
		room = f.receive.b
	}
	if n != size || err != nil || len(room) > small || !w.mu.free() {
		return false, nil //nolint:nilerr // roundTrip says what is wrong, and lets go of large buffers
	}
	result := uint64(m.Import(
		unsafe.Pointer(unsafe.SliceData(b)), uint32(size),
		unsafe.Pointer(unsafe.SliceData(room)), uint32(len(room))))
	if result > uint64(len(room)) { // a code, or a response that does not fit
		return true, w.settle(m, f, result, resp)
	}
	e.busy = true
	if f.receive != nil && f.used && c.Recycles {
		c.Resetter(resp).ResetVT()
		err = c.Borrower(resp).UnmarshalVTUnsafe(room[:result])
		if err != nil {
			err = undecodable(resp, err)
		}
	} else {
		err = f.decode(c, room[:result], resp)
	}
	e.busy = false
	return true, err
}

// grow makes room for requests of size bytes. It is false when they are not small.
//
//go:noinline
func (e *express) grow(size int) bool {
	if size > small {
		return false
	}
	e.req.room(size)
	e.resp.room(firstResponse)
	return true
}

// settle is the rest of a call that fast has made, when that is not usual.
//
//go:noinline
func (w *wire) settle(m *Method, f form, result uint64, resp proto.Message) error {
	p, err := w.settleLocked(m, f, result, resp)
	if p != nil {
		return w.finish(context.Background(), p)
	}
	return err
}

func (w *wire) settleLocked(m *Method, f form, result uint64, resp proto.Message) (*pendingCall, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	code, n := abi.Split(result)
	b := f.receive
	if b == nil {
		b = &w.express.resp
		defer w.express.shrink()
	}
	return w.outcome(m, f, b, code, n, resp)
}

// shrink lets go of a large buffer: the other way has one for these.
func (e *express) shrink() {
	if len(e.resp.b) > small {
		e.resp = buffer{b: make([]byte, firstResponse)}
	}
}

// background are the contexts that say nothing, as the words of which Go makes them up:
// a comparison of contexts calls a function for each type.
var background = [...]unsafe.Pointer{typeWord(context.Background()), typeWord(context.TODO())}

func typeWord(ctx context.Context) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&ctx)) }

// saysNothing reports whether a call with ctx needs no header and cannot be cancelled. It
// may be false for others.
func saysNothing(ctx context.Context) bool {
	t := typeWord(ctx)
	return t == background[0] || t == background[1]
}

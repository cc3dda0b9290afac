package guest

import (
	"context"
	"unsafe"

	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/abi"
)

// express is what [wire.call] encodes into and decodes from.
type express struct {
	busy      bool
	req, resp buffer
}

// call makes a call of m with req and returns the response: with b its own, and otherwise a
// new one, which owns its data.
//
// What a call costs in a guest is mostly how much code it runs through: the machine code
// that comes of Go by way of WebAssembly is so long that all of a call's does not fit into
// the processor's first cache, and each function that is called moves its parameters
// through memory. So the usual call is made here, with as little code as there can be: one
// without a deadline and metadata, of a method that cannot block and was called before, with
// messages that have the methods of vtprotobuf and are small, as the last response was. All
// others go through roundTrip, which does the same.
//
// It is without the lock: nothing can wait between the import and the end of its answer,
// and busy keeps others away while messages are encoded and decoded. When that panics it
// stays so, and all calls go the other way.
func (w *wire) call(ctx context.Context, b *borrowing, m *Method, req proto.Message) (unsafe.Pointer, error) {
	var resp proto.Message
	switch {
	case !m.usual || !saysNothing(ctx):
		return w.slow(ctx, b, m, req)
	case b == nil:
		resp = m.New() // others may run meanwhile
	default:
		resp = b.response(m)
	}
	e := &w.express
	if resp == nil || e.busy {
		return w.slow(ctx, b, m, req)
	}
	c := m.resp
	x := m.req.Marshaler(req)
	size := x.SizeVT()
	full := size + m.Frame.Head
	if full > len(e.req.b) && !e.grow(full) {
		return w.slow(ctx, b, m, req)
	}
	e.busy = true
	out := e.req.b[:full]
	n, err := x.MarshalToSizedBufferVT(out[full-size:])
	if m.Frame.Put != nil {
		m.Frame.Put(ctx, out, size)
	}
	e.busy = false
	room := e.resp.b
	if b != nil {
		room = b.receive.b
	}
	if n != size || err != nil || len(room) > small || !w.mu.free() {
		return w.slow(ctx, b, m, req) // says what is wrong, and lets go of large buffers
	}
	result := uint64(m.Import(
		unsafe.Pointer(unsafe.SliceData(out)), uint32(full),
		unsafe.Pointer(unsafe.SliceData(room)), uint32(len(room))))
	if result > uint64(len(room)) { // a code, or a response that does not fit
		return w.settle(b, m, result, resp)
	}
	e.busy = true
	body := room[min(m.Frame.Skip, int(result)):result]
	if b == nil {
		breathe(int(result))
		err = c.Own(body, resp)
	} else {
		if c.Flat() {
			c.Empty(resp)
		} else {
			c.Recycle(resp)
		}
		err = c.Borrower(resp).UnmarshalVTUnsafe(body)
	}
	e.busy = false
	if err != nil {
		return nil, undecodable(resp, err)
	}
	return dataOf(resp), nil
}

// slow is call for all calls.
//
//go:noinline
func (w *wire) slow(ctx context.Context, b *borrowing, m *Method, req proto.Message) (unsafe.Pointer, error) {
	header, err := prepare(ctx)
	if err != nil {
		return nil, err
	}
	resp, receive := b.place(m)
	p, err := w.roundTrip(ctx, m, header, receive, req, resp)
	if p != nil {
		err = w.finish(ctx, p)
	}
	if err != nil {
		return nil, err
	}
	return dataOf(resp), nil
}

// dataOf returns the pointer that a message is.
func dataOf(m proto.Message) unsafe.Pointer { return (*[2]unsafe.Pointer)(unsafe.Pointer(&m))[1] }

// grow makes room for requests of size bytes. It is false when they are not
// small, or others came first.
//
//go:noinline
func (e *express) grow(size int) bool {
	if size > small {
		return false
	}
	e.req.room(size)
	e.resp.room(firstResponse)
	return !e.busy && size <= len(e.req.b) // others may have run meanwhile
}

// settle is the rest of a call whose answer is not the usual one.
//
//go:noinline
func (w *wire) settle(b *borrowing, m *Method, result uint64, resp proto.Message) (unsafe.Pointer, error) {
	p, err := w.settleLocked(b, m, result, resp)
	if p != nil {
		err = w.finish(context.Background(), p)
	}
	if err != nil {
		return nil, err
	}
	return dataOf(resp), nil
}

func (w *wire) settleLocked(b *borrowing, m *Method, result uint64, resp proto.Message) (*pendingCall, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	code, n := abi.Split(result)
	if b != nil {
		return w.outcome(m, &b.receive, &b.receive, code, n, resp)
	}
	defer w.express.shrink()
	return w.outcome(m, nil, &w.express.resp, code, n, resp)
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

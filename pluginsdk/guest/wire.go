package guest

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
	"unsafe"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/abi"
	"github.com/iansmith/parigot/internal/codec"
	"github.com/iansmith/parigot/internal/wirestatus"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// wire is the guest's end of the calls. Its lock is held from the header to the
// take: nothing else may call the host then, as both belong to the instance and
// not to a goroutine; and so the buffers can be reused. It is not held while a call
// is pending.
type wire struct {
	take   func(ptr unsafe.Pointer, size uint32) int64
	header func(ptr unsafe.Pointer, size uint32)
	await  func(timeoutNs int64, ptr unsafe.Pointer, size uint32) int64
	cancel func(handle uint32) int64
	poll   poller

	mu        lock
	req, resp buffer
	express   express
	results   []byte // what await delivers
	// pending has the calls that go on by their handles, and nil for those that
	// nobody waits for. pumping says whether the pump knows that there are some.
	pending map[uint32]*pendingCall
	pumping bool
	resume  chan struct{} // made with the pump, tells it that calls are pending
	pumps   atomic.Int32  // how many pumps there are: none, or one
	tick    time.Duration // until the pump looks for results by itself
	// ended counts the pending calls that have ended. arrival is closed by the next
	// one, and nil when nobody waits for that.
	ended   uint64
	arrival chan struct{}
}

// roundTrip is call with the lock. It returns a pending call if the call goes on in the host.
func (w *wire) roundTrip(ctx context.Context, m *Method, header []byte, receive *buffer, req, resp proto.Message) (*pendingCall, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m.find(req, resp)
	b := receive
	if b == nil {
		b = &w.resp
	}
	code, n, err := w.send(ctx, m, header, b, req)
	if err != nil {
		return nil, err
	}
	return w.outcome(m, receive, b, code, n, resp)
}

// outcome returns what became of a call that the host has answered, with n bytes in b or
// parked. The caller holds w.mu.
func (w *wire) outcome(m *Method, receive, b *buffer, code int32, n uint32, resp proto.Message) (*pendingCall, error) {
	if code == abi.Pending {
		proto.Reset(resp)
		return w.pend(&pendingCall{handle: n, method: m, resp: resp}), nil
	}
	body, err := w.receive(n, b)
	if err != nil {
		return nil, err
	}
	b.used(len(body))
	m.usual = m.req.Fast && m.resp.Fast && len(body) <= small && !m.MayBlock
	return nil, answer(code, body, m, receive, resp)
}

// timeoutTag is that of the field timeout_ns in a header.
const timeoutTag = 1<<3 | byte(protowire.VarintType)

// prepare returns the encoded header of a call with ctx, or nil when it needs none.
func prepare(ctx context.Context) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, wirestatus.Coded(err)
	}
	h := headerOf(ctx)
	switch {
	case h == nil:
		return nil, nil
	case h.GetMetadata() == nil: // protobuf-go would run through much more code
		return protowire.AppendVarint(append(make([]byte, 0, 11), timeoutTag), uint64(h.GetTimeoutNs())), nil
	}
	b, err := proto.Marshal(h)
	if err != nil {
		return nil, status.Wrap(status.InvalidArgument, err, "encode the call's metadata")
	}
	return b, nil
}

// send gives the host a request, and room for the response in b. The caller holds
// w.mu.
func (w *wire) send(ctx context.Context, m *Method, header []byte, b *buffer, req proto.Message) (code int32, n uint32, err error) {
	head := m.Frame.Head
	size := head + m.req.Size(req)
	body, ok := w.req.makeRoom(size)
	if !ok {
		return 0, 0, noMemory("request", size)
	}
	body = body[:size]
	if err := m.req.Encode(body[head:], req); err != nil {
		return 0, 0, status.Wrap(status.InvalidArgument, err, "encode the request")
	}
	if m.Frame.Put != nil {
		m.Frame.Put(ctx, body, size-head)
	}
	room := b.room(firstResponse)
	if header != nil {
		w.header(unsafe.Pointer(unsafe.SliceData(header)), uint32(len(header)))
	}
	code, n = abi.Split(uint64(m.Import(
		unsafe.Pointer(unsafe.SliceData(body)), uint32(size),
		unsafe.Pointer(unsafe.SliceData(room)), uint32(len(room)))))
	w.req.used(size)
	return code, n, nil
}

// receive returns the n bytes of an answer: those in the buffer that the host was given,
// or, when they did not fit, what the host has parked, for which the buffer grows.
func (w *wire) receive(n uint32, b *buffer) ([]byte, error) {
	if uint64(n) <= uint64(len(b.b)) {
		return b.b[:n], nil
	}
	body, ok := b.makeRoom(int(n))
	if !ok {
		return nil, noMemory("response", int(n))
	}
	body = body[:n]
	code, got := abi.Split(uint64(w.take(unsafe.Pointer(unsafe.SliceData(body)), n)))
	if code != 0 || got != n {
		return nil, status.Errorf(status.Internal, "the host parked %d bytes and gave %d, code %d", n, got, code)
	}
	return body, nil
}

// answer returns the outcome of a call, whose response or status is in body.
func answer(code int32, body []byte, m *Method, receive *buffer, resp proto.Message) error {
	if code != 0 {
		return wirestatus.Decode(code, body)
	}
	if !fits(len(body)) { // what it is decoded to
		return noMemory("response", len(body))
	}
	if err := decode(m.resp, m.Frame.response(body), receive, resp); err != nil {
		return undecodable(resp, err)
	}
	return nil
}

// noMemory is the error of a message for which the guest has no room.
func noMemory(what string, size int) error {
	return status.Errorf(status.ResourceExhausted, "the %s has %d bytes, and the guest has no memory for it: raise its memory_limit", what, size)
}

// decode decodes the response in body, which is in receive if that is not nil.
func decode(c *codec.Owner, body []byte, receive *buffer, resp proto.Message) error {
	if receive != nil {
		c.Recycle(resp)
		return c.Borrow(body, resp)
	}
	breathe(len(body))
	return c.Own(body, resp)
}

// undecodable is out of the way of a call's code.
//
//go:noinline
func undecodable(resp proto.Message, err error) error {
	return status.Wrap(status.Internal, err, fmt.Sprintf("decode the response as %s", codec.NameOf(resp)))
}

// untilAtLeast1ns returns the time until t. A deadline that passes at this
// moment is still one, and 0 would mean none.
func untilAtLeast1ns(t time.Time) time.Duration {
	return max(time.Until(t), 1)
}

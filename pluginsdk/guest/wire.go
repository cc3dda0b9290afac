package guest

import (
	"context"
	"fmt"
	"sync"
	"time"
	"unsafe"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/pluginsdk/internal/abi"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// Import is an imported method of ABI v1.
type Import = func(req unsafe.Pointer, reqLen uint32, resp unsafe.Pointer, respCap uint32) int64

const (
	// firstResponse is the size of the first response buffer, in bytes. A
	// response that is larger costs one more import call.
	firstResponse = 4 << 10
	// keep is the size up to which a buffer is kept for the next call, in
	// bytes. One large message should not hold its memory for ever.
	keep = 1 << 20
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

	mu        sync.Mutex
	req, resp []byte
	results   []byte // what await delivers
	// pending has the calls that go on by their handles, and nil for those that
	// nobody waits for. pumping says whether the pump knows that there are some.
	pending map[uint32]*pendingCall
	pumping bool
	resume  chan struct{} // made with the pump, tells it that calls are pending
	tick    time.Duration // until the pump looks for results by itself
	// ended counts the pending calls that have ended. arrival is closed by the next
	// one, and nil when nobody waits for that.
	ended   uint64
	arrival chan struct{}
}

// start makes a call, up to where it is over or pending: then it returns what finish
// waits for. Messages own their data afterwards: they do not alias the buffers.
func (w *wire) start(ctx context.Context, method Import, req, resp proto.Message) (*pendingCall, error) {
	if err := ctx.Err(); err != nil {
		return nil, statusOf(err)
	}
	header := headerOf(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	var err error
	if w.req, err = (proto.MarshalOptions{}).MarshalAppend(w.req[:0], req); err != nil {
		return nil, status.Wrap(status.InvalidArgument, err, "encode the request")
	}
	if header != nil {
		b, err := proto.Marshal(header)
		if err != nil {
			return nil, status.Wrap(status.InvalidArgument, err, "encode the call's metadata")
		}
		w.header(unsafe.Pointer(unsafe.SliceData(b)), uint32(len(b)))
	}
	if w.resp == nil {
		w.resp = make([]byte, firstResponse)
	}
	code, n := abi.Split(uint64(method(
		unsafe.Pointer(unsafe.SliceData(w.req)), uint32(len(w.req)),
		unsafe.Pointer(unsafe.SliceData(w.resp)), uint32(len(w.resp)))))
	defer w.trim()
	if code == abi.Pending {
		return w.pend(n, resp), nil
	}
	if uint64(n) > uint64(len(w.resp)) {
		if err := w.takeParked(n); err != nil {
			return nil, err
		}
	}
	return nil, decode(code, w.resp[:n], resp)
}

// statusOf gives the error of a context its code.
func statusOf(err error) error {
	if s, ok := status.From(err); ok {
		return s
	}
	return err
}

// takeParked gets a response that did not fit, into a buffer that does.
func (w *wire) takeParked(n uint32) error {
	w.resp = make([]byte, n)
	code, got := abi.Split(uint64(w.take(unsafe.Pointer(unsafe.SliceData(w.resp)), n)))
	if code != 0 || got != n {
		return status.Errorf(status.Internal, "the host parked %d bytes and gave %d, code %d", n, got, code)
	}
	return nil
}

// trim drops buffers that are too large to keep.
func (w *wire) trim() {
	if cap(w.req) > keep {
		w.req = nil
	}
	if cap(w.resp) > keep {
		w.resp = nil
	}
}

func decode(code int32, b []byte, resp proto.Message) error {
	if code == 0 {
		if err := proto.Unmarshal(b, resp); err != nil {
			return status.Wrap(status.Internal, err, fmt.Sprintf("decode the response as %s", resp.ProtoReflect().Descriptor().FullName()))
		}
		return nil
	}
	p := new(spb.Status)
	if err := proto.Unmarshal(b, p); err != nil {
		// The code is what counts.
		p = nil
	}
	return status.FromProto(code, p)
}

// untilAtLeast1ns returns the time until t. A deadline that passes at this
// moment is still one, and 0 would mean none.
func untilAtLeast1ns(t time.Time) time.Duration {
	return max(time.Until(t), 1)
}

package core

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/tetratelabs/wazero/api"
	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/abi"
	"github.com/iansmith/parigot/internal/codec"
	"github.com/iansmith/parigot/internal/instance"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// exchange is one call: where its bytes are, who makes it, and what it holds of the
// caller's account.
type exchange struct {
	*Outcome
	answerRoom
	parked  []byte // an answer that does not fit into the caller's room
	decoded uint64 // bytes in the instance's account, for the decoded request
	pends   bool   // the call may go on while its guest runs
}

// begins makes x, which is new, the exchange of a call.
func (x *exchange) begins(ctx context.Context, o *Outcome) {
	x.Outcome, x.inst, x.name = o, stateOf(ctx), o.Method.FullName
}

// answerRoom is where an answer goes.
type answerRoom struct {
	ends
	inst     *instance.State
	name     string // of the method
	reserved uint64 // bytes in the instance's account, for an answer that is parked
}

// ends are where the bytes of a call come from and go to: a guest's memory, or the buffers
// of a carrier.
type ends struct {
	mem           api.Memory // nil: the buffers
	req, resp     buffer
	request, room []byte
}

// buffer is a part of the guest's memory.
type buffer struct{ ptr, size uint32 }

// overlaps reports whether a and b have a byte in common.
func (b buffer) overlaps(other buffer) bool {
	return uint64(b.ptr) < uint64(other.ptr)+uint64(other.size) && uint64(other.ptr) < uint64(b.ptr)+uint64(b.size)
}

// view returns the bytes of b without copying them. An empty buffer may lie
// anywhere.
func (b buffer) view(mem api.Memory) ([]byte, bool) {
	if b.size == 0 {
		return nil, true
	}
	return mem.Read(b.ptr, b.size)
}

// onStack takes what a guest has named on the stack of an import.
func (e *ends) onStack(m api.Module, stack []uint64) {
	e.mem = m.Memory()
	e.req = buffer{api.DecodeU32(stack[0]), api.DecodeU32(stack[1])}
	e.resp = buffer{api.DecodeU32(stack[2]), api.DecodeU32(stack[3])}
}

// inBuffers takes the buffers of a carrier.
func (e *ends) inBuffers(request, room []byte) {
	e.mem, e.request, e.room = nil, request, room
	e.req, e.resp = buffer{size: uint32(len(request))}, buffer{size: uint32(len(room))}
}

// overlap reports whether the request and the caller's room have a byte in common.
func (e *ends) overlap() bool { return e.mem != nil && e.req.overlaps(e.resp) }

// from returns the bytes of the request.
func (e *ends) from() ([]byte, bool) {
	if e.mem == nil {
		return e.request, true
	}
	return e.req.view(e.mem)
}

// into returns the caller's room for the answer. A guest's memory may have grown since it
// was asked for before, which moves it.
func (e *ends) into() ([]byte, bool) {
	if e.mem == nil {
		return e.room, true
	}
	return e.resp.view(e.mem)
}

// message is a request or a response, and how it is encoded and decoded.
type message struct {
	proto.Message
	codec *codec.Codec
}

func (o *Outcome) request(m proto.Message) message {
	if o.Requests != nil {
		return message{m, o.Requests}
	}
	return messageOf(m)
}

func messageOf(m proto.Message) message { return message{Message: m, codec: codec.Of(m)} }

// strayLimits are the limits of calls that no engine makes: those of local
// clients, and of tests that call a bridge by hand.
var strayLimits = instance.Limits{
	MaxRequest: instance.DefaultMaxMessage, MaxResponse: instance.DefaultMaxMessage,
	MaxDecoded: instance.DefaultMaxDecoded, Budget: instance.DefaultCallBudget,
}

func stateOf(ctx context.Context) *instance.State {
	if s := instance.FromContext(ctx); s != nil {
		return s
	}
	return &instance.State{Limits: strayLimits, Logger: slog.Default(), Counters: new(instance.Counters)}
}

// open takes the request of the call and gives the call its deadline. When it is
// false, the call is over: with s, or with no status when there is no place for one.
func (x *exchange) open(ctx context.Context, w *work) (start time.Time, s *status.Status, ok bool) {
	x.ctx.start(ctx, x.name)
	x.inst.Unpark()
	header := x.inst.TakeHeader()
	if _, ok := x.into(); !ok {
		return start, nil, false
	}
	if start, s = x.begin(header); s == nil {
		s = requestOver(&x.inst.Limits, x.name, int(x.req.size))
	}
	if s == nil && !w.lazy {
		s = x.take(w)
	}
	return start, s, s == nil
}

// begin gives the call its deadline and metadata.
func (x *exchange) begin(h instance.Header) (time.Time, *status.Status) {
	call := &x.ctx
	if h.Err != nil {
		return time.Time{}, refuse(status.CodeOf(h.Err), "%s: %s", call.name, h.Err.Message())
	}
	if x.inst.Ended.Load() {
		return time.Time{}, refuse(status.Unavailable, "%s: the guest that calls has ended", call.name)
	}
	now := instance.Now()
	if call.budget = x.Method.BudgetOf(x.inst); call.budget > 0 {
		call.limit(now.Add(call.budget))
	}
	if h.Call != nil {
		call.metadata = h.Call.GetMetadata()
		if timeout := h.Call.GetTimeoutNs(); timeout != 0 {
			call.limit(h.Received.Add(time.Duration(timeout)))
		}
	}
	err := call.Context.Err()
	if err == nil && !call.deadline.IsZero() && !now.Before(call.deadline) {
		err = context.DeadlineExceeded
	}
	if err != nil {
		return now, coded(x.inst, call.name, err)
	}
	return now, nil
}

// finish frees what the call held, and tells when it took too long. A result
// that comes late is still a result: the work is done.
func (x *exchange) finish(start time.Time) {
	x.ctx.end()
	WarnIfSlow(x.inst, x.name, start, x.ctx.budget)
}

// refuse answers a call that open did not let through.
func (x *exchange) refuse(s *status.Status) uint64 {
	if s == nil {
		// There is no place for a status, and taking one would not fit
		// the rule that what is not longer than resp_cap lies at resp_ptr.
		return abi.Result(-int32(status.InvalidArgument), 0)
	}
	return x.fail(s)
}

// succeed encodes u, into the caller's room when it fits.
func (x *exchange) succeed(u message) uint64 {
	if u.Message == nil {
		return NoReturnedStruct
	}
	size := u.codec.Size(u.Message)
	if s := x.overLimit(size); s != nil {
		return x.fail(s)
	}
	if size == 0 {
		return NoReturnedStruct
	}
	dst, s := x.makeRoom(uint32(size))
	if s != nil {
		return x.fail(s)
	}
	if err := u.encode(dst); err != nil {
		return x.fail(internal(x.inst, x.name, fmt.Errorf("encode the response: %w", err)))
	}
	if uint32(len(dst)) > x.resp.size {
		x.parked = dst
	}
	return abi.Result(0, uint32(len(dst)))
}

// overLimit refuses a response of size bytes when it is too large.
func (r *answerRoom) overLimit(size int) *status.Status {
	return responseOver(&r.inst.Limits, r.name, size)
}

// makeRoom returns where a response of size bytes goes: into the caller's room if it fits
// there, and else into memory of the host, which counts against the instance's account.
func (r *answerRoom) makeRoom(size uint32) ([]byte, *status.Status) {
	if size > r.resp.size {
		if !r.reserve(uint64(size)) {
			return nil, refuse(status.ResourceExhausted, "%s: a response of %d bytes: %s", r.name, size, instance.NoRoom)
		}
		return make([]byte, size), nil
	}
	b, _ := r.into()
	return b[:size], nil
}

// reserve makes room in the instance's account for an answer of size bytes that is parked.
func (r *answerRoom) reserve(size uint64) bool {
	if size > r.reserved {
		if !r.inst.Account.Reserve(size - r.reserved) {
			return false
		}
		r.reserved = size
	}
	return true
}

// settle gives back what was reserved and is not parked.
func (x *exchange) settle() {
	x.inst.Account.Release(x.reserved - uint64(len(x.parked)))
	x.reserved = uint64(len(x.parked))
}

// park ends a call, and leaves what did not fit into the caller's room to who takes it.
func (x *exchange) park() {
	x.release()
	x.settle()
	x.inst.Parked = x.parked
}

// encode encodes u into dst, which has the size of u. When it fails or panics it leaves
// nothing of u in dst.
func (u message) encode(dst []byte) error {
	done := false
	defer func() {
		if !done {
			clear(dst)
		}
	}()
	err := u.codec.Encode(dst, u.Message)
	done = err == nil
	return err
}

// fail gives the caller a status instead of a response.
func (x *exchange) fail(s *status.Status) uint64 {
	code, b := EncodeFailure(s, x.inst.Limits.MaxResponse, x.inst.Logger, x.name)
	dst, ok := x.into()
	switch {
	case !ok:
		return abi.Result(code, 0)
	case len(b) <= len(dst):
		copy(dst, b)
	case !x.reserve(uint64(len(b))):
		return abi.Result(code, 0)
	default:
		x.parked = b
	}
	return abi.Result(code, uint32(len(b)))
}

// failAfterPanic is fail for when the guest's memory may be what panicked, which
// only a module without one does, outside of an engine.
func (x *exchange) failAfterPanic(p any) (result uint64) {
	defer func() {
		if recover() != nil {
			result = abi.Result(-int32(status.Internal), 0)
		}
	}()
	x.ctx.end()
	return x.fail(panicked(x.inst, x.name, p))
}

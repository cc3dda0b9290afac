package pluginsdk

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/tetratelabs/wazero/api"
	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/abi"
	"github.com/iansmith/parigot/internal/codec"
	"github.com/iansmith/parigot/internal/instance"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// NoReturnedStruct is the result of a call that succeeded with a response that
// has no bytes.
var NoReturnedStruct = uint64(0)

// InvokeImplFromStack is the bridge of one call: it decodes the guest's request
// into t, calls fn, encodes u into the guest's memory and leaves the result in
// stack[0], as docs/abi.md describes it. Generated code calls it; name is the
// method's full name, for contexts and logs.
//
// fn returns 0 for success, and otherwise the code that the guest is to see.
// [Adapt] makes one from a method that returns an error. t and u are empty
// messages of the method's types; the bridge owns them and keeps nothing of
// them.
//
// The guest is not trusted. Requests outside of its memory, over the limits or
// not decodable, and whatever goes wrong in fn, a panic included, become codes;
// nothing is written outside of the response buffer, and the guest can go on.
//
// A method that was registered with MayBlock runs on a goroutine of its own, and
// may outlive this call: see [Method].
func InvokeImplFromStack[T proto.Message, U proto.Message](ctx context.Context, name string, m api.Module, stack []uint64, fn func(context.Context, T, U) int32, t T, u U) {
	x := newExchange(ctx, name, m, stack)
	req, resp := ownMessage(t), ownMessage(u)
	if x.overlaps(ctx) {
		// What the goroutine needs is moved to the heap here, and only here.
		stack[0] = overlap(ctx, x, req, resp, func(ctx context.Context) int32 { return fn(ctx, t, u) })
		return
	}
	stack[0] = x.serve(newCallContext(ctx, name), req, resp, func(ctx context.Context) int32 { return fn(ctx, t, u) })
}

// exchange is one call: the buffers that the guest named, and who it is.
type exchange struct {
	name      string
	inst      *instance.State
	mem       api.Memory
	req, resp buffer
	parked    []byte // an answer that does not fit into resp
	reserved  uint64 // bytes in the instance's account, for parked
	decoded   uint64 // the same, for the decoded request
	pends     bool   // the call may go on while its guest runs
}

// newExchange reads the parameters of a call.
func newExchange(ctx context.Context, name string, m api.Module, stack []uint64) exchange {
	return exchange{
		name: name,
		inst: stateOf(ctx),
		mem:  m.Memory(),
		req:  buffer{api.DecodeU32(stack[0]), api.DecodeU32(stack[1])},
		resp: buffer{api.DecodeU32(stack[2]), api.DecodeU32(stack[3])},
	}
}

// message is a request or a response, and how it is encoded and decoded.
type message struct {
	proto.Message
	codec *codec.Codec
	// borrow lets a request that is decoded refer to the guest's memory.
	borrow bool
}

func ownMessage(m proto.Message) message { return message{Message: m, codec: codec.Of(m)} }

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

// strayLimits are the limits of calls that no engine makes: those of local
// clients, and of tests that call a bridge by hand.
var strayLimits = instance.Limits{MaxRequest: eng.DefaultMaxMessage, MaxResponse: eng.DefaultMaxMessage, MaxDecoded: eng.DefaultMaxDecoded, Budget: eng.DefaultCallBudget}

func stateOf(ctx context.Context) *instance.State {
	if s := instance.FromContext(ctx); s != nil {
		return s
	}
	return &instance.State{Limits: strayLimits, Logger: slog.Default(), Counters: new(instance.Counters)}
}

// serve runs the call and returns its result. The request is decoded before
// anything is written, so that the buffers may overlap.
func (x *exchange) serve(call *callContext, t, u message, run func(context.Context) int32) (result uint64) {
	defer func() {
		if p := recover(); p != nil {
			x.inst.Running.End()
			result = x.failAfterPanic(panicStatus(call, x.inst, p))
		}
		x.park()
	}()
	start, s, ok := x.open(call, t)
	if !ok {
		return x.refuse(s)
	}
	x.inst.Running.Begin(&call.name, start)
	code := run(call)
	x.inst.Running.End()
	finish(call, x.inst, start)
	return x.answer(call, code, u)
}

// open takes the request of the call and gives the call its deadline. When it is
// false, the call is over: with s, or with no status when there is no place for one.
func (x *exchange) open(call *callContext, t message) (start time.Time, s *status.Status, ok bool) {
	x.inst.Unpark()
	header := x.inst.TakeHeader()
	if _, ok := x.resp.view(x.mem); !ok {
		return start, nil, false
	}
	if call.Context.Err() == nil { // else it costs nothing, and begin refuses it
		if s := x.decode(t); s != nil {
			return start, s, false
		}
	}
	start, s = begin(call, x.inst, header)
	return start, s, s == nil
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

// answer gives the guest what the implementation returned.
func (x *exchange) answer(call *callContext, code int32, u message) uint64 {
	if code == 0 {
		return x.succeed(call, u)
	}
	return x.fail(call.failed(code, x.inst))
}

// succeed encodes u, into the guest's buffer when it fits.
func (x *exchange) succeed(call *callContext, u message) uint64 {
	size := u.codec.Size(u.Message)
	if s := x.overLimit(size); s != nil {
		return x.fail(s)
	}
	if size == 0 {
		return NoReturnedStruct
	}
	dst, s := x.room(uint32(size))
	if s != nil {
		return x.fail(s)
	}
	if err := u.encode(dst); err != nil {
		return x.fail(internal(call, x.inst, fmt.Errorf("encode the response: %w", err)))
	}
	return x.respond(dst)
}

// overLimit refuses a response of size bytes when it is too large.
func (x *exchange) overLimit(size int) *status.Status {
	if uint64(size) <= uint64(x.inst.Limits.MaxResponse) {
		return nil
	}
	return refuse(status.ResourceExhausted, "%s: the response has %d bytes, the host sends %d", x.name, size, x.inst.Limits.MaxResponse)
}

// room returns where a response of size bytes goes: into the guest's buffer if it fits
// there, and else into memory of the host, which counts against the instance's account.
func (x *exchange) room(size uint32) ([]byte, *status.Status) {
	if size > x.resp.size {
		if !x.reserve(uint64(size)) {
			return nil, refuse(status.ResourceExhausted, "%s: a response of %d bytes: %s", x.name, size, instance.NoRoom)
		}
		return make([]byte, size), nil
	}
	// Memory may have grown during the call, which moves it.
	b, _ := x.resp.view(x.mem)
	return b[:size], nil
}

// reserve makes room in the instance's account for an answer of size bytes that is parked.
func (x *exchange) reserve(size uint64) bool {
	if size > x.reserved {
		if !x.inst.Account.Reserve(size - x.reserved) {
			return false
		}
		x.reserved = size
	}
	return true
}

// settle gives back what was reserved and is not parked.
func (x *exchange) settle() {
	x.inst.Account.Release(x.reserved - uint64(len(x.parked)))
	x.reserved = uint64(len(x.parked))
}

// park ends a call, and leaves to parigot.take what did not fit into the guest's buffer.
func (x *exchange) park() {
	x.release()
	x.settle()
	x.inst.Parked = x.parked
}

// respond returns the result of a success whose response is in dst, which room made.
func (x *exchange) respond(dst []byte) uint64 {
	if uint32(len(dst)) > x.resp.size {
		x.parked = dst
	}
	return abi.Result(0, uint32(len(dst)))
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

// fail gives the guest a status instead of a response.
func (x *exchange) fail(s *status.Status) uint64 {
	code, _ := s.WireCode()
	p := s.Proto()
	if uint64(proto.Size(p)) > uint64(x.inst.Limits.MaxResponse) {
		// The code, and whose it is, matter more than the text.
		p.Message, p.Details = "", p.Details[:min(len(p.Details), 1)]
	}
	b, err := proto.Marshal(p)
	if err != nil || uint64(len(b)) > uint64(x.inst.Limits.MaxResponse) {
		x.inst.Logger.Error("a status cannot be sent", "call", x.name, "size", len(b), "err", err)
		return abi.Result(code, 0)
	}
	dst, ok := x.resp.view(x.mem)
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
func (x *exchange) failAfterPanic(s *status.Status) (result uint64) {
	defer func() {
		if recover() != nil {
			result = abi.Result(-int32(status.Internal), 0)
		}
	}()
	return x.fail(s)
}

// begin gives the call its deadline and metadata.
func begin(call *callContext, inst *instance.State, h instance.Header) (time.Time, *status.Status) {
	if h.Err != nil {
		return time.Time{}, refuse(status.CodeOf(h.Err), "%s: %s", call.name, h.Err.Message())
	}
	if inst.Ended.Load() {
		return time.Time{}, refuse(status.Unavailable, "%s: the guest that calls has ended", call.name)
	}
	now := time.Now()
	if call.budget = budgetOf(call.Context, inst); call.budget > 0 {
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
		return now, boundary(call, inst, err)
	}
	return now, nil
}

// finish frees what the call held, and tells when it took too long. A result
// that comes late is still a result: the work is done.
func finish(call *callContext, inst *instance.State, start time.Time) {
	call.end()
	if call.budget <= 0 {
		return
	}
	if took := time.Since(start); took > call.budget {
		inst.Counters.Slow.Add(1)
		inst.Logger.Warn("slow call", "call", call.name, "guest", inst.Name, "took", took, "budget", call.budget)
	}
}

// methodContext carries what was registered for a method to its calls.
type methodContext struct {
	context.Context
	budget   time.Duration
	mayBlock bool
}

// budgetOf returns what the method allows, and else what the engine does. In a plugin's
// own process that is for the host to say, with the deadline.
func budgetOf(ctx context.Context, inst *instance.State) time.Duration {
	if inst.Remote {
		return 0
	}
	if m, ok := ctx.(*methodContext); ok {
		return m.budget
	}
	return inst.Limits.Budget
}

// failed returns why the call failed with code. An fn that was not made by
// Adapt has left nothing but the code.
func (c *callContext) failed(code int32, inst *instance.State) *status.Status {
	if c.failure != nil {
		return c.failure
	}
	s := status.FromProto(code, nil)
	if _, ok := s.WireCode(); !ok {
		return internal(c, inst, fmt.Errorf("the implementation returned %d, which is no code", code))
	}
	return s
}

// boundary codes err, for the guest to see. This is the only place where an
// implementation's error becomes one that crosses.
func boundary(call *callContext, inst *instance.State, err error) *status.Status {
	s, ok := status.From(err)
	if !ok {
		return internal(call, inst, err)
	}
	if _, ok := s.WireCode(); !ok {
		return internal(call, inst, fmt.Errorf("the code %d of %s cannot be sent, want a positive one: %w", s.Number(), s.Enum(), err))
	}
	return s
}

// internal logs err and returns the status that takes its place.
func internal(call *callContext, inst *instance.State, err error, more ...any) *status.Status {
	incident := logIncident(inst, call.name, err, more...)
	return refuse(status.Internal, "%s: internal error, incident %s", call.name, incident)
}

func panicStatus(call *callContext, inst *instance.State, p any) *status.Status {
	call.end()
	return internal(call, inst, fmt.Errorf("panic: %v", p), "stack", string(debug.Stack()))
}

// refuse returns an error of the bridge itself. code is not OK.
func refuse(code status.Code, format string, args ...any) *status.Status {
	s, _ := status.From(status.Errorf(code, format, args...))
	return s
}

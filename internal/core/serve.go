package core

import (
	"context"

	"github.com/tetratelabs/wazero/api"
	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/abi"
)

// NoReturnedStruct is the result of a call that succeeded with a response that has no bytes.
const NoReturnedStruct = uint64(0)

// Stack serves a call of a guest's import, by ABI v1 (docs/abi.md): fn is the server, t the
// empty message that the request is decoded into, and u the response, or a [Holder] of it.
// The result is in stack[0].
func Stack[T, U proto.Message](ctx context.Context, name string, m api.Module, stack []uint64, fn func(context.Context, T, U) int32, t T, u U) {
	o, holds := outcomeOf(u, name)
	var x exchange
	x.begins(ctx, o)
	x.onStack(m, stack)
	w := work{request: o.request(t)}
	if !holds {
		w.response = messageOf(u)
	}
	if x.onHeap() {
		stack[0] = serveOnHeap(ctx, x, w, func(ctx context.Context) int32 { return fn(ctx, t, u) })
		return
	}
	stack[0] = x.serve(ctx, &w, func(ctx context.Context) int32 { return fn(ctx, t, u) })
}

// Bytes serves a call of any other carrier, as [Stack] does. ctx has the caller. The answer
// is its code, and the response or the status, which lies at the start of room if it fits
// there. What does not is counted in the caller's account until it is unparked.
func Bytes[T, U proto.Message](ctx context.Context, request, room []byte, fn func(context.Context, T, U) int32, t T, u U) (code int32, body []byte) {
	o, holds := outcomeOf(u, NameOf(ctx))
	var x exchange
	x.begins(ctx, o)
	x.inBuffers(request, room)
	w := work{request: o.request(t)}
	if !holds {
		w.response = messageOf(u)
	}
	return x.inRoom(x.serve(ctx, &w, func(ctx context.Context) int32 { return fn(ctx, t, u) }))
}

// inRoom returns the answer of a call whose carrier has given it room.
func (x *exchange) inRoom(result uint64) (code int32, body []byte) {
	code, size := abi.Split(result)
	if int64(size) <= int64(len(x.room)) {
		return code, x.room[:size]
	}
	return code, x.parked
}

// onHeap reports whether others than this call's goroutine see it, as interceptors do, and
// the goroutine of a call that goes on while its guest runs. Calls of other kinds are on the
// stack, and allocate nothing.
func (x *exchange) onHeap() bool { return x.inst.Intercept != nil || x.pending() }

func (x *exchange) pending() bool { return x.Method.MayBlock && x.inst.Calls != nil }

func serveOnHeap(ctx context.Context, x exchange, w work, run func(context.Context) int32) uint64 {
	if x.pending() {
		return overlap(ctx, x, w, run)
	}
	return x.serve(ctx, &w, intercepted(&x, &w, run))
}

// work is what a call takes and gives: messages, or bytes on the way to another server.
type work struct {
	request, response message
	carry             Carrier // nil: messages
	carried           carried
	lazy              bool // the request is decoded when somebody wants it
	taken             bool // it is decoded
}

// serve does the call and returns its result; run is the server's function, or nil for a call
// that is carried. The request is decoded before anything is written, so that the buffers
// may overlap.
func (x *exchange) serve(ctx context.Context, w *work, run func(context.Context) int32) (result uint64) {
	defer func() {
		if p := recover(); p != nil {
			clear(w.carried.written)
			x.inst.Running.End()
			result = x.failAfterPanic(p)
		}
		x.park()
	}()
	start, s, ok := x.open(ctx, w)
	if !ok {
		result = x.refuse(s)
		x.recycle()
		return result
	}
	x.inst.Running.Begin(&x.Method.FullName, start)
	code := w.do(x, run)
	x.inst.Running.End()
	x.finish(start)
	result = x.answer(w, code)
	x.recycle()
	return result
}

// do calls the server, or who carries the call to it.
func (w *work) do(x *exchange, run func(context.Context) int32) int32 {
	if run == nil {
		return w.carried.carry(&x.ctx, x, w.carry)
	}
	return run(&x.ctx)
}

// answer gives the caller what the server has left.
func (x *exchange) answer(w *work, code int32) uint64 {
	switch {
	case w.carry != nil:
		return x.deliver(&w.carried, code)
	case code != 0:
		return x.fail(x.failed(code, x.inst))
	case w.response.Message != nil:
		return x.succeed(w.response)
	}
	return x.succeed(message{x.response, x.codec})
}

// recycle lets the messages of the call serve the next one, if nothing of it is in use.
func (x *exchange) recycle() {
	if x.Recycle == nil || x.ctx.isWatched() || x.inst.Intercept != nil {
		return // contexts made of this one may be about still; interceptors have promised nothing
	}
	x.reset()
	x.Recycle(x.req.size)
}

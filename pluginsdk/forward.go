package pluginsdk

import (
	"context"
	"fmt"
	"time"

	"github.com/tetratelabs/wazero/api"
	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/abi"
	"github.com/iansmith/parigot/internal/instance"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// Carrier takes a call to an implementation that is somewhere else, undecoded, and
// brings the result back: code and body are those of docs/abi.md, PENDING excepted.
//
// ctx is what an implementation would get: it has the deadline, [Metadata], and who
// calls. Carry keeps to it, as an implementation does. request may lie in the guest's
// memory: it is only read, and not after Carry has returned. room returns where a body
// of size bytes goes, which is mostly the guest's buffer, so a body is read from its
// source straight into there; it fails when the body is over the limit. The body that
// Carry returns is what room gave it, or any other slice, which is then copied.
//
// An err becomes the result as that of an implementation does: one with a code reaches
// the guest, one without becomes INTERNAL and an incident.
type Carrier func(ctx context.Context, request []byte, room func(size uint32) ([]byte, error)) (code int32, body []byte, err error)

// Forward returns f with a Call that has carry do what the implementation of a method
// does otherwise, see [InvokeImplFromStack]: limits, header, budget, overlapping calls
// and failures are the same. Budget and MayBlock of f count. Placements use it; no
// generated code is needed.
func Forward(module string, f eng.Function, carry Carrier) eng.Function {
	name := orElse(f.Method, module+"."+f.Name)
	bridge := func(ctx context.Context, m api.Module, stack []uint64) {
		stack[0] = forward(ctx, name, m, stack, carry)
	}
	f.Call = Method{Budget: f.Budget, MayBlock: f.MayBlock, Bridge: bridge}.call(false)
	return f
}

func forward(ctx context.Context, name string, m api.Module, stack []uint64, carry Carrier) uint64 {
	x := newExchange(ctx, name, m, stack)
	if x.overlaps(ctx) {
		return forwardOverlapping(ctx, x, carry)
	}
	return x.forward(newCallContext(ctx, name), carry)
}

// forward is exchange.serve for a call that is carried.
func (x *exchange) forward(call *callContext, carry Carrier) (result uint64) {
	var written []byte // the part of the guest's buffer that is the carrier's
	defer func() {
		if p := recover(); p != nil {
			clear(written)
			x.inst.Running.End()
			result = x.failAfterPanic(panicStatus(call, x.inst, p))
		}
		x.park()
	}()
	request, start, s, ok := x.openRaw(call)
	if !ok {
		return x.refuse(s)
	}
	x.inst.Running.Begin(&call.name, start)
	code, body, err := carry(call, request, func(size uint32) ([]byte, error) {
		if s := x.overLimit(int(size)); s != nil {
			return nil, s
		}
		dst, s := x.room(size)
		if s != nil {
			return nil, s
		}
		if size <= x.resp.size {
			written = dst
		}
		return dst, nil
	})
	x.inst.Running.End()
	finish(call, x.inst, start)
	if err != nil {
		clear(written)
	}
	return x.deliver(call, code, body, err)
}

// forwardOverlapping is forward for a call that may go on while its guest runs, which
// then may change its memory: the request is copied, and the body too.
func forwardOverlapping(ctx context.Context, x exchange, carry Carrier) uint64 {
	f := &flight{call: newCallContext(ctx, x.name), inst: x.inst}
	var (
		request, body []byte
		err           error
	)
	limit := exchange{name: x.name, inst: x.inst}
	f.reply = func(x *exchange) uint64 {
		x.reserved = limit.reserved
		if f.call.failure != nil { // carry did not return
			return x.fail(f.call.failure)
		}
		return x.deliver(f.call, f.code, body, err)
	}
	open := func(x *exchange) (time.Time, *status.Status, bool) {
		var start time.Time
		var s *status.Status
		var ok bool
		request, start, s, ok = x.openRaw(f.call)
		return start, s, ok
	}
	f.departed = func() { request = append([]byte(nil), request...) } // there is room for it now
	return f.begin(x, open, func(ctx context.Context) (code int32) {
		code, body, err = carry(ctx, request, func(size uint32) ([]byte, error) {
			if s := limit.overLimit(int(size)); s != nil {
				return nil, s
			}
			body, s := limit.room(size)
			if s != nil {
				return nil, s
			}
			return body, nil
		})
		return code
	})
}

// openRaw is exchange.open for a request that nobody decodes.
func (x *exchange) openRaw(call *callContext) (request []byte, start time.Time, s *status.Status, ok bool) {
	x.inst.Unpark()
	header := x.inst.TakeHeader()
	if _, ok := x.resp.view(x.mem); !ok {
		return nil, start, nil, false
	}
	if request, s = x.request(); s != nil {
		return nil, start, s, false
	}
	start, s = begin(call, x.inst, header)
	return request, start, s, s == nil
}

// deliver gives the guest the result of a call that was carried.
func (x *exchange) deliver(call *callContext, code int32, body []byte, err error) uint64 {
	if err == nil && !isResultCode(code) {
		err = fmt.Errorf("the result has the code %d, which is none", code)
	}
	if err != nil {
		return x.fail(boundary(call, x.inst, err))
	}
	size := uint32(len(body))
	if s := x.overLimit(len(body)); s != nil {
		return x.fail(s)
	}
	if size > x.resp.size {
		if !x.reserve(uint64(size)) {
			return x.fail(refuse(status.ResourceExhausted, "%s: a response of %d bytes: %s", x.name, size, instance.NoRoom))
		}
		x.parked = body
		return abi.Result(code, size)
	}
	dst, _ := x.resp.view(x.mem)
	if size > 0 && &dst[0] != &body[0] {
		copy(dst, body)
	}
	return abi.Result(code, size)
}

// isResultCode reports whether code may be that of a result: 0, a service's own, or
// minus a canonical one.
func isResultCode(code int32) bool { return code >= -int32(status.Unauthenticated) }

// ConfigOf returns the configuration that the host gave the plugin, or nil, for a
// plugin that hands it on to another. All others use [ReadConfig]. ctx is the one that
// Init got. The message is shared: do not change it.
func ConfigOf(ctx context.Context) proto.Message {
	config, _ := ctx.Value(configKey{}).(proto.Message)
	return config
}

// Offered returns what [OfferDispatcher] was given with ctx, or nil, for a plugin that
// initialises another and hands on what that offers.
func Offered(ctx context.Context) Dispatcher {
	if offered, ok := ctx.Value(dispatcherKey{}).(*Dispatcher); ok {
		return *offered
	}
	return nil
}

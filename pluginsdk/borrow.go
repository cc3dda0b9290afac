package pluginsdk

import (
	"context"
	"sync/atomic"

	"github.com/tetratelabs/wazero/api"
	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/codec"
	"github.com/iansmith/parigot/pluginsdk/eng"
)

// keepRoom is the size up to which a request leaves the room of its lists to the next
// one, in bytes: the request's own, or that of the lists. It bounds what a hostile guest
// can have the host keep.
const keepRoom = 4 << 10

// lastBorrowing counts the bridges that Borrow has made: each has a number.
var lastBorrowing atomic.Uint32

// Borrow returns the bridge of a method whose implementation agreed to [Borrowed]:
// [InvokeImplFromStack] without the copies. Each guest has one request, one response and
// one context for all of its calls of the method. Generated code calls it.
func Borrow[I, T, U any, PT interface {
	*T
	proto.Message
}, PU interface {
	*U
	proto.Message
}](name string, impl I, method func(I, context.Context, PT, PU) error) eng.HostFunc {
	number := lastBorrowing.Add(1)
	run := Adapt(impl, method)
	reqs, resps, room := codec.Of(PT(new(T))), codec.Of(PU(new(U))), codec.RoomOf(PT(new(T)))
	return func(ctx context.Context, m api.Module, stack []uint64) {
		x := newExchange(ctx, name, m, stack)
		f, _ := x.inst.Frames[number].(*frame[T, U])
		if f == nil || f.busy {
			f = new(frame[T, U])
			f.call.name = name
			x.inst.SetFrame(number, f)
		}
		f.busy = true
		f.call.Context = ctx //nolint:fatcontext // each call replaces it
		t, u := PT(&f.req), PU(&f.resp)
		stack[0] = x.serve(&f.call, message{t, reqs, true}, message{u, resps, false},
			func(ctx context.Context) int32 { return run(ctx, t, u) })
		if f.call.isWatched() {
			return // contexts that the implementation made of this one may be about still
		}
		f.call.reset()
		resps.Reset(u)
		if x.req.size <= keepRoom || room.AtMost(keepRoom, t) {
			reqs.Recycle(t)
		} else {
			reqs.Reset(t)
		}
		f.busy = false
	}
}

// frame is what one instance uses for all calls of a method.
type frame[T, U any] struct {
	busy bool // also when it is not to be used again
	call callContext
	req  T
	resp U
}

package core

import (
	"context"

	"github.com/tetratelabs/wazero/api"

	"github.com/iansmith/parigot/internal/abi"
)

// Room returns where a body of size bytes goes, see [Carrier].
type Room = func(size uint32) ([]byte, error)

// Departure starts a call that somebody else serves, who has his own goroutine. It is a
// [Carrier] in steps: if the call takes no longer than a moment, its caller stands still on the
// goroutine that it has, and nothing is copied. request and room may be used until
// [Ticket.Leave].
type Departure func(ctx context.Context, request []byte, room Room) (Ticket, error)

// Ticket is a call under way. One goroutine at a time calls its methods.
type Ticket interface {
	// Soon waits for the result, for as long as the caller stands still, and reports whether
	// it is there.
	Soon() bool
	// Leave has the call go on without the caller's request and room. It is false if the result
	// has come meanwhile.
	Leave() bool
	// Result returns the result, and waits for it if there is none. When ctx ends before, the
	// call does, and the result is the error of ctx. It is called once, with the room of the
	// caller, or another one after Leave.
	Result(ctx context.Context, room Room) (code int32, body []byte, err error)
}

// Depart returns the server of m whose calls depart takes to whoever serves them.
func Depart(m *Method, depart Departure) Server {
	return &departServer{carryServer{m, depart.carry}, depart}
}

// carry is the [Carrier] for callers that stand still for as long as it takes.
func (d Departure) carry(ctx context.Context, request []byte, room Room) (code int32, body []byte, err error) {
	t, err := d(ctx, request, room)
	if err != nil {
		return 0, nil, err
	}
	return t.Result(ctx, room)
}

type departServer struct {
	carryServer
	depart Departure
}

// Stack implements [Server].
func (d *departServer) Stack(ctx context.Context, m api.Module, stack []uint64) {
	var x exchange
	x.begins(ctx, &Outcome{Method: d.method})
	x.onStack(m, stack)
	if !x.pending() || x.inst.Intercept != nil {
		stack[0] = serveOnHeap(ctx, x, work{carry: d.carry}, nil)
		return
	}
	f := &flight{exchange: x}
	stack[0] = f.takeOff(ctx, d.depart)
}

// takeOff makes a call that the guest stands still for if it is short, and that goes on if not.
func (f *flight) takeOff(ctx context.Context, depart Departure) (result uint64) {
	ticket := Ticket(nil)
	f.work.carry = func(ctx context.Context, _ []byte, room Room) (int32, []byte, error) {
		return ticket.Result(ctx, room)
	}
	guest := f.answerRoom // what f.ends becomes when the guest goes on
	defer func() {
		if p := recover(); p != nil {
			f.answerRoom = guest
			result = f.failAfterPanic(p)
		}
		if f.stage.Load() != stagePending {
			f.inst.Running.End()
			f.park()
		}
	}()
	start, s, ok := f.open(ctx, &f.work)
	if !ok {
		return f.refuse(s)
	}
	f.start = start
	f.inst.Running.Begin(&f.Method.FullName, start)
	ticket, err := depart(&f.ctx, f.work.carried.request, f.work.carried.roomAt(&f.answerRoom))
	if err != nil {
		f.finish(start)
		return f.fail(coded(f.inst, f.name, err))
	}
	if !ticket.Soon() && ticket.Leave() {
		return f.goOn(&guest)
	}
	code := f.work.carried.carry(&f.ctx, &f.exchange, f.work.carry)
	f.finish(start)
	return f.answer(&f.work, code)
}

// goOn has the call go on while the guest runs. guest is its room.
func (f *flight) goOn(guest *answerRoom) uint64 {
	size := uint64(f.req.size) + metadataSize(f.ctx.metadata)
	f.answerRoom.ends = ends{}
	f.work.carried = carried{}
	if s := f.depart(size); s != nil {
		ended, end := context.WithCancel(context.Background())
		end()
		_, _, _ = f.work.carry(ended, nil, nil) // nobody wants what came of it
		f.answerRoom = *guest
		return f.fail(s)
	}
	f.stage.Store(stagePending)
	f.inst.Running.End()
	f.inst.Running.Depart(&f.seen, f.name, f.start)
	handle := f.slot.Handle
	go f.fly()
	return abi.Result(abi.Pending, handle)
}

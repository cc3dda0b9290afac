package core

import (
	"context"
	"sync"

	"github.com/tetratelabs/wazero/api"

	"github.com/iansmith/parigot/internal/abi"
	"github.com/iansmith/parigot/pluginsdk/status"
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

// departure is a call that begins while its guest stands still.
type departure struct {
	flight
	outcome Outcome
	landed  bool // it is over, and nobody uses the room any more
}

// departures are those that ended while their guests stood still, and that nobody refers to.
var departures = sync.Pool{New: func() any { return new(departure) }}

// Stack implements [Server].
func (d *departServer) Stack(ctx context.Context, m api.Module, stack []uint64) {
	if inst := stateOf(ctx); inst.Calls == nil || inst.Intercept != nil {
		d.carryServer.Stack(ctx, m, stack)
		return
	}
	f, _ := departures.Get().(*departure)
	f.outcome.Method = d.method
	f.begins(ctx, &f.outcome)
	f.onStack(m, stack)
	stack[0] = f.takeOff(ctx, d.depart)
	if f.landed && !f.ctx.isWatched() {
		*f = departure{}
		departures.Put(f)
	}
}

// carriedBytes marks the work of a call whose request is not decoded.
func carriedBytes(context.Context, []byte, Room) (int32, []byte, error) { return 0, nil, nil }

// takeOff makes a call that the guest stands still for if it is short, and that goes on if not.
func (f *departure) takeOff(ctx context.Context, depart Departure) (result uint64) {
	f.work.carry = carriedBytes
	c, guest := &f.work.carried, f.ends // what f.ends becomes when the guest goes on
	defer func() {
		if p := recover(); p != nil {
			f.ends = guest
			clear(c.written)
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
	room := c.roomAt(&f.answerRoom)
	ticket, err := depart(&f.ctx, c.request, room)
	if err != nil {
		f.finish(start)
		return f.fail(coded(f.inst, f.name, err))
	}
	if !ticket.Soon() && ticket.Leave() {
		return f.goOn(ticket, guest)
	}
	code, body, err := ticket.Result(&f.ctx, room)
	if c.body, c.err = body, err; err != nil {
		clear(c.written)
	}
	f.finish(start)
	result = f.deliver(c, code)
	f.landed = true
	return result
}

// goOn has the call go on while the guest runs, whose memory is at the given ends.
func (f *departure) goOn(ticket Ticket, guest ends) uint64 {
	size := uint64(f.req.size) + metadataSize(f.ctx.metadata)
	f.ends, f.work.carried = ends{}, carried{}
	f.work.carry = func(ctx context.Context, _ []byte, room Room) (int32, []byte, error) { return ticket.Result(ctx, room) }
	if s := f.depart(size); s != nil {
		f.ends = guest
		endAtOnce(ticket)
		f.finish(f.start)
		return f.fail(s)
	}
	f.stage.Store(stagePending)
	f.inst.Running.End()
	f.inst.Running.Depart(&f.seen, f.name, f.start)
	handle := f.slot.Handle
	go f.fly()
	return abi.Result(abi.Pending, handle)
}

// endAtOnce ends a call whose result nobody takes.
func endAtOnce(ticket Ticket) {
	ended, end := context.WithCancel(context.Background())
	end()
	_, _, _ = ticket.Result(ended, func(uint32) ([]byte, error) {
		return nil, refuse(status.ResourceExhausted, "the caller cannot take the result")
	})
}

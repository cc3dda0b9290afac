package eng

import (
	"context"
	"fmt"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/abi"
	"github.com/iansmith/parigot/internal/codec"
	"github.com/iansmith/parigot/internal/core"
	"github.com/iansmith/parigot/internal/instance"
	"github.com/iansmith/parigot/internal/metadata"
	"github.com/iansmith/parigot/internal/wirestatus"
	"github.com/iansmith/parigot/pluginsdk/parigotpb"
	"github.com/iansmith/parigot/pluginsdk/status"
)

var _ core.Conn = (*Instance)(nil)

// server is the host's end of the calls that an instance serves: docs/abi.md describes it.
// All but what mu guards is for who has passed the gate of the instance.
type server struct {
	offers, serve, run *exported // nil if the guest serves nothing
	offered            *offered  // nil: not asked yet
	last               uint32    // the newest call
	known              known
	owners             codec.Owners // decode responses
	stack              [5]uint64

	baton chan struct{} // has a token when nobody lets calls go on

	mu    sync.Mutex
	going map[uint32]*servedCall // nil for those that nobody waits for
}

// servedCall is a call that an instance serves.
type servedCall struct {
	run    instance.Context
	method *core.Method
	resp   proto.Message
	handle uint32

	err    error         // valid when done is closed
	done   chan struct{} // nil until the call goes on
	unhook func() bool   // from the end of run
}

// bind finds the exports by which the guest serves its host.
func (i *Instance) bind() {
	if !i.guest.outline.hasMemory {
		return
	}
	find := func(name string, s signature) *exported {
		if e, err := i.find(name); err == nil && s.matches(e.Definition()) {
			return e
		}
		return nil
	}
	s := &i.server
	s.offers, s.serve, s.run = find(abi.Offers, offersSignature), find(abi.Serve, serveSignature), find(abi.Run, runSignature)
	s.baton = make(chan struct{}, 1)
	s.baton <- struct{}{}
}

// Invoke implements the connection of generated clients: it calls a method that the guest
// offers, and decodes the response into resp, which is empty. Interceptors of the engine are called
// around it.
//
// The call ends with ctx, and when its budget is over. A guest that is in it then is stopped,
// unless the method may block and the guest lets go of it in time. A guest that is stopped,
// traps or exits is of no use any more, see [Instance.Call]. UNIMPLEMENTED is a method that
// the guest does not offer, RESOURCE_EXHAUSTED a message over a limit, or a call more than may
// wait, ABORTED one in which the guest trapped or exited, INTERNAL one that it did not answer
// as docs/abi.md says. All other errors are the guest's own.
func (i *Instance) Invoke(ctx context.Context, m *core.Method, req, resp proto.Message) error {
	budget := m.BudgetOf(i.state)
	start, deadline := span(budget)
	defer core.WarnIfSlow(i.state, m.FullName, start, budget)
	if i.state.Intercept == nil {
		return i.invoke(ctx, m, deadline, req, resp)
	}
	return core.Outgoing(ctx, i.state, m, deadline, req, resp, func(ctx context.Context, req proto.Message) error {
		return i.invoke(ctx, m, deadline, req, resp)
	})
}

// span returns when a call starts and has to end. Without a budget both are zero.
func span(budget time.Duration) (start, deadline time.Time) {
	if budget <= 0 {
		return start, deadline
	}
	start = instance.Now()
	return start, start.Add(budget)
}

// invoke is Invoke within the interceptors.
func (i *Instance) invoke(ctx context.Context, m *core.Method, deadline time.Time, req, resp proto.Message) error {
	c := &servedCall{method: m, resp: resp}
	c.run.Enter(ctx, i.state, i.life, deadline)
	defer c.run.Stop()
	if err := c.run.Ended(); err != nil {
		return c.named(wirestatus.Coded(err))
	}
	goes, err := i.enterWith(ctx, c, req)
	if goes {
		return i.wait(c)
	}
	return err
}

// enterWith makes a call, and reports whether it goes on.
func (i *Instance) enterWith(ctx context.Context, c *servedCall, req proto.Message) (goes bool, err error) {
	if err := i.pass(ctx, &c.run); err != nil {
		return false, c.named(i.notServed(c, err))
	}
	// Deferred, for an implementation may end this goroutine with runtime.Goexit.
	defer i.gate.leave(false)
	if i.broken != nil {
		return false, c.named(i.broken)
	}
	i.running = &c.run
	number, err := i.number(c)
	if err == nil {
		err = i.open(c, req)
	}
	switch {
	case err != nil:
	case c.method.MayBlock:
		err = i.start(c, number)
		goes = err == nil
	default:
		return i.serve(c, number)
	}
	if err != nil {
		err = c.named(err)
	}
	return goes, err
}

// serve makes a call of a method that does not block.
func (i *Instance) serve(c *servedCall, number uint32) (goes bool, err error) {
	place, err := i.send(&c.run, c, number)
	switch {
	case err != nil:
		return false, c.named(err)
	case place == 0: // the guest was built for a method that may block
		if err := i.depart(c); err != nil {
			i.fail(err)
			return false, c.named(err)
		}
		return true, nil
	}
	rec, body, err := i.record(place)
	if err == nil && rec.Handle != c.handle {
		err = malformed("it answers the call %d with the handle %d", c.handle, rec.Handle)
	}
	if err != nil {
		i.fail(err)
		return false, c.named(err)
	}
	return false, i.answer(c, rec, body)
}

// notServed returns why a call is not served any longer: err, unless it is the instance that
// has ended.
func (i *Instance) notServed(c *servedCall, err error) error {
	if killed := i.ending(); killed != nil && c.run.Ended() == nil {
		return killed
	}
	return err
}

// named returns an error of the host about the call.
func (c *servedCall) named(err error) error { return fmt.Errorf("%s: %w", c.method.FullName, err) }

// open prepares a call: what parigot.request is to hand out.
func (i *Instance) open(c *servedCall, req proto.Message) error {
	o := instance.Outgoing{Request: req, Codec: codec.Of(req), Open: true}
	o.Size = o.Codec.Size(req)
	if uint64(o.Size) > uint64(i.state.Limits.MaxRequest) {
		return status.Errorf(status.ResourceExhausted, "the request has %d bytes, a guest gets %d", o.Size, i.state.Limits.MaxRequest)
	}
	if sent := metadata.Of(c.run.Context); len(sent) > 0 {
		var err error
		if o.Header, err = proto.Marshal(&parigotpb.CallHeader{Metadata: sent}); err != nil {
			return status.Wrap(status.InvalidArgument, err, "encode the call's metadata")
		}
		if len(o.Header) > abi.MaxHeader {
			return status.Errorf(status.ResourceExhausted, "the call's metadata have %d bytes, a guest gets %d", len(o.Header), abi.MaxHeader)
		}
	}
	i.state.Outgoing = o
	c.handle = i.server.handle()
	return nil
}

// handle returns a number that no call has that goes on.
func (s *server) handle() uint32 {
	s.mu.Lock() // contexts of calls that go on end at any time
	defer s.mu.Unlock()
	for {
		s.last++
		if _, taken := s.going[s.last]; !taken && s.last != 0 {
			return s.last
		}
	}
}

// send has the guest serve a call, and returns where its answer lies, or 0 when the call goes
// on.
func (i *Instance) send(run *instance.Context, c *servedCall, number uint32) (place uint64, err error) {
	o, s := &i.state.Outgoing, &i.server
	s.stack = [5]uint64{uint64(c.handle), uint64(number), uint64(len(o.Header)), uint64(o.Size), uint64(timeLeft(&c.run))}
	i.state.Serving = &c.run
	err = i.call(run, s.serve, s.stack[:])
	i.state.Serving = nil
	failure := o.Err
	*o = instance.Outgoing{}
	switch {
	case err != nil:
		return 0, err
	case failure != nil:
		return 0, status.Wrap(status.InvalidArgument, failure, "encode the request")
	}
	return s.stack[0], nil
}

// timeLeft returns how long the guest has for a call: a little less than it really has, so
// that one that watches its context need not be stopped. 0 is any time.
func timeLeft(run *instance.Context) time.Duration {
	end, ok := run.Deadline()
	if !ok {
		return 0
	}
	left := time.Until(end)
	return max(1, left-min(left/10, 50*time.Millisecond))
}

// malformed is the error of a guest that does not keep to the ABI.
func malformed(format string, args ...any) error {
	return status.Errorf(status.Internal, "the guest does not keep to the ABI: "+format, args...)
}

package process

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/tetratelabs/wazero/experimental/wazerotest"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/iansmith/parigot/internal/abi"
	"github.com/iansmith/parigot/internal/frame"
	"github.com/iansmith/parigot/internal/instance"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/id"
	"github.com/iansmith/parigot/pluginsdk/parigotpb"
	"github.com/iansmith/parigot/pluginsdk/parigotpb/processpb"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// maxMetadata bounds the encoded metadata of a call, in bytes: what a guest may send.
const maxMetadata = abi.MaxHeader

// responseRoom is how many bytes of a response are encoded right behind the request. A
// larger one gets memory of its own.
const responseRoom = 16 << 10

// connection is the plugin's end of a connection: one call at a time.
type connection struct {
	server *server
	number uint32
	conn   *net.UnixConn
	frames *frame.Reader

	mu        sync.Mutex
	seq       uint64 // of the call that runs
	stop      context.CancelFunc
	cancelled uint64 // the last call that the host has cancelled
}

func newConnection(s *server, number uint32, c *net.UnixConn) *connection {
	limit := int64(frame.CallSize+maxMetadata) + int64(s.greeting.MaxRequest)
	return &connection{server: s, number: number, conn: c, frames: frame.NewReader(c, int(min(limit, maxFrame)))}
}

// maxFrame bounds a frame where an int has 32 bits.
const maxFrame = 1<<31 - 1 - frame.HeaderSize

// serve serves calls until the host closes the connection.
func (n *connection) serve() {
	done := false
	defer func() {
		if !done {
			// An implementation called runtime.Goexit.
			go n.serve()
		}
	}()
	err := error(nil)
	for err == nil {
		err = n.next()
	}
	done = true
	n.server.forget(n)
}

// next reads a frame and answers it.
func (n *connection) next() error {
	kind, payload, err := n.frames.Next()
	if err != nil {
		return err
	}
	if kind == frame.Call {
		return n.call(payload)
	}
	seq, rest, err := frame.ReadSeq(payload)
	if err != nil {
		return err
	}
	ctx := n.begin(context.Background(), seq)
	defer n.end()
	code, body := int32(0), []byte(nil)
	switch kind { //nolint:exhaustive // the default is for all others
	case frame.GuestStarted, frame.GuestEnded:
		err = n.server.guest(ctx, kind, rest)
	case frame.Dispatch:
		code, body, err = n.server.dispatch(ctx, rest)
	default:
		err = fmt.Errorf("the host sent a frame of kind %d on a connection for calls", kind)
	}
	if err != nil {
		return err
	}
	return n.answer(frame.ResultHead{Seq: seq, Code: code}, body)
}

// begin makes the context of a call that cancel ends.
func (n *connection) begin(ctx context.Context, seq uint64) context.Context {
	ctx, stop := context.WithCancel(ctx)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.seq, n.stop = seq, stop
	if n.cancelled >= seq {
		stop()
	}
	return ctx
}

func (n *connection) end() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.stop()
	n.stop = nil
}

// cancel ends the context of the call with the given number, which may be one that is
// not read yet.
func (n *connection) cancel(seq uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cancelled = max(n.cancelled, seq)
	if n.stop != nil && n.seq <= seq {
		n.stop()
	}
}

// answer writes a result.
func (n *connection) answer(head frame.ResultHead, body []byte) error {
	b := make([]byte, frame.HeaderSize+frame.ResultSize, frame.HeaderSize+frame.ResultSize+len(body))
	frame.PutHeader(b, frame.Result, frame.ResultSize+len(body))
	head.Put(b[frame.HeaderSize:])
	_, err := n.conn.Write(append(b, body...))
	return err
}

// call runs a host function, with the frame and the room behind it for memory: the
// response is written there, right behind what makes a frame of it.
func (n *connection) call(payload []byte) error {
	head, request, err := frame.ReadCall(payload)
	if err != nil {
		return err
	}
	const gap = frame.HeaderSize + frame.ResultSize
	mem := n.frames.Extend(payload, gap+responseRoom)
	if mem == nil {
		return errors.New("the host sent two calls at a time on one connection")
	}
	state, err := n.server.caller(head)
	if err != nil {
		return err
	}
	c := &hostCall{connection: n, head: head, state: state, mem: mem, gap: len(payload)}
	reqPtr := uint32(len(payload) - len(request))
	return c.call(reqPtr, uint32(len(request)))
}

// hostCall is one call of a host function.
type hostCall struct {
	*connection
	head  frame.CallHead
	state *instance.State
	mem   []byte
	gap   int // where in mem the frame of the result starts
}

func (c *hostCall) call(reqPtr, reqLen uint32) (err error) {
	f := c.server.functions[c.head.Function]
	ctx := c.begin(instance.NewContext(context.Background(), c.state), c.head.Seq)
	defer c.end()
	returned := false
	defer func() {
		p := recover()
		if returned {
			return
		}
		// The bridge lets no panic of an implementation through. This is a host
		// function without it, or a call of runtime.Goexit.
		cause := errors.New("the implementation ended its goroutine")
		if p != nil {
			cause = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
		name := f.Method
		if name == "" {
			name = f.module + "." + f.Name
		}
		code, body := codeOf(pluginsdk.ManufactureHostContext(ctx, name), cause)
		err = c.answer(c.result(code), body)
	}()
	respPtr := uint32(c.gap + frame.HeaderSize + frame.ResultSize)
	stack := [4]uint64{uint64(reqPtr), uint64(reqLen), uint64(respPtr), responseRoom}
	f.Call(ctx, &callModule{name: c.state.Name, memory: wazerotest.Memory{Bytes: c.mem}}, stack[:])
	returned = true
	code, size := abi.Split(stack[0])
	return c.write(code, size)
}

// result is the head of the result with the given code.
func (c *hostCall) result(code int32) frame.ResultHead {
	return frame.ResultHead{Seq: c.head.Seq, Code: code, Incidents: uint32(c.state.Counters.Incidents.Load())}
}

// write writes the result of a call that has left size bytes in the room for it, or
// parked.
func (c *hostCall) write(code int32, size uint32) error {
	if size <= responseRoom {
		b := c.mem[c.gap:]
		frame.PutHeader(b, frame.Result, frame.ResultSize+int(size))
		c.result(code).Put(b[frame.HeaderSize:])
		_, err := c.conn.Write(b[:frame.HeaderSize+frame.ResultSize+int(size)])
		return err
	}
	body := c.state.Parked
	defer c.state.Unpark()
	if uint64(len(body)) != uint64(size) {
		return c.answer(c.result(-int32(status.Internal)), nil)
	}
	b := c.mem[c.gap : c.gap+frame.HeaderSize+frame.ResultSize]
	frame.PutHeader(b, frame.Result, frame.ResultSize+len(body))
	c.result(code).Put(b[frame.HeaderSize:])
	buffers := net.Buffers{b, body}
	_, err := buffers.WriteTo(c.conn)
	return err
}

// caller returns what the bridge has to know of the guest that makes a call. It is new
// for each call: an implementation may keep the context.
func (s *server) caller(head frame.CallHead) (*instance.State, error) {
	if uint64(head.Function) >= uint64(len(s.functions)) {
		return nil, fmt.Errorf("the host called function %d, of %d", head.Function, len(s.functions))
	}
	state := s.state()
	if caller := id.From[id.HostKind](head.IDHigh, head.IDLow); !caller.IsZero() {
		s.mu.Lock()
		g := s.guests[caller]
		s.mu.Unlock()
		if g == nil {
			return nil, fmt.Errorf("the host called for guest %s, of which it has not told", caller)
		}
		state.ID, state.Name, state.Grants, state.Account = g.caller.ID, g.caller.Name, g.grants, g.account
	}
	if head.Timeout == 0 && len(head.Metadata) == 0 {
		return state, nil
	}
	header := new(parigotpb.CallHeader)
	if err := proto.Unmarshal(head.Metadata, header); err != nil {
		return nil, fmt.Errorf("the metadata of a call do not decode: %w", err)
	}
	header.TimeoutNs = int64(head.Timeout)
	state.Next = instance.Header{Call: header, Received: time.Now()}
	return state, nil
}

// state returns the state of a guest without a name.
func (s *server) state() *instance.State {
	return &instance.State{
		Limits:   instance.Limits{MaxRequest: s.greeting.MaxRequest, MaxResponse: s.greeting.MaxResponse, MaxDecoded: s.maxDecoded},
		Logger:   s.engine.logger,
		Counters: new(instance.Counters),
		Remote:   true,
	}
}

// guest hears of a guest that calls for the first time, or has ended.
func (s *server) guest(ctx context.Context, kind frame.Kind, payload []byte) error {
	g := new(processpb.ProcessGuest)
	if err := proto.Unmarshal(payload, g); err != nil {
		return fmt.Errorf("what the host tells of a guest does not decode: %w", err)
	}
	c := eng.Caller{ID: id.FromProto[id.HostKind](g.GetId()), Name: g.GetName()}
	if kind == frame.GuestEnded {
		s.mu.Lock()
		delete(s.guests, c.ID)
		s.mu.Unlock()
		s.engine.guestEnded(ctx, c)
		return nil
	}
	known := &knownGuest{caller: c}
	if granted := g.GetGrants(); granted != nil {
		known.grants = &eng.Grants{Calls: granted.GetCalls(), Serves: granted.GetServes()}
	}
	if limit := g.GetHostMemoryLimit(); limit > 0 {
		known.account = instance.NewAccount(limit)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.guests[c.ID] = known
	return nil
}

// dispatch calls a guest on behalf of the host.
func (s *server) dispatch(ctx context.Context, payload []byte) (code int32, body []byte, err error) {
	d := new(processpb.ProcessDispatch)
	if err := proto.Unmarshal(payload, d); err != nil {
		return 0, nil, fmt.Errorf("what to dispatch does not decode: %w", err)
	}
	if s.dispatcher == nil {
		return 0, nil, errors.New("the host dispatches with a plugin that offers no way to")
	}
	for key, value := range d.GetHeader().GetMetadata() {
		ctx = pluginsdk.WithMetadata(ctx, key, value) //nolint:fatcontext // one context for each of a few keys
	}
	if timeout := d.GetHeader().GetTimeoutNs(); timeout > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, time.Duration(timeout))
		defer stop()
	}
	// Messages of no fields keep what they do not know.
	req, resp := new(emptypb.Empty), new(emptypb.Empty)
	if err := proto.Unmarshal(d.GetRequest(), req); err != nil {
		code, body = codeOf(ctx, status.Wrap(status.InvalidArgument, err, "the request does not decode"))
		return code, body, nil
	}
	if err := s.dispatchTo(ctx, d, req, resp); err != nil {
		incident := pluginsdk.ManufactureHostContext(instance.NewContext(ctx, s.state()), d.GetService()+"."+d.GetMethod())
		code, body = codeOf(incident, err)
		return code, body, nil
	}
	body, err = proto.Marshal(resp)
	return 0, body, err
}

func (s *server) dispatchTo(ctx context.Context, d *processpb.ProcessDispatch, req, resp proto.Message) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return s.dispatcher.Dispatch(ctx, d.GetService(), d.GetMethod(), req, resp)
}

// codeOf returns how err crosses: its code and an encoded status. One without a code
// becomes INTERNAL and an incident in the log.
func codeOf(ctx context.Context, err error) (code int32, body []byte) {
	s, ok := status.From(err)
	if ok {
		_, ok = s.WireCode()
	}
	if !ok {
		s, _ = status.From(pluginsdk.Incident(ctx, status.Internal, err))
	}
	code, _ = s.WireCode()
	body, err = proto.Marshal(s.Proto())
	if err != nil {
		_, _ = fmt.Fprintf(os.Stderr, "a status cannot be sent: %v\n", err)
		return code, nil
	}
	return code, body
}

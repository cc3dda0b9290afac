package process

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/iansmith/parigot/internal/abi"
	"github.com/iansmith/parigot/internal/core"
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

// call serves a call, with the room behind its frame for the response: it is written there,
// right behind what makes a frame of it.
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
	defer state.Unpark()
	c := &hostCall{connection: n, head: head, state: state, result: mem[len(payload):]}
	return c.serve(mem[len(payload)-len(request) : len(payload)])
}

// hostCall is one call of a function.
type hostCall struct {
	*connection
	head   frame.CallHead
	state  *instance.State
	result []byte // room for the frame of the result
}

func (c *hostCall) serve(request []byte) (err error) {
	f := c.server.functions[c.head.Function]
	ctx := c.begin(instance.NewContext(context.Background(), c.state), c.head.Seq)
	defer c.end()
	returned := false
	defer func() {
		if !returned { // no panic comes through
			code, body := core.Failure(core.NewContext(ctx, f.Method), errors.New("the implementation ended its goroutine"))
			err = c.answer(c.resultHead(code), body)
		}
	}()
	code, body := f.Server.Bytes(ctx, request, c.result[frame.HeaderSize+frame.ResultSize:])
	returned = true
	return c.write(code, body)
}

func (c *hostCall) resultHead(code int32) frame.ResultHead {
	return frame.ResultHead{Seq: c.head.Seq, Code: code, Incidents: uint32(c.state.Counters.Incidents.Load())}
}

// write writes the result of a call, with body in the room for it or, if it is larger,
// anywhere.
func (c *hostCall) write(code int32, body []byte) error {
	const head = frame.HeaderSize + frame.ResultSize
	frame.PutHeader(c.result, frame.Result, frame.ResultSize+len(body))
	c.resultHead(code).Put(c.result[frame.HeaderSize:])
	if len(body) <= len(c.result)-head {
		_, err := c.conn.Write(c.result[:head+len(body)])
		return err
	}
	buffers := net.Buffers{c.result[:head], body}
	_, err := buffers.WriteTo(c.conn)
	return err
}

// caller returns what the core has to know of the guest that makes a call. It is new
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
		Logger:   s.engine.Log,
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
		s.engine.GuestEnded(ctx, c)
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
	if timeout := d.GetHeader().GetTimeoutNs(); timeout > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, time.Duration(timeout))
		defer stop()
	}
	m := core.Method{Service: d.GetService(), Name: d.GetMethod(), FullName: d.GetService() + "." + d.GetMethod()}
	ctx = core.NewContext(instance.NewContext(ctx, s.state()), m.FullName)
	for key, value := range d.GetHeader().GetMetadata() {
		ctx = pluginsdk.WithMetadata(ctx, key, value) //nolint:fatcontext // one context for each of a few keys
	}
	// Messages of no fields keep what they do not know.
	req, resp := new(emptypb.Empty), new(emptypb.Empty)
	if err := proto.Unmarshal(d.GetRequest(), req); err != nil {
		code, body = core.Failure(ctx, status.Wrap(status.InvalidArgument, err, "the request does not decode"))
		return code, body, nil
	}
	if err := s.invoke(ctx, &m, req, resp); err != nil {
		code, body = core.Failure(ctx, err)
		return code, body, nil
	}
	body, err = proto.Marshal(resp)
	return 0, body, err
}

func (s *server) invoke(ctx context.Context, m *core.Method, req, resp proto.Message) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return s.dispatcher.Invoke(ctx, m, req, resp)
}

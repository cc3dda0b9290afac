package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/frame"
	"github.com/iansmith/parigot/internal/instance"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/parigotpb"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// link is the host's end of a connection: one call at a time.
type link struct {
	number  uint32
	conn    *net.UnixConn
	seq     uint64 // of the last call
	buf     []byte // for what is written, and then for what is read
	hurried bool   // what is read has a deadline
}

const (
	linkBuffer = 4 << 10
	// maxIdle is how many connections are kept for later calls.
	maxIdle = 64
)

// acquire returns a connection that no call uses.
func (p *proc) acquire() (*link, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all == nil {
		return nil, errGone()
	}
	if n := len(p.idle); n > 0 {
		l := p.idle[n-1]
		p.idle = p.idle[:n-1]
		return l, nil
	}
	if len(p.all) >= p.maxCalls {
		return nil, status.Errorf(status.ResourceExhausted, "the plugin has %d calls under way, which is as many as it may", p.maxCalls)
	}
	l := &link{buf: make([]byte, linkBuffer)}
	p.all[l] = struct{}{} // it takes its place before it is there
	return l, nil
}

// errGone is the error of a call that was not made, as the process has ended.
func errGone() error {
	return status.Error(status.Unavailable, "the plugin's process has ended")
}

// connect makes the connection of a new link.
func (p *proc) connect(l *link) error {
	mine, theirs, err := socketPair("connection")
	if err != nil {
		p.drop(l)
		return err
	}
	defer func() { _ = theirs.Close() }()
	p.mu.Lock()
	if p.all == nil {
		p.mu.Unlock()
		_ = mine.Close()
		return errGone()
	}
	l.conn = mine
	p.mu.Unlock()
	p.handingOver.Lock()
	defer p.handingOver.Unlock()
	l.number = p.made
	_ = p.handing.SetWriteDeadline(time.Now().Add(p.callGrace)) // an error comes with the write, too
	if err := sendConnection(p.handing, theirs); err != nil {
		p.kill(p.disconnected("while it was given a connection", err))
		return errGone()
	}
	p.made++
	return nil
}

// release keeps a connection for the next call.
func (p *proc) release(l *link) {
	if l.hurried {
		l.hurried = false
		_ = l.conn.SetReadDeadline(time.Time{}) // an error comes with the next read, too
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all == nil {
		return
	}
	if len(p.idle) < maxIdle {
		p.idle = append(p.idle, l)
		return
	}
	delete(p.all, l)
	_ = l.conn.Close()
}

// drop closes a connection that is of no more use.
func (p *proc) drop(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.all, l)
	if l.conn != nil {
		_ = l.conn.Close()
	}
}

// result is the result of a call.
type result struct {
	code int32
	body []byte
}

// room returns where a body goes.
type room = func(size uint32) ([]byte, error)

func anyRoom(size uint32) ([]byte, error) { return make([]byte, size), nil }

// call calls a function. It is a [core.Carrier] once it has a function.
func (p *proc) call(ctx context.Context, function uint32, request []byte, room room) (result, error) {
	if uint64(len(request)) > uint64(p.maxRequest) {
		return result{}, status.Errorf(status.ResourceExhausted, "the request has %d bytes, the plugin takes %d", len(request), p.maxRequest)
	}
	caller := eng.CallerFromContext(ctx)
	if !caller.ID.IsZero() {
		if err := p.announce(ctx, caller); err != nil {
			return result{}, err
		}
	}
	head := frame.CallHead{IDHigh: caller.ID.High(), IDLow: caller.ID.Low(), Timeout: timeoutOf(ctx), Function: function}
	if m := pluginsdk.Metadata(ctx); len(m) > 0 {
		var err error
		if head.Metadata, err = proto.Marshal(&parigotpb.CallHeader{Metadata: m}); err != nil {
			return result{}, status.Wrap(status.InvalidArgument, err, "the metadata of the call cannot be sent")
		}
	}
	return p.exchange(ctx, room, func(l *link) error {
		head.Seq = l.seq
		payload := head.Append(l.buf[:frame.HeaderSize])
		frame.PutHeader(payload, frame.Call, len(payload)-frame.HeaderSize+len(request))
		return l.send(payload, request)
	})
}

// tell tells the plugin something of a guest, and waits until it has heard.
func (p *proc) tell(ctx context.Context, kind frame.Kind, what proto.Message) error {
	_, err := p.ask(ctx, kind, what)
	return err
}

// ask sends a message and returns what the plugin answers.
func (p *proc) ask(ctx context.Context, kind frame.Kind, what proto.Message) (result, error) {
	payload, err := proto.Marshal(what)
	if err != nil {
		return result{}, status.Wrap(status.InvalidArgument, err, "the call cannot be sent")
	}
	if uint64(len(payload)) > uint64(p.maxRequest) {
		return result{}, status.Errorf(status.ResourceExhausted, "the request has %d bytes, the plugin takes %d", len(payload), p.maxRequest)
	}
	return p.exchange(ctx, anyRoom, func(l *link) error {
		b := frame.AppendSeq(l.buf[:frame.HeaderSize], l.seq)
		frame.PutHeader(b, kind, len(b)-frame.HeaderSize+len(payload))
		return l.send(b, payload)
	})
}

// timeoutOf returns what is left until the deadline of ctx, which is at least 1 ns, or
// 0 when it has none.
func timeoutOf(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return 0
	}
	return max(1, time.Until(deadline))
}

// exchange sends a frame and receives its result. When ctx ends, the plugin is told;
// when it has not answered a grace later, it is killed.
func (p *proc) exchange(ctx context.Context, room room, send func(*link) error) (result, error) {
	l, err := p.acquire()
	if err != nil {
		return result{}, err
	}
	if l.conn == nil {
		if err := p.connect(l); err != nil {
			return result{}, err
		}
	}
	l.seq++
	cancel := frame.Cancellation{Connection: l.number, Seq: l.seq}
	unhook := context.AfterFunc(ctx, func() {
		// The plugin knows the deadline, and says itself when that has passed.
		if errors.Is(ctx.Err(), context.Canceled) {
			p.order(frame.Cancel, cancel.Append(nil))
		}
		_ = l.conn.SetDeadline(time.Now().Add(p.callGrace)) // it is closed already
	})
	var r result
	var refused error
	err = send(l)
	if err == nil {
		r, refused, err = l.receive(ctx, p.maxResponse, p.callGrace, room)
	}
	cancelled := !unhook()
	switch {
	case err != nil:
		return result{}, p.fail(ctx, err)
	case cancelled:
		p.drop(l) // it has a deadline now, or gets one
	default:
		p.release(l)
	}
	return r, refused
}

// fail ends a process that has not answered a call as it should, and returns the error
// of that call.
func (p *proc) fail(ctx context.Context, err error) error {
	late := errors.Is(err, os.ErrDeadlineExceeded)
	if late {
		p.kill(fmt.Errorf("a call did not return within %v after its context had ended", p.callGrace))
	} else {
		p.kill(p.disconnected("during a call", err))
	}
	if s, ok := status.From(ctx.Err()); late && ok {
		return status.Error(status.CodeOf(s), "the call did not end, so the plugin's process was killed")
	}
	return status.Error(status.Unavailable, "the plugin's process ended during the call: what it has done is not known")
}

var bufferPool = sync.Pool{New: func() any { return new([2][]byte) }}

// send writes a frame in two parts.
func (l *link) send(head, body []byte) error {
	if len(head)+len(body) <= cap(l.buf) {
		_, err := l.conn.Write(append(head, body...))
		return err
	}
	// No copy: the system takes the body from where it is, the guest's memory say.
	parts, _ := bufferPool.Get().(*[2][]byte)
	parts[0], parts[1] = head, body
	buffers := net.Buffers(parts[:])
	_, err := buffers.WriteTo(l.conn)
	parts[0], parts[1] = nil, nil
	bufferPool.Put(parts)
	return err
}

// receive reads a result. refused is what room said; err means that the connection is of
// no more use.
func (l *link) receive(ctx context.Context, limit uint32, grace time.Duration, room room) (r result, refused, err error) {
	const size = frame.HeaderSize + frame.ResultSize
	b := l.buf[:cap(l.buf)]
	n, err := l.conn.Read(b)
	if err == nil && n < size {
		// The rest of what has begun to come has to come soon.
		l.hurry(ctx, grace)
		var more int
		more, err = io.ReadAtLeast(l.conn, b[n:], size-n)
		n += more
	}
	if err != nil {
		return r, nil, err
	}
	kind, length, err := frame.ReadHeader(b, int(min(int64(frame.ResultSize)+int64(limit), maxFrame)))
	if err != nil {
		return r, nil, err
	}
	if kind != frame.Result || length < frame.ResultSize {
		return r, nil, fmt.Errorf("it sent a frame of kind %d with %d bytes, want a result", kind, length)
	}
	head := frame.ReadResult(b[frame.HeaderSize:])
	came := b[size:n]
	rest := length - frame.ResultSize - len(came)
	switch {
	case head.Seq != l.seq:
		return r, nil, fmt.Errorf("it sent the result of call %d, want that of %d", head.Seq, l.seq)
	case rest < 0:
		return r, nil, errors.New("it sent more than a result")
	}
	if s := instance.FromContext(ctx); s != nil && head.Incidents > 0 {
		s.Counters.Incidents.Add(uint64(head.Incidents))
	}
	r.code = head.Code
	if len(came)+rest == 0 {
		return r, nil, nil
	}
	if r.body, refused = room(uint32(len(came) + rest)); refused != nil {
		return result{}, refused, l.discard(ctx, grace, rest)
	}
	copy(r.body, came)
	if rest > 0 {
		l.hurry(ctx, grace)
		_, err = io.ReadFull(l.conn, r.body[len(came):])
	}
	return r, nil, err
}

// hurry gives what is left of a result a deadline, unless the call has one already.
func (l *link) hurry(ctx context.Context, grace time.Duration) {
	if ctx.Err() == nil {
		l.hurried = true
		_ = l.conn.SetReadDeadline(time.Now().Add(grace)) // an error comes with the read, too
	}
}

// discard reads what nobody wants.
func (l *link) discard(ctx context.Context, grace time.Duration, rest int) error {
	l.hurry(ctx, grace)
	_, err := io.CopyN(io.Discard, l.conn, int64(rest))
	return err
}

func isEndOfStream(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

package guest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"time"
	"unsafe"

	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/abi"
	"github.com/iansmith/parigot/internal/serve"
	"github.com/iansmith/parigot/pluginsdk/parigotpb"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// server is the guest's end of the calls that its host makes: see docs/abi.md. One export
// runs at a time, so there is no lock; handlers on goroutines of their own touch nothing of
// it but in finish.
type server struct {
	request func(ptr unsafe.Pointer, size uint32) int64
	log     io.Writer // gets what the host is not told
	poll    poller    // of abi.Wanted

	names   []byte // of the methods, each followed by a newline
	methods []offered

	allowed   time.Duration // for the call that is served
	elapsed   func() time.Duration
	contexts  *[lot]serve.Call
	started   int // of these
	req, resp buffer
	over      uint32 // size of requests from which on serveAny serves the next call
	answer    []byte // what the host was given last, unless serve gave it

	going    map[uint32]*goingCall // handlers that run
	finished []*goingCall          // whose answers the host has not had
	waiting  bool                  // run waits
}

// offered is a method that the guest serves.
type offered struct {
	*ServedMethod
	name string // full
}

// goingCall is a call that goes on after its export has returned.
type goingCall struct {
	call uint32
	ctx  serve.Call
	out  []byte // its record, once it has finished
}

// firstAnswer is the size of the buffer for the answer of a call that goes on.
const firstAnswer = 256

// errEnded is what becomes of a call whose handler calls runtime.Goexit.
var errEnded = errors.New("the handler ended its goroutine")

// maxGoing bounds the calls that go on. It is more than a host allows.
const maxGoing = 1 << 16

// offer adds the methods of a service.
func (s *server) offer(v Service) error {
	if err := check(v); err != nil {
		return err
	}
	for i := range v.Methods {
		name := v.Name + "." + v.Methods[i].Name
		for _, m := range s.methods {
			if m.name == name {
				return fmt.Errorf("the guest offers %s already", name)
			}
		}
		s.methods = append(s.methods, offered{&v.Methods[i], name})
		s.names = append(append(s.names, name...), '\n')
	}
	return nil
}

// offers implements the export abi.Offers.
func (s *server) offers() uint64 { return placeOf(s.names) }

// serve implements the export abi.Serve. What a call costs is mostly how much code it runs
// through, see [wire.call]: so the usual call is served here, one that is small, does not
// block and has a deadline but no metadata. All others are served by serveAny, which does the same.
func (s *server) serve(call, method, header, size uint32, timeout time.Duration) uint64 {
	if header > 0 || uint64(method) >= uint64(len(s.methods)) || size >= s.over || timeout <= 0 {
		return s.serveAny(call, method, header, size, timeout)
	}
	m, b, room := &s.methods[method], s.req.b[:size], s.resp.b
	if m.MayBlock {
		return s.serveAny(call, method, header, size, timeout)
	}
	breathe(int(size))
	if size > 0 {
		if got := s.request(unsafe.Pointer(unsafe.SliceData(b)), size); got != int64(size) {
			return s.fail(call, m.name, lost(got, size))
		}
	}
	if s.started == lot {
		s.prepare()
	}
	ctx := &s.contexts[s.started]
	s.started++
	s.allowed = timeout
	ctx.Allow(timeout, m.Budget)
	out, err := m.Run(ctx, b, room[:abi.RecordSize])
	ctx.Cancel()
	if err != nil {
		return s.fail(call, m.name, err)
	}
	if cap(out) > len(room) {
		s.resp.b = out[:cap(out)]
		s.look()
	}
	// What Put does, but not byte by byte.
	*(*abi.Record)(unsafe.Pointer(unsafe.SliceData(out))) = abi.Record{Handle: call, Size: uint32(len(out) - abi.RecordSize)}
	return placeOf(out)
}

// look looks at which calls are usual.
func (s *server) look() {
	s.over = 0
	if len(s.req.b) <= small && len(s.resp.b) <= small && len(s.resp.b) > 0 && s.answer == nil {
		s.over = uint32(len(s.req.b)) + 1
	}
}

// lot is how many contexts are allocated at once.
const lot = 16

// prepare makes contexts for the next calls.
//
//go:noinline
func (s *server) prepare() {
	all := new([lot]serve.Call)
	for i := range all {
		all[i].StartLazily(noCaller, nil, nil, 0, 0, s.elapsed)
	}
	s.contexts, s.started = all, 0
}

// noCaller is what calls of the host descend from.
var noCaller = context.Background()

// lost is the error of a request that the host did not hand out.
func lost(result int64, size uint32) error {
	code, got := abi.Split(uint64(result))
	return status.Errorf(status.Internal, "the host has a request of %d bytes and gave %d, code %d", size, got, code)
}

// serveAny is serve for all calls.
func (s *server) serveAny(call, method, header, size uint32, timeout time.Duration) uint64 {
	breathe(int(size))
	s.answer = nil
	if uint64(method) >= uint64(len(s.methods)) {
		return s.fail(call, "", status.Errorf(status.Unimplemented, "the guest offers no method with the number %d", method))
	}
	m := &s.methods[method]
	receive := &s.req
	if m.MayBlock {
		receive = new(buffer) // the next call has another
	}
	b, err := s.receive(receive, header, size)
	if err != nil {
		return s.fail(call, m.name, err)
	}
	var sent map[string]string
	if header > 0 {
		if sent, err = metadataIn(b[:header]); err != nil {
			return s.fail(call, m.name, err)
		}
	}
	if m.MayBlock {
		c := &goingCall{call: call}
		c.ctx.Start(context.Background(), nil, sent, timeout, m.Budget)
		return s.start(c, m, b[header:])
	}
	ctx := new(serve.Call)
	if s.allowed = timeout; timeout > 0 {
		ctx.StartLazily(context.Background(), nil, sent, timeout, m.Budget, s.elapsed)
	} else {
		ctx.Start(context.Background(), nil, sent, 0, m.Budget)
	}
	room := s.resp.room(firstResponse)
	out := s.handle(ctx, m, call, b[header:], room)
	s.req.used(len(b))
	if cap(out) > len(room) {
		s.resp.b = out[:cap(out)]
	}
	s.resp.used(len(out))
	if s.contexts == nil {
		s.prepare()
	}
	s.look()
	if s.over > 0 {
		return placeOf(out) // which is in the buffer
	}
	return s.give(out)
}

// metadataIn returns the metadata in the header of a call.
func metadataIn(header []byte) (map[string]string, error) {
	h := new(parigotpb.CallHeader)
	if err := proto.Unmarshal(header, h); err != nil {
		return nil, status.Error(status.Internal, "the call's header does not decode")
	}
	return h.GetMetadata(), nil
}

// receive takes the header and the request of a call from the host.
func (s *server) receive(into *buffer, header, size uint32) ([]byte, error) {
	n := int(header) + int(size)
	if n == 0 {
		return nil, nil
	}
	b, ok := into.makeRoom(n)
	if !ok {
		return nil, noMemory("request", n)
	}
	b = b[:n]
	if got := s.request(unsafe.Pointer(unsafe.SliceData(b)), uint32(n)); got != int64(n) {
		return nil, lost(got, uint32(n))
	}
	return b, nil
}

// handle runs a handler and returns the record of its answer, in room if it fits.
func (s *server) handle(ctx *serve.Call, m *offered, call uint32, req, room []byte) []byte {
	out, err := m.Run(ctx, req, room[:abi.RecordSize])
	ctx.Cancel()
	if err != nil {
		return s.failure(call, m.name, room, err)
	}
	abi.Record{Handle: call, Size: uint32(len(out) - abi.RecordSize)}.Put(out)
	return out
}

// failure returns the record of a call that failed.
func (s *server) failure(call uint32, method string, room []byte, err error) []byte {
	coded := serve.Coded(s.log, method, Caller{}, err)
	code, _ := coded.WireCode()
	out, err := proto.MarshalOptions{}.MarshalAppend(room[:abi.RecordSize], coded.Proto())
	if err != nil { // a text that is not UTF-8: the code is what counts
		out = room[:abi.RecordSize]
	}
	abi.Record{Handle: call, Code: code, Size: uint32(len(out) - abi.RecordSize)}.Put(out)
	return out
}

func (s *server) fail(call uint32, method string, err error) uint64 {
	return s.give(s.failure(call, method, s.resp.room(firstResponse), err))
}

// give returns the place of an answer, which stays there until the next export.
func (s *server) give(out []byte) uint64 {
	s.answer, s.over = out, 0 // serveAny lets go of it
	return placeOf(out)
}

func placeOf(b []byte) uint64 {
	return abi.Place(uint32(uintptr(unsafe.Pointer(unsafe.SliceData(b)))), uint32(len(b)))
}

// start runs a handler on a goroutine of its own, and returns its answer if it is quick.
func (s *server) start(c *goingCall, m *offered, req []byte) uint64 {
	if len(s.going) >= maxGoing {
		return s.fail(c.call, m.name, status.Error(status.ResourceExhausted, "the guest serves as many calls as it may"))
	}
	if s.going == nil {
		s.going = map[uint32]*goingCall{}
	}
	s.going[c.call] = c
	go func() {
		var out []byte
		defer func() { // deferred, as a handler may end its goroutine
			c.ctx.Cancel()
			if out == nil {
				out = s.failure(c.call, m.name, make([]byte, abi.RecordSize), errEnded)
			}
			s.finish(c, out)
		}()
		out = s.handle(&c.ctx, m, c.call, req, make([]byte, abi.RecordSize, firstAnswer))
	}()
	runtime.Gosched()
	if c.out == nil {
		return 0
	}
	for i, f := range s.finished {
		if f == c {
			s.finished = append(s.finished[:i], s.finished[i+1:]...)
		}
	}
	return s.give(c.out)
}

// finish has the host told of an answer.
func (s *server) finish(c *goingCall, out []byte) {
	delete(s.going, c.call)
	c.out = out
	s.finished = append(s.finished, c)
	if s.waiting {
		s.poll.limit(0)
	}
}

// run implements the export abi.Run.
func (s *server) run(cancel uint32, timeout time.Duration) uint64 {
	s.answer = nil
	if c := s.going[cancel]; c != nil {
		c.ctx.Cancel()
	}
	if len(s.finished) == 0 && timeout == 0 {
		runtime.Gosched()
	}
	if len(s.finished) == 0 && timeout != 0 {
		s.wait(timeout)
	}
	if len(s.finished) == 0 {
		return 0
	}
	c := s.finished[0]
	s.finished[0] = nil
	s.finished = s.finished[1:]
	return s.give(c.out)
}

// wait lets other goroutines run until a call has finished, the host wants the guest to
// return, or the time is over.
func (s *server) wait(timeout time.Duration) {
	s.waiting = true
	defer func() { s.waiting = false }()
	s.poll.limit(timeout)
	wanted := false
	_, err := s.poll.wait(func() bool {
		stop := wanted || len(s.finished) > 0
		wanted = true // the second time it was the host
		return stop
	})
	if err != nil {
		runtime.Gosched() // nothing to poll: the host has to come again
	}
}

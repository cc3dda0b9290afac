package core

import (
	"context"
	"fmt"

	"github.com/tetratelabs/wazero/api"

	"github.com/iansmith/parigot/internal/abi"
	"github.com/iansmith/parigot/internal/instance"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// Carrier takes a call to a server that is somewhere else, undecoded, and
// brings the result back: code and body are those of docs/abi.md, PENDING excepted.
//
// ctx is what a server would get: it has the deadline, the metadata, and who
// calls. A Carrier keeps to it, as a server does. request may lie in the guest's
// memory: it is only read, and not after the Carrier has returned. room returns where a body
// of size bytes goes, which is mostly the guest's buffer, so a body is read from its
// source straight into there; it fails when the body is over the limit. The body that
// the Carrier returns is what room gave it, or any other slice, which is then copied.
//
// An err becomes the result as that of a server does: one with a code reaches
// the guest, one without becomes INTERNAL and an incident.
type Carrier func(ctx context.Context, request []byte, room Room) (code int32, body []byte, err error)

// Carry returns the server of m for which carry does what a server's function does
// otherwise: limits, header, budget, overlapping calls and failures are the same.
func Carry(m *Method, carry Carrier) Server { return &carryServer{m, carry} }

type carryServer struct {
	method *Method
	carry  Carrier
}

// Method implements [Server].
func (c *carryServer) Method() *Method { return c.method }

// Stack implements [Server].
func (c *carryServer) Stack(ctx context.Context, m api.Module, stack []uint64) {
	var x exchange
	x.begins(ctx, &Outcome{Method: c.method})
	x.onStack(m, stack)
	stack[0] = serveOnHeap(ctx, x, work{carry: c.carry}, nil)
}

// Bytes implements [Server].
func (c *carryServer) Bytes(ctx context.Context, request, room []byte) (code int32, body []byte) {
	var x exchange
	x.begins(ctx, &Outcome{Method: c.method})
	x.inBuffers(request, room)
	return x.inRoom(x.serve(ctx, &work{carry: c.carry}, nil))
}

// carried is a call on its way through a [Carrier], and what came back.
type carried struct {
	request []byte
	written []byte // the part of the caller's room that is the carrier's
	body    []byte
	err     error
}

// carry has the carrier do the call.
func (c *carried) carry(ctx context.Context, x *exchange, carry Carrier) (code int32) {
	to, here := x.answerRoom, carried{} // copies, so that only such calls keep them on the heap
	if x.inst.Intercept != nil {
		to.ends = ends{} // the caller sees what the interceptors let through
	}
	defer func() { x.reserved, c.written = to.reserved, here.written }() // when it panics, too
	code, c.body, c.err = carry(ctx, c.request, here.roomAt(&to))
	if c.err != nil {
		clear(here.written)
	}
	return code
}

// roomAt returns what gives a carrier room for its answer at to, and notes where it is.
func (c *carried) roomAt(to *answerRoom) Room {
	return func(size uint32) ([]byte, error) {
		if s := to.overLimit(int(size)); s != nil {
			return nil, s
		}
		dst, s := to.makeRoom(size)
		if s != nil {
			return nil, s
		}
		if size <= to.resp.size {
			c.written = dst
		}
		return dst, nil
	}
}

// deliver gives the caller the result of a call that was carried.
func (x *exchange) deliver(c *carried, code int32) uint64 {
	err := c.err
	if err == nil && !IsResultCode(code) {
		err = fmt.Errorf("the result has the code %d, which is none", code)
	}
	switch {
	case x.failure != nil: // an interceptor's
		return x.fail(x.failure)
	case err != nil:
		return x.fail(coded(x.inst, x.name, err))
	}
	size := uint32(len(c.body))
	if s := x.overLimit(len(c.body)); s != nil {
		return x.fail(s)
	}
	if size > x.resp.size {
		if !x.reserve(uint64(size)) {
			return x.fail(refuse(status.ResourceExhausted, "%s: a response of %d bytes: %s", x.name, size, instance.NoRoom))
		}
		x.parked = c.body
		return abi.Result(code, size)
	}
	dst, _ := x.into()
	if size > 0 && &dst[0] != &c.body[0] {
		copy(dst, c.body)
	}
	return abi.Result(code, size)
}

//go:build !wasip1

package syscall

import (
	"context"

	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/core"
	"github.com/iansmith/parigot/internal/syscallwire"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/status"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
	"github.com/iansmith/parigot/pluginsdk/syscallpb/syscallpbparigot"
)

// swift is an engine with which Call and Next are registered as what they are in a guest's
// calls: bytes, which the kernel carries from the memory of one guest to that of another,
// while the one stands still.
type swift struct {
	eng.Engine
	plugin *SyscallPlugin
}

// Register implements [eng.Engine].
func (s swift) Register(ctx context.Context, m eng.HostModule) error {
	for i := range m.Functions {
		f := &m.Functions[i]
		var depart core.Departure
		switch f.Method {
		case syscallpbparigot.Syscall_Call_FullName:
			depart = s.plugin.departCall
		case syscallpbparigot.Syscall_Next_FullName:
			depart = s.plugin.departNext
		default:
			continue
		}
		f.Server = core.Depart(f.Server.Method(), depart)
		f.Call = f.Server.Stack
	}
	return s.Engine.Register(ctx, m)
}

func errUndecodable(m proto.Message) error {
	return status.Errorf(status.InvalidArgument, "the request does not decode as %s", m.ProtoReflect().Descriptor().FullName())
}

func (p *SyscallPlugin) departCall(ctx context.Context, request []byte, room core.Room) (core.Ticket, error) {
	h, err := p.host(ctx)
	if err != nil {
		return nil, err
	}
	var c syscallwire.Call
	if !c.Read(request) {
		return nil, errUndecodable((*syscallpb.CallRequest)(nil))
	}
	t, err := p.kernel.call(ctx, h, &c, room)
	if err != nil {
		return nil, err
	}
	return t, nil
}

func (p *SyscallPlugin) departNext(ctx context.Context, request []byte, _ core.Room) (core.Ticket, error) {
	h, err := p.host(ctx)
	if err != nil {
		return nil, err
	}
	var a syscallwire.Answer
	if !a.Read(request) {
		return nil, errUndecodable((*syscallpb.NextRequest)(nil))
	}
	t, err := p.kernel.next(h, &a)
	if err != nil {
		return nil, err
	}
	return t, nil
}

// Call calls a method of a service that the guest has located, and returns its
// result. Calls go to the guests that export the service, in turns, as far as
// they have room. When the call of the kernel is cancelled or its deadline
// passes, the guest that serves it is told.
//
// Errors: those of the service, as they are. NotRequired for a service that was
// not located, BadId for an unknown method, NotFound for one that those who
// export the service now do not have, PERMISSION_DENIED for one that the guest may
// not call, DataTooLarge, CallerUnavailable when nobody serves it now, or the guest
// that does ends, WriteTimeout when that one does not read the call in time,
// BadCallId for a wrong parent, DependencyCycle when calls on behalf of calls go too
// deep or guests wait for each other (see RegisterRequest.single_flight),
// RESOURCE_EXHAUSTED when the guest has too many calls in flight or the target has
// too many waiting, ChannelClosed.
//
// Guests come here by departCall, which does the same for bytes.
func (p *SyscallPlugin) Call(ctx context.Context, req *syscallpb.CallRequest) (*syscallpb.CallResponse, error) {
	resp := new(syscallpb.CallResponse)
	return resp, viaBytes(ctx, p.departCall, req, resp)
}

// Next answers a call, if there is an answer, and waits for the next one, or for
// a notice. An answer that comes too late is dropped. Several Next may wait at
// once; each call and each notice goes to one of them, notices after the calls
// that were there before.
//
// Errors: DataTooLarge: the call waits for another answer, and nothing was read.
// ChannelClosed.
//
// Guests come here by departNext, which does the same for bytes.
func (p *SyscallPlugin) Next(ctx context.Context, req *syscallpb.NextRequest) (*syscallpb.NextResponse, error) {
	resp := new(syscallpb.NextResponse)
	return resp, viaBytes(ctx, p.departNext, req, resp)
}

func viaBytes(ctx context.Context, depart core.Departure, req, resp proto.Message) error {
	request, err := proto.Marshal(req)
	if err != nil {
		return err
	}
	room := func(size uint32) ([]byte, error) { return make([]byte, size), nil }
	t, err := depart(ctx, request, room)
	if err != nil {
		return err
	}
	code, body, err := t.Result(ctx, room)
	if err != nil {
		return err
	}
	return core.Result(ctx, code, body, resp)
}

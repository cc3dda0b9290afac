//go:build !wasip1

package syscall

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/iansmith/parigot/pluginsdk/id"
	"github.com/iansmith/parigot/pluginsdk/status"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

// This file is the caller's half of an inbox: its calls, and where their results go.

// begin enters a call that the guest makes.
func (b *inbox) begin(ci *CallInfo) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return status.Error(syscallpb.KernelErr_ChannelClosed, "the caller has ended")
	}
	if n := b.outgoing.size; n >= b.limits.maxCallsInFlight {
		return status.Errorf(status.ResourceExhausted, "the caller has %d calls in flight: wait for their results first", n)
	}
	b.outgoing.pushBack(ci)
	return nil
}

// forget removes a call that has its result, or will have none.
func (b *inbox) forget(ci *CallInfo) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.outgoing.remove(ci)
	b.wakeDrained()
}

// expect notes where the result of a call goes that the guest has left. reply must have room for
// it.
func (b *inbox) expect(cid id.CallId, reply chan<- outcome) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expected[cid] = reply
}

// expectNot notes that no result of a call will come.
func (b *inbox) expectNot(cid id.CallId) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.expected, cid)
}

// deliver hands a result to who waits for it.
func (b *inbox) deliver(call *syscallpb.ResolvedCall) {
	b.mu.Lock()
	defer b.mu.Unlock()
	cid := id.FromProto[id.CallKind](call.GetCallId())
	if reply := b.expected[cid]; reply != nil {
		delete(b.expected, cid)
		reply <- outcome{body: call.GetResult().GetValue(), code: call.GetResultError()}
	}
}

// failure returns the result of a call that failed in the kernel.
func failure(code protoreflect.Enum, message string) outcome {
	s, _ := status.From(status.Error(code, message))
	wire, _ := s.WireCode()
	value, err := proto.Marshal(s.Proto())
	if err != nil {
		return outcome{code: wire} // the code tells enough; a valid status always encodes
	}
	return outcome{body: value, code: wire}
}

package core

import (
	"context"

	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/codec"
	"github.com/iansmith/parigot/internal/instance"
	"github.com/iansmith/parigot/internal/wirecost"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// Unmarshal is [proto.Unmarshal] for bytes that come from a caller, such as the value of an
// Any in a request: it bounds what decoding them takes before it decodes them.
func Unmarshal(ctx context.Context, b []byte, m proto.Message) error {
	return maxDecoded(&stateOf(ctx).Limits).Unmarshal(b, m, "the message")
}

// maxDecoded returns the limit of what messages take when they are decoded.
func maxDecoded(l *instance.Limits) wirecost.Limit {
	return wirecost.Limit{Bytes: l.MaxDecoded, Name: "max_decoded"}
}

// take takes the request, which is not too large: it decodes it, unless a carrier gets it as it
// is.
func (x *exchange) take(w *work) *status.Status {
	b, ok := x.from()
	if !ok {
		return refuse(status.InvalidArgument, "%s: the request is outside of the guest's memory: %d bytes at %#x",
			x.name, x.req.size, x.req.ptr)
	}
	return x.takeBytes(w, b)
}

// requestOver refuses a request of size bytes if that is over the limit.
func requestOver(l *instance.Limits, call string, size int) *status.Status {
	if uint64(size) <= uint64(l.MaxRequest) {
		return nil
	}
	return refuse(status.ResourceExhausted, "%s: the request has %d bytes, the host takes %d", call, size, l.MaxRequest)
}

// takeBytes is take for a request that is in b.
func (x *exchange) takeBytes(w *work, b []byte) *status.Status {
	w.taken = true
	if w.carry != nil {
		w.carried.request = b
		return nil
	}
	x.release() // of another one, see [Call.SetRequest]
	if len(b) > wirecost.Tiny || x.pends {
		if s := x.admit(b, w.request); s != nil {
			return s
		}
	}
	if err := x.decode(b, w.request); err != nil {
		return refuse(status.InvalidArgument, "%s: the request does not decode as %s", x.name, codec.NameOf(w.request))
	}
	return nil
}

func (x *exchange) decode(b []byte, t message) error {
	if x.Recycle == nil {
		return t.codec.Decode(b, t.Message)
	}
	if !x.overlap() {
		return t.codec.Borrow(b, t.Message)
	}
	// The room that a recycled message has for bytes is where the earlier request was.
	t.codec.Reset(t.Message)
	return t.codec.Decode(b, t.Message)
}

// admit refuses a request that would take more than the limits when it is decoded, or does
// not decode. What it takes counts against the instance's account until release. Calls that
// are pending, and those in a plugin's own process, may be many, so they count as exactly as
// possible.
func (x *exchange) admit(b []byte, t message) *status.Status {
	plan := x.planOf(t.Message)
	cost, err := plan.Cost(b, x.inst.Limits.MaxDecoded)
	if err == nil && !x.pends && !x.inst.Remote && x.inst.Account.Reserve(cost) {
		x.decoded = cost
		return nil
	}
	if err == nil {
		cost, err = plan.Scan(b, x.inst.Limits.MaxDecoded)
	}
	if err != nil {
		s, _ := status.From(maxDecoded(&x.inst.Limits).Status(err, x.name+": the request", codec.NameOf(t)))
		return s
	}
	if !x.inst.Account.Reserve(cost) {
		return refuse(status.ResourceExhausted, "%s: a request that takes %d bytes when it is decoded: %s", x.name, cost, instance.NoRoom)
	}
	x.decoded = cost
	return nil
}

// release gives back what the decoded request has reserved.
func (x *exchange) release() {
	x.inst.Account.Release(x.decoded)
	x.decoded = 0
}

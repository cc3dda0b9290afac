package pluginsdk

import (
	"github.com/iansmith/parigot/internal/codec"
	"github.com/iansmith/parigot/internal/instance"
	"github.com/iansmith/parigot/internal/wirecost"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// request returns the bytes of the request, which are in the guest's memory.
func (x *exchange) request() ([]byte, *status.Status) {
	if x.req.size > x.inst.Limits.MaxRequest {
		return nil, refuse(status.ResourceExhausted, "%s: the request has %d bytes, the host takes %d",
			x.name, x.req.size, x.inst.Limits.MaxRequest)
	}
	b, ok := x.req.view(x.mem)
	if !ok {
		return nil, refuse(status.InvalidArgument, "%s: the request is outside of the guest's memory: %d bytes at %#x",
			x.name, x.req.size, x.req.ptr)
	}
	return b, nil
}

func (x *exchange) decode(t message) *status.Status {
	b, s := x.request()
	if s != nil {
		return s
	}
	if len(b) > wirecost.Tiny || x.pends {
		if s := x.admit(b, t); s != nil {
			return s
		}
	}
	var err error
	switch {
	case !t.borrow:
		err = t.codec.Decode(b, t.Message)
	case !x.req.overlaps(x.resp):
		err = t.codec.Borrow(b, t.Message)
	default:
		// The room that a recycled message has for bytes is where the earlier request was.
		t.codec.Reset(t.Message)
		err = t.codec.Decode(b, t.Message)
	}
	if err != nil {
		return refuse(status.InvalidArgument, "%s: the request does not decode as %s", x.name, codec.NameOf(t))
	}
	return nil
}

// admit refuses a request that would take more than the limits when it is decoded, or does
// not decode. What it takes counts against the instance's account until release. Calls that
// are pending, and those in a plugin's own process, may be many, so they count as exactly as
// possible.
func (x *exchange) admit(b []byte, t message) *status.Status {
	plan := wirecost.Of(t.Message)
	cost, err := plan.Cost(b, x.inst.Limits.MaxDecoded)
	if err == nil && !x.pends && !x.inst.Remote && x.inst.Account.Reserve(cost) {
		x.decoded = cost
		return nil
	}
	if err == nil {
		cost, err = plan.Scan(b, x.inst.Limits.MaxDecoded)
	}
	if err != nil {
		s, _ := status.From(maxDecoded(x.inst).Status(err, x.name+": the request", codec.NameOf(t)))
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

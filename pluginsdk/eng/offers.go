package eng

import (
	"context"
	"slices"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/iansmith/parigot/internal/abi"
	"github.com/iansmith/parigot/internal/core"
	"github.com/iansmith/parigot/internal/instance"
	"github.com/iansmith/parigot/internal/wirestatus"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// Offers returns the full names of the methods that the guest offers to its host, such as
// "greeting.v1.Greeting.Greet", in the order in which it offers them: what [Instance.Invoke]
// may call. It asks the guest the first time. Errors are those of [Instance.Call].
func (i *Instance) Offers(ctx context.Context) ([]string, error) {
	if err := i.pass(ctx, ctx); err != nil {
		return nil, i.guest.named(err)
	}
	defer i.gate.leave(false)
	if i.broken != nil {
		return nil, i.broken
	}
	run := i.begin(ctx, time.Time{})
	defer i.stop(run)
	if err := run.Ended(); err != nil {
		return nil, i.guest.named(wirestatus.Coded(err))
	}
	o, err := i.ask(run)
	if err != nil {
		return nil, i.guest.named(err)
	}
	return slices.Clone(o.names), nil
}

// ask returns what the guest offers. The caller has passed the gate.
func (i *Instance) ask(run *instance.Context) (*offered, error) {
	s := &i.server
	switch {
	case s.offered != nil:
		return s.offered, nil
	case s.offers == nil || s.serve == nil || s.run == nil:
		s.offered = new(offered)
		return s.offered, nil
	}
	if err := i.call(run, s.offers, s.stack[:1]); err != nil {
		return nil, err
	}
	o, err := i.guest.readOffers(i.module.Memory(), s.stack[0])
	if err != nil {
		i.fail(err)
		return nil, err
	}
	s.offered = o
	return o, nil
}

// known is the method that was called last, and its number.
type known struct {
	method *core.Method
	number uint32
}

// number returns the guest's number of the method of a call.
func (i *Instance) number(c *servedCall) (uint32, error) {
	if k := &i.server.known; k.method == c.method {
		return k.number, nil
	}
	o, err := i.ask(&c.run)
	if err != nil {
		return 0, err
	}
	n, ok := o.numbers[c.method.FullName]
	if !ok {
		if len(o.names) == 0 {
			return 0, status.Errorf(status.Unimplemented,
				"the guest %q offers nothing: it has to call the generated Register function in a function init", i.guest.name)
		}
		return 0, status.Errorf(status.Unimplemented, "the guest %q does not offer it", i.guest.name)
	}
	i.server.known = known{c.method, n}
	return n, nil
}

// request is the import parigot.request: it hands out the header and the request of the call
// that the guest serves.
func request(ctx context.Context, m api.Module, stack []uint64) {
	ptr, size := api.DecodeU32(stack[0]), api.DecodeU32(stack[1])
	s := instance.FromContext(ctx)
	if s == nil || !s.Outgoing.Open {
		stack[0] = abi.Result(-int32(status.FailedPrecondition), 0)
		return
	}
	n := s.Outgoing.Len()
	dst, ok := m.Memory().Read(ptr, size)
	switch {
	case !ok || n > uint64(size):
		stack[0] = abi.Result(-int32(status.OutOfRange), 0)
	case !s.Outgoing.Put(dst[:n]):
		stack[0] = abi.Result(-int32(status.InvalidArgument), 0)
	default:
		stack[0] = abi.Result(0, uint32(n))
	}
}

// timeLeftOf is the import parigot.time_left: how long the call that the guest serves may
// still take, in nanoseconds.
func timeLeftOf(ctx context.Context, _ api.Module, stack []uint64) {
	left := time.Duration(0)
	if s := instance.FromContext(ctx); s != nil && s.Serving != nil {
		left = timeLeft(s.Serving)
	}
	stack[0] = uint64(left)
}

//go:build !wasip1

package syscall

import (
	"context"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/status"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

// dispatcher implements [pluginsdk.Dispatcher]: the host calls guests. For the
// limits the host counts as one guest. What it is to those that it calls, no guest
// can be: a caller without an id and without a name.
type dispatcher struct{ kernel *kernel }

var _ pluginsdk.Dispatcher = dispatcher{}

// Invoke implements [pluginsdk.Dispatcher].
func (d dispatcher) Invoke(ctx context.Context, m *pluginsdk.Method, req, resp proto.Message) error {
	if err := ctx.Err(); err != nil {
		return endOf(err, "the call was not made")
	}
	param, err := proto.Marshal(req)
	if err != nil {
		return status.Wrap(status.InvalidArgument, err, "encode the request")
	}
	result, err := d.kernel.callFromHost(ctx, splitName(m.Service), m.Name, param)
	if err == nil {
		err = pluginsdk.Result(ctx, result.code, result.body, resp)
	}
	return syscallpb.Canonical(err)
}

// endOf is the error of a call whose context has ended.
func endOf(err error, what string) error {
	s, ok := status.From(err)
	if !ok {
		return err
	}
	return status.Wrap(status.CodeOf(s), err, what)
}

// callFromHost makes a call, and waits for who serves it and for its result.
func (k *kernel) callFromHost(ctx context.Context, name serviceName, method string, param []byte) (result outcome, err error) {
	if n := len(param); n > k.maxPayload {
		return result, status.Errorf(syscallpb.KernelErr_DataTooLarge, "the request has %d bytes, the host takes %d", n, k.maxPayload)
	}
	c := &call{
		caller: k.native, param: param, metadata: maps.Clone(pluginsdk.Metadata(ctx)),
		reply: make(chan outcome, 1),
	}
	c.deadline, _ = ctx.Deadline()
	for {
		s, m, err := k.data.served(ctx, name, method)
		if err != nil {
			return result, err
		}
		c.method = m.id
		ci, taken, err := k.route(s, c)
		switch {
		case err != nil:
			return result, err
		case taken == refusedGone:
			continue // they ended since, before they had the call
		}
		return k.result(ctx, ci, c.reply)
	}
}

// result waits for the result of a call of the host.
func (k *kernel) result(ctx context.Context, ci *CallInfo, reply chan outcome) (outcome, error) {
	spin(func() bool { return len(reply) > 0 })
	select {
	case result := <-reply:
		return result, nil
	case <-ctx.Done():
	}
	if !k.giveUp(ci) {
		return <-reply, nil // it came at the same time
	}
	return outcome{}, endOf(ctx.Err(), "the guest "+ci.target.name+" has not answered")
}

// served returns a method of a service. It waits until somebody serves it.
func (d *syscallData) served(ctx context.Context, name serviceName, method string) (*service, *method, error) {
	for {
		s, w, err := d.awaitServed(name)
		if err != nil {
			return nil, nil, err
		}
		if w == nil {
			m := s.methodByName(method)
			if m == nil || !m.bound.Load() {
				return nil, nil, status.Errorf(syscallpb.KernelErr_NotFound, "those who export %s now have no method %q", name, method)
			}
			return s, m, nil
		}
		select {
		case <-w.wake:
		case <-ctx.Done():
			d.stopAwaiting(s, w)
			return nil, nil, endOf(ctx.Err(), name.String()+" has not started")
		}
		if w.code != syscallpb.KernelErr_NoError {
			return nil, nil, refuse(w.code, w.reason)
		}
	}
}

// awaitServed returns a service, and a waiter that is woken when somebody serves it,
// or nil when somebody does.
func (d *syscallData) awaitServed(name serviceName) (*service, *waiter, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, nil, refuse(syscallpb.KernelErr_ChannelClosed, "the engine is closed")
	}
	if d.exitAsked.Load() {
		return nil, nil, refuse(syscallpb.KernelErr_AbortRequest, "all guests were asked to end")
	}
	s := d.byName[name]
	if s == nil || s.client {
		checked, err := checkName(name.pkg, name.short)
		if err != nil {
			return nil, nil, err
		}
		if s = d.add(checked, false); s == nil {
			return nil, nil, refuse(syscallpb.KernelErr_NamespaceExhausted, tooManyServices)
		}
	}
	if s.isReady() {
		return s, nil, nil
	}
	w := &waiter{wake: make(chan struct{})}
	s.awaited = append(s.awaited, w)
	return s, w, nil
}

func (d *syscallData) stopAwaiting(s *service, w *waiter) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s.awaited = slices.DeleteFunc(s.awaited, func(o *waiter) bool { return o == w })
	d.free(s)
}

// wakeHost wakes the calls of the host that wait for who serves s.
func (s *service) wakeHost(code syscallpb.KernelErr, reason string) {
	for _, w := range s.awaited {
		s.end(w, code, reason)
	}
	s.awaited = nil
}

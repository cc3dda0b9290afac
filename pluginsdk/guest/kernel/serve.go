package kernel

import (
	"context"
	"errors"
	"fmt"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/serve"
	"github.com/iansmith/parigot/internal/wirestatus"
	"github.com/iansmith/parigot/pluginsdk/id"
	"github.com/iansmith/parigot/pluginsdk/status"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

// served is a service that the guest serves.
type served struct {
	serve.Service
	ctx   context.Context // what the contexts of its calls descend from
	calls int             // that are being served
	gone  bool            // it is not served any longer
	quiet chan struct{}   // closed when it is gone, and none of its calls is served
}

// handled is a method of a service that the guest serves.
type handled struct {
	serve.Method
	by *served
}

// incoming is a call that is being served.
type incoming struct {
	serve.Call        // its context
	id         uint64 // as the kernel sent it
	method     *handled
	caller     serve.Caller
	bytes      int

	// Guarded by the runtime.
	over       bool // nobody waits for its answer any longer
	prev, next *incoming
}

// Value implements [context.Context].
func (c *incoming) Value(key any) any {
	if key == (callKey{}) {
		return c
	}
	return c.Call.Value(key)
}

type callKey struct{}

// callOf returns the call that ctx belongs to, or nil.
func callOf(ctx context.Context) *incoming {
	c, _ := ctx.Value(callKey{}).(*incoming)
	return c
}

// starter is an implementation that wants to know when it gets calls.
type starter interface {
	Started(ctx context.Context)
}

// serve implements [Serve].
func (r *runtime) serve(ctx context.Context, s serve.Service, next nextFunc, requires []string) error {
	v := &served{Service: s, ctx: ctx, quiet: make(chan struct{})}
	err := r.add(v, next)
	if err == nil {
		err = r.run(ctx, v, requires)
		r.remove(v)
		<-v.quiet
	}
	if err != nil {
		return fmt.Errorf("serve %s: %w", s.Name, wirestatus.Coded(err))
	}
	return nil
}

// run serves from the registration to the end.
func (r *runtime) run(ctx context.Context, v *served, requires []string) error {
	err := r.open(ctx, v, requires)
	switch {
	case errors.Is(err, status.Of(syscallpb.KernelErr_AbortRequest)):
		// All guests were asked to end, of which only those are told that the kernel
		// knows.
		if !r.listen() {
			return nil
		}
	case err != nil:
		return err
	default:
		if impl, ok := v.Impl.(starter); ok {
			impl.Started(ctx)
		}
	}
	return r.untilExit(ctx)
}

// untilExit waits for the end of ctx or of the guest.
func (r *runtime) untilExit(ctx context.Context) error {
	r.wait(1)
	select {
	case <-r.ended:
		r.wait(-1)
		return r.why()
	case <-ctx.Done():
		r.wait(-1)
	}
	if _, err := r.kernel.Exit(context.WithoutCancel(ctx), new(syscallpb.ExitRequest)); err != nil {
		return err
	}
	return ctx.Err()
}

// wait counts the goroutines that wait for the reader.
func (r *runtime) wait(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting += n
}

func (r *runtime) add(v *served, next nextFunc) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case v.Impl == nil:
		return status.Error(status.FailedPrecondition, "the implementation is nil")
	case r.services[v.Name] != nil:
		return status.Error(status.AlreadyExists, "this guest serves it already")
	}
	r.services[v.Name] = v
	if r.next == nil { // before anybody reads
		r.next = next
	}
	return nil
}

func (r *runtime) remove(v *served) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.services, v.Name)
	for mid, m := range r.methods {
		if m.by == v {
			delete(r.methods, mid)
		}
	}
	v.gone = true
	r.done(v, 0)
}

// done counts calls of a service out. The caller holds r.mu.
func (r *runtime) done(v *served, calls int) {
	v.calls -= calls
	if v.gone && v.calls == 0 {
		close(v.quiet)
	}
}

// open makes the service known to the kernel, up to where calls come.
func (r *runtime) open(ctx context.Context, v *served, requires []string) error {
	name := qualified(v.Name)
	sid, err := r.register(ctx, &syscallpb.RegisterRequest{
		PackageName: name.GetPackageName(), ServiceName: name.GetServiceName(),
	})
	if err != nil {
		return err
	}
	for _, m := range v.Methods {
		bound, err := r.kernel.BindMethod(ctx, &syscallpb.BindMethodRequest{ServiceId: sid, MethodName: m.Name})
		if err != nil {
			return err
		}
		r.mu.Lock()
		r.methods[id.FromProto[id.MethodKind](bound.GetMethodId())] = &handled{Method: m, by: v}
		r.mu.Unlock()
	}
	if _, err := r.kernel.Export(ctx, &syscallpb.ExportRequest{ServiceId: sid}); err != nil {
		return err
	}
	for _, dest := range requires {
		if err := r.require(ctx, sid, dest); err != nil {
			return err
		}
	}
	r.listen()
	_, err = r.kernel.Launch(ctx, &syscallpb.LaunchRequest{ServiceId: sid})
	return err
}

// callsServed are the calls that are being served. The lock of the runtime guards them.
type callsServed struct {
	first *incoming
	count int
	bytes int // of their requests
}

// admit enters a call among those that are being served. The caller holds r.mu.
func (r *runtime) admit(c *incoming) error {
	switch {
	case c.method == nil:
		return status.Error(status.Unavailable, "the guest does not serve this method any longer")
	case r.serving.count >= MaxCalls, r.serving.bytes > 0 && r.serving.bytes+c.bytes > r.maxBytes:
		return status.Errorf(status.ResourceExhausted, "%s: the guest serves as many calls as it may", c.method.by.Name)
	}
	s := &r.serving
	if c.next = s.first; c.next != nil {
		c.next.prev = c
	}
	s.first = c
	s.count++
	s.bytes += c.bytes
	c.method.by.calls++
	return nil
}

// finish removes a call from those that are being served. It reports whether
// somebody waits for its answer. The caller holds r.mu.
func (r *runtime) finish(c *incoming) bool {
	s := &r.serving
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		s.first = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	}
	c.prev, c.next = nil, nil
	s.count--
	s.bytes -= c.bytes
	wanted := !c.over
	c.over = true
	return wanted
}

// abandon ends a call that nobody waits for any longer.
func (r *runtime) abandon(call uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := r.serving.first; c != nil; c = c.next {
		if c.id == call {
			c.over = true
			c.Cancel()
		}
	}
}

// answer sends the outcome of a call to its caller.
func (r *runtime) answer(c *incoming, value []byte, err error) {
	if err == nil {
		if err = r.send(c, value, 0); err == nil {
			return
		}
		err = syscallpb.Canonical(err) // it is too large: then that is the outcome
	}
	method := ""
	if c.method != nil { // else err has a code
		method = c.method.by.Name + "." + c.method.Name
	}
	s := serve.Coded(r.stderr, method, c.caller, err)
	code, _ := s.WireCode()
	p := s.Proto()
	if err = r.sendStatus(c, p, code); err != nil {
		wirestatus.Shorten(p)
		err = r.sendStatus(c, p, code)
	}
	if err != nil {
		_, _ = fmt.Fprintf(r.stderr, "kernel: a call of %s cannot be answered: %v\n", c.caller, err)
	}
}

func (r *runtime) sendStatus(c *incoming, p *spb.Status, code int32) error {
	value, err := proto.Marshal(p)
	if err != nil {
		return err
	}
	return r.send(c, value, code)
}

// send answers a call, unless it is over.
func (r *runtime) send(c *incoming, value []byte, code int32) error {
	_, err := r.kernel.ReturnValue(context.Background(), &syscallpb.ReturnValueRequest{
		CallId: c.id, Result: value, ResultError: code,
	})
	if err == nil || errors.Is(err, status.Of(syscallpb.KernelErr_BadCallId)) || errors.Is(err, status.Of(syscallpb.KernelErr_ChannelClosed)) {
		return nil
	}
	return err
}

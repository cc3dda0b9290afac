package kernel

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/iansmith/parigot/internal/codec"
	"github.com/iansmith/parigot/internal/wirestatus"
	"github.com/iansmith/parigot/pluginsdk/id"
	"github.com/iansmith/parigot/pluginsdk/parigotpb"
	"github.com/iansmith/parigot/pluginsdk/status"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

// Remote is a service that other guests serve: what the generated clients stand on.
// It is safe for concurrent use. [Locate] makes it.
type Remote struct {
	runtime *runtime
	name    string
	service *parigotpb.Id
	names   []string
	// methods are the ids of the names, nil for those that nobody has bound yet. It
	// is exchanged, not changed.
	methods atomic.Pointer[[]*parigotpb.Id]
}

// outgoing is a call that waits for its result.
type outgoing struct {
	id     id.CallId
	key    *parigotpb.Id
	done   chan struct{} // closed when the result is there
	result *syscallpb.ResolvedCall
	err    error
}

func (c *outgoing) end(result *syscallpb.ResolvedCall, err error) {
	c.result, c.err = result, err
	close(c.done)
}

// locate implements [Locate].
func (r *runtime) locate(ctx context.Context, name string, methods []string) (*Remote, error) {
	r.mu.Lock()
	known := r.remotes[name]
	r.mu.Unlock()
	if known != nil && slices.Equal(known.names, methods) {
		return known, nil
	}
	found, err := r.find(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("locate %s: %w", name, wirestatus.Coded(err))
	}
	remote := &Remote{runtime: r, name: name, service: found.GetServiceId(), names: methods}
	remote.bind(found)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.remotes[name] = remote
	return remote, nil
}

// find waits for a service. When one that the guest serves requires it, that is enough;
// else the guest requires it as a client.
func (r *runtime) find(ctx context.Context, name string) (*syscallpb.LocateResponse, error) {
	req := &syscallpb.LocateRequest{Service: qualified(name)}
	found, err := r.kernel.Locate(ctx, req)
	if err == nil {
		return found, nil
	}
	sid, err := r.asClient(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.require(ctx, sid, name); err != nil {
		return nil, err
	}
	for {
		found, err := r.kernel.Locate(ctx, req)
		if !notYet(err) {
			return found, err
		}
		// A guest that locates before it serves may be what the others wait for.
		if _, err := r.kernel.Launch(ctx, &syscallpb.LaunchRequest{ServiceId: sid, SingleFlight: r.alone()}); err != nil {
			// What is missing may be another one.
			if found, ok := r.kernel.Locate(context.WithoutCancel(ctx), req); ok == nil {
				return found, nil
			}
			return nil, err
		}
	}
}

// notYet reports whether a service may be there later.
func notYet(err error) bool {
	return errors.Is(err, status.Of(syscallpb.KernelErr_LocateError)) || errors.Is(err, status.Of(syscallpb.KernelErr_NotReady))
}

// bind takes the ids of the methods from what the kernel knows.
func (m *Remote) bind(found *syscallpb.LocateResponse) {
	ids := make([]*parigotpb.Id, len(m.names))
	for _, b := range found.GetBinding() {
		if i := slices.Index(m.names, b.GetMethodName()); i >= 0 {
			ids[i] = b.GetMethodId()
		}
	}
	m.methods.Store(&ids)
}

// method returns the id of a method. One that is missing may have come since.
func (m *Remote) method(ctx context.Context, index int) (*parigotpb.Id, error) {
	if mid := (*m.methods.Load())[index]; mid != nil {
		return mid, nil
	}
	found, err := m.runtime.kernel.Locate(ctx, &syscallpb.LocateRequest{Service: qualified(m.name)})
	if err != nil {
		return nil, syscallpb.Canonical(err)
	}
	m.bind(found)
	if mid := (*m.methods.Load())[index]; mid != nil {
		return mid, nil
	}
	return nil, status.Errorf(status.Unimplemented, "those who serve %s have no method %s", m.name, m.names[index])
}

// Call calls the method of r with the given index with req and returns the response, a *T.
// Generated clients call it. See [Remote.Call].
func Call[T any, P interface {
	*T
	proto.Message
}](ctx context.Context, r *Remote, method int, req proto.Message) (*T, error) {
	resp := new(T)
	if err := r.Call(ctx, method, req, P(resp)); err != nil {
		return nil, err
	}
	return resp, nil
}

// Call calls the method with the given index with req, and decodes the response into
// resp; what that had is gone, and after a call that failed it is undefined. It sends the
// deadline and the metadata of ctx along. When ctx ends the call does, and the context of who
// serves it.
//
// Errors are a [status.Status]: the service's own, or a canonical one.
func (m *Remote) Call(ctx context.Context, method int, req, resp proto.Message) error {
	c, err := m.start(ctx, method, req)
	if err != nil {
		return err
	}
	return m.runtime.finishCall(ctx, c, resp)
}

// start sends a call on its way.
func (m *Remote) start(ctx context.Context, method int, req proto.Message) (*outgoing, error) {
	if err := ctx.Err(); err != nil {
		return nil, wirestatus.Coded(err)
	}
	c := codec.Of(req)
	value := make([]byte, c.Size(req))
	if err := c.Encode(value, req); err != nil {
		return nil, status.Wrap(status.InvalidArgument, err, "encode the request")
	}
	mid, err := m.method(ctx, method)
	if err != nil {
		return nil, err
	}
	d := &syscallpb.DispatchRequest{ServiceId: m.service, MethodId: mid, Param: &anypb.Any{Value: value}}
	if deadline, ok := ctx.Deadline(); ok {
		d.TimeoutNs = max(1, int64(time.Until(deadline))) // 0 would mean any time
	}
	return m.runtime.dispatch(ctx, d)
}

// dispatch makes a call. No result can be read before the call is entered.
func (r *runtime) dispatch(ctx context.Context, d *syscallpb.DispatchRequest) (*outgoing, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.broken != nil {
		return nil, syscallpb.Canonical(r.broken)
	}
	if parent := callOf(ctx); parent != nil && !parent.over {
		d.Parent = parent.key
	}
	// Of ctx only the metadata: the deadline is that of the call, not of Dispatch.
	sent, err := r.kernel.Dispatch(context.WithoutCancel(ctx), d)
	if err != nil && d.Parent != nil && errors.Is(err, status.Of(syscallpb.KernelErr_BadCallId)) {
		// That one is over, and ctx will end.
		d.Parent = nil
		sent, err = r.kernel.Dispatch(context.WithoutCancel(ctx), d)
	}
	if err != nil {
		return nil, syscallpb.Canonical(err)
	}
	key := sent.GetCallId()
	c := &outgoing{id: id.FromProto[id.CallKind](key), key: key, done: make(chan struct{})}
	r.calls[c.id] = c
	r.resume()
	return c, nil
}

// resolve gives a call its result. One that nobody waits for is dropped.
func (r *runtime) resolve(out *syscallpb.ResolvedCall) {
	cid := id.FromProto[id.CallKind](out.GetCallId())
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.calls[cid]; c != nil {
		delete(r.calls, cid)
		c.end(out, nil)
	}
}

// finishCall waits for the result of a call, or for the end of ctx, in which case who
// serves it is told.
func (r *runtime) finishCall(ctx context.Context, c *outgoing, resp proto.Message) error {
	select {
	case <-c.done:
		return c.decode(resp)
	case <-ctx.Done():
	}
	r.mu.Lock()
	waits := r.calls[c.id] == c
	delete(r.calls, c.id)
	r.mu.Unlock()
	if !waits {
		<-c.done // it came at the same time
		return c.decode(resp)
	}
	// What can go wrong is that the result has come: nobody reads it.
	_, _ = r.kernel.Cancel(context.WithoutCancel(ctx), &syscallpb.CancelRequest{CallId: c.key})
	return wirestatus.Coded(ctx.Err())
}

func (c *outgoing) decode(resp proto.Message) error {
	if c.err != nil {
		return syscallpb.Canonical(c.err)
	}
	value := c.result.GetResult().GetValue()
	if code := c.result.GetResultError(); code != 0 {
		return syscallpb.Canonical(wirestatus.Decode(code, value))
	}
	proto.Reset(resp)
	if err := codec.Of(resp).Decode(value, resp); err != nil {
		return status.Wrap(status.Internal, err, fmt.Sprintf("decode the response as %s", codec.NameOf(resp)))
	}
	return nil
}

package kernel

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/syscallwire"
	"github.com/iansmith/parigot/internal/wirestatus"
	"github.com/iansmith/parigot/pluginsdk/guest"
	"github.com/iansmith/parigot/pluginsdk/parigotpb"
	"github.com/iansmith/parigot/pluginsdk/status"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

// Remote is a service that other guests serve: what the generated clients stand on.
// It is safe for concurrent use. [Locate] makes it.
type Remote struct {
	runtime *runtime
	name    string
	names   []string
	methods []remoteMethod
}

// remoteMethod is a method of a [Remote].
type remoteMethod struct {
	guest.Method
	id *parigotpb.Id // nil: nobody has bound it yet; guarded by the lock of the runtime
}

const (
	// aloneWait is how long a guest stands still for a result, when nothing else in it can run,
	// and moment when something can.
	aloneWait = time.Millisecond
	moment    = 50 * time.Microsecond
)

// locate implements [Locate].
func (r *runtime) locate(ctx context.Context, name string, call guest.Import, methods []string) (*Remote, error) {
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
	remote := &Remote{runtime: r, name: name, names: methods, methods: make([]remoteMethod, len(methods))}
	for i := range remote.methods {
		m := &remote.methods[i]
		m.Import = call
		m.Frame = guest.Frame{Head: syscallwire.CallPrefix, Skip: syscallwire.ResultPrefix}
		m.Frame.Put = func(ctx context.Context, b []byte, size int) { r.putCall(ctx, m, b, size) }
	}
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
func (r *Remote) bind(found *syscallpb.LocateResponse) {
	r.runtime.mu.Lock()
	defer r.runtime.mu.Unlock()
	for _, b := range found.GetBinding() {
		if i := slices.Index(r.names, b.GetMethodName()); i >= 0 {
			r.methods[i].id = b.GetMethodId()
		}
	}
}

// bound reports whether a method has an id.
func (r *Remote) bound(m *remoteMethod) bool {
	r.runtime.mu.Lock()
	defer r.runtime.mu.Unlock()
	return m.id != nil
}

// method returns a method. The id of one that lacks it may have come since.
func (r *Remote) method(ctx context.Context, index int) (*remoteMethod, error) {
	m := &r.methods[index]
	if r.bound(m) {
		return m, nil
	}
	found, err := r.runtime.kernel.Locate(ctx, &syscallpb.LocateRequest{Service: qualified(r.name)})
	if err != nil {
		return nil, syscallpb.Canonical(err)
	}
	if r.bind(found); r.bound(m) {
		return m, nil
	}
	return nil, status.Errorf(status.Unimplemented, "those who serve %s have no method %s", r.name, r.names[index])
}

// Call calls the method of r with the given index with req and returns the response, a *T.
// Generated clients call it. It sends the deadline and the metadata of ctx along. When ctx ends
// the call does, and the context of who serves it. A method must be called with the same T each
// time.
//
// Errors are a [status.Status]: the service's own, or a canonical one.
func Call[T any, P interface {
	*T
	proto.Message
}](ctx context.Context, r *Remote, method int, req proto.Message) (*T, error) {
	m, err := r.method(ctx, method)
	if err != nil {
		return nil, err
	}
	if m.New == nil {
		m.New = func() proto.Message { return P(new(T)) }
	}
	resp, err := guest.Call[T](ctx, guest.Client{}, &m.Method, req)
	if err != nil && callOf(ctx) != nil && errors.Is(err, status.Of(syscallpb.KernelErr_BadCallId)) {
		// The call on whose behalf it is made is over, and ctx will end.
		resp, err = guest.Call[T](context.WithValue(ctx, callKey{}, (*incoming)(nil)), guest.Client{}, &m.Method, req)
	}
	return resp, syscallpb.Canonical(err)
}

// putCall writes what comes before a request.
func (r *runtime) putCall(ctx context.Context, m *remoteMethod, b []byte, size int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := syscallwire.Call{MethodHigh: m.id.GetHigh(), MethodLow: m.id.GetLow(), WaitNs: int64(moment)}
	if r.others() <= 0 {
		c.WaitNs = int64(aloneWait)
	}
	if parent := callOf(ctx); parent != nil && !parent.over {
		c.Parent = parent.id
	}
	c.Put(b, size)
}

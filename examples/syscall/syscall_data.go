//go:build !wasip1

package syscall

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/iansmith/parigot/pluginsdk/id"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

// SyscallData holds the services, and which of them needs which. All methods
// are safe for concurrent use.
type SyscallData interface {
	// ServiceByName looks up a service and returns it based on the values
	// package_ and name. If this returns nil, the service could not be found.
	ServiceByName(ctx context.Context, package_, name string) Service
	// ServiceById looks up a service and returns it based on the value sid. If
	// this returns nil, the service could not be found.
	ServiceById(ctx context.Context, sid id.ServiceId) Service
	// ServiceByIdString looks up a service based on the printed representation
	// of the service id. If the service cannot be found ServiceByIdString
	// returns nil.
	ServiceByIdString(ctx context.Context, str string) Service
	// SetService puts a service into SyscallData. This should only be called
	// once for each package_ and name pair. It returns the ServiceId for the
	// service named, creating a new one if necessary. The client flag should be
	// set to true only when the requesting party is a client. All services
	// should pass false here. This flag effectively means that the requester
	// (package_,name) does not to export their service to be ready to run. If
	// the bool result is false, then the pair already existed and we made no
	// changes to it. When there are as many services as there may be, it
	// returns nil and false.
	SetService(ctx context.Context, package_, name string, client bool) (Service, bool)
	// Export finds a service by the given sid and then marks that service as
	// being exported. This function returns nil if there is no such service.
	Export(ctx context.Context, svc id.ServiceId) Service
	// Import introduces a dendency between the sourge and dest services. Thus,
	// dest must be running before source can run. This function returns a
	// kernel error in two primary cases. 1. one of the src or destination could
	// not be found (NotFound). 2. The newly introduced edge would create a cycle
	// (DependencyCycle). An edge that is there already is
	// ServiceAlreadyRequired.
	Import(ctx context.Context, src, dest id.ServiceId) syscallpb.KernelErr
	// Launch blocks the caller until all the prerequistes have been launched. It
	// returns RunTimeout if it returned because of a timeout, NotFound if the
	// service id cannot be found, NotReady for a service that is no client's and
	// not exported, and otherwise NoError.
	Launch(context.Context, id.ServiceId) syscallpb.KernelErr
	// PathExists returns true if there is a sequence of dependency graph
	// vertices that eventually leads from source to target. They are named in
	// full, such as "greeting.v1.Greeting". From a service to itself there is none.
	PathExists(ctx context.Context, source, target string) bool
}

// syscallData implements [SyscallData]. What guests do is on behalf of the host
// in the context, see [asker]; without one, services and edges belong to nobody and
// stay.
type syscallData struct {
	limits *settings
	nonce  uint64 // tells its ids from those of other engines

	mu        sync.Mutex
	byName    map[serviceName]*service
	byID      map[id.ServiceId]*service
	lastID    uint64
	methods   int
	exitAsked atomic.Bool   // all guests were asked to end
	closed    bool          // the engine closes
	published chan struct{} // closed with the next change of who serves; nil: nobody waits

	fits    *comparisons         // of guests that call each other
	pending func(*CallInfo) bool // whether a call has no result yet
	hosts   func() []*hostInfo   // the guests that have registered
}

var _ SyscallData = (*syscallData)(nil)

func newSyscallData(limits *settings, fits *comparisons, pending func(*CallInfo) bool, hosts func() []*hostInfo) *syscallData {
	return &syscallData{
		limits: limits, fits: fits, nonce: id.New[id.ServiceKind]().High(), pending: pending, hosts: hosts,
		byName: map[serviceName]*service{}, byID: map[id.ServiceId]*service{},
	}
}

// asker is on whose behalf SyscallData works. It takes the reason of a refusal
// along, as a KernelErr has none.
type asker struct {
	host   *hostInfo
	single bool // it does nothing else while it waits
	reason string
	pinned []*service // stay known until the asker is done
}

type askerKey struct{}

// withAsker returns a context for calls of SyscallData on behalf of h. Give it to
// syscallData.done.
func withAsker(ctx context.Context, h *hostInfo) (context.Context, *asker) {
	a := &asker{host: h}
	return context.WithValue(ctx, askerKey{}, a), a
}

func askerOf(ctx context.Context) *asker {
	if a, ok := ctx.Value(askerKey{}).(*asker); ok {
		return a
	}
	return new(asker)
}

// because notes the reason of a refusal.
func because(ctx context.Context, reason string) { askerOf(ctx).reason = reason }

// done lets services go that nobody needs any longer.
func (d *syscallData) done(a *asker) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range a.pinned {
		s.pins--
		d.free(s)
	}
}

// free forgets a service that is not used.
func (d *syscallData) free(s *service) {
	if !s.unused() || d.byID[s.id] != s {
		return
	}
	delete(d.byID, s.id)
	delete(d.byName, s.name)
	if table := s.methods.Load(); table != nil {
		d.methods -= len(table.list)
	}
}

// ServiceByName implements [SyscallData].
func (d *syscallData) ServiceByName(_ context.Context, package_, name string) Service {
	d.mu.Lock()
	defer d.mu.Unlock()
	return orNil(d.byName[serviceName{package_, name}])
}

// ServiceById implements [SyscallData].
func (d *syscallData) ServiceById(_ context.Context, sid id.ServiceId) Service {
	d.mu.Lock()
	defer d.mu.Unlock()
	return orNil(d.byID[sid])
}

// orNil keeps a nil service from becoming an interface that is not nil.
func orNil(s *service) Service {
	if s == nil {
		return nil
	}
	return s
}

// ServiceByIdString implements [SyscallData].
func (d *syscallData) ServiceByIdString(ctx context.Context, str string) Service {
	sid, err := id.Parse[id.ServiceKind](str)
	if err != nil {
		return nil
	}
	return d.ServiceById(ctx, sid)
}

// SetService implements [SyscallData].
func (d *syscallData) SetService(ctx context.Context, package_, name string, client bool) (Service, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	full := serviceName{package_, name}
	s := d.byName[full]
	added := s == nil
	if added {
		if s = d.add(full, client); s == nil {
			because(ctx, tooManyServices)
			return nil, false
		}
	}
	if a := askerOf(ctx); a.host != nil {
		a.pinned = append(a.pinned, s)
		s.pins++
	} else if added {
		s.pins++
	}
	return s, added
}

const tooManyServices = "the engine knows as many services as it may"

// add returns a new service, or nil when there are as many as there may be.
func (d *syscallData) add(name serviceName, client bool) *service {
	if len(d.byName) >= d.limits.maxServices {
		return nil
	}
	d.lastID++
	s := &service{data: d, id: id.From[id.ServiceKind](d.nonce, d.lastID), name: name, client: client}
	d.byName[name], d.byID[s.id] = s, s
	return s
}

// Export implements [SyscallData]. When guests of another entry export the
// service, it changes nothing.
func (d *syscallData) Export(ctx context.Context, sid id.ServiceId) Service {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.byID[sid]
	if s == nil {
		return nil
	}
	h := askerOf(ctx).host
	switch {
	case h == nil:
	case h.left, h.exited, s.takenFrom(h) != "", slices.Contains(s.exporters, h), d.uncompared(h, s) != nil:
		return s
	default:
		s.exporters = append(slices.Clone(s.exporters), h)
		for _, m := range h.registration(s).bound {
			m.bound.Store(true)
		}
	}
	s.exported = true
	return s
}

// Launch implements [SyscallData].
func (d *syscallData) Launch(ctx context.Context, sid id.ServiceId) syscallpb.KernelErr {
	d.mu.Lock()
	s, h := d.byID[sid], askerOf(ctx).host
	over := d.closed || h != nil && h.left
	d.mu.Unlock()
	switch {
	case s == nil && over:
		because(ctx, "the guest, or the engine, has ended meanwhile")
		return syscallpb.KernelErr_ChannelClosed
	case s == nil:
		return syscallpb.KernelErr_NotFound
	}
	for {
		if code := s.Run(ctx); code != syscallpb.KernelErr_NoError {
			return code
		}
		// Something may have ended since.
		if code, ok := d.start(ctx, s); ok {
			return code
		}
	}
}

// start starts s, unless something that it requires is missing: then ok is false.
func (d *syscallData) start(ctx context.Context, s *service) (code syscallpb.KernelErr, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	h := askerOf(ctx).host
	switch {
	case s.missing(h) != nil:
		return 0, false
	case h != nil && h.left:
		return syscallpb.KernelErr_ChannelClosed, true
	case !s.client && (!s.exported || h != nil && !slices.Contains(s.exporters, h)):
		because(ctx, "the guest does not export "+s.name.String()+": call Export first")
		return syscallpb.KernelErr_NotReady, true
	}
	if h != nil && !slices.Contains(s.launched, h) {
		s.launched = append(s.launched, h)
		h.registration(s).launched = true
		s.publish()
	}
	s.started = true
	for _, e := range s.requiredBy {
		e.src.wake(syscallpb.KernelErr_NoError, "")
	}
	return syscallpb.KernelErr_NoError, true
}

// waiter is a call of Run that waits, or one of the host for who serves it.
type waiter struct {
	host   *hostInfo // nil when nobody asked
	wake   chan struct{}
	code   syscallpb.KernelErr // why it is woken, set before wake is closed
	reason string
}

// wake wakes all that wait in Run of s. They look again, or end with the code.
func (s *service) wake(code syscallpb.KernelErr, reason string) {
	for _, w := range s.waiting {
		s.end(w, code, reason)
	}
	s.waiting = nil
}

func (s *service) end(w *waiter, code syscallpb.KernelErr, reason string) {
	if w.host != nil && w.host.launching == s {
		w.host.launching = nil
	}
	w.code, w.reason = code, reason
	close(w.wake)
}

// await returns a waiter that is woken when something changes for s, or nil when
// there is nothing to wait for.
func (d *syscallData) await(ctx context.Context, s *service) (*waiter, syscallpb.KernelErr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	a := askerOf(ctx)
	h := a.host
	switch {
	case d.closed || h != nil && h.left:
		return nil, syscallpb.KernelErr_ChannelClosed
	case d.exitAsked.Load():
		return nil, syscallpb.KernelErr_AbortRequest
	case s.missing(h) == nil:
		return nil, syscallpb.KernelErr_NoError
	}
	w := &waiter{host: h, wake: make(chan struct{})}
	s.waiting = append(s.waiting, w)
	if h == nil || !h.singleFlight.Load() && !a.single {
		return w, syscallpb.KernelErr_NoError
	}
	h.launching = s
	if ring := d.ring(h); ring != "" {
		d.remove(s, w)
		because(ctx, ring)
		return nil, syscallpb.KernelErr_DependencyCycle
	}
	return w, syscallpb.KernelErr_NoError
}

// stopWaiting ends a wait that took too long, and notes what was missing.
func (d *syscallData) stopWaiting(ctx context.Context, s *service, w *waiter) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.remove(s, w)
	if m := s.missing(w.host); m != nil {
		because(ctx, s.name.String()+" requires "+m.name.String()+", which has not started")
	}
}

func (d *syscallData) remove(s *service, w *waiter) {
	s.waiting = slices.DeleteFunc(s.waiting, func(o *waiter) bool { return o == w })
	if w.host != nil && w.host.launching == s {
		w.host.launching = nil
	}
}

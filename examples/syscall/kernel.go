//go:build !wasip1

package syscall

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/iansmith/parigot/internal/contract"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/id"
	"github.com/iansmith/parigot/pluginsdk/status"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

const (
	// clientPackage is the package of the services that stand for clients. No
	// proto package can have this name.
	clientPackage = "@guest"
	// longestName bounds the names of packages, services and methods, in bytes.
	longestName = 512
)

// kernel is what the guests of one engine share. Locks are taken in this order: that
// of syscallData, that of a call's seat, and one of those of the other parts.
type kernel struct {
	settings
	log *slog.Logger

	hosts   *hostFinder
	data    *syscallData
	matcher *callMatcher
	native  *hostInfo // the host itself, as a caller
	fits    comparisons
	lastID  atomic.Uint64
}

func newKernel(s settings, log *slog.Logger) *kernel {
	k := &kernel{settings: s, log: log}
	k.hosts = newHostFinder(&k.settings, k.notRead)
	k.matcher = newCallMatcher(k.hosts)
	k.data = newSyscallData(&k.settings, &k.fits, k.pending, k.hosts.all)
	k.native = new(hostInfo)
	k.native.init(&k.settings, k.notRead)
	return k
}

// registration says that a guest acts as a service.
type registration struct {
	service  *service
	bound    []*method
	launched bool
}

// registration returns how h acts as s, or nil.
func (h *hostInfo) registration(s *service) *registration {
	for _, r := range h.registrations {
		if r.service == s {
			return r
		}
	}
	return nil
}

// refuse makes an error of what a part of the kernel returned and why.
func refuse(code syscallpb.KernelErr, reason string) error {
	return status.Error(code, reason)
}

// host returns the guest that makes the call.
func (k *kernel) host(c eng.Caller) (*hostInfo, error) {
	if h := k.hosts.FindById(c.ID); h != nil {
		return h, nil
	}
	if c.ID.IsZero() {
		return nil, status.Error(status.FailedPrecondition, "only guests can call the kernel: native code has no identity")
	}
	if err := k.data.open(); errors.Is(err, status.Of(syscallpb.KernelErr_ChannelClosed)) {
		return nil, err
	}
	return nil, refuse(syscallpb.KernelErr_BadId, "the guest is not registered: call Register first")
}

// register makes the caller known and has it act as a service.
func (k *kernel) register(ctx context.Context, c eng.Caller, g *eng.Grants, req *syscallpb.RegisterRequest) (id.ServiceId, error) {
	name, err := registeredName(c, req)
	if err != nil {
		return id.ServiceId{}, err
	}
	if !req.GetIsClient() && !g.MayServe(name.String()) {
		return id.ServiceId{}, status.Errorf(status.PermissionDenied, "the host does not let the guest %s serve %s", c.Name, name)
	}
	if err := k.data.open(); err != nil {
		return id.ServiceId{}, err
	}
	h, err := k.enter(c)
	if err != nil {
		return id.ServiceId{}, err
	}
	ctx, a := withAsker(ctx, h)
	defer k.data.done(a)
	s, _ := k.data.SetService(ctx, name.pkg, name.short, req.GetIsClient())
	if s == nil {
		return id.ServiceId{}, refuse(syscallpb.KernelErr_NamespaceExhausted, a.reason)
	}
	if err := k.data.register(h, g, eng.ContractOf(ctx), s.Id(), req.GetSingleFlight()); err != nil {
		return id.ServiceId{}, err
	}
	return s.Id(), nil
}

// enter adds the caller to the hosts, unless it is there.
func (k *kernel) enter(c eng.Caller) (*hostInfo, error) {
	if c.ID.IsZero() || c.Name == "" {
		return k.host(eng.Caller{})
	}
	if h := k.hosts.FindById(c.ID); h != nil {
		return h, nil
	}
	if code := k.hosts.AddHost(c.Name, c.ID); code != syscallpb.KernelErr_NoError && code != syscallpb.KernelErr_BadId {
		return nil, refuse(code, "as many guests are registered as may be")
	}
	return k.host(c)
}

// registeredName returns the name of the service that req wants to be.
func registeredName(c eng.Caller, req *syscallpb.RegisterRequest) (serviceName, error) {
	if req.GetIsClient() {
		if req.GetPackageName() != "" || req.GetServiceName() != "" {
			return serviceName{}, refuse(syscallpb.KernelErr_BadId, "a client registers without a name: it stands for the guest itself")
		}
		return serviceName{clientPackage, c.Name}, nil
	}
	return checkName(req.GetPackageName(), req.GetServiceName())
}

// checkName wants a name that a service of a proto file can have.
func checkName(pkg, short string) (serviceName, error) {
	ok := len(pkg)+len(short) < longestName && protoreflect.Name(short).IsValid() &&
		(pkg == "" || protoreflect.FullName(pkg).IsValid())
	if !ok {
		return serviceName{}, refuse(syscallpb.KernelErr_BadId, "no service can have this name")
	}
	return serviceName{strings.Clone(pkg), strings.Clone(short)}, nil
}

// open reports why nothing new may begin, if so.
func (d *syscallData) open() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closed:
		return refuse(syscallpb.KernelErr_ChannelClosed, "the engine is closed")
	case d.exitAsked.Load():
		return refuse(syscallpb.KernelErr_AbortRequest, "all guests were asked to end")
	}
	return nil
}

// register has h act as a service. Doing it again changes nothing. It is decided
// here whether h comes before all are asked to end, and is asked, or after that.
func (d *syscallData) register(h *hostInfo, g *eng.Grants, c *contract.Contract, sid id.ServiceId, singleFlight bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	h.grants, h.contract = g, c
	h.singleFlight.CompareAndSwap(false, singleFlight)
	s := d.byID[sid]
	switch {
	case d.exitAsked.Load():
		return refuse(syscallpb.KernelErr_AbortRequest, "all guests were asked to end")
	case h.left:
		return refuse(syscallpb.KernelErr_ChannelClosed, "the guest has ended")
	case h.registration(s) != nil:
		return nil
	case h.services >= d.limits.maxGuestServices:
		return refuse(syscallpb.KernelErr_NamespaceExhausted, "the guest registers and requires as many services as it may")
	}
	h.services++
	h.registrations = append(h.registrations, &registration{service: s})
	s.registered++
	return nil
}

// own returns how h acts as a service that it names.
func (d *syscallData) own(h *hostInfo, sid id.ServiceId) (*registration, error) {
	if s := d.byID[sid]; s != nil {
		if r := h.registration(s); r != nil {
			return r, nil
		}
	}
	return nil, refuse(syscallpb.KernelErr_BadId, "the guest has not registered this service")
}

// bind gives an id to a method.
func (k *kernel) bind(h *hostInfo, sid id.ServiceId, name string) (id.MethodId, error) {
	d := k.data
	d.mu.Lock()
	defer d.mu.Unlock()
	r, err := d.own(h, sid)
	if err != nil {
		return id.MethodId{}, err
	}
	s := r.service
	switch {
	case s.client || len(name) > longestName || !protoreflect.Name(name).IsValid():
		return id.MethodId{}, refuse(syscallpb.KernelErr_BadId, "no method of this service can have this name")
	case s.takenFrom(h) != "":
		return id.MethodId{}, refuse(syscallpb.KernelErr_ServiceAlreadyClosedOrExported, s.takenFrom(h))
	}
	m := s.methodByName(name)
	if m != nil && slices.Contains(r.bound, m) {
		return m.id, nil
	}
	if h.methods >= k.maxGuestMethods || m == nil && d.methods >= k.maxMethods {
		return id.MethodId{}, refuse(syscallpb.KernelErr_NamespaceExhausted, "as many methods are bound as may be")
	}
	if m == nil {
		mid := id.From[id.MethodKind](sid.Low(), k.lastID.Add(1))
		s.addMethod(strings.Clone(name), mid)
		m = s.method(mid)
	}
	h.methods++
	r.bound = append(r.bound, m)
	if slices.Contains(s.exporters, h) {
		m.bound.Store(true)
	}
	return m.id, nil
}

// takenFrom returns who exports s, when that is another entry than h's, and "".
func (s *service) takenFrom(h *hostInfo) string {
	if len(s.exporters) == 0 || s.exporters[0].name == h.name {
		return ""
	}
	return s.name.String() + " is exported by the guest " + s.exporters[0].name
}

// export says that h implements a service.
func (k *kernel) export(ctx context.Context, h *hostInfo, sid id.ServiceId) error {
	if err := k.data.open(); err != nil {
		return err
	}
	if err := k.data.mayExport(h, sid); err != nil {
		return err
	}
	ctx, a := withAsker(ctx, h)
	defer k.data.done(a)
	for {
		if err := k.fitsCallers(h, sid); err != nil {
			return err
		}
		if k.data.Export(ctx, sid) == nil {
			return refuse(syscallpb.KernelErr_BadId, "the guest has not registered this service")
		}
		// Another entry may have been faster, or a caller.
		if err := k.data.mayExport(h, sid); err != nil || k.data.exports(h, sid) {
			return err
		}
	}
}

func (d *syscallData) exports(h *hostInfo, sid id.ServiceId) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.byID[sid]
	return s == nil || h.left || slices.Contains(s.exporters, h)
}

func (d *syscallData) mayExport(h *hostInfo, sid id.ServiceId) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	r, err := d.own(h, sid)
	switch {
	case err != nil:
		return err
	case r.service.client:
		return refuse(syscallpb.KernelErr_BadId, "a client exports nothing")
	case h.exited:
		return refuse(syscallpb.KernelErr_ServiceAlreadyClosedOrExported, "the guest has left with Exit, and serves nothing any more")
	case r.service.takenFrom(h) != "":
		return refuse(syscallpb.KernelErr_ServiceAlreadyClosedOrExported, r.service.takenFrom(h))
	}
	return nil
}

// require says that a service of h needs others: all of them, or an error.
func (k *kernel) require(ctx context.Context, h *hostInfo, source id.ServiceId, dest []*syscallpb.FullyQualifiedService) error {
	if err := k.data.open(); err != nil {
		return err
	}
	ctx, a := withAsker(ctx, h)
	defer k.data.done(a)
	src, err := k.data.mayRequire(h, source, dest)
	if err != nil {
		return err
	}
	var added []*service
	for _, name := range dest {
		s, err := k.requireOne(ctx, a, source, name)
		if err != nil {
			k.data.undo(h, src, added)
			return err
		}
		added = append(added, s)
	}
	return k.data.keep(h, src, added)
}

func (k *kernel) requireOne(ctx context.Context, a *asker, source id.ServiceId, name *syscallpb.FullyQualifiedService) (*service, error) {
	full, err := checkName(name.GetPackageName(), name.GetServiceName())
	if err != nil {
		return nil, err
	}
	dest, _ := k.data.SetService(ctx, full.pkg, full.short, false)
	if dest == nil {
		return nil, refuse(syscallpb.KernelErr_NamespaceExhausted, a.reason)
	}
	if code := k.data.Import(ctx, source, dest.Id()); code != syscallpb.KernelErr_NoError {
		return nil, refuse(code, a.reason)
	}
	s, _ := dest.(*service)
	return s, nil
}

func (d *syscallData) mayRequire(h *hostInfo, source id.ServiceId, dest []*syscallpb.FullyQualifiedService) (*service, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r, err := d.own(h, source)
	if err != nil {
		return nil, err
	}
	for _, name := range dest {
		if full := fullName(name); !h.grants.MayFind(full) {
			return nil, status.Errorf(status.PermissionDenied, "the host does not let the guest %s call %s", h.name, full)
		}
	}
	if more := len(dest); h.services+more > d.limits.maxGuestServices {
		return nil, refuse(syscallpb.KernelErr_NamespaceExhausted, "the guest would register and require more services than it may")
	}
	return r.service, nil
}

func (d *syscallData) undo(h *hostInfo, src *service, added []*service) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range added {
		d.unimport(h, src, s)
	}
}

// keep counts what h requires. A guest that has ended meanwhile requires nothing.
func (d *syscallData) keep(h *hostInfo, src *service, added []*service) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !h.left {
		h.services += len(added)
		return nil
	}
	for _, s := range added {
		d.unimport(h, src, s)
	}
	return refuse(syscallpb.KernelErr_ChannelClosed, "the guest has ended")
}

// launch waits for what a service of h requires, and starts it. h does nothing else
// meanwhile if it says so with single.
func (k *kernel) launch(ctx context.Context, h *hostInfo, sid id.ServiceId, single bool) error {
	d := k.data
	d.mu.Lock()
	r, err := d.own(h, sid)
	exported := err == nil && (r.service.client || slices.Contains(r.service.exporters, h))
	d.mu.Unlock()
	switch {
	case err != nil:
		return err
	case !exported:
		return refuse(syscallpb.KernelErr_NotReady, "the guest does not export the service: call Export first")
	}
	limited, cancel := context.WithTimeout(ctx, k.launchTimeout)
	defer cancel()
	limited, a := withAsker(limited, h)
	a.single = single
	defer d.done(a)
	code := d.Launch(limited, sid)
	switch {
	case code == syscallpb.KernelErr_NoError:
		return nil
	case code == syscallpb.KernelErr_DependencyCycle:
		k.log.WarnContext(ctx, "guests wait for each other", "guest", h.name, "ring", a.reason)
	case code == syscallpb.KernelErr_RunTimeout && errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	}
	return refuse(code, a.reason)
}

//go:build !wasip1

package syscall

import (
	"context"
	"slices"
	"sync/atomic"

	"github.com/iansmith/parigot/pluginsdk/id"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

// Service is the logical representation of a service. This is used internally
// and is not intended for external use.
//
// All guests that register one package and name share it. Its methods are safe
// for concurrent use.
type Service interface {
	// Id returns the id of the service.
	Id() id.ServiceId
	// Name returns a human readable name of the service.
	Name() string
	// Package returns the package name (not the proto package name) of the
	// service: what its guests registered it with, which generated code takes from
	// the proto file.
	Package() string
	// Short returns a nice-to-read version of the service's id.
	Short() string
	// String returns the full id of the service.
	String() string
	// RunRequested returns true if the service has requested to run, but its
	// dependencies are not yet satisfied. Once they are met, the service can
	// start and the Started() method will return true.
	RunRequested() bool
	// Started returns true if the service has started.
	Started() bool
	// Exported returns true if some service provider has said that they
	// implement this service.
	Exported() bool
	// Method returns all the pairs of MethodName and MethodId for a service
	// known to the SyscallData. You provide the service to this method to know
	// which set of pairs you want.
	Method() []*syscallpb.MethodBinding
	// AddMethod is called by the syscall bind method to add a given name/id
	// pair to this service. A name or an id that the service has already is
	// ignored.
	AddMethod(string, id.MethodId)
	// Run is badly named. This really means "block until everything I need is
	// ready." It returns RunTimeout when the context ends first, AbortRequest
	// when all guests are asked to end and ChannelClosed when the engine closes.
	Run(context.Context) syscallpb.KernelErr
}

// service implements [Service].
type service struct {
	data   *syscallData
	id     id.ServiceId
	name   serviceName
	client bool

	// Guarded by the lock of data.
	pins       int // calls of the kernel that are at work with it
	registered int // guests that have registered it
	exported   bool
	exporters  []*hostInfo // all of one entry
	started    bool
	launched   []*hostInfo // guests that have launched it
	waiting    []*waiter   // calls of Run that wait
	awaited    []*waiter   // calls of the host that wait until somebody serves it
	requires   []*edge
	requiredBy []*edge

	// What a call looks at. Neither is changed, only exchanged.
	ready   atomic.Pointer[[]*hostInfo] // who gets calls
	methods atomic.Pointer[methodTable]
	turn    atomic.Uint32 // whose turn it is
}

var _ Service = (*service)(nil)

type serviceName struct{ pkg, short string }

func (n serviceName) String() string {
	if n.pkg == "" {
		return n.short
	}
	return n.pkg + "." + n.short
}

// methodTable holds the methods of a service, which keep their ids as long as
// the service is known.
type methodTable struct {
	list []*method
	byID map[id.MethodId]*method
}

type method struct {
	id    id.MethodId
	name  string
	bound atomic.Bool // those who export the service have it
}

// Id implements [Service].
func (s *service) Id() id.ServiceId { return s.id }

// Name implements [Service].
func (s *service) Name() string { return s.name.short }

// Package implements [Service].
func (s *service) Package() string { return s.name.pkg }

// Short implements [Service].
func (s *service) Short() string { return s.id.Short() }

// String implements [Service].
func (s *service) String() string { return s.id.String() }

// RunRequested implements [Service].
func (s *service) RunRequested() bool {
	s.data.mu.Lock()
	defer s.data.mu.Unlock()
	return !s.started && len(s.waiting) > 0
}

// Started implements [Service].
func (s *service) Started() bool {
	s.data.mu.Lock()
	defer s.data.mu.Unlock()
	return s.started
}

// Exported implements [Service].
func (s *service) Exported() bool {
	s.data.mu.Lock()
	defer s.data.mu.Unlock()
	return s.exported
}

// Method implements [Service].
func (s *service) Method() []*syscallpb.MethodBinding {
	table := s.methods.Load()
	if table == nil {
		return nil
	}
	bindings := make([]*syscallpb.MethodBinding, len(table.list))
	for i, m := range table.list {
		bindings[i] = &syscallpb.MethodBinding{MethodName: m.name, MethodId: m.id.Proto()}
	}
	return bindings
}

// AddMethod implements [Service].
func (s *service) AddMethod(name string, mid id.MethodId) {
	s.data.mu.Lock()
	defer s.data.mu.Unlock()
	s.addMethod(name, mid)
}

func (s *service) addMethod(name string, mid id.MethodId) {
	next := &methodTable{byID: map[id.MethodId]*method{}}
	if table := s.methods.Load(); table != nil {
		next.list = slices.Clone(table.list)
	}
	for _, m := range next.list {
		if m.name == name || m.id == mid {
			return
		}
		next.byID[m.id] = m
	}
	m := &method{id: mid, name: name}
	next.list, next.byID[mid] = append(next.list, m), m
	s.methods.Store(next)
	s.data.methods++
}

func (s *service) methodByName(name string) *method {
	if table := s.methods.Load(); table != nil {
		for _, m := range table.list {
			if m.name == name {
				return m
			}
		}
	}
	return nil
}

func (s *service) method(mid id.MethodId) *method {
	if table := s.methods.Load(); table != nil {
		return table.byID[mid]
	}
	return nil
}

// Run implements [Service].
func (s *service) Run(ctx context.Context) syscallpb.KernelErr {
	for {
		w, code := s.data.await(ctx, s)
		if w == nil {
			return code
		}
		select {
		case <-w.wake:
		case <-ctx.Done():
			s.data.stopWaiting(ctx, s, w)
			return syscallpb.KernelErr_RunTimeout
		}
		if w.code != syscallpb.KernelErr_NoError {
			because(ctx, w.reason)
			return w.code
		}
	}
}

// missing returns a service that s requires for h, see needed, and that has not
// started, or nil.
func (s *service) missing(h *hostInfo) *service {
	for _, e := range s.requires {
		if !e.dest.started && e.needed(h) {
			return e.dest
		}
	}
	return nil
}

// unused reports whether nobody refers to s any longer.
func (s *service) unused() bool {
	return s.pins == 0 && s.registered == 0 && len(s.requires) == 0 && len(s.requiredBy) == 0 && len(s.awaited) == 0
}

// publish lets calls see who gets them: those who have launched s, which they can
// only when they export it. Nobody calls a client.
func (s *service) publish() {
	ready := slices.Clone(s.launched)
	s.ready.Store(&ready)
	if s.data.published != nil {
		close(s.data.published)
		s.data.published = nil
	}
	if len(ready) > 0 {
		s.wakeHost(syscallpb.KernelErr_NoError, "")
	}
}

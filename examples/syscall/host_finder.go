//go:build !wasip1

package syscall

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/iansmith/parigot/internal/contract"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/id"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

// HostFinder returns information about a host in the format used by the syscall
// struct. It is convention to use the fully qualified name of the service for
// the name.
//
// A host is a running guest. The kernel adds it under the name that it was
// compiled under, so the convention is kept by who compiles: a guest that serves
// greeting.v1.Greeting is best compiled as "greeting.v1.Greeting". Several hosts
// of one name are replicas.
type HostFinder interface {
	// FindByName finds the correct host by the name field. If the name cannot
	// be found, it returns nil. Of several it finds the one that was added
	// first.
	FindByName(name string) *hostInfo
	// FindById finds the correct host by the id field. If the id cannot be
	// found it returns nil.
	FindById(id id.HostId) *hostInfo
	// AddHost is used to add a record to the set of hosts that are known. This
	// call will panic if either the name or id is not set. It returns BadId for
	// an id that is known already, and NamespaceExhausted when there are as many
	// hosts as there may be.
	AddHost(name string, hid id.HostId) syscallpb.KernelErr
}

// hostInfo is what the kernel knows of one running guest. One without id and name
// stands for the host, which is none of the hosts that are found: it only calls.
type hostInfo struct {
	id   id.HostId
	name string

	// What the guest has said of itself, guarded by the lock of syscallData.
	grants        *eng.Grants        // nil: it may do everything
	contract      *contract.Contract // what it was built for, nil: it does not say
	registrations []*registration
	services      int         // how many it registers and requires
	methods       int         // how many it has bound
	exited        bool        // it has called Exit: it serves nothing any more
	left          bool        // it has ended
	singleFlight  atomic.Bool // see ring.go; read without the lock, too
	launching     *service    // what a single-flight guest waits for in Launch
	deafOn        *CallInfo   // what a single-flight guest waits for in Call

	// located are the services that it may call. The map is never changed, only
	// exchanged, so that a call needs no lock to look.
	located atomic.Pointer[map[id.ServiceId]link]

	inbox
}

// label names the caller to people.
func (h *hostInfo) label() string {
	if h.id.IsZero() {
		return "the host"
	}
	return h.name
}

// hostFinder implements [HostFinder].
type hostFinder struct {
	limits *settings
	late   func(*CallInfo) // see inbox

	mu     sync.RWMutex
	byID   map[id.HostId]*hostInfo
	byName map[string][]*hostInfo
}

var _ HostFinder = (*hostFinder)(nil)

func newHostFinder(limits *settings, late func(*CallInfo)) *hostFinder {
	return &hostFinder{limits: limits, late: late, byID: map[id.HostId]*hostInfo{}, byName: map[string][]*hostInfo{}}
}

// FindByName implements [HostFinder].
func (f *hostFinder) FindByName(name string) *hostInfo {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if replicas := f.byName[name]; len(replicas) > 0 {
		return replicas[0]
	}
	return nil
}

// FindById implements [HostFinder].
func (f *hostFinder) FindById(hid id.HostId) *hostInfo {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.byID[hid]
}

// AddHost implements [HostFinder].
func (f *hostFinder) AddHost(name string, hid id.HostId) syscallpb.KernelErr {
	if name == "" || hid.IsZero() {
		panic("syscall: AddHost needs a name and an id") //nolint:forbidigo // documented: only a bug of the kernel gets here
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.byID[hid] != nil:
		return syscallpb.KernelErr_BadId
	case len(f.byID) >= f.limits.maxHosts:
		return syscallpb.KernelErr_NamespaceExhausted
	}
	h := &hostInfo{id: hid, name: name}
	h.init(f.limits, f.late)
	f.byID[hid] = h
	f.byName[name] = append(f.byName[name], h)
	return syscallpb.KernelErr_NoError
}

// remove forgets a host, and returns how many are left.
func (f *hostFinder) remove(h *hostInfo) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.byID[h.id] == h {
		delete(f.byID, h.id)
		f.byName[h.name] = slices.DeleteFunc(f.byName[h.name], func(o *hostInfo) bool { return o == h })
		if len(f.byName[h.name]) == 0 {
			delete(f.byName, h.name)
		}
	}
	return len(f.byID)
}

// all returns the hosts in no particular order.
func (f *hostFinder) all() []*hostInfo {
	f.mu.RLock()
	defer f.mu.RUnlock()
	hosts := make([]*hostInfo, 0, len(f.byID))
	for _, h := range f.byID {
		hosts = append(hosts, h)
	}
	return hosts
}

//go:build !wasip1

package syscall

import (
	"sync"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/iansmith/parigot/pluginsdk/id"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

// CallMatcher is an internal data structure object that connects calls to
// Dispatch (the call) with the response which are created by ReturnValue
// requests.
//
// A call is here from when its caller goes on without the result, which takes a
// moment, until it is resolved. Most calls are answered before, and never come
// here.
//
// A call has one response, whoever tries to give it one: the guest that
// answers, or the end of either side.
type CallMatcher interface {
	// Response is called when a return value is being processed. Any value that
	// is returned is NOT from the execution but from the Response call itself.
	// Be aware that the Response call is likely to be from a different host
	// than the original Dispatch call. It returns BadCallId for a call that is
	// unknown or has had its response.
	Response(cid id.CallId, a *anypb.Any, err int32) syscallpb.KernelErr
	// Dispatch creates the necessary entries to handle a future call to
	// Response. The value returned is related to the Dispatch itself, it is not
	// related to the execution of the call being registered. It returns BadId for
	// an unknown host and BadCallId for a call that is registered already.
	Dispatch(hid id.HostId, cid id.CallId) syscallpb.KernelErr
	// Ready returns a resolved call or nil if no Promises are resolved for the
	// given host. Each is returned once, in the order of the responses. It
	// returns BadId for an unknown host.
	Ready(hid id.HostId) (*syscallpb.ResolvedCall, syscallpb.KernelErr)
}

// callMatcher implements [CallMatcher]. Whoever takes a promise out of the map
// is the one who resolves it.
type callMatcher struct {
	hosts HostFinder

	mu       sync.Mutex
	promises map[id.CallId]*promise
	resolved map[id.HostId][]*syscallpb.ResolvedCall // in the order of the responses
}

var _ CallMatcher = (*callMatcher)(nil)

// promise is a call that has no result yet.
type promise struct {
	host id.HostId // the guest that waits for it
	call syscallpb.ResolvedCall
}

func newCallMatcher(hosts HostFinder) *callMatcher {
	return &callMatcher{hosts: hosts, promises: map[id.CallId]*promise{}, resolved: map[id.HostId][]*syscallpb.ResolvedCall{}}
}

// Dispatch implements [CallMatcher].
func (m *callMatcher) Dispatch(hid id.HostId, cid id.CallId) syscallpb.KernelErr {
	if m.hosts.FindById(hid) == nil {
		return syscallpb.KernelErr_BadId
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if cid.IsZero() || m.promises[cid] != nil {
		return syscallpb.KernelErr_BadCallId
	}
	p := &promise{host: hid}
	p.call.CallId = cid.Proto()
	m.promises[cid] = p
	return syscallpb.KernelErr_NoError
}

// Response implements [CallMatcher].
func (m *callMatcher) Response(cid id.CallId, a *anypb.Any, err int32) syscallpb.KernelErr {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.promises[cid]
	if p == nil {
		return syscallpb.KernelErr_BadCallId
	}
	delete(m.promises, cid)
	p.call.Result, p.call.ResultError = a, err
	m.resolved[p.host] = append(m.resolved[p.host], &p.call)
	return syscallpb.KernelErr_NoError
}

// Ready implements [CallMatcher].
func (m *callMatcher) Ready(hid id.HostId) (*syscallpb.ResolvedCall, syscallpb.KernelErr) {
	if call := m.firstOf(hid); call != nil {
		return call, syscallpb.KernelErr_NoError
	}
	if m.hosts.FindById(hid) == nil {
		return nil, syscallpb.KernelErr_BadId
	}
	return nil, syscallpb.KernelErr_NoError
}

// firstOf takes the first result of a host. It is nil if there is none.
func (m *callMatcher) firstOf(hid id.HostId) *syscallpb.ResolvedCall {
	m.mu.Lock()
	defer m.mu.Unlock()
	calls := m.resolved[hid]
	if len(calls) == 0 {
		return nil
	}
	if len(calls) == 1 {
		delete(m.resolved, hid)
	} else {
		m.resolved[hid] = calls[1:]
	}
	return calls[0]
}

// drop forgets a call without a response. It is false when the call has had its
// response.
func (m *callMatcher) drop(cid id.CallId) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.promises[cid]
	delete(m.promises, cid)
	return ok
}

// pending reports whether the call has no response yet.
func (m *callMatcher) pending(cid id.CallId) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.promises[cid] != nil
}

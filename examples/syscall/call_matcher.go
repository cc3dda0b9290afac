//go:build !wasip1

package syscall

import (
	"sync"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/iansmith/parigot/pluginsdk/id"
	"github.com/iansmith/parigot/pluginsdk/parigotpb"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

// CallMatcher is an internal data structure object that connects calls to
// Dispatch (the call) with the response which are created by ReturnValue
// requests.
//
// A call has one response, whoever tries to give it one: the guest that
// answers, its deadline, or the end of either side.
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
}

var _ CallMatcher = (*callMatcher)(nil)

// promise is a call that has no result yet.
type promise struct {
	host  *hostInfo                    // the guest that waits for it
	reply chan *syscallpb.ResolvedCall // where its Call waits for it, which has room for one; nil: ReadOne has it
	call  syscallpb.ResolvedCall
	key   parigotpb.Id
}

func (p *promise) resolve(a *anypb.Any, err int32) {
	p.call.Result, p.call.ResultError = a, err
	if p.reply != nil {
		p.reply <- &p.call
		return
	}
	p.host.pushResult(&p.call)
}

func newCallMatcher(hosts HostFinder) *callMatcher {
	return &callMatcher{hosts: hosts, promises: map[id.CallId]*promise{}}
}

// Dispatch implements [CallMatcher].
func (m *callMatcher) Dispatch(hid id.HostId, cid id.CallId) syscallpb.KernelErr {
	h := m.hosts.FindById(hid)
	if h == nil {
		return syscallpb.KernelErr_BadId
	}
	return m.expect(cid, &promise{host: h})
}

// expect registers a call whose result goes where p says.
func (m *callMatcher) expect(cid id.CallId, p *promise) syscallpb.KernelErr {
	p.key.High, p.key.Low = cid.High(), cid.Low()
	p.call.CallId = &p.key
	m.mu.Lock()
	defer m.mu.Unlock()
	if cid.IsZero() || m.promises[cid] != nil {
		return syscallpb.KernelErr_BadCallId
	}
	m.promises[cid] = p
	return syscallpb.KernelErr_NoError
}

// Response implements [CallMatcher].
func (m *callMatcher) Response(cid id.CallId, a *anypb.Any, err int32) syscallpb.KernelErr {
	p := m.take(cid)
	if p == nil {
		return syscallpb.KernelErr_BadCallId
	}
	p.resolve(a, err)
	return syscallpb.KernelErr_NoError
}

// Ready implements [CallMatcher].
func (m *callMatcher) Ready(hid id.HostId) (*syscallpb.ResolvedCall, syscallpb.KernelErr) {
	h := m.hosts.FindById(hid)
	if h == nil {
		return nil, syscallpb.KernelErr_BadId
	}
	return h.takeResult(), syscallpb.KernelErr_NoError
}

// drop forgets a call without a response. It is false when the call has had its
// response.
func (m *callMatcher) drop(cid id.CallId) bool { return m.take(cid) != nil }

func (m *callMatcher) take(cid id.CallId) *promise {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.promises[cid]
	delete(m.promises, cid)
	return p
}

// pending reports whether the call has no response yet.
func (m *callMatcher) pending(cid id.CallId) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.promises[cid] != nil
}

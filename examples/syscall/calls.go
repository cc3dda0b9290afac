//go:build !wasip1

package syscall

import (
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/iansmith/parigot/pluginsdk/id"
	"github.com/iansmith/parigot/pluginsdk/status"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

// route sends a call to the first guest that serves s and has room. It is
// refusedGone when nobody serves s now.
func (k *kernel) route(s *service, c *call) (*CallInfo, accept, error) {
	ready := s.ready.Load()
	if ready == nil {
		return nil, refusedGone, nil
	}
	full, replicas, turn := false, *ready, int(s.turn.Add(1))
	for i := range replicas {
		target := replicas[(turn+i)%len(replicas)]
		ci := newCallInfo(k.callID(k.lastID.Add(1)), c, target)
		if c.depth > k.maxCallDepth {
			return nil, refusedGone, k.tooDeep(ci)
		}
		switch taken, err := k.send(ci); {
		case err != nil:
			return nil, refusedGone, err
		case taken == accepted:
			return ci, accepted, nil
		case taken == refusedFull:
			full = true
		}
	}
	switch {
	case full:
		return nil, refusedFull, status.Errorf(status.ResourceExhausted, "%s has as many calls waiting as it may", s.name)
	case s.ready.Load() != ready:
		return k.route(s, c) // others may have taken their place
	}
	return nil, refusedGone, nil
}

// callee checks what a call names.
func (k *kernel) callee(h *hostInfo, mid id.MethodId, size int) (*service, error) {
	s := h.service(id.From[id.ServiceKind](k.data.nonce, mid.High()))
	if s.service == nil {
		return nil, refuse(syscallpb.KernelErr_NotRequired, "the guest has not located this service: call Locate first")
	}
	m := s.method(mid)
	switch {
	case m == nil:
		return nil, refuse(syscallpb.KernelErr_BadId, "there is no such method")
	case s.grants != nil && !s.grants.MayCall(s.name.String(), m.name):
		return nil, status.Errorf(status.PermissionDenied, "the host does not let the guest %s call %s.%s", h.name, s.name, m.name)
	case size > k.maxPayload:
		return nil, status.Errorf(syscallpb.KernelErr_DataTooLarge, "the request has %d bytes, the host takes %d", size, k.maxPayload)
	case k.data.exitAsked.Load():
		return nil, refuse(syscallpb.KernelErr_AbortRequest, "all guests were asked to end")
	case !m.bound.Load() && s.isReady():
		return nil, status.Errorf(syscallpb.KernelErr_NotFound, "those who export %s now have no method %s", s.name, m.name)
	}
	return s.service, nil
}

// service returns a service that h has located, or none.
func (h *hostInfo) service(sid id.ServiceId) link {
	if located := h.located.Load(); located != nil {
		return (*located)[sid]
	}
	return link{}
}

func (s *service) isReady() bool {
	ready := s.ready.Load()
	return ready != nil && len(*ready) > 0
}

// parent returns the call on whose behalf h makes one, and the depth of that one.
func (k *kernel) parent(h *hostInfo, call uint64) (*CallInfo, int, error) {
	if call == 0 {
		return nil, 0, nil
	}
	parent := h.serves(k.callID(call))
	if parent == nil {
		return nil, 0, refuse(syscallpb.KernelErr_BadCallId, "the guest does not serve the call that it names as the parent")
	}
	return parent, parent.depth + 1, nil
}

// callID returns the id of a call that guests name by its lower half.
func (k *kernel) callID(call uint64) id.CallId { return id.From[id.CallKind](k.data.nonce, call) }

func (k *kernel) tooDeep(ci *CallInfo) error {
	path := ring(ci.path())
	k.log.Warn("calls on behalf of calls go too deep", "guest", ci.caller.name, "calls", path)
	return status.Errorf(syscallpb.KernelErr_DependencyCycle, "calls on behalf of calls go deeper than %d: %s", k.maxCallDepth, path)
}

// send queues a call for its target. Unless it is accepted, nothing of it stays.
func (k *kernel) send(ci *CallInfo) (accept, error) {
	if err := ci.caller.begin(ci); err != nil {
		return refusedGone, err
	}
	taken := ci.target.push(ci)
	if taken != accepted {
		ci.caller.forget(ci)
	}
	return taken, nil
}

// leave has the caller of a call go on. From then on the [CallMatcher] has the call, until its
// result comes by reply. It is false if there is a result, or the call was given up.
func (k *kernel) leave(ci *CallInfo, reply chan outcome) bool {
	return ci.leave(func() {
		ci.caller.expect(ci.id, reply)
		_ = k.matcher.Dispatch(ci.caller.id, ci.id) // the id is new, and callers that end have no calls left
	})
}

// resolve gives a call its result. It is false when it has one.
func (k *kernel) resolve(ci *CallInfo, result outcome) bool {
	if !ci.seat.hand(result) {
		value := &anypb.Any{Value: slices.Clone(result.body)}
		if k.matcher.Response(ci.id, value, result.code) != syscallpb.KernelErr_NoError {
			return false
		}
		k.handOver(ci.caller)
	}
	ci.caller.forget(ci)
	return true
}

// handOver hands the first result that the matcher has for h to who waits for it. Each response
// is followed by one handOver, so that none stays there.
func (k *kernel) handOver(h *hostInfo) {
	if call, _ := k.matcher.Ready(h.id); call != nil {
		h.deliver(call)
	}
}

// pending reports whether a call has no result yet.
func (k *kernel) pending(ci *CallInfo) bool { return ci.seat.taken() || k.matcher.pending(ci.id) }

// fail ends a call in the kernel, and tells its target, which may be serving it.
func (k *kernel) fail(ci *CallInfo, code protoreflect.Enum, message string) {
	if k.resolve(ci, failure(code, message)) {
		ci.target.abandon(ci)
	}
}

// notRead ends a call that its target, out of whose queue it was taken, did not
// read in time.
func (k *kernel) notRead(ci *CallInfo) {
	k.fail(ci, syscallpb.KernelErr_WriteTimeout, "the guest "+ci.target.name+" did not read the call in time")
}

// returnValue answers a call that h serves.
func (k *kernel) returnValue(h *hostInfo, req *syscallpb.ReturnValueRequest) error {
	answered, err := k.answer(h, req.GetCallId(), outcome{body: req.GetResult(), code: req.GetResultError()})
	if err == nil && !answered {
		err = refuse(syscallpb.KernelErr_BadCallId, "the call is not this guest's to answer, or it is over")
	}
	return err
}

// answer is returnValue, and false for a call that is over.
func (k *kernel) answer(h *hostInfo, call uint64, result outcome) (bool, error) {
	if n := len(result.body); n > k.maxPayload {
		return false, status.Errorf(syscallpb.KernelErr_DataTooLarge, "the result has %d bytes, the host takes %d", n, k.maxPayload)
	}
	ci := h.answer(k.callID(call))
	return ci != nil && k.resolve(ci, result), nil
}

// giveUp ends a call that its caller does not wait for any longer. It is false when
// the call has its result.
func (k *kernel) giveUp(ci *CallInfo) bool {
	if !ci.leave(nil) && !k.matcher.drop(ci.id) {
		return false
	}
	ci.caller.expectNot(ci.id)
	ci.caller.forget(ci)
	ci.target.abandon(ci)
	return true
}

// closesRing reports whether a single-flight guest that is about to wait for one
// call would wait for ever. Then the call has failed.
func (k *kernel) closesRing(ci *CallInfo) bool {
	names := k.data.deafen(ci.caller, ci)
	if names == "" {
		return false
	}
	k.log.Warn("guests wait for each other", "guest", ci.caller.name, "ring", names)
	k.fail(ci, syscallpb.KernelErr_DependencyCycle, names)
	return true
}

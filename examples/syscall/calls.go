//go:build !wasip1

package syscall

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/id"
	"github.com/iansmith/parigot/pluginsdk/status"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

const (
	// largestBatch is how many calls and results one response of ReadOne has.
	largestBatch = 64
	// batchBytes is when a response of ReadOne is full.
	batchBytes = 1 << 20
)

// dispatch sends a call on its way.
func (k *kernel) dispatch(ctx context.Context, h *hostInfo, req *syscallpb.DispatchRequest) (id.CallId, error) {
	s, mid, err := k.callee(h, id.FromProto[id.ServiceKind](req.GetServiceId()), id.FromProto[id.MethodKind](req.GetMethodId()), sizeOf(req.GetParam()))
	if err != nil {
		return id.CallId{}, err
	}
	parent, depth, err := k.parent(h, id.FromProto[id.CallKind](req.GetParent()))
	if err != nil {
		return id.CallId{}, err
	}
	c := &call{
		caller: h, method: mid, param: req.GetParam().GetValue(), metadata: maps.Clone(pluginsdk.Metadata(ctx)),
		parent: parent, depth: depth,
	}
	if ns := req.GetTimeoutNs(); ns > 0 {
		c.deadline = time.Now().Add(time.Duration(ns))
	}
	ci, taken, err := k.route(s, c)
	switch {
	case err != nil:
		return id.CallId{}, err
	case taken == refusedGone:
		return id.CallId{}, status.Errorf(syscallpb.KernelErr_CallerUnavailable, "nobody serves %s now", s.name)
	}
	return ci.id, nil
}

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
		ci := newCallInfo(id.From[id.CallKind](k.data.nonce, k.lastID.Add(1)), c, target)
		if c.depth > k.maxCallDepth {
			return nil, refusedGone, k.tooDeep(ci)
		}
		switch taken, err := k.send(ci, c.reply != nil); {
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
func (k *kernel) callee(h *hostInfo, sid id.ServiceId, mid id.MethodId, size int) (*service, id.MethodId, error) {
	s := h.service(sid)
	if s.service == nil {
		return nil, mid, refuse(syscallpb.KernelErr_NotRequired, "the guest has not located this service: call Locate first")
	}
	m := s.method(mid)
	switch {
	case m == nil && mid.High() != s.id.Low():
		return nil, mid, refuse(syscallpb.KernelErr_IdDispatch, "the method is none of "+s.name.String())
	case m == nil:
		return nil, mid, refuse(syscallpb.KernelErr_BadId, "there is no such method")
	case s.grants != nil && !s.grants.MayCall(s.name.String(), m.name):
		return nil, mid, status.Errorf(status.PermissionDenied, "the host does not let the guest %s call %s.%s", h.name, s.name, m.name)
	case size > k.maxPayload:
		return nil, mid, status.Errorf(syscallpb.KernelErr_DataTooLarge, "the request has %d bytes, the host takes %d", size, k.maxPayload)
	case k.data.exitAsked.Load():
		return nil, mid, refuse(syscallpb.KernelErr_AbortRequest, "all guests were asked to end")
	case !m.bound.Load() && s.isReady():
		return nil, mid, status.Errorf(syscallpb.KernelErr_NotFound, "those who export %s now have no method %s", s.name, m.name)
	}
	return s.service, mid, nil
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
func (k *kernel) parent(h *hostInfo, cid id.CallId) (*CallInfo, int, error) {
	if cid.IsZero() {
		return nil, 0, nil
	}
	parent := h.serves(cid)
	if parent == nil {
		return nil, 0, refuse(syscallpb.KernelErr_BadCallId, "the guest does not serve the call that it names as the parent")
	}
	return parent, parent.depth + 1, nil
}

func (k *kernel) tooDeep(ci *CallInfo) error {
	path := ring(ci.path())
	k.log.Warn("calls on behalf of calls go too deep", "guest", ci.caller.name, "calls", path)
	return status.Errorf(syscallpb.KernelErr_DependencyCycle, "calls on behalf of calls go deeper than %d: %s", k.maxCallDepth, path)
}

// send queues a call for its target. Unless it is accepted, nothing of it stays.
func (k *kernel) send(ci *CallInfo, waits bool) (accept, error) {
	if err := ci.caller.begin(ci); err != nil {
		return refusedGone, err
	}
	if !waits && k.matcher.Dispatch(ci.caller.id, ci.id) != syscallpb.KernelErr_NoError {
		ci.caller.forget(ci)
		return refusedGone, refuse(syscallpb.KernelErr_ChannelClosed, "the guest has ended")
	}
	taken := ci.target.push(ci)
	if taken != accepted {
		if !waits {
			k.matcher.drop(ci.id)
		}
		ci.caller.forget(ci)
		return taken, nil
	}
	if !ci.deadline.IsZero() && !waits { // who waits looks at its context
		ci.caller.endAt(ci, k.deadlinePassed)
	}
	return accepted, nil
}

// resolve gives a call its result. It is false when it has one.
func (k *kernel) resolve(ci *CallInfo, result outcome) bool {
	given := ci.seat.hand(result) || k.matcher.Response(ci.id, &anypb.Any{Value: slices.Clone(result.body)}, result.code) == syscallpb.KernelErr_NoError
	if given {
		ci.caller.forget(ci)
	}
	return given
}

// drop has a call get no result. It is false when it has one.
func (k *kernel) drop(ci *CallInfo) bool { return ci.leave(nil) || k.matcher.drop(ci.id) }

// fail ends a call in the kernel, and tells its target, which may be serving it.
func (k *kernel) fail(ci *CallInfo, code protoreflect.Enum, message string) {
	if k.resolve(ci, failure(code, message)) {
		ci.target.abandon(ci)
	}
}

func (k *kernel) deadlinePassed(ci *CallInfo) {
	k.fail(ci, status.DeadlineExceeded, "the deadline of the call passed")
}

// notRead ends a call that its target, out of whose queue it was taken, did not
// read in time.
func (k *kernel) notRead(ci *CallInfo) {
	k.fail(ci, syscallpb.KernelErr_WriteTimeout, "the guest "+ci.target.name+" did not read the call in time")
}

// returnValue answers a call that h serves.
func (k *kernel) returnValue(h *hostInfo, req *syscallpb.ReturnValueRequest) error {
	cid := id.FromProto[id.CallKind](req.GetCallId())
	if cid.High() == 0 { // Next names calls by the other half
		cid = id.From[id.CallKind](k.data.nonce, cid.Low())
	}
	answered, err := k.answer(h, cid, outcome{body: req.GetResult().GetValue(), code: req.GetResultError()})
	if err == nil && !answered {
		err = refuse(syscallpb.KernelErr_BadCallId, "the call is not this guest's to answer, or it is over")
	}
	return err
}

// answer is returnValue, and false for a call that is over.
func (k *kernel) answer(h *hostInfo, cid id.CallId, result outcome) (bool, error) {
	if n := len(result.body); n > k.maxPayload {
		return false, status.Errorf(syscallpb.KernelErr_DataTooLarge, "the result has %d bytes, the host takes %d", n, k.maxPayload)
	}
	ci := h.answer(cid)
	return ci != nil && k.resolve(ci, result), nil
}

// cancel forgets a call of h that has no result.
func (k *kernel) cancel(h *hostInfo, cid id.CallId) error {
	ci := h.inFlight(cid)
	if ci == nil || !k.giveUp(ci) {
		return refuse(syscallpb.KernelErr_BadCallId, "the call is not this guest's, or it has its result")
	}
	return nil
}

// giveUp ends a call that its caller does not wait for any longer. It is false when
// the call has its result.
func (k *kernel) giveUp(ci *CallInfo) bool {
	if !k.drop(ci) {
		return false
	}
	ci.caller.forget(ci)
	ci.target.abandon(ci)
	return true
}

// readOne waits until there is something for h, and moves it to resp.
func (k *kernel) readOne(ctx context.Context, h *hostInfo, req *syscallpb.ReadOneRequest, resp *syscallpb.ReadOneResponse) error {
	only := id.FromProto[id.CallKind](req.GetCallId())
	var timeout <-chan time.Time
	if ns := req.GetTimeoutNs(); ns > 0 {
		timer := time.NewTimer(time.Duration(ns))
		defer timer.Stop()
		timeout = timer.C
	}
	for {
		if k.read(h, only, req.GetMax(), resp) {
			return nil
		}
		if req.GetTimeoutNs() < 0 {
			return refuse(syscallpb.KernelErr_ReadOneTimeout, "nothing is there")
		}
		if !only.IsZero() {
			if k.closesRing(h, only) {
				continue // its result is there
			}
			defer k.data.undeafen(h)
		}
		r, err := h.park(only)
		if err != nil {
			return err
		}
		if r == nil {
			continue
		}
		ci, err := k.wait(ctx, h, r, timeout)
		if err != nil {
			return err
		}
		if ci != nil {
			resp.Call = append(resp.Call, ci.deliver())
			return nil
		}
	}
}

// wait waits for a reader to be woken.
func (k *kernel) wait(ctx context.Context, h *hostInfo, r *reader, timeout <-chan time.Time) (*CallInfo, error) {
	select {
	case ci := <-r.ch:
		h.reuse(r)
		return ci, nil
	case <-timeout:
		h.unpark(r)
		return nil, refuse(syscallpb.KernelErr_ReadOneTimeout, "nothing came in time")
	case <-ctx.Done():
		h.unpark(r)
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return nil, refuse(syscallpb.KernelErr_ReadOneTimeout, "nothing came in time")
		}
		return nil, ctx.Err()
	}
}

// read moves what is there to resp, and reports whether anything was. With only
// it is the result of that call.
func (k *kernel) read(h *hostInfo, only id.CallId, most uint32, resp *syscallpb.ReadOneResponse) bool {
	if !only.IsZero() {
		if call := h.takeResultOf(only); call != nil {
			resp.Resolved = append(resp.Resolved, call)
		}
		return len(resp.Resolved) > 0
	}
	limit := largestBatch
	if most > 0 {
		limit = min(limit, int(most))
	}
	size := 0
	for limit > 0 && size < batchBytes {
		call, _ := k.matcher.Ready(h.id)
		if call == nil {
			break
		}
		resp.Resolved = append(resp.Resolved, call)
		limit, size = limit-1, size+sizeOf(call.GetResult())
	}
	return h.collect(resp, limit, size)
}

// closesRing reports whether a single-flight guest that is about to wait for one
// call would wait for ever. Then the call has failed.
func (k *kernel) closesRing(h *hostInfo, cid id.CallId) bool {
	ci := h.inFlight(cid)
	if ci == nil {
		return false
	}
	names := k.data.deafen(h, ci)
	if names == "" {
		return false
	}
	k.log.Warn("guests wait for each other", "guest", h.name, "ring", names)
	k.fail(ci, syscallpb.KernelErr_DependencyCycle, names)
	return true
}

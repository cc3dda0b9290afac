//go:build !wasip1

package syscall

import (
	"slices"

	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/status"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

// largestExitCode is the largest exit code that every system can tell.
const largestExitCode = 255

// exit withdraws what h serves, or asks all guests to end.
func (k *kernel) exit(h *hostInfo, code int32, everyone bool) error {
	switch {
	case code < 0 || code > largestExitCode:
		return status.Errorf(syscallpb.KernelErr_ExitFailed, "the exit code is %d, want one from 0 to %d", code, largestExitCode)
	case everyone && len(k.exitGuests) > 0 && !slices.Contains(k.exitGuests, h.name):
		return status.Error(status.PermissionDenied, "the host does not let this guest end the others")
	case everyone:
		k.endAll(h, code)
		return nil
	}
	k.data.withdraw(h)
	for _, ci := range h.leave(code) {
		k.fail(ci, syscallpb.KernelErr_CallerUnavailable, "the guest "+h.name+" is about to end")
	}
	return nil
}

// endAll asks all guests to end.
func (k *kernel) endAll(h *hostInfo, code int32) {
	if !k.data.askExit() {
		return // the first one counts
	}
	k.log.Info("a guest asks all to end", "guest", h.name, "code", code)
	for _, o := range k.hosts.all() {
		o.askToEnd(code)
	}
}

// askExit has nothing new begin. It is false when that was asked before.
func (d *syscallData) askExit() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.exitAsked.Load() {
		return false
	}
	d.exitAsked.Store(true)
	d.endLaunches(syscallpb.KernelErr_AbortRequest, "all guests were asked to end")
	return true
}

func (d *syscallData) endLaunches(code syscallpb.KernelErr, reason string) {
	for _, s := range d.byID {
		s.wake(code, reason)
		s.wakeHost(code, reason)
		d.free(s)
	}
}

// ended frees all that belongs to a guest that has ended, and tells who waits
// for it.
func (k *kernel) ended(c eng.Caller) {
	h := k.hosts.FindById(c.ID)
	if h == nil {
		return
	}
	k.data.forget(h)
	unanswered, unresolved := h.close()
	for _, ci := range unanswered {
		k.fail(ci, syscallpb.KernelErr_CallerUnavailable, "the guest "+h.name+" has ended")
	}
	for _, ci := range unresolved {
		k.fail(ci, syscallpb.KernelErr_ChannelClosed, "the caller has ended")
	}
	if k.hosts.remove(h) == 0 {
		k.data.allEnded()
	}
}

// allEnded lets guests begin again after all were asked to end and did.
func (d *syscallData) allEnded() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.exitAsked.Store(false)
}

// close ends everything, when the engine closes.
func (k *kernel) close() {
	k.data.close()
	for _, h := range k.hosts.all() {
		k.ended(eng.Caller{ID: h.id, Name: h.name})
	}
	_, unresolved := k.native.close()
	for _, ci := range unresolved {
		k.fail(ci, syscallpb.KernelErr_ChannelClosed, "the engine is closing")
	}
}

func (d *syscallData) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	d.endLaunches(syscallpb.KernelErr_ChannelClosed, "the engine is closing")
}

// withdraw has h serve nothing any more, and nothing new.
func (d *syscallData) withdraw(h *hostInfo) {
	d.mu.Lock()
	defer d.mu.Unlock()
	h.exited = true
	for _, r := range h.registrations {
		if !r.service.client {
			d.unexport(h, r.service)
		}
	}
	d.breakRingsWithout(h)
}

// forget removes all that h has said of itself.
func (d *syscallData) forget(h *hostInfo) {
	d.mu.Lock()
	defer d.mu.Unlock()
	h.left = true
	for _, r := range h.registrations {
		s := r.service
		d.unexport(h, s)
		for _, e := range slices.Clone(s.requires) {
			if slices.Contains(e.holders, h) {
				d.unimport(h, s, e.dest)
			}
		}
		for _, w := range slices.Clone(s.waiting) {
			if w.host == h {
				d.remove(s, w)
				s.end(w, syscallpb.KernelErr_ChannelClosed, "the guest has ended")
			}
		}
		s.registered--
		d.free(s)
	}
	h.registrations = nil
	h.located.Store(nil)
	d.breakRingsWithout(h)
}

// unexport takes h from those who serve s.
func (d *syscallData) unexport(h *hostInfo, s *service) {
	same := func(o *hostInfo) bool { return o == h }
	exporters := len(s.exporters)
	s.launched = slices.DeleteFunc(s.launched, same)
	s.exporters = slices.DeleteFunc(slices.Clone(s.exporters), same)
	s.publish()
	if s.started && len(s.launched) == 0 {
		s.started = false
	}
	switch {
	case len(s.exporters) == exporters:
	case len(s.exporters) == 0:
		s.exported = false
		if table := s.methods.Load(); table != nil {
			for _, m := range table.list {
				m.bound.Store(false)
			}
		}
	default:
		d.breakRings(s)
	}
}

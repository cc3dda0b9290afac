//go:build !wasip1

package syscall

import (
	"slices"

	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

// Guests that wait for each other in a ring.
//
// A guest that reads while it waits for a result can always serve the call that
// its own call leads to, so no ring of such guests is one that nobody can leave: a
// call that comes back to its caller is legal. What cannot be left is a ring of
// guests that do nothing else while they wait. Only a guest knows that of itself,
// and says so with RegisterRequest.single_flight. Such a guest waits for
//
//   - the guest that its call went to, while it is in Call, or
//   - each service that it requires and that has not started, while it is in
//     Launch. One that is exported starts when one of those who export it does. One
//     that nobody exports has to come from a guest that is expected to serve it:
//     that was granted it, or has its name. When none is known, one may be yet to
//     come.
//
// A guest that does one thing at a time only for now says so with
// LaunchRequest.single_flight: generated code does while a guest has nothing but a
// main function that locates a service.
//
// Nothing looks for rings again and again: one is closed by the wait that is
// added last, or by the end of a guest that was the last hope of the others, and
// both look.
//
// All of this is guarded by the lock of syscallData. A call that has its result
// is nothing to wait for, whatever deafOn says.

// ring returns the names of the guests on a ring that origin, which has begun to
// wait, is on; and "" when there is none. It takes time in proportion to who waits
// for whom.
func (d *syscallData) ring(origin *hostInfo) string {
	r := rings{data: d, waits: map[*hostInfo]*wait{}}
	r.look(origin)
	if r.waits[origin].free {
		return ""
	}
	names := r.back(origin)
	if names == nil {
		return "" // it waits for others that are on one
	}
	return "guests wait for each other in a ring: " + ring(names)
}

// rings looks for guests that nobody can free.
type rings struct {
	data  *syscallData
	waits map[*hostInfo]*wait
	free  []*wait // found to be free, and not yet said to those that wait for them
}

// wait is what one guest waits for.
type wait struct {
	host   *hostInfo
	all    []*choice // it goes on when one guest of each choice is free
	missed int       // how many have no free guest yet
	free   bool
	among  []*choice // the choices of others that it is among
}

// choice are guests one of which has to become free.
type choice struct {
	of    *wait
	hosts []*hostInfo
	free  bool
}

// look goes through all guests that origin may be waiting for, and then frees
// those that can become free.
func (r *rings) look(origin *hostInfo) {
	r.enter(origin)
	for todo := []*hostInfo{origin}; len(todo) > 0; {
		w := r.waits[todo[0]]
		todo = todo[1:]
		for _, hosts := range r.data.waitsFor(w.host) {
			c := &choice{of: w, hosts: hosts}
			w.all, w.missed = append(w.all, c), w.missed+1
			for _, h := range hosts {
				if r.waits[h] == nil {
					r.enter(h)
					todo = append(todo, h)
				}
				r.waits[h].among = append(r.waits[h].among, c)
			}
		}
		if w.missed == 0 {
			r.release(w)
		}
	}
	for ; len(r.free) > 0; r.free = r.free[1:] {
		for _, c := range r.free[0].among {
			if c.free {
				continue
			}
			c.free = true
			if c.of.missed--; c.of.missed == 0 {
				r.release(c.of)
			}
		}
	}
}

func (r *rings) enter(h *hostInfo) { r.waits[h] = &wait{host: h} }

func (r *rings) release(w *wait) {
	w.free = true
	r.free = append(r.free, w)
}

// back returns the names on the shortest way from origin back to it, over guests
// that nobody can free, or nil when there is none.
func (r *rings) back(origin *hostInfo) []string {
	via := map[*hostInfo]*hostInfo{}
	for todo := []*hostInfo{origin}; len(todo) > 0 && via[origin] == nil; todo = todo[1:] {
		for _, c := range r.waits[todo[0]].all {
			for _, h := range c.hosts {
				if !c.free && via[h] == nil {
					via[h] = todo[0]
					todo = append(todo, h)
				}
			}
		}
	}
	if via[origin] == nil {
		return nil
	}
	names := []string{origin.name}
	for h := via[origin]; h != origin; h = via[h] {
		names = append(names, h.name)
	}
	names = append(names, origin.name)
	slices.Reverse(names)
	return names
}

// waitsFor returns what h waits for: of each of the lists, one guest has to
// become free. It is none for a guest that goes on by itself, or may be freed by
// one that is yet to come.
func (d *syscallData) waitsFor(h *hostInfo) [][]*hostInfo {
	if ci := h.deafOn; ci != nil && d.pending(ci) {
		return [][]*hostInfo{{ci.target}}
	}
	if h.launching == nil {
		return nil
	}
	var all [][]*hostInfo
	for _, e := range h.launching.requires {
		if e.dest.started || !e.needed(h) {
			continue
		}
		if hosts := d.serversOf(e.dest); len(hosts) > 0 {
			all = append(all, hosts)
		}
	}
	return all
}

// serversOf returns the guests that export s or, while none does, are expected to.
func (d *syscallData) serversOf(s *service) []*hostInfo {
	if len(s.exporters) > 0 {
		return s.exporters
	}
	var hosts []*hostInfo
	for _, h := range d.hosts() {
		if !h.left && !h.exited && h.isExpectedToServe(s) {
			hosts = append(hosts, h)
		}
	}
	return hosts
}

// isExpectedToServe reports whether h was granted s or, where nothing was said, has
// its name.
func (h *hostInfo) isExpectedToServe(s *service) bool {
	if h.grants == nil {
		return h.name == s.name.String()
	}
	return h.grants.MayServe(s.name.String())
}

// breakRingsWithout looks for rings that were closed by a guest that serves nothing
// any more, and was expected to export what others wait for.
func (d *syscallData) breakRingsWithout(h *hostInfo) {
	for _, s := range d.byID {
		if len(s.exporters) == 0 && h.isExpectedToServe(s) {
			d.breakRings(s)
		}
	}
}

// deafen notes that h, a single-flight guest, waits for one call only. When that
// closes a ring it returns the ring's names instead.
func (d *syscallData) deafen(h *hostInfo, ci *CallInfo) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	h.deafOn = ci
	names := d.ring(h)
	if names != "" {
		h.deafOn = nil
	}
	return names
}

// undeafen notes that the guest listens again.
func (d *syscallData) undeafen(h *hostInfo) {
	d.mu.Lock()
	defer d.mu.Unlock()
	h.deafOn = nil
}

// breakRings looks for a ring that was closed by a guest that exports s no longer:
// those that are left may all wait.
func (d *syscallData) breakRings(s *service) {
	for _, e := range s.requiredBy {
		for _, w := range slices.Clone(e.src.waiting) {
			if w.host == nil || w.host.launching != e.src {
				continue
			}
			if names := d.ring(w.host); names != "" {
				d.remove(e.src, w)
				e.src.end(w, syscallpb.KernelErr_DependencyCycle, names)
			}
		}
	}
}

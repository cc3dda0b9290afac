//go:build !wasip1

package syscall

import (
	"slices"

	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/id"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

// locate finds a service that h requires, and whose messages are the same to h as to those
// who export it.
func (k *kernel) locate(h *hostInfo, name serviceName) (*service, error) {
	for {
		s, pair, err := k.locateOnce(h, name)
		if err != nil || pair == nil {
			return s, err
		}
		if err := k.fits.compare(*pair, s.name); err != nil {
			return nil, err
		}
	}
}

// locateOnce is locate, unless there is a pair of guests that has to be compared first.
func (k *kernel) locateOnce(h *hostInfo, name serviceName) (*service, *callPair, error) {
	d := k.data
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.byName[name]
	if s == nil || s.client {
		return nil, nil, refuse(syscallpb.KernelErr_NotFound, "nobody knows a service of this name")
	}
	required, launched := h.requires(s)
	switch {
	case !required:
		return nil, nil, refuse(syscallpb.KernelErr_NotRequired, "the guest does not require "+s.name.String()+": call Require first")
	case !launched:
		return nil, nil, refuse(syscallpb.KernelErr_NotReady, "the guest is not launched: call Launch first")
	case !s.exported:
		return nil, nil, refuse(syscallpb.KernelErr_LocateError, "nobody exports "+s.name.String()+" now")
	case !s.started:
		return nil, nil, refuse(syscallpb.KernelErr_NotReady, s.name.String()+" has not started")
	}
	for _, server := range s.exporters {
		if pair := (callPair{h, server}); !k.fits.known(pair, s.name) {
			return s, &pair, nil
		}
	}
	h.link(s)
	return s, nil, nil
}

// requires reports whether h requires s, and has launched what does.
func (h *hostInfo) requires(s *service) (required, launched bool) {
	for _, r := range h.registrations {
		if e := r.service.edgeTo(s); e != nil && slices.Contains(e.holders, h) {
			required, launched = true, launched || r.launched
		}
	}
	return required, launched
}

// link is a service that a guest has located.
type link struct {
	*service
	grants *eng.Grants // what says which methods the guest may call; nil for all
}

// link lets h call s.
func (h *hostInfo) link(s *service) {
	l := link{service: s}
	if h.grants != nil && !slices.Contains(h.grants.Calls, s.name.String()) {
		l.grants = h.grants
	}
	next := map[id.ServiceId]link{s.id: l}
	if known := h.located.Load(); known != nil {
		if (*known)[s.id] == l {
			return
		}
		for sid, o := range *known {
			if sid != s.id {
				next[sid] = o
			}
		}
	}
	h.located.Store(&next)
}

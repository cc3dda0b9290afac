//go:build !wasip1

package syscall

import (
	"slices"
	"strings"
	"sync"

	"github.com/iansmith/parigot/internal/contract"
	"github.com/iansmith/parigot/internal/visible"
	"github.com/iansmith/parigot/pluginsdk/id"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// callPair is a guest that calls, and one that serves.
type callPair struct{ caller, server *hostInfo }

// comparisons are those of guests that call each other: whether they mean the same messages.
// Each pair of programs is compared once, without a lock, because a guest chooses how long
// that takes. Guests that do not say what they were built for fit. Safe for concurrent use.
type comparisons struct{ done sync.Map } // comparison → *contract.Problem, nil if they fit

type comparison struct {
	caller, server *contract.Contract
	service        serviceName
}

// known reports whether a pair is known to fit for a service. The lock of syscallData is
// held.
func (c *comparisons) known(p callPair, name serviceName) bool {
	if p.caller.contract == nil || p.server.contract == nil || p.caller.contract == p.server.contract {
		return true
	}
	found, done := c.done.Load(comparison{p.caller.contract, p.server.contract, name})
	return done && found.(*contract.Problem) == nil
}

// compare compares a pair for a service. The error is FAILED_PRECONDITION and names both.
// Both have registered, so their contracts do not change.
func (c *comparisons) compare(p callPair, name serviceName) error {
	key := comparison{p.caller.contract, p.server.contract, name}
	found, done := c.done.Load(key)
	if !done {
		found, _ = c.done.LoadOrStore(key, key.problem())
	}
	problem, _ := found.(*contract.Problem)
	if problem == nil {
		return nil
	}
	return status.Errorf(status.FailedPrecondition, "the guest %s %s", p.caller.name, visible.Text(problem.ServedBy(p.server.name)))
}

// problem returns the first thing that does not fit, or nil.
func (c comparison) problem() *contract.Problem {
	problems := c.caller.CompareContract(c.server)
	i := slices.IndexFunc(problems, func(p contract.Problem) bool {
		return strings.HasPrefix(p.Method, c.service.String()+".")
	})
	if i < 0 {
		return nil
	}
	return &problems[i]
}

// uncompared returns a pair of h, which is to export s, and a guest that has located s, that
// is not known to fit, or nil.
func (d *syscallData) uncompared(h *hostInfo, s *service) *callPair {
	if h.contract == nil {
		return nil
	}
	for _, caller := range d.hosts() {
		located := caller.located.Load()
		if located == nil {
			continue
		}
		if _, calls := (*located)[s.id]; !calls {
			continue
		}
		if pair := (callPair{caller, h}); !d.fits.known(pair, s.name) {
			return &pair
		}
	}
	return nil
}

// fitsCallers compares h, which is to export a service, with the guests that have located it.
func (k *kernel) fitsCallers(h *hostInfo, sid id.ServiceId) error {
	for {
		k.data.mu.Lock()
		s := k.data.byID[sid]
		var pair *callPair
		if s != nil {
			pair = k.data.uncompared(h, s)
		}
		k.data.mu.Unlock()
		if pair == nil {
			return nil
		}
		if err := k.fits.compare(*pair, s.name); err != nil {
			return err
		}
	}
}

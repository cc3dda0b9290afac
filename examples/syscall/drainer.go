//go:build !wasip1

package syscall

import (
	"context"
	"slices"

	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// drainer implements [pluginsdk.Drainer]: it ends an instance as Exit does that the
// instance calls itself, but leaves it the calls that it has not read.
type drainer struct{ kernel *kernel }

var _ pluginsdk.Drainer = drainer{}

// Drain implements [pluginsdk.Drainer].
func (d drainer) Drain(ctx context.Context, instance eng.Caller) error {
	h := d.kernel.hosts.FindById(instance.ID)
	if h == nil {
		return status.Errorf(status.NotFound, "the guest %s is not known to the kernel", instance.Name)
	}
	d.kernel.data.withdraw(h)
	select {
	case <-h.drain():
		return nil
	case <-ctx.Done():
		return endOf(ctx.Err(), "the guest "+h.name+" still has calls")
	}
}

// AwaitSuccessor implements [pluginsdk.Drainer].
func (d drainer) AwaitSuccessor(ctx context.Context, instance, next eng.Caller) error {
	data, hosts := d.kernel.data, d.kernel.hosts
	for {
		published := data.nextPublish()
		h := hosts.FindById(instance.ID)
		if h == nil || data.succeeds(hosts.FindById(next.ID), h) {
			return nil
		}
		select {
		case <-published:
		case <-ctx.Done():
			return endOf(ctx.Err(), "the guest "+next.Name+" does not serve yet what another instance serves")
		}
	}
}

// nextPublish returns a channel that is closed when next somebody begins, or ceases, to
// serve something.
func (d *syscallData) nextPublish() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.published == nil {
		d.published = make(chan struct{})
	}
	return d.published
}

// succeeds reports whether next, which may be nil, serves all that h does.
func (d *syscallData) succeeds(next, h *hostInfo) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range h.registrations {
		if r.service.client || !slices.Contains(r.service.launched, h) {
			continue
		}
		if next == nil || !slices.Contains(r.service.launched, next) {
			return false
		}
	}
	return true
}

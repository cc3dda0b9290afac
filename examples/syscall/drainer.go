//go:build !wasip1

package syscall

import (
	"context"

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

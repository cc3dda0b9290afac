package pluginsdk

import (
	"context"

	"github.com/iansmith/parigot/pluginsdk/eng"
)

// Drainer takes an instance of a guest out of service in good order, so that another
// can take its place or the host can stop. A plugin through which guests serve each
// other implements it, such as the kernel in examples/syscall; [WithDrainer] gets it
// for an engine.
type Drainer interface {
	// Drain withdraws what the instance serves, so that new calls go to other
	// instances that serve the same, or wait for one. It returns when the calls that the
	// instance had are answered, or with the error of ctx when that ends before. In
	// both cases the instance has been asked to end; Drain does not wait until it has.
	// An instance that the plugin does not know, as it has never served, is NOT_FOUND:
	// nothing was asked of it. Draining again is harmless. It is safe for concurrent use.
	Drain(ctx context.Context, instance eng.Caller) error

	// AwaitSuccessor waits until next serves all that instance serves now, so that no call
	// finds nobody when instance is drained then. It returns at once when instance serves
	// nothing, and with the error of ctx when that ends before: next need not be known to
	// the plugin yet, so end ctx when it has ended. It is safe for concurrent use.
	AwaitSuccessor(ctx context.Context, instance, next eng.Caller) error
}

type drainerOption struct{ into *Drainer }

func (o drainerOption) applyStart(s *startOptions) { s.drainer = o.into }

// WithDrainer has Start store in into what the plugin offers to take guests out of
// service with: on this engine, until it closes. A plugin that offers nothing leaves
// into as it is; of several plugins in one, see [InitAll], the last one's counts. The
// default and nil mean that nobody asks.
func WithDrainer(into *Drainer) StartOption { return drainerOption{into} }

type drainerKey struct{}

// OfferDrainer gives d to a host that asks for it, see [WithDrainer]. A plugin calls it
// in Init, with the context that it got.
func OfferDrainer(ctx context.Context, d Drainer) {
	if offered, ok := ctx.Value(drainerKey{}).(*Drainer); ok {
		*offered = d
	}
}

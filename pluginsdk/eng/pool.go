package eng

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/iansmith/parigot/pluginsdk/status"
)

// Pool keeps instances of a guest that is a library, so that calls need not wait for one
// to start. Make it with [Guest.NewPool]. All methods are safe for concurrent use.
type Pool struct {
	guest *Guest
	opts  []RunOption
	slots chan struct{} // one for each instance that a call may have
	warm  int

	mu     sync.Mutex
	idle   []*Instance // the one that was used last is at the end
	live   int         // instances, those among them that are in a call or start
	closed bool

	closing sync.Mutex // one Close at a time takes the slots
}

// startLimit is how long an instance may take to start in the place of one that failed.
const startLimit = 10 * time.Second

// NewPool makes a pool of instances of a guest that is a library, each started with opts,
// and starts warm of them. There are never more than most, which is at least 1; they are kept
// until Close, and one that fails is replaced when there are fewer than warm. Errors
// are those of [Guest.Instantiate], and INVALID_ARGUMENT when warm is negative or more
// than most. [Pool.Close] frees it; so does closing the engine.
func (g *Guest) NewPool(ctx context.Context, warm, most int, opts ...RunOption) (*Pool, error) {
	if warm < 0 || most < 1 || warm > most {
		return nil, status.Errorf(status.InvalidArgument, "a pool of guest %q cannot keep %d instances warm and have %d at most", g.name, warm, most)
	}
	p := &Pool{guest: g, opts: opts, slots: make(chan struct{}, most), warm: warm}
	for {
		i, err := p.startBelow(ctx, warm)
		switch {
		case err != nil:
			return nil, errors.Join(err, p.Close(ctx))
		case i == nil:
			return p, nil
		}
		p.idle = append(p.idle, i)
	}
}

// Call calls an exported function of an instance that nobody else is calling, as
// [Instance.Call] does. When as many run as may, it waits for one, or for the end of ctx:
// CANCELLED or DEADLINE_EXCEEDED. An instance that fails is closed. Instances keep what a call leaves in them, and which one a call gets is not
// defined. After Close it is UNAVAILABLE.
func (p *Pool) Call(ctx context.Context, function string, params ...uint64) (results []uint64, err error) {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, canonical(ctx.Err())
	}
	defer func() { <-p.slots }()
	i, err := p.get(ctx)
	if err != nil {
		return nil, err
	}
	// Deferred, for an implementation may end this goroutine with runtime.Goexit.
	ok := false
	defer func() { err = errors.Join(err, p.put(ctx, i, ok)) }()
	results, err = i.Call(ctx, function, params...)
	ok = err == nil || errors.Is(err, status.Of(status.NotFound))
	return results, err
}

// get takes an instance out of the pool, or starts one. The caller has a slot.
func (p *Pool) get(ctx context.Context) (*Instance, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, p.errClosed()
	}
	if n := len(p.idle); n > 0 {
		i := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return i, nil
	}
	p.mu.Unlock()
	i, err := p.startBelow(ctx, cap(p.slots))
	if i == nil && err == nil {
		err = p.errClosed() // meanwhile: this call has a slot, so there is room
	}
	return i, err
}

// put gives an instance back when it can be used again. It closes one that cannot be, and
// starts another in its place when there are fewer than are kept warm. The caller has a
// slot, so there are never more than may be.
func (p *Pool) put(ctx context.Context, i *Instance, usable bool) error {
	p.mu.Lock()
	if usable {
		p.idle = append(p.idle, i)
		p.mu.Unlock()
		return nil
	}
	p.live--
	p.mu.Unlock()
	// The context of the call may be what ended the instance.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), startLimit)
	defer cancel()
	err := i.Close(ctx)
	if fresh, failed := p.startBelow(ctx, p.warm); fresh != nil {
		err = errors.Join(err, p.put(ctx, fresh, true))
	} else if failed != nil {
		p.guest.host.config.logger.WarnContext(ctx, "a pool has an instance less than it should", "guest", p.guest.name, "err", failed)
	}
	return err
}

// startBelow starts an instance when there are fewer than limit, and returns nil when
// there are not.
func (p *Pool) startBelow(ctx context.Context, limit int) (*Instance, error) {
	p.mu.Lock()
	if p.closed || p.live >= limit {
		p.mu.Unlock()
		return nil, nil
	}
	p.live++
	p.mu.Unlock()
	i, err := p.guest.Instantiate(ctx, p.opts...)
	if err != nil {
		p.mu.Lock()
		p.live--
		p.mu.Unlock()
		return nil, err
	}
	return i, nil
}

// Close waits for the calls that run, or for the end of ctx, and frees the instances. New
// calls fail. When ctx ends first, its error is returned and Close may be called again.
func (p *Pool) Close(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.closing.Lock()
	defer p.closing.Unlock()
	for held := range cap(p.slots) {
		select {
		case p.slots <- struct{}{}:
		case <-ctx.Done():
			for range held {
				<-p.slots
			}
			return canonical(ctx.Err())
		}
	}
	var errs []error
	for _, i := range p.idle { // nobody else has a slot
		errs = append(errs, i.Close(ctx))
	}
	p.idle, p.live = nil, 0
	for range cap(p.slots) {
		<-p.slots
	}
	return errors.Join(errs...)
}

func (p *Pool) errClosed() error {
	return status.Errorf(status.Unavailable, "the pool of guest %q is closed", p.guest.name)
}

// canonical gives the error of a context its code.
func canonical(err error) error {
	if s, ok := status.From(err); ok {
		return s
	}
	return err
}

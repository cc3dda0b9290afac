package eng

import (
	"context"
	"errors"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/core"
	"github.com/iansmith/parigot/internal/wirestatus"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// Pool keeps instances of a guest that is a library, so that calls need not wait for one
// to start. Make it with [Guest.NewPool]. All methods are safe for concurrent use.
//
// A call gets the instance that was used last, which is the one that the processor has in its
// caches. When all are in use, calls wait; who comes while an instance becomes free may get
// ahead of them, but not for longer than a millisecond.
type Pool struct {
	guest *Guest
	opts  []RunOption
	most  int
	warm  int
	gate  gate // lets as many pass as there may be instances

	mu     sync.Mutex
	idle   []*Instance // the one that was used last is at the end
	live   int         // instances, those among them that are in a call or start
	closed bool

	closing sync.Mutex // one Close at a time passes the gate
}

var _ core.Conn = (*Pool)(nil)

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
	p := &Pool{guest: g, opts: opts, most: most, warm: warm, gate: gate{free: most, most: MaxWaitingCalls}}
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
// CANCELLED or DEADLINE_EXCEEDED; when [MaxWaitingCalls] wait already it is
// RESOURCE_EXHAUSTED. An instance that fails is closed. Instances keep what a call leaves in
// them, and which one a call gets is not defined. After Close it is UNAVAILABLE.
func (p *Pool) Call(ctx context.Context, function string, params ...uint64) (results []uint64, err error) {
	i, err := p.get(ctx)
	if err != nil {
		return nil, err
	}
	// Deferred, for an implementation may end this goroutine with runtime.Goexit.
	defer p.put(i)
	return i.Call(ctx, function, params...)
}

// Invoke implements the connection of generated clients: [Instance.Invoke] of an instance that
// nobody else is calling, as [Pool.Call] is. A call of a method that may block has its instance
// for itself, too. The budget of the method does not count while the call waits for an
// instance; the deadline of ctx does.
func (p *Pool) Invoke(ctx context.Context, m *core.Method, req, resp proto.Message) error {
	i, err := p.get(ctx)
	if err != nil {
		return err
	}
	defer p.put(i)
	return i.Invoke(ctx, m, req, resp)
}

// Offers is [Instance.Offers] of one of the instances.
func (p *Pool) Offers(ctx context.Context) ([]string, error) {
	i, err := p.get(ctx)
	if err != nil {
		return nil, err
	}
	defer p.put(i)
	return i.Offers(ctx)
}

// get takes an instance out of the pool, or starts one. Who gets it has to put it back.
func (p *Pool) get(ctx context.Context) (i *Instance, err error) {
	if err := p.gate.enter(ctx); err != nil {
		return nil, p.guest.named(wirestatus.Coded(err))
	}
	defer func() { // deferred, as starting may end this goroutine with runtime.Goexit
		if i == nil {
			p.gate.leave(false)
		}
	}()
	if i, err := p.takeIdle(); i != nil || err != nil {
		return i, err
	}
	i, err = p.startBelow(ctx, p.most)
	if i == nil && err == nil {
		err = p.errClosed() // meanwhile: this call has passed the gate, so there is room
	}
	return i, err
}

// takeIdle returns the instance that was used last, or nil if there is none.
func (p *Pool) takeIdle() (*Instance, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.idle)
	switch {
	case p.closed:
		return nil, p.errClosed()
	case n == 0:
		return nil, nil
	}
	i := p.idle[n-1]
	p.idle[n-1] = nil
	p.idle = p.idle[:n-1]
	return i, nil
}

// put gives an instance back if it can be used again. Another one is started in the place of
// one that cannot be, when there are fewer than are kept warm.
func (p *Pool) put(i *Instance) {
	if !i.usable() {
		go p.replace(i)
		return
	}
	p.mu.Lock()
	p.idle = append(p.idle, i)
	p.mu.Unlock()
	p.gate.leave(false)
}

// replace closes an instance. Until it and the one in its place are done nobody else has the
// room, so that there are never more than may be.
func (p *Pool) replace(i *Instance) {
	defer p.gate.leave(false)
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	logger := p.guest.host.config.logger
	if err := i.Close(ctx); err != nil {
		logger.WarnContext(ctx, "an instance did not close cleanly", "guest", p.guest.name, "err", err)
	}
	p.mu.Lock()
	p.live--
	p.mu.Unlock()
	fresh, err := p.startBelow(ctx, p.warm)
	if err != nil {
		logger.WarnContext(ctx, "a pool is one instance short", "guest", p.guest.name, "err", err)
	}
	if fresh != nil {
		p.mu.Lock()
		p.idle = append(p.idle, fresh)
		p.mu.Unlock()
	}
}

// startBelow starts an instance when there are fewer than limit, and returns nil when
// there are not.
func (p *Pool) startBelow(ctx context.Context, limit int) (i *Instance, err error) {
	p.mu.Lock()
	if p.closed || p.live >= limit {
		p.mu.Unlock()
		return nil, nil
	}
	p.live++
	p.mu.Unlock()
	defer func() { // deferred, as starting may end this goroutine with runtime.Goexit
		if i == nil {
			p.mu.Lock()
			p.live--
			p.mu.Unlock()
		}
	}()
	return p.guest.Instantiate(ctx, p.opts...)
}

// Close waits for the calls that run, or for the end of ctx, and frees the instances. New
// calls fail, and so do those that wait for an instance. When ctx ends first, its error is returned and Close may be called again.
func (p *Pool) Close(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.gate.refuse(p.errClosed())
	p.closing.Lock()
	defer p.closing.Unlock()
	for held := range p.most {
		if err := p.gate.force(ctx); err != nil {
			for range held {
				p.gate.leave(false)
			}
			return wirestatus.Coded(err)
		}
	}
	var errs []error
	for _, i := range p.idle { // nobody else has passed the gate
		errs = append(errs, i.Close(ctx))
	}
	p.idle, p.live = nil, 0
	for range p.most {
		p.gate.leave(false)
	}
	return errors.Join(errs...)
}

func (p *Pool) errClosed() error {
	return status.Errorf(status.Unavailable, "the pool of guest %q is closed", p.guest.name)
}

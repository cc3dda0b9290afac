package eng

import "context"

// Settle waits until no call of the pool runs, and no instance is replaced.
func (p *Pool) Settle(ctx context.Context) error {
	p.closing.Lock()
	defer p.closing.Unlock()
	for held := range p.most {
		if err := p.gate.force(ctx); err != nil {
			for range held {
				p.gate.leave(false)
			}
			return err
		}
	}
	for range p.most {
		p.gate.leave(false)
	}
	return nil
}

// Settled reports whether nobody is telling the guest that a call was cancelled: that one
// leaves the gate, or the instance is useless, when it is done.
func (i *Instance) Settled() bool {
	if i.useless.Load() {
		return true
	}
	_ = i.gate.force(context.Background())
	defer i.gate.leave(false)
	return i.life.Err() == nil
}

// GoesOn reports whether a call goes on in the instance.
func (i *Instance) GoesOn() bool { return i.server.left() }

// Queue returns how many wait for the instance.
func (i *Instance) Queue() int {
	i.gate.mu.Lock()
	defer i.gate.mu.Unlock()
	return len(i.gate.waiting)
}

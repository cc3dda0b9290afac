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

package wirecost

// heap returns how many bytes an allocation of n takes, at most: sizes are rounded up, by
// a quarter when they are small, and to pages when they are large.
func heap(n uint64) uint64 {
	const largest, page = 32 << 10, 8 << 10 // of the sizes that Go's allocator keeps ready
	switch {
	case n == 0:
		return 0
	case n <= 8:
		return 16
	case n < largest-largest/8:
		return n + n/4 + 8
	}
	return n + page
}

// small is the capacity up to which append doubles it.
const small = 256

// mostCap returns the capacity that a list has, at most, when append has just made it larger
// for need elements, before that is rounded up.
func mostCap(need uint64) uint64 {
	if need < small {
		return 2 * need
	}
	return need + need/4 + 3*small/4
}

// nextCap returns the capacity that a list with the given one has after it has grown for
// need elements, as append does it, before that is rounded up.
func nextCap(capacity, need uint64) uint64 {
	switch {
	case need > 2*capacity:
		return need
	case capacity < small:
		return 2 * capacity
	}
	for capacity < need {
		capacity += (capacity + 3*small) / 4
	}
	return capacity
}

// most returns how many bytes n encoded bytes become, at most.
func (p *Plan) most(n int) uint64 {
	u := uint64(n)
	if p.quadratic {
		// Each piece has three bytes at least, and makes a list of all elements.
		return p.begin + u*p.factor + 4*u*u
	}
	return p.begin + u*p.factor
}

// worstOf returns what one encoded byte of a message may become, at most, in it or in a
// message within it.
func worstOf(p *Plan) (factor uint64, quadratic bool) {
	open := []*Plan{p}
	seen := map[*Plan]bool{p: true}
	for len(open) > 0 {
		p := open[len(open)-1]
		open = open[:len(open)-1]
		factor = max(factor, 16) // unknown fields
		if p.extendable {
			// Extensions may come later: their plans are not known.
			return 1 << 40, true
		}
		count := func(f *field) {
			if !f.known {
				return
			}
			factor = max(factor, f.worst())
			quadratic = quadratic || f.packs
			if m := f.message; m != nil && !seen[m] {
				seen[m] = true
				open = append(open, m)
			}
		}
		for i := range p.dense {
			count(&p.dense[i])
		}
		for _, f := range p.sparse {
			count(f)
		}
		if p.lazy {
			factor += 256
		}
	}
	return factor, quadratic
}

// worst is worstOf for a field alone. A value takes two bytes at least.
func (f *field) worst() uint64 {
	const stack = 512 // what a message within a message takes of the decoder's stack
	worst := f.alloc + f.first + growth*f.elem
	if f.elem > 0 {
		worst += 2 * newList
	}
	if f.message != nil {
		worst += stack
	}
	if f.wire == 2 && f.message == nil {
		worst += 16 // one byte of text
	}
	return worst/2 + 2
}

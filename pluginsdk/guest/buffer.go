package guest

const (
	// firstResponse is the size of a new response buffer, in bytes. A response that is
	// larger costs one more import call.
	firstResponse = 4 << 10
	// small is the size up to which a buffer is kept for good, in bytes, and keep the
	// one up to which it is kept at all.
	small = 128 << 10
	keep  = 4 << 20
	// patience is how many calls in a row that need less than a quarter of a buffer
	// let a large one go.
	patience = 1000
)

// buffer holds the bytes of one message, and then those of the next. It grows to what
// messages need, and does not hold the memory of a large one for ever.
type buffer struct {
	b    []byte // all of it
	idle int    // calls in a row that could do with much less
}

// makeRoom is room for a message that may be large. It is false when there is no memory.
func (b *buffer) makeRoom(n int) ([]byte, bool) {
	if n > len(b.b) {
		b.drop()
		if !fits(n) {
			return nil, false
		}
	}
	return b.room(n), true
}

// drop lets go of a large buffer, for one that is larger.
func (b *buffer) drop() {
	if len(b.b) > small {
		*b = buffer{}
	}
}

// room returns the buffer with n bytes or more. What it held is gone.
func (b *buffer) room(n int) []byte {
	if n > len(b.b) {
		if len(b.b) > 0 && n <= keep {
			n += n / 4 // messages vary, and the next may be a little larger
		}
		*b = buffer{} // which can be collected first
		b.b = make([]byte, max(firstResponse, n))
	}
	return b.b
}

// used notes that a message had n bytes.
func (b *buffer) used(n int) {
	if len(b.b) <= small {
		return
	}
	if n >= len(b.b)/4 {
		b.idle = 0
	} else {
		b.idle++
	}
	if len(b.b) > keep || b.idle > patience {
		*b = buffer{}
	}
}

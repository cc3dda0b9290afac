package guest

// lock is a mutex for the one thread of a guest. Goroutines take turns there only where
// the code calls something that may wait or allocate: nothing comes between reading and
// setting a field. docs/rationale.md says what a sync.Mutex would cost.
type lock struct {
	held        bool
	first, last *waiter // in the order in which they came
}

type waiter struct {
	next *waiter
	turn chan struct{}
}

// free reports whether nobody has the lock.
func (l *lock) free() bool { return !l.held }

// Lock waits until nobody has the lock, and takes it.
func (l *lock) Lock() {
	if l.held {
		l.wait()
		return
	}
	l.held = true
}

func (l *lock) wait() {
	w := &waiter{turn: make(chan struct{})}
	if !l.held { // it was given back while this was allocated
		l.held = true
		return
	}
	if l.last == nil {
		l.first = w
	} else {
		l.last.next = w
	}
	l.last = w
	<-w.turn
}

// Unlock gives the lock to who has waited longest.
func (l *lock) Unlock() {
	if l.first == nil {
		l.held = false
		return
	}
	l.pass()
}

func (l *lock) pass() {
	w := l.first
	l.first = w.next
	if l.first == nil {
		l.last = nil
	}
	close(w.turn)
}

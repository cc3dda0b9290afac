package main

import "context"

// side is one that is compared, a row of the tables.
type side struct {
	name string
	kind kind
	// open gets it ready for one payload size, in bytes.
	open func(ctx context.Context, payload int) (contest, error)
}

// kind groups the sides.
type kind string

const (
	ours  kind = "Parigot"
	peer  kind = "others"
	limit kind = "limits"
)

// contest is a side that is ready to work.
type contest interface {
	// run makes so many calls, one after the other.
	run(ctx context.Context, calls int) error
	// memory returns the size of the guest's memory, in bytes, 0 without a guest.
	memory(ctx context.Context) (uint64, error)
	close(ctx context.Context) error
}

// renewed is a contest whose guest's memory only grows: it is asked before each sample
// whether it needs a new one.
type renewed interface {
	renew(ctx context.Context) error
}

// remote is a contest that allocates in another process, too.
type remote interface {
	mallocs(ctx context.Context) (uint64, error)
}

// native is a contest without a guest.
type native func(calls int) error

func (n native) run(_ context.Context, calls int) error { return n(calls) }
func (native) memory(context.Context) (uint64, error)   { return 0, nil }
func (native) close(context.Context) error              { return nil }

// openNative opens a side that is a loop of native code.
func openNative(loop func(payload int) native) func(context.Context, int) (contest, error) {
	return func(_ context.Context, payload int) (contest, error) { return loop(payload), nil }
}

package instance

import (
	"context"
	"sync"
	"time"

	"github.com/iansmith/parigot/internal/abi"
)

// Calls are the calls of one instance that go on while the instance runs: from
// their start until parigot.await has delivered their results, which is how long
// each counts against the limits. All methods are safe for concurrent use, except
// that Wait and Deliver are for the goroutine that runs the instance.
type Calls struct {
	max     int      // calls
	account *Account // of the requests of running calls, and of undelivered results
	busy    *sync.WaitGroup

	ready chan struct{} // holds a token when something may be in finished

	mu       sync.Mutex
	last     uint32 // the newest handle
	open     map[uint32]*OpenCall
	finished []*OpenCall   // waiting to be delivered, oldest first
	running  int           // implementations
	closed   bool          // the instance ends
	quiet    chan struct{} // closed when no implementation runs, once closed is true
}

// OpenCall is one of the [Calls].
type OpenCall struct {
	Handle uint32

	cancel context.CancelFunc
	size   uint64 // of the request
	code   int32
	body   []byte
}

// Refusal says why a call cannot start, or nothing.
type Refusal string

// What [Calls.Start] may refuse a call for.
const (
	TooMany Refusal = "too many calls are pending"
	NoRoom  Refusal = "the host holds as much memory for the guest as it may, see host_memory_limit"
	Ending  Refusal = "the guest is being stopped"
)

// NewCalls returns the calls of a new instance: max at a time. Their requests and
// undelivered results count against account. busy counts the implementations that run.
func NewCalls(maxCalls int, account *Account, busy *sync.WaitGroup) *Calls {
	return &Calls{
		max: maxCalls, account: account, busy: busy,
		ready: make(chan struct{}, 1),
		open:  map[uint32]*OpenCall{},
		quiet: make(chan struct{}),
	}
}

// Start makes room for a call whose request takes size bytes. What it returns must be
// ended with Drop or Finish. cancel ends the context of the implementation.
func (c *Calls) Start(size uint64, cancel context.CancelFunc) (*OpenCall, Refusal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return nil, Ending
	case len(c.open) >= c.max:
		return nil, TooMany
	case !c.account.Reserve(size):
		return nil, NoRoom
	}
	o := &OpenCall{Handle: c.handle(), cancel: cancel, size: size}
	c.open[o.Handle] = o
	c.running++
	c.busy.Add(1)
	return o, ""
}

// handle returns a handle that no open call has. They count up, so that one that a
// guest kept too long names nothing for the next four billion calls.
func (c *Calls) handle() uint32 {
	for {
		c.last++
		if _, taken := c.open[c.last]; !taken && c.last != 0 {
			return c.last
		}
	}
}

// Drop ends a call whose result needs no delivery.
func (c *Calls) Drop(o *OpenCall) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forget(o)
	c.ended(o)
}

// Finish ends a call and has its result delivered. body is reserved in the account, and
// released with its delivery. The result of an instance that has ended is dropped.
func (c *Calls) Finish(o *OpenCall, code int32, body []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o.code, o.body = code, body
	c.ended(o)
	if c.closed {
		c.drop(o)
		return
	}
	c.finished = append(c.finished, o)
	select {
	case c.ready <- struct{}{}:
	default:
	}
}

// drop forgets a call and its result.
func (c *Calls) drop(o *OpenCall) {
	c.account.Release(uint64(len(o.body)))
	o.body = nil
	c.forget(o)
}

func (c *Calls) forget(o *OpenCall) {
	delete(c.open, o.Handle)
}

// ended counts an implementation out.
func (c *Calls) ended(o *OpenCall) {
	c.account.Release(o.size)
	o.size, o.cancel = 0, nil
	c.running--
	if c.closed && c.running == 0 {
		close(c.quiet)
	}
	c.busy.Done()
}

// Cancel ends the context of a call. It is false when no open call has the handle.
// A call that has finished already stays as it is.
func (c *Calls) Cancel(handle uint32) bool {
	c.mu.Lock()
	o := c.open[handle]
	var cancel context.CancelFunc
	if o != nil {
		cancel = o.cancel
	}
	c.mu.Unlock()
	if cancel != nil {
		cancel() // without the lock, for it may run code of the implementation
	}
	return o != nil
}

// Empty reports whether there is nothing to deliver, now or later.
func (c *Calls) Empty() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open) == 0
}

// Closed reports whether the instance ends.
func (c *Calls) Closed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// Ready reports whether there is something to deliver.
func (c *Calls) Ready() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.finished) > 0
}

// Wait waits until there is something to deliver, for at most the given time,
// which is without end when it is negative, or until wake, which may be nil, has something.
// It returns whether there is, and why ctx ended if it did before.
func (c *Calls) Wait(ctx context.Context, limit time.Duration, wake <-chan struct{}) (bool, error) {
	if limit == 0 || c.Ready() {
		return c.Ready(), nil
	}
	var late <-chan time.Time
	if limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		late = timer.C
	}
	for {
		select {
		case <-c.ready:
			if c.Ready() { // or the token is an old one
				return true, nil
			}
		case <-late:
			return c.Ready(), nil
		case <-wake:
			return c.Ready(), nil
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// Deliver writes as many results to dst as fit, each a [abi.Record] and its body,
// and returns the bytes written. When not even the first fits, its record is
// written alone, and its body is returned to be parked, still reserved. dst has room for
// a record.
func (c *Calls) Deliver(dst []byte) (n uint32, parked []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	done := 0
	for _, o := range c.finished {
		size := abi.RecordSize + len(o.body)
		rest := dst[n:]
		if size > len(rest) && n > 0 {
			break
		}
		c.delivered(o).Put(rest)
		done++
		if size > len(rest) {
			n, parked = abi.RecordSize, o.body
			break
		}
		copy(rest[abi.RecordSize:], o.body)
		c.account.Release(uint64(len(o.body)))
		n += uint32(size)
	}
	clear(c.finished[:done])
	c.finished = c.finished[done:]
	if len(c.finished) == 0 {
		c.finished = nil
	}
	return n, parked
}

func (c *Calls) delivered(o *OpenCall) abi.Record {
	c.forget(o)
	return abi.Record{Handle: o.Handle, Code: o.code, Size: uint32(len(o.body))}
}

// Close cancels all calls and refuses new ones: the instance ends. The channel is
// closed when the last implementation has returned. Closing again is harmless.
func (c *Calls) Close() <-chan struct{} {
	c.mu.Lock()
	var cancels []context.CancelFunc
	if !c.closed {
		c.closed = true
		for _, o := range c.open {
			if o.cancel != nil {
				cancels = append(cancels, o.cancel)
			}
		}
		for _, o := range c.finished {
			c.drop(o)
		}
		clear(c.open)
		c.finished = nil
		if c.running == 0 {
			close(c.quiet)
		}
	}
	c.mu.Unlock()
	for _, cancel := range cancels {
		cancel()
	}
	return c.quiet
}

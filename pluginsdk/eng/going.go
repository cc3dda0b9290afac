package eng

import (
	"context"
	"time"

	"github.com/iansmith/parigot/internal/instance"
	"github.com/iansmith/parigot/internal/wirestatus"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// letGo is how long a guest may take to return when its host wants it to, before it is
// stopped.
const letGo = 200 * time.Millisecond

// A call that goes on runs on a goroutine of the guest, which needs somebody to enter the
// guest. Of the callers that wait one does so, who has the baton: it stays in the guest until a
// call has ended, or somebody wants to pass the gate.

// start makes a call of a method that may block. That its context ends does not stop the
// guest, in which there may be other calls.
func (i *Instance) start(c *servedCall, number uint32) error {
	if err := i.depart(c); err != nil {
		i.state.Outgoing = instance.Outgoing{}
		return err
	}
	run := i.begin(context.WithoutCancel(c.run.Context), time.Time{})
	run.Shared = true
	defer i.sharing()()
	place, err := i.send(run, c, number)
	i.stop(run)
	switch {
	case err != nil:
		if i.server.claim(c) {
			c.end(c.named(err))
		}
	case place != 0:
		i.deliver(place)
	}
	return nil
}

// depart enters a call among those that go on, and has it end with its context.
func (i *Instance) depart(c *servedCall) error {
	if err := i.server.depart(c, i.guest.host.maxGoing()); err != nil {
		return err
	}
	c.unhook = context.AfterFunc(&c.run, func() { i.abandon(c) })
	return nil
}

// maxGoing returns how many calls may go on in an instance.
func (h *Host) maxGoing() int {
	if h.config.maxPending > 0 {
		return h.config.maxPending
	}
	return DefaultMaxPending
}

// depart enters a call among those that go on.
func (s *server) depart(c *servedCall, most int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.going) >= most {
		return status.Errorf(status.ResourceExhausted, "%d calls go on in the instance already, which is as many as may", most)
	}
	if s.going == nil {
		s.going = map[uint32]*servedCall{}
	}
	c.done = make(chan struct{})
	s.going[c.handle] = c
	return nil
}

// claim makes the caller the one that ends c. It is false if another is.
func (s *server) claim(c *servedCall) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.going[c.handle] != c {
		return false
	}
	s.going[c.handle] = nil // its record may come
	return true
}

// take removes the call with a handle. It is nil if nobody waits for it, and not known if
// there is none.
func (s *server) take(handle uint32) (c *servedCall, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, known = s.going[handle]
	delete(s.going, handle)
	return c, known
}

// failAll ends all calls that go on.
func (s *server) failAll(err error) {
	s.mu.Lock()
	going := s.going
	s.going = nil
	s.mu.Unlock()
	for _, c := range going {
		if c != nil {
			c.end(c.named(err))
		}
	}
}

// left reports whether calls go on that nobody waits for.
func (s *server) left() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.going) > 0
}

func (c *servedCall) end(err error) {
	c.err = err
	close(c.done)
}

func (c *servedCall) over() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// wait waits for a call that goes on.
func (i *Instance) wait(c *servedCall) error {
	defer c.unhook()
	for !c.over() {
		select {
		case <-c.done:
		case <-i.server.baton:
			i.drive(c)
		}
	}
	return c.err
}

// drive lets calls go on until c is over. The caller has the baton, and returns it.
func (i *Instance) drive(c *servedCall) {
	defer func() { i.server.baton <- struct{}{} }()
	for !c.over() {
		i.passAndLetRun(c)
	}
}

func (i *Instance) passAndLetRun(c *servedCall) {
	_ = i.gate.force(context.Background()) // who is in it ends with the instance's life
	defer i.gate.leave(true)               // deferred, as a plugin may end this goroutine with runtime.Goexit
	i.letRun(c)
}

// sharing notes that the instance is in a run in which any of its calls may go on, and that has
// to end soon when somebody wants in. The function it returns notes the end.
func (i *Instance) sharing() func() {
	i.shared.Add(1)
	return func() { i.shared.Add(1) }
}

// letRun enters the guest until a call has ended or somebody wants to pass the gate, which the
// caller has passed.
func (i *Instance) letRun(c *servedCall) {
	switch {
	case c.over() || i.broken != nil:
	case i.life.Err() != nil:
		i.fail(i.notServed(c, i.life.Err()))
	default:
		i.resume(0, -1)
	}
}

// resume lets the guest's goroutines run, and tells it that a call is cancelled if that is
// not 0.
func (i *Instance) resume(cancelled uint32, limit time.Duration) {
	run := i.begin(context.Background(), time.Time{})
	run.Shared = true
	defer i.sharing()()
	defer i.stop(run)
	s := &i.server
	s.stack[0], s.stack[1] = uint64(cancelled), uint64(limit)
	i.state.Wanted.Clear()
	i.gate.remind() // those that came before somebody else's Clear
	err := i.call(run, s.run, s.stack[:2])
	if err == nil && s.stack[0] != 0 {
		i.deliver(s.stack[0])
	}
}

// deliver gives a call its result. A guest that answers what nobody asked is of no use.
func (i *Instance) deliver(place uint64) {
	rec, body, err := i.record(place)
	if err != nil {
		i.fail(err)
		return
	}
	c, known := i.server.take(rec.Handle)
	switch {
	case !known:
		i.fail(malformed("it answers the call %d, which there is not", rec.Handle))
	case c != nil:
		c.end(i.answer(c, rec, body))
	}
}

// abandon ends a call whose context has ended: its caller returns at once, and the guest is
// told. One that does not return for that is stopped.
func (i *Instance) abandon(c *servedCall) {
	if !i.server.claim(c) {
		return
	}
	c.end(c.named(i.notServed(c, wirestatus.Coded(c.run.Ended()))))
	if !i.interrupt() {
		return
	}
	defer i.gate.leave(false)
	if i.broken == nil && i.server.left() {
		limit := time.AfterFunc(letGo, i.doesNotLetGo)
		defer limit.Stop()
		i.resume(c.handle, 0)
	}
}

// interrupt passes the gate before all others. A guest that does not leave a shared run for
// that is stopped; any other call in it has a deadline of its own. It is false when the instance
// has ended.
func (i *Instance) interrupt() bool {
	for {
		ctx, cancel := context.WithTimeout(i.life, letGo)
		before := i.shared.Load()
		err := i.gate.overtake(ctx)
		cancel()
		switch {
		case err == nil:
			return true
		case i.life.Err() != nil:
			return false
		case before%2 == 1 && i.shared.Load() == before:
			i.doesNotLetGo()
			return false
		}
	}
}

func (i *Instance) doesNotLetGo() {
	i.kill(status.Errorf(status.Aborted, "the instance was stopped, because it did not return within %s from a call that was cancelled", letGo))
}

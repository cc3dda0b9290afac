//go:build !wasip1

package syscall

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/pluginsdk/parigotpb"
	"github.com/iansmith/parigot/pluginsdk/status"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

// chaos is a random graph of guests that end and come back while they call each
// other.
type chaos struct {
	*bundle
	t        *testing.T
	needs    [][]int // by guest: those that it calls, all of them before it
	answered atomic.Int64
	failed   atomic.Int64
}

// life is one instance of a guest, with a loop around ReadOne as a guest's runtime
// has it.
type life struct {
	*guest
	chaos   *chaos
	remotes []remote
	over    chan struct{} // nothing is read any longer

	mu      sync.Mutex
	waiting map[uint64]chan *syscallpb.ResolvedCall
	tasks   sync.WaitGroup
}

const (
	chaosGuests = 16
	chaosLives  = 12
	chaosCalls  = 25
)

// Every call ends, with a result or an error of the kernel. In the bubble of
// synctest a call that does not is a deadlock, and what is left behind of a guest a
// failure.
func TestChaos(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &chaos{bundle: setup(t, nil), t: t}
		for i := range chaosGuests {
			var needs []int
			for range min(i, 3) {
				needs = append(needs, rand.IntN(i))
			}
			c.needs = append(c.needs, needs)
		}
		var group sync.WaitGroup
		for i := range chaosGuests {
			group.Go(func() {
				for range chaosLives {
					c.live(i)
				}
			})
		}
		group.Wait()
		c.empty()
		t.Logf("%d calls were answered, %d failed", c.answered.Load(), c.failed.Load())
		require.Positive(t, c.answered.Load())
		require.Positive(t, c.failed.Load())
	})
}

func serviceOf(i int) string { return fmt.Sprint("chaos.S", i) }

// live is one life of guest i: it serves and calls, and ends whatever goes on.
func (c *chaos) live(i int) {
	l := &life{
		guest: c.guest(fmt.Sprint("guest", i)), chaos: c,
		over: make(chan struct{}), waiting: map[uint64]chan *syscallpb.ResolvedCall{},
	}
	sid := l.mustRegister(serviceOf(i))
	go l.pump()
	if err := l.start(i, sid); err == nil {
		for range chaosCalls {
			l.tasks.Go(func() { l.callOne(nil) })
			time.Sleep(time.Duration(rand.IntN(1000)) * time.Microsecond)
		}
	} else {
		c.check(err)
	}
	if rand.IntN(2) == 0 {
		c.check(l.exit(0, false))
	}
	l.end() // with calls in flight on both sides
	<-l.over
	l.tasks.Wait()
}

func (l *life) start(i int, sid *parigotpb.Id) error {
	seen := map[int]bool{}
	for _, n := range l.chaos.needs[i] {
		if seen[n] {
			continue
		}
		seen[n] = true
		if err := l.require(sid, serviceOf(n)); err != nil {
			return err
		}
	}
	if _, err := l.bind(sid, "Do"); err != nil {
		return err
	}
	if err := l.export(sid); err != nil {
		return err
	}
	if err := l.launch(sid); err != nil {
		return err
	}
	for n := range seen {
		found, err := l.locate(serviceOf(n))
		if err != nil {
			l.chaos.check(err) // it ended since
			continue
		}
		r := remote{g: l.guest, service: found.GetServiceId(), method: found.GetBinding()[0].GetMethodId()}
		l.mu.Lock()
		l.remotes = append(l.remotes, r)
		l.mu.Unlock()
	}
	return nil
}

// check wants an error that a guest may get when others end.
func (c *chaos) check(err error) {
	for _, code := range []syscallpb.KernelErr{
		syscallpb.KernelErr_CallerUnavailable, syscallpb.KernelErr_LocateError, syscallpb.KernelErr_NotReady,
		syscallpb.KernelErr_RunTimeout, syscallpb.KernelErr_ChannelClosed, syscallpb.KernelErr_BadId,
		syscallpb.KernelErr_BadCallId, syscallpb.KernelErr_WriteTimeout, syscallpb.KernelErr_NotFound,
		syscallpb.KernelErr_NotRequired,
	} {
		if errors.Is(err, status.Of(code)) {
			return
		}
	}
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		c.t.Errorf("an error that nobody expects: %v", err)
	}
}

func (l *life) pump() {
	defer close(l.over)
	for {
		resp, err := l.client.ReadOne(l.ctx, new(syscallpb.ReadOneRequest))
		if err != nil {
			l.chaos.check(err)
			return
		}
		for _, in := range resp.GetCall() {
			l.tasks.Go(func() { l.serveOne(in) })
		}
		for _, out := range resp.GetResolved() {
			l.mu.Lock()
			waits := l.waiting[out.GetCallId().GetLow()]
			delete(l.waiting, out.GetCallId().GetLow())
			l.mu.Unlock()
			if waits != nil {
				waits <- out
			}
		}
		if resp.GetExit().GetDrained() {
			return
		}
	}
}

func (l *life) serveOne(in *syscallpb.IncomingCall) {
	if rand.IntN(3) == 0 {
		l.callOne(in.GetCallId())
	}
	if rand.IntN(20) > 0 { // some are never answered
		l.chaos.check(l.answer(in.GetCallId(), "y"))
	}
}

// callOne makes a call and waits for its end.
func (l *life) callOne(parent *parigotpb.Id) {
	done := make(chan *syscallpb.ResolvedCall, 1)
	l.mu.Lock()
	if len(l.remotes) == 0 {
		l.mu.Unlock()
		return
	}
	r := l.remotes[rand.IntN(len(l.remotes))]
	cid, err := r.call("x", func(req *syscallpb.DispatchRequest) {
		req.Parent, req.TimeoutNs = parent, int64(time.Second)
	})
	if err == nil {
		l.waiting[cid.GetLow()] = done
	}
	l.mu.Unlock()
	if err != nil {
		l.chaos.failed.Add(1)
		l.chaos.check(err)
		return
	}
	if rand.IntN(10) == 0 {
		l.chaos.check(l.cancel(cid))
		return
	}
	select {
	case out := <-done:
		if out.GetResultError() == 0 {
			l.chaos.answered.Add(1)
			return
		}
		l.chaos.failed.Add(1)
		l.chaos.check(resultError(l.t, out))
	case <-l.over:
	case <-time.After(time.Minute):
		l.chaos.t.Error("a call has not ended")
	}
}

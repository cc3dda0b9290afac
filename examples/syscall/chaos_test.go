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

// life is one instance of a guest, with a loop around Next as a guest's runtime has it.
type life struct {
	*guest
	chaos   *chaos
	remotes []remote
	over    chan struct{} // nothing is read any longer

	mu    sync.Mutex
	tasks sync.WaitGroup
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
	l := &life{guest: c.guest(fmt.Sprint("guest", i)), chaos: c, over: make(chan struct{})}
	sid := l.mustRegister(serviceOf(i))
	go l.pump()
	if err := l.start(i, sid); err == nil {
		for range chaosCalls {
			l.tasks.Go(func() { l.callOne(0) })
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
	if err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
		c.t.Errorf("an error that nobody expects: %v", err)
	}
}

func (l *life) pump() {
	defer close(l.over)
	for {
		in, err := l.client.Next(l.ctx, new(syscallpb.NextRequest))
		switch {
		case err != nil:
			l.chaos.check(err)
			return
		case in.GetCall() != 0:
			l.tasks.Go(func() { l.serveOne(in.GetCall()) })
		case in.GetExit().GetDrained():
			return
		}
	}
}

func (l *life) serveOne(call uint64) {
	if rand.IntN(3) == 0 {
		l.callOne(call)
	}
	if rand.IntN(20) > 0 { // some are never answered
		l.chaos.check(l.answer(call, "y"))
	}
}

// callOne makes a call and waits for its end. Half of the callers stand still, half have no
// deadline, and a tenth gives up.
func (l *life) callOne(parent uint64) {
	l.mu.Lock()
	remotes := l.remotes
	l.mu.Unlock()
	if len(remotes) == 0 {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	switch {
	case rand.IntN(10) == 0:
		time.AfterFunc(time.Duration(rand.IntN(1000))*time.Microsecond, cancel)
	case rand.IntN(2) == 0:
		ctx, cancel = context.WithTimeout(ctx, time.Second)
		defer cancel()
	}
	r := remotes[rand.IntN(len(remotes))]
	r.g = l.with(ctx)
	send := r.call
	if rand.IntN(2) == 0 {
		send = r.stand
	}
	call, err := send("x", onBehalf(parent))
	if err == nil {
		err = r.g.await(call).err
	}
	if err == nil {
		l.chaos.answered.Add(1)
		return
	}
	l.chaos.failed.Add(1)
	l.chaos.check(err)
}

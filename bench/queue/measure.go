package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/iansmith/parigot/bench/queue/load"
)

// batch is how many messages a call has that has more than one.
const batch = 100

// work is a row of the table.
type work struct {
	cycle            bool
	clients, payload int
}

func works() []work {
	var all []work
	for _, cycle := range []bool{false, true} {
		for _, clients := range []int{1, 8} {
			for _, payload := range []int{100, 10 << 10} {
				all = append(all, work{cycle, clients, payload})
			}
		}
	}
	return all
}

// side is one that is compared, a column of the table. The first one is what the
// others are compared with.
type side struct {
	name  string
	batch int     // messages in each call
	least float64 // how many times the rate of the first side it is to have; 0: any
	// open makes a queue in a directory, for so many clients.
	open func(ctx context.Context, dir string, clients int) (*contest, error)
}

// contest is a side that is ready to work.
type contest struct {
	clients []func(ctx context.Context, w load.Work) (messages int, err error)
	close   func(ctx context.Context) error
}

// bench is the comparison.
type bench struct {
	dir      string
	progress io.Writer
	works    []work
	sides    []side

	rates [][][]float64       // by work, side and turn: messages per second
	cpu   [][][]time.Duration // by work, side and turn: for each message
	syncs []time.Duration
}

// plan is how much is measured: each side gets rounds new databases for each
// work, and with each of them turns turns of some time.
type plan struct {
	rounds, turns int
	each          time.Duration
}

// measure has all sides do all works, in turns.
func (b *bench) measure(ctx context.Context, p plan) error {
	b.rates, b.cpu = make([][][]float64, len(b.works)), make([][][]time.Duration, len(b.works))
	for i := range b.works {
		b.rates[i], b.cpu[i] = make([][]float64, len(b.sides)), make([][]time.Duration, len(b.sides))
	}
	start := time.Now()
	for round := range p.rounds {
		for i := range b.works {
			sync, err := b.sync()
			if err != nil {
				return err
			}
			b.syncs = append(b.syncs, sync)
			if err := b.round(ctx, i, p); err != nil {
				return fmt.Errorf("%s: %w", b.works[i], err)
			}
		}
		took := time.Since(start)
		say(b.progress, "round %d of %d done, %s left", round+1, p.rounds,
			(took / time.Duration(round+1) * time.Duration(p.rounds-round-1)).Round(time.Second))
	}
	return nil
}

// round measures one work. The sides have their databases open at the same time
// and take short turns, so that what disturbs the machine disturbs all of them.
func (b *bench) round(ctx context.Context, work int, p plan) (err error) {
	dir, err := os.MkdirTemp(b.dir, "databases")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	w := b.works[work]
	contests := make([]*contest, len(b.sides))
	for i, s := range b.sides {
		c, err := s.start(ctx, filepath.Join(dir, strconv.Itoa(i)), w)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		defer func() { err = errors.Join(err, c.close(ctx)) }()
		contests[i] = c
	}
	for range p.turns {
		for _, i := range rand.Perm(len(contests)) { // none always comes after the same other
			l := load.Work{Cycle: w.cycle, Batch: b.sides[i].batch, Payload: w.payload, Time: p.each}
			if err := b.turn(ctx, work, i, contests[i], l); err != nil {
				return fmt.Errorf("%s: %w", b.sides[i].name, err)
			}
		}
	}
	return nil
}

func (b *bench) turn(ctx context.Context, work, side int, c *contest, l load.Work) error {
	runtime.GC() // what others left behind
	cpu, start := cpuTime(), time.Now()
	messages, err := c.run(ctx, l)
	took := time.Since(start)
	b.rates[work][side] = append(b.rates[work][side], float64(messages)/took.Seconds())
	b.cpu[work][side] = append(b.cpu[work][side], (cpuTime()-cpu)/time.Duration(max(messages, 1)))
	return err
}

// cpuTime returns the processor time of this process.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// start opens a side and has it do the work once, which prepares its statements.
func (s *side) start(ctx context.Context, dir string, w work) (*contest, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	c, err := s.open(ctx, dir, w.clients)
	if err != nil {
		return nil, err
	}
	if _, err := c.run(ctx, load.Work{Cycle: w.cycle, Batch: s.batch, Payload: w.payload}); err != nil {
		return nil, errors.Join(err, c.close(ctx))
	}
	return c, nil
}

// run has all clients do a work at the same time, and returns how many messages
// that were.
func (c *contest) run(ctx context.Context, w load.Work) (messages int, err error) {
	counts := make([]int, len(c.clients))
	g, ctx := errgroup.WithContext(ctx)
	for i, client := range c.clients {
		g.Go(func() (err error) {
			counts[i], err = client(ctx, w)
			return err
		})
	}
	err = g.Wait()
	for _, n := range counts {
		messages += n
	}
	return messages, err
}

// sync returns how long it takes to write a page and sync it to the disk.
func (b *bench) sync() (_ time.Duration, err error) {
	f, err := os.Create(filepath.Join(b.dir, "sync"))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	page := make([]byte, 4<<10)
	var took []time.Duration
	for range 100 {
		start := time.Now()
		_, err := f.Write(page)
		if err := cmp.Or(err, f.Sync()); err != nil {
			return 0, err
		}
		took = append(took, time.Since(start))
	}
	return median(took), nil
}

func median[T cmp.Ordered](values []T) T {
	values = slices.Sorted(slices.Values(values))
	return values[len(values)/2]
}

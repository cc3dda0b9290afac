package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
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

	rates [][][]float64 // by work, side and round: messages per second
	syncs []time.Duration
}

// measure has all sides do all works, in turns, in each round.
func (b *bench) measure(ctx context.Context, rounds int, each time.Duration) error {
	b.rates = make([][][]float64, len(b.works))
	for i := range b.rates {
		b.rates[i] = make([][]float64, len(b.sides))
	}
	start := time.Now()
	for round := range rounds {
		sync, err := b.sync()
		if err != nil {
			return err
		}
		b.syncs = append(b.syncs, sync)
		for i, w := range b.works {
			for j := range b.sides {
				j = (j + round) % len(b.sides)
				rate, err := b.once(ctx, w, b.sides[j], each)
				if err != nil {
					return fmt.Errorf("%s, %+v: %w", b.sides[j].name, w, err)
				}
				b.rates[i][j] = append(b.rates[i][j], rate)
			}
		}
		took := time.Since(start)
		say(b.progress, "round %d of %d done, %s left", round+1, rounds,
			(took / time.Duration(round+1) * time.Duration(rounds-round-1)).Round(time.Second))
	}
	return nil
}

// once measures one side with a new database. What it does first does not count:
// it prepares the statements.
func (b *bench) once(ctx context.Context, w work, s side, each time.Duration) (rate float64, err error) {
	dir, err := os.MkdirTemp(b.dir, "database")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	c, err := s.open(ctx, dir, w.clients)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, c.close(ctx)) }()
	l := load.Work{Cycle: w.cycle, Batch: s.batch, Payload: w.payload}
	if _, err := c.run(ctx, l); err != nil {
		return 0, err
	}
	l.Time = each
	runtime.GC() // what others left behind
	start := time.Now()
	messages, err := c.run(ctx, l)
	return float64(messages) / time.Since(start).Seconds(), err
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

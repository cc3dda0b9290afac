package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/iansmith/parigot/bench/internal/latency"
	"github.com/iansmith/parigot/bench/syscall/echo"
)

// payloads are the sizes of the payload, in bytes.
var payloads = []int{16, 1 << 10, 64 << 10}

// group is a comparison: sides that do the same works, in turns.
type group struct {
	what    string // as a heading
	callers int
	part    int // a round takes 1/part of the time that is asked for
	sides   []side
	results [][][]result // by payload, side and round
}

// side is one that is compared, a column of the tables.
type side struct {
	name    string
	against string    // the side that it is compared with, if any
	bounds  []float64 // how many times as fast as that it is to be, by payload; nil: it is only told
	contest
}

// contest is a side that is ready to work.
type contest interface {
	run(ctx context.Context, w echo.Work) (echo.Done, error)
	close(ctx context.Context) error
}

// bench is the comparison.
type bench struct {
	progress io.Writer
	groups   []group
	open     []contest
}

func (b *bench) close(ctx context.Context) error {
	var errs []error
	for _, c := range b.open {
		errs = append(errs, c.close(context.WithoutCancel(ctx)))
	}
	return errors.Join(errs...)
}

// result is what one call took, by the clock and of processors, and how long each one took.
type result struct {
	clock, cpu time.Duration
	calls      latency.Counts
}

// measure has all sides do all works, in turns, in each round.
func (b *bench) measure(ctx context.Context, rounds int, each time.Duration) error {
	begin := time.Now()
	for i := range b.groups {
		b.groups[i].reset()
	}
	for round := range rounds {
		for i := range b.groups {
			if err := b.groups[i].round(ctx, each); err != nil {
				return err
			}
		}
		took := time.Since(begin)
		say(b.progress, "round %d of %d done, %s left", round+1, rounds,
			(took / time.Duration(round+1) * time.Duration(rounds-round-1)).Round(time.Second))
	}
	return nil
}

func (g *group) reset() {
	g.results = make([][][]result, len(payloads))
	for i := range g.results {
		g.results[i] = make([][]result, len(g.sides))
	}
}

func (g *group) round(ctx context.Context, each time.Duration) error {
	for i, payload := range payloads {
		for _, j := range rand.Perm(len(g.sides)) { // none always comes after the same other
			w := echo.Work{Callers: g.callers, Payload: payload, Time: each / time.Duration(g.part)}
			r, err := once(ctx, g.sides[j], w)
			if err != nil {
				return fmt.Errorf("%s, %s, %+v: %w", g.what, g.sides[j].name, w, err)
			}
			g.results[i][j] = append(g.results[i][j], r)
		}
	}
	return nil
}

// once measures one side. What it does first does not count: buffers grow.
func once(ctx context.Context, s side, w echo.Work) (result, error) {
	first := w
	first.Time /= 10
	if _, err := s.run(ctx, first); err != nil {
		return result{}, err
	}
	runtime.GC() // what others left behind
	start := time.Now()
	done, err := s.run(ctx, w)
	if err != nil {
		return result{}, err
	}
	calls := time.Duration(done.Calls.Len())
	return result{clock: time.Since(start) / calls, cpu: done.CPU / calls, calls: done.Calls}, nil
}

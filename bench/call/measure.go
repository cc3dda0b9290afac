package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"
)

// payloads are the sizes of the payload, in bytes.
var payloads = []int{16, 1 << 10, 64 << 10, 1 << 20}

// plan is how much is measured.
type plan struct {
	rounds int
	each   time.Duration // for one sample
}

// sample is what was measured at once.
type sample struct {
	calls   int
	took    time.Duration
	mallocs uint64 // of the host, and of other processes
	grown   uint64 // the guest's memory, in bytes
}

// perCall returns the time of one call in nanoseconds.
func (s sample) perCall() float64 { return float64(s.took.Nanoseconds()) / float64(s.calls) }

// results are the samples of a side with a payload.
type results struct {
	side    string
	payload int
	samples []sample
	memory  uint64 // of the guest in the end, in bytes
}

// measure has all sides make their calls with each payload. For one payload, all sides
// are open at once, and take turns, so that what disturbs the machine disturbs all of
// them.
func measure(ctx context.Context, sides []side, sizes []int, p plan, progress io.Writer) ([]*results, error) {
	var all []*results
	for _, size := range sizes {
		say(progress, "payload %s: %d rounds of %d sides", bytesOf(size), p.rounds, len(sides))
		r, err := measureSize(ctx, sides, size, p)
		if err != nil {
			return nil, fmt.Errorf("payload %s: %w", bytesOf(size), err)
		}
		all = append(all, r...)
	}
	return all, nil
}

func measureSize(ctx context.Context, sides []side, size int, p plan) (all []*results, err error) {
	contests := make([]contest, len(sides))
	counts := make([]int, len(sides))
	for i, s := range sides {
		c, err := s.open(ctx, size)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		defer func() { err = errors.Join(err, c.close(context.WithoutCancel(ctx))) }()
		if counts[i], err = calibrate(ctx, c, p.each); err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		contests[i] = c
		all = append(all, &results{side: s.name, payload: size})
	}
	for range p.rounds {
		for _, i := range rand.Perm(len(sides)) { // none always comes after the same other
			s, err := take(ctx, contests[i], counts[i])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", sides[i].name, err)
			}
			all[i].samples = append(all[i].samples, s)
		}
	}
	for i, c := range contests {
		if all[i].memory, err = c.memory(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", sides[i].name, err)
		}
	}
	return all, nil
}

// warm is how many samples are taken before the first that counts: memory that was never
// touched is slow, and garbage collectors find their pace.
const warm = 5

// calibrate returns how many calls fill the time of a sample.
func calibrate(ctx context.Context, c contest, each time.Duration) (calls int, err error) {
	for calls = 1; ; calls *= 4 {
		if err := renew(ctx, c); err != nil {
			return 0, err
		}
		start := time.Now()
		if err := c.run(ctx, calls); err != nil {
			return 0, err
		}
		if took := time.Since(start); took >= each/4 || took == 0 {
			calls = max(1, int(float64(calls)*float64(each)/float64(max(took, 1))))
			return calls, warmUp(ctx, c, calls)
		}
	}
}

func warmUp(ctx context.Context, c contest, calls int) error {
	for range warm {
		if err := renew(ctx, c); err != nil {
			return err
		}
		if err := c.run(ctx, calls); err != nil {
			return err
		}
	}
	return nil
}

func renew(ctx context.Context, c contest) error {
	if r, ok := c.(renewed); ok {
		return r.renew(ctx)
	}
	return nil
}

func take(ctx context.Context, c contest, calls int) (s sample, err error) {
	if err := renew(ctx, c); err != nil {
		return s, err
	}
	runtime.GC() // what others left behind
	before, err := gauge(ctx, c)
	if err != nil {
		return s, err
	}
	start := time.Now()
	err = c.run(ctx, calls)
	s.took, s.calls = time.Since(start), calls
	if err != nil {
		return s, err
	}
	after, err := gauge(ctx, c)
	s.mallocs, s.grown = after.mallocs-before.mallocs, after.grown-before.grown
	return s, err
}

// gauge reads how much was allocated so far, and how large the guest's memory is.
func gauge(ctx context.Context, c contest) (s sample, err error) {
	if s.grown, err = c.memory(ctx); err != nil {
		return s, err
	}
	if r, ok := c.(remote); ok {
		if s.mallocs, err = r.mallocs(ctx); err != nil {
			return s, err
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	s.mallocs += m.Mallocs
	return s, nil
}

func (r *results) median() float64 {
	return medianOf(r.samples, sample.perCall)
}

// overall returns the time of a call in all samples together, in nanoseconds.
func (r *results) overall() float64 {
	var sum sample
	for _, s := range r.samples {
		sum.calls, sum.took = sum.calls+s.calls, sum.took+s.took
	}
	return sum.perCall()
}

// fastest returns the shortest time, in nanoseconds.
func (r *results) fastest() float64 {
	fastest := r.samples[0].perCall()
	for _, s := range r.samples {
		fastest = min(fastest, s.perCall())
	}
	return fastest
}

// allocs returns the host's allocations for a call.
func (r *results) allocs() float64 {
	return medianOf(r.samples, func(s sample) float64 { return float64(s.mallocs) / float64(s.calls) })
}

// growth returns by how many bytes a call makes the guest's memory grow.
func (r *results) growth() float64 {
	calls, grown := 0, uint64(0)
	for _, s := range r.samples {
		calls, grown = calls+s.calls, grown+s.grown
	}
	return float64(grown) / float64(calls)
}

func medianOf(samples []sample, of func(sample) float64) float64 {
	var values []float64
	for _, s := range samples {
		values = append(values, of(s))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// say tells those who wait how far it is.
func say(progress io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintf(progress, format+"\n", args...)
}

func bytesOf(n int) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d B", n)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/iansmith/parigot/pluginsdk/eng"
)

// crowd is what guests did that called at the same time.
type crowd struct {
	form   string
	guests int
	rate   float64 // calls of all, in a second
	spread float64 // the calls of the fastest by those of the slowest
}

// crowds has 1 to 64 guests call at the same time.
func (p *parigot) crowds(ctx context.Context, counts []int, each time.Duration) ([]crowd, error) {
	var all []crowd
	for form, guest := range map[string]*eng.Guest{forms[0]: p.trusted, forms[1]: p.interruptible} {
		for _, n := range counts {
			c, err := crowdOf(ctx, guest, n, each)
			if err != nil {
				return nil, err
			}
			c.form = form
			all = append(all, c)
		}
	}
	slices.SortStableFunc(all, func(a, b crowd) int { return strings.Compare(b.form, a.form) })
	return all, nil
}

func crowdOf(ctx context.Context, guest *eng.Guest, n int, each time.Duration) (c crowd, err error) {
	const size, batch = 16, 100
	const warm = 100_000 // calls, after which the garbage collector has its pace
	instances := make([]*instance, n)
	for i := range instances {
		in, err := openInstance(ctx, guest, "default", size)
		if err != nil {
			return c, err
		}
		defer func() { err = errors.Join(err, in.close(ctx)) }()
		instances[i] = in
	}
	group, groupCtx := errgroup.WithContext(ctx)
	for _, in := range instances {
		group.Go(func() error { return in.run(groupCtx, warm) })
	}
	if err := group.Wait(); err != nil {
		return c, err
	}
	counts := make([]int, n)
	group, groupCtx = errgroup.WithContext(ctx)
	start := time.Now()
	for i, in := range instances {
		group.Go(func() error {
			for time.Since(start) < each {
				if err := in.run(groupCtx, batch); err != nil {
					return err
				}
				counts[i] += batch
			}
			return nil
		})
	}
	err = group.Wait()
	took, sum := time.Since(start), 0
	for _, count := range counts {
		sum += count
	}
	return crowd{guests: n, rate: float64(sum) / took.Seconds(), spread: float64(slices.Max(counts)) / float64(max(1, slices.Min(counts)))}, err
}

// crowdTable returns the rates in Markdown, and in bold what misses its aim: 1.8 times
// the rate of one guest on two processors, and no guest 1.5 times as fast as another.
func crowdTable(all []crowd) string {
	var text strings.Builder
	text.WriteString("| guests | | calls a second | of one guest's rate | fastest / slowest |\n|---|--:|--:|--:|--:|\n")
	one := map[string]float64{}
	for _, c := range all {
		if c.guests == 1 {
			one[c.form] = c.rate
		}
		times, spread := fmt.Sprintf("%.2f×", c.rate/one[c.form]), fmt.Sprintf("%.2f", c.spread)
		if c.guests > 1 && c.rate < 1.8*one[c.form] {
			times = "**" + times + "**"
		}
		if c.spread >= 1.5 {
			spread = "**" + spread + "**"
		}
		fmt.Fprintf(&text, "| %s | %d | %.0f | %s | %s |\n", c.form, c.guests, c.rate, times, spread)
	}
	return text.String()
}

// stay is how much memory a guest had after many calls.
type stay struct {
	side    string
	payload int
	calls   [3]int
	memory  [3]uint64 // after them, in bytes
}

// stays has our sides make 10,000, 100,000 and 1,000,000 calls, as many as there is time for.
func stays(ctx context.Context, sides []side, sizes []int, limit time.Duration) ([]stay, error) {
	var all []stay
	for _, s := range ofKind(sides, ours) {
		for _, size := range sizes {
			r, err := stayOf(ctx, s, size, limit)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			all = append(all, r)
		}
	}
	return all, nil
}

func stayOf(ctx context.Context, s side, size int, limit time.Duration) (r stay, err error) {
	c, err := s.open(ctx, size)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, c.close(ctx)) }()
	r = stay{side: s.name, payload: size}
	start, calls := time.Now(), 0
	for i, many := range []int{10_000, 100_000, 1_000_000} {
		for calls < many && (calls == 0 || time.Since(start) < limit) {
			if err := c.run(ctx, 100); err != nil {
				return r, err
			}
			calls += 100
		}
		r.calls[i] = calls
		if r.memory[i], err = c.memory(ctx); err != nil {
			return r, err
		}
	}
	return r, nil
}

// stayTable returns the sizes in Markdown, and in bold those that grew by more than a MiB
// between the last two, or are over 64 MiB.
func stayTable(all []stay) string {
	var text strings.Builder
	text.WriteString("| | payload | calls | MiB | calls | MiB | calls | MiB |\n|---|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, r := range all {
		after := fmt.Sprintf("%.1f", float64(r.memory[2])/(1<<20))
		if r.memory[2] > r.memory[1]+1<<20 || r.memory[2] > 64<<20 {
			after = "**" + after + "**"
		}
		fmt.Fprintf(&text, "| %s | %s | %d | %.1f | %d | %.1f | %d | %s |\n", r.side, bytesOf(r.payload),
			r.calls[0], float64(r.memory[0])/(1<<20), r.calls[1], float64(r.memory[1])/(1<<20), r.calls[2], after)
	}
	return text.String()
}

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/iansmith/parigot/bench/call/gen/echo/v1/echov1parigot"
	"github.com/iansmith/parigot/bench/call/work"
	"github.com/iansmith/parigot/bench/internal/latency"
	"github.com/iansmith/parigot/bench/internal/usage"
	"github.com/iansmith/parigot/pluginsdk/eng"
)

// poolCallers are how many callers there are: the first calls an instance, the others a pool.
var poolCallers = []int{1, 8, 64}

// poolBound is how many times the rate of one caller the rate of the second of poolCallers is to
// be, on two processors.
const poolBound = 1.8

// pooled is what callers did that called guests of one form at the same time.
type pooled struct {
	form    string
	callers int
	client  echov1parigot.EchoClient
	rates   []float64 // calls of all in a second, in each round
	took    latency.Counts
	cpu     time.Duration // of this process, for all calls
}

// pools has 1 to 64 callers call guests, in turns.
func (p *parigot) pools(ctx context.Context, plan plan) (all []*pooled, err error) {
	for i, guest := range []*eng.Guest{p.trusted, p.interruptible} {
		instance, err := guest.Instantiate(ctx)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, instance.Close(ctx)) }()
		size := runtime.GOMAXPROCS(0)
		pool, err := guest.NewPool(ctx, size, size)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, pool.Close(ctx)) }()
		for _, callers := range poolCallers {
			client := echov1parigot.NewEchoClient(pool)
			if callers == 1 {
				client = echov1parigot.NewEchoClient(instance)
			}
			all = append(all, &pooled{form: forms[i], callers: callers, client: client})
		}
	}
	for _, c := range all { // memory that was never touched is slow
		if err := c.round(ctx, plan.each); err != nil {
			return nil, err
		}
		c.rates, c.took, c.cpu = nil, latency.Counts{}, 0
	}
	for range plan.rounds {
		for _, i := range rand.Perm(len(all)) {
			if err := all[i].round(ctx, plan.each); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// round has all callers call for some time.
func (c *pooled) round(ctx context.Context, each time.Duration) error {
	const size = 16
	counts := make([]latency.Counts, c.callers)
	runtime.GC() // what others left behind
	group, ctx := errgroup.WithContext(ctx)
	before, start := usage.CPU(), time.Now()
	for i := range counts {
		group.Go(func() error {
			payload, tags := work.Payload(size), work.Tags()
			for seq, now := uint64(0), start; seq == 0 || now.Sub(start) < each; seq++ {
				if err := callServed(ctx, c.client, payload, tags, seq); err != nil {
					return err
				}
				last := now
				now = time.Now()
				counts[i].Add(now.Sub(last))
			}
			return nil
		})
	}
	err := group.Wait()
	took := time.Since(start)
	c.cpu += usage.CPU() - before
	var all latency.Counts
	all.Merge(counts...)
	c.rates = append(c.rates, float64(all.Len())/took.Seconds())
	c.took.Merge(all)
	return err
}

// poolTable returns the rates in Markdown.
func poolTable(all []*pooled) string {
	var text strings.Builder
	text.WriteString("| | callers | calls a second | of one caller's rate | µs of processors | median, µs | p99, µs | longest, ms |\n|---|--:|--:|--:|--:|--:|--:|--:|\n")
	var one *pooled
	for _, c := range all {
		if c.callers == 1 {
			one = c
		}
		ratios := make([]float64, len(c.rates))
		for i, rate := range c.rates {
			ratios[i] = rate / one.rates[i]
		}
		times := fmt.Sprintf("%.2f×", middle(ratios))
		if c.callers == poolCallers[1] && middle(ratios) < poolBound {
			times = "**" + times + "**"
		}
		fmt.Fprintf(&text, "| %s | %d | %.0f | %s | %s | %s | %s | %.1f |\n", c.form, c.callers, middle(c.rates), times, micros(c.cpu/time.Duration(max(1, c.took.Len()))),
			micros(c.took.Quantile(0.5)), micros(c.took.Quantile(0.99)), float64(c.took.Worst)/float64(time.Millisecond))
	}
	return text.String()
}

func micros(d time.Duration) string { return digits(float64(d) / float64(time.Microsecond)) }

// middle returns the median.
func middle(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	return values[len(values)/2]
}

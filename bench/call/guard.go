package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
)

// guardReference is what the guard compares with: native code that allocates nothing, which
// noise disturbs less than peers.
const guardReference = "native-vtprotobuf-reused"

// guardSizes are the payloads that the guard measures, in bytes.
var guardSizes = []int{16, 64 << 10}

// ratios are how many times as fast as the guard's reference each of our sides is, by side and
// payload. They depend on the machine much less than times do.
type ratios map[string]float64

func ratiosOf(sides []side, all []*results) ratios {
	r := ratios{}
	for _, s := range sides {
		for _, size := range guardSizes {
			mine, other := find(all, s.name, size), find(all, guardReference, size)
			if mine != nil && other != nil && s.name != guardReference {
				// On a busy machine the fastest samples tell more than the medians.
				r[s.name+"/"+bytesOf(size)] = max(other.median()/mine.median(), other.fastest()/mine.fastest())
			}
		}
	}
	return r
}

// lost returns where more than the part loss of the baseline is lost, nil when that is
// nowhere.
func (r ratios) lost(baseline ratios, loss float64) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(baseline)) {
		now, ok := r[name]
		switch {
		case !ok:
			errs = append(errs, fmt.Errorf("%s is in the baseline and was not measured", name))
		case now < baseline[name]*(1-loss):
			errs = append(errs, fmt.Errorf("%s is %.4f times as fast as %s, and was %.4f times as fast: find out why, "+
				"or write a new baseline with make bench-guard-update", name, now, guardReference, baseline[name]))
		}
	}
	return errors.Join(errs...)
}

// guard fails when calls are slower than the baseline says. Noise makes a single
// measurement slower, so it measures again, with more rounds, before it fails, and keeps the
// best that it saw of each.
func guard(baseline ratios, loss float64, progress io.Writer, measured func(rounds int) (ratios, error)) error {
	var lost error
	best := ratios{}
	for _, rounds := range []int{7, 15, 31} {
		now, err := measured(rounds)
		if err != nil {
			return err
		}
		for name, ratio := range now {
			best[name] = max(best[name], ratio)
		}
		if lost = best.lost(baseline, loss); lost == nil {
			return nil
		}
		say(progress, "with %d rounds:\n%v", rounds, lost)
	}
	return lost
}

// guardFile compares with the baseline in a file, or writes it.
func (b *bench) guardFile(ctx context.Context, o options, progress io.Writer) error {
	sides := slices.DeleteFunc(slices.Clone(b.sides), func(s side) bool {
		return s.kind != ours && s.name != guardReference && s.name != "bridge"
	})
	measured := func(rounds int) (ratios, error) {
		all, err := measure(ctx, sides, guardSizes, plan{rounds: rounds, each: o.plan.each}, progress)
		return ratiosOf(sides, all), err
	}
	if o.update {
		now, err := measured(21)
		if err != nil {
			return err
		}
		text, err := json.MarshalIndent(now, "", "  ")
		if err != nil {
			return err
		}
		return os.WriteFile(o.baseline, append(text, '\n'), 0o644) //nolint:gosec // it is committed
	}
	text, err := os.ReadFile(o.baseline)
	if err != nil {
		return err
	}
	baseline := ratios{}
	if err := json.Unmarshal(text, &baseline); err != nil {
		return fmt.Errorf("%s: %w", o.baseline, err)
	}
	if len(baseline) == 0 {
		return fmt.Errorf("%s is empty: write it with make bench-guard-update", o.baseline)
	}
	return guard(baseline, o.loss, progress, measured)
}

package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"time"
)

// suite is one comparison: of calls in one direction.
type suite struct {
	target  string   // of make
	block   string   // in docs/benchmarks.md
	guests  []string // what is built besides the one of Parigot
	process bool     // whether the native process is built, too
	figures []figure
	sides   func(*built) []side
	notes   string // what has to be known to read the figures
	// long measures what takes its time, and returns it in Markdown.
	long func(ctx context.Context, b *bench, progress io.Writer) (string, error)
}

// outward are the calls that guests make.
func outward() suite {
	return suite{
		target: "bench-full", block: "bench-call",
		guests: []string{"knqyf", "extism", "wapc"}, process: true,
		figures: figures(),
		sides: func(b *built) []side {
			return slices.Concat(limits(), b.parigot.sides(), []side{
				knqyfSide(b), extismSide(b), wapcSide(b), grpcSide(b), hashicorpSide(b),
			})
		},
		notes: "These differ where a side has to\n" +
			"stop now and then for longer than a sample takes: " + reference + " never frees a response, and its guest's\n" +
			"memory grows, is copied when it does, and is collected in vain, until the benchmark replaces the guest at 1 GiB.\n",
		long: longOutward,
	}
}

// inward are the calls of guests that their host makes.
func inward() suite {
	return suite{
		target: "bench-host", block: "bench-host",
		guests:  []string{"knqyf", "extism"},
		figures: hostFigures(),
		sides: func(b *built) []side {
			return append(b.parigot.hostSides(), knqyfServedSide(b), extismServedSide(b))
		},
		notes: "These differ where a side\nhas to stop now and then for longer than a sample takes. Where there is no bound, the figure is there to be read.\n",
		long:  longInward,
	}
}

// report returns the results in Markdown.
func (b *bench) report(o options, sizes []int, all []*results) string {
	list := outcomes(b.figures, all)
	return fmt.Sprintf(`Measured with %s on %s/%s, %d CPUs, %s: medians of %d rounds of %s, in which the
sides take turns, with their 95 %% confidence interval.

Microseconds for a call, and how many times as fast as %s it is; in bold where it misses one of the figures below:

%s
Allocations of the host for each call, of all processes, and by how many bytes the guest's memory grew for each call while it was measured:

%s
The figures, by the medians, and by all calls of all rounds together. %s
%s`, "`make "+b.target+"`", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), o.plan.rounds, o.plan.each,
		reference, timesTable(b.sides, sizes, all, list), memoryTable(b.sides, sizes, all), b.notes, figuresTable(list))
}

func longOutward(ctx context.Context, b *bench, progress io.Writer) (string, error) {
	say(progress, "the file example's guest, until it runs: half a minute")
	starts, err := measureStarts(ctx, b.dir, 5)
	if err != nil {
		return "", err
	}
	say(progress, "up to 64 guests at once: two minutes")
	crowds, err := b.parigot.crowds(ctx, []int{1, 2, 8, 64}, 10*time.Second)
	if err != nil {
		return "", err
	}
	say(progress, "up to 1,000,000 calls of one guest: minutes")
	stays, err := stays(ctx, b.sides, payloads, 10*time.Second)
	if err != nil {
		return "", err
	}
	return "\nGuests that call at once, with 16 B; in bold where the rate of all is less than 1.8 times that of one, or one guest is 1.5 times as fast as another:\n\n" +
		crowdTable(crowds) +
		"\nThe memory of a guest after 10,000 calls, 100,000 and 1,000,000, or as many as it makes in 10 s; in bold where it grew by more than a MiB between the last two, or is over 64 MiB. A Go guest's heap grows to 12 MiB before the first collection:\n\n" +
		stayTable(stays) +
		"\nThe guest of the file example, until it runs, medians of 5 rounds:\n\n" + startTable(starts), nil
}

func longInward(ctx context.Context, b *bench, progress io.Writer) (string, error) {
	say(progress, "pools: a minute")
	p := plan{rounds: 7, each: time.Second}
	pools, err := b.parigot.pools(ctx, p)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("\nCalls with 16 B by many callers at once, on a pool of %d instances, one for each processor, beside one caller of one\n"+
		"instance: medians of %d rounds of %s, in which they take turns; in bold where %d callers have less than %g times the rate.\n"+
		"How long the calls took, by the clock, is of all rounds together; most of it is waiting for an instance.\n\n%s",
		runtime.GOMAXPROCS(0), p.rounds, p.each, poolCallers[1], poolBound, poolTable(pools)), nil
}

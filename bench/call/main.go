// Call measures a typed call out of a guest, side by side with peers and with what is
// possible at all, and writes tables and a plot into docs/benchmarks.md. Run it with
// make bench, or make bench-full.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"time"

	"github.com/iansmith/parigot/bench/internal/block"
)

// options are what the command line says.
type options struct {
	dir, cache, raw, doc, svg, baseline string
	full, update                        bool
	loss                                float64
	sides, payloads                     *regexp.Regexp
	plan                                plan
}

func main() {
	var o options
	var sides, sizes string
	flag.StringVar(&o.dir, "dir", "", "the directory for what is built")
	flag.StringVar(&o.cache, "cache", "", "the directory for compiled guests; a new one, if empty")
	flag.StringVar(&o.raw, "raw", "", "the file for all samples, for benchstat")
	flag.StringVar(&o.doc, "doc", "", "the Markdown file to write the tables into, between its markers")
	flag.StringVar(&o.svg, "svg", "", "the file for the plot")
	flag.StringVar(&o.baseline, "baseline", "", "only compare with the ratios in this file")
	flag.Float64Var(&o.loss, "loss", 0.2, "how much of the baseline's ratios may be lost, as a part of 1")
	flag.BoolVar(&o.update, "update", false, "write the file of the baseline")
	flag.BoolVar(&o.full, "full", false, "measure many guests at once, and many calls of one, too")
	flag.StringVar(&sides, "sides", "", "a regular expression of those to measure; all, if empty")
	flag.StringVar(&sizes, "payloads", "", "a regular expression of the payloads to measure, such as 16 B; all, if empty")
	flag.IntVar(&o.plan.rounds, "rounds", 7, "how many samples of each side there are")
	flag.DurationVar(&o.plan.each, "time", 20*time.Millisecond, "how long a sample takes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	var err error
	if o.sides, err = regexp.Compile(sides); err == nil {
		o.payloads, err = regexp.Compile(sizes)
	}
	if err == nil {
		err = run(ctx, o, os.Stdout, os.Stderr)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "call:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, out, progress io.Writer) (err error) {
	dir, err := os.MkdirTemp(o.dir, "bench-call")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b, err := newBench(ctx, dir, cmp.Or(o.cache, filepath.Join(dir, "cache")), progress)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close(ctx)) }()
	b.sides = slices.DeleteFunc(b.sides, func(s side) bool { return !o.sides.MatchString(s.name) })
	if o.baseline != "" {
		return b.guardFile(ctx, o, progress)
	}
	sizes := slices.DeleteFunc(slices.Clone(payloads), func(n int) bool { return !o.payloads.MatchString(bytesOf(n)) })
	all, err := measure(ctx, b.sides, sizes, o.plan, progress)
	if err != nil {
		return err
	}
	text := b.report(o, sizes, all)
	if o.full {
		more, err := b.long(ctx, dir, progress)
		if err != nil {
			return err
		}
		text += more
	}
	if _, err := fmt.Fprint(out, text); err != nil {
		return err
	}
	return o.write(b.sides, sizes, all, text)
}

// report returns the results in Markdown.
func (b *bench) report(o options, sizes []int, all []*results) string {
	return fmt.Sprintf(`Measured with %s on %s/%s, %d CPUs, %s: medians of %d rounds of %s, in which the
sides take turns, with their 95 %% confidence interval.

Microseconds for a call, and how many times as fast as %s it is; in bold where it misses one of the figures below:

%s
Allocations of the host for each call, of all processes, and by how many bytes the guest's memory grew for each call while it was measured:

%s
The figures, by the medians, and by all calls of all rounds together. These differ where a side has to
stop now and then for longer than a sample takes: %s never frees a response, and its guest's
memory grows, is copied when it does, and is collected in vain, until the benchmark replaces the guest at 1 GiB.

%s`, "`make bench-full`", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), o.plan.rounds, o.plan.each,
		reference, timesTable(b.sides, sizes, all), memoryTable(b.sides, sizes, all), reference, figuresTable(outcomes(all)))
}

// long measures what takes its time.
func (b *bench) long(ctx context.Context, dir string, progress io.Writer) (string, error) {
	say(progress, "the file example's guest, until it runs: half a minute")
	starts, err := measureStarts(ctx, dir, 5)
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

// write writes the files that the command line names.
func (o options) write(sides []side, sizes []int, all []*results, text string) error {
	var errs []error
	if o.raw != "" {
		errs = append(errs, toFile(o.raw, func(w io.Writer) error { return writeRaw(w, all) }))
	}
	if o.svg != "" {
		errs = append(errs, drawPlot(o.svg, sides, sizes, all))
	}
	if o.doc != "" {
		errs = append(errs, block.Insert(o.doc, "bench-call", text))
	}
	return errors.Join(errs...)
}

// bench is the comparison: all sides, and what they stand on.
type bench struct {
	parigot *parigot
	sides   []side
}

// newBench builds the guests in dir, and compiles them into the directory cache.
func newBench(ctx context.Context, dir, cache string, progress io.Writer) (_ *bench, err error) {
	wasm := map[string][]byte{}
	for _, name := range []string{"parigot", "knqyf", "extism", "wapc"} {
		say(progress, "building the guest %s", name)
		if wasm[name], err = buildGuest(ctx, dir, name); err != nil {
			return nil, err
		}
	}
	say(progress, "building the native process")
	native := filepath.Join(dir, "peer")
	if err := goBuild(ctx, native, "peer"); err != nil {
		return nil, err
	}
	say(progress, "compiling Parigot's guest, trusted and interruptible")
	p, err := openParigot(ctx, wasm["parigot"], cache)
	if err != nil {
		return nil, err
	}
	return &bench{p, slices.Concat(limits(), p.sides(), []side{
		knqyfSide(wasm["knqyf"], cache), extismSide(wasm["extism"], cache), wapcSide(wasm["wapc"], cache),
		grpcSide(native), hashicorpSide(native),
	})}, nil
}

func (b *bench) close(ctx context.Context) error { return b.parigot.close(context.WithoutCancel(ctx)) }

// buildGuest builds one of the guests, a library.
func buildGuest(ctx context.Context, dir, name string) ([]byte, error) {
	out := filepath.Join(dir, name+".wasm")
	err := goBuild(ctx, out, "guest/"+name, "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=-buildmode=c-shared")
	if err != nil {
		return nil, err
	}
	return os.ReadFile(out)
}

// goBuild builds a program of the benchmark.
func goBuild(ctx context.Context, out, name string, env ...string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", out, "github.com/iansmith/parigot/bench/call/"+name)
	cmd.Env = append(append(os.Environ(), "GOFLAGS="), env...)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go build %s: %w", name, err)
	}
	return nil
}

// toFile has fn write a file.
func toFile(name string, fn func(io.Writer) error) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return fn(f)
}

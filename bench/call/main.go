// Call measures a typed call out of a guest, or into one, side by side with peers and with what
// is possible at all, and writes tables and a plot into docs/benchmarks.md. Run it with
// make bench, make bench-full, or make bench-host.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"time"

	"github.com/iansmith/parigot/bench/internal/block"
)

// options are what the command line says.
type options struct {
	dir, cache, raw, doc, svg, baseline string
	host, full, update                  bool
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
	flag.BoolVar(&o.host, "host", false, "measure calls of guests by their host, and not those that guests make")
	flag.BoolVar(&o.full, "full", false, "measure many guests or callers at once, and many calls of one guest, too")
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
	s := outward()
	if o.host {
		s = inward()
	}
	b, err := newBench(ctx, s, dir, o.cache, progress)
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
		more, err := b.long(ctx, b, progress)
		if err != nil {
			return err
		}
		text += more
	}
	if _, err := fmt.Fprint(out, text); err != nil {
		return err
	}
	return o.write(b, sizes, all, text)
}

// write writes the files that the command line names.
func (o options) write(b *bench, sizes []int, all []*results, text string) error {
	var errs []error
	if o.raw != "" {
		errs = append(errs, toFile(o.raw, func(w io.Writer) error { return writeRaw(w, all) }))
	}
	if o.svg != "" {
		errs = append(errs, drawPlot(o.svg, b.sides, sizes, all))
	}
	if o.doc != "" {
		errs = append(errs, block.Insert(o.doc, b.block, text))
	}
	return errors.Join(errs...)
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

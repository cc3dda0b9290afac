// Base measures calls that guests make, side by side with an older version of Parigot, which it
// takes from git: it runs bench/call of both, in turns. Run it with make bench-base on a machine
// that does nothing else.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchmath"

	"github.com/iansmith/parigot/bench/internal/old"
)

// bound is what the ratio may be at most, with its confidence interval.
const bound = 1.05

type options struct {
	dir, base, time, sides string
	pairs                  int
}

func main() {
	var o options
	flag.StringVar(&o.dir, "dir", "", "the directory for what is built")
	flag.StringVar(&o.base, "base", "6b5eaaa", "the commit to compare with")
	flag.StringVar(&o.time, "time", "30ms", "how long a sample takes, of which there are seven")
	flag.StringVar(&o.sides, "sides", "^(default|optin|plain)-", "which sides to measure")
	flag.IntVar(&o.pairs, "pairs", 8, "how often both are run: six times or more, for a confidence interval")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, o, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "base:", err)
		os.Exit(1)
	}
}

// version is one of the two.
type version struct {
	name  string
	dir   string // of its module bench
	build string // for what it builds
	took  map[string][]float64
}

func run(ctx context.Context, o options, out, progress io.Writer) (err error) {
	dir, err := os.MkdirTemp(o.dir, "bench-base")
	if err == nil {
		dir, err = filepath.Abs(dir)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	source, err := old.Source(ctx, dir, o.base)
	if err != nil {
		return err
	}
	base := &version{name: o.base, dir: filepath.Join(source, "bench"), build: filepath.Join(dir, "base"), took: map[string][]float64{}}
	here := &version{name: "now", build: filepath.Join(dir, "here"), took: map[string][]float64{}}
	for _, v := range []*version{base, here} {
		if err := os.Mkdir(v.build, 0o700); err != nil {
			return err
		}
		if _, err := old.Command(ctx, v.dir, nil, "go", "build", "-o", filepath.Join(v.build, "call"), "./call"); err != nil {
			return err
		}
	}
	for pair := range o.pairs {
		_, _ = fmt.Fprintf(progress, "pair %d of %d\n", pair+1, o.pairs)
		both := []*version{base, here}
		rand.Shuffle(len(both), func(i, j int) { both[i], both[j] = both[j], both[i] })
		for _, v := range both {
			if err := v.measure(ctx, o); err != nil {
				return err
			}
		}
	}
	_, err = fmt.Fprintf(out, "Measured with %s on %s/%s, %d CPUs, %s: medians of %d pairs, and the ratio's 95 %% confidence\n"+
		"interval, in bold where its upper end is over %g.\n\n%s", "`make bench-base`", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(),
		runtime.Version(), o.pairs, bound, table(base, here))
	return err
}

// measure runs bench/call once.
func (v *version) measure(ctx context.Context, o options) error {
	raw := filepath.Join(v.build, "raw.txt")
	_, err := old.Command(ctx, v.dir, nil, filepath.Join(v.build, "call"), "-dir", v.build, "-cache", filepath.Join(v.build, "cache"),
		"-raw", raw, "-time", o.time, "-sides", o.sides)
	if err != nil {
		return err
	}
	text, err := os.Open(raw)
	if err != nil {
		return err
	}
	defer func() { _ = text.Close() }()
	return v.read(text)
}

// read adds the median of each side and payload in the samples of a run, in seconds.
func (v *version) read(raw io.Reader) error {
	samples := map[string][]float64{}
	reader := benchfmt.NewReader(raw, v.name)
	for reader.Scan() {
		switch r := reader.Result().(type) {
		case *benchfmt.SyntaxError:
			return r
		case *benchfmt.Result:
			took, _ := r.Value("sec/op")
			samples[r.Name.String()] = append(samples[r.Name.String()], took)
		}
	}
	for name, all := range samples {
		v.took[name] = append(v.took[name], median(all))
	}
	return reader.Err()
}

// table returns the times of both and their ratios in Markdown.
func table(base, here *version) string {
	var text strings.Builder
	fmt.Fprintf(&text, "| µs | payload | %s | %s | ratio |\n|---|--:|--:|--:|--:|\n", base.name, here.name)
	for _, name := range slices.Sorted(maps.Keys(base.took)) {
		before, after := base.took[name], here.took[name]
		ratios := make([]float64, min(len(before), len(after)))
		for i := range ratios {
			ratios[i] = after[i] / before[i]
		}
		if len(ratios) == 0 {
			continue // one of the two does not have it
		}
		sum := benchmath.AssumeNothing.Summary(benchmath.NewSample(ratios, &benchmath.DefaultThresholds), 0.95)
		ratio := fmt.Sprintf("%.3f (%.3f to %.3f)", sum.Center, sum.Lo, sum.Hi)
		if sum.Hi > bound {
			ratio = "**" + ratio + "**"
		}
		side, payload := parts(name)
		fmt.Fprintf(&text, "| %s | %s | %.2f | %.2f | %s |\n", side, payload, 1e6*median(before), 1e6*median(after), ratio)
	}
	return text.String()
}

// parts returns the side and the payload in a name such as Call/side=optin-trusted/payload=16B-2.
func parts(name string) (side, payload string) {
	_, name, _ = strings.Cut(name, "side=")
	side, payload, _ = strings.Cut(name, "/payload=")
	payload, _, _ = strings.Cut(payload, "-")
	return side, payload
}

func median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	return values[len(values)/2]
}

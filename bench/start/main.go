// Start measures how long a guest takes to start, and what an idle instance takes of the host's
// heap, side by side with an older version of Parigot, which it takes from git. Run it with
// make bench-start on a machine that does nothing else.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/perf/benchmath"

	"github.com/iansmith/parigot/bench/internal/old"
)

type options struct {
	dir, base string
	rounds    int
}

func main() {
	var o options
	flag.StringVar(&o.dir, "dir", "", "the directory for what is built")
	flag.StringVar(&o.base, "base", "6b5eaaa", "the commit to compare with")
	flag.IntVar(&o.rounds, "rounds", 7, "how many rounds there are, of about ten seconds")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, o, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "start:", err)
		os.Exit(1)
	}
}

// figures are those of package probe.
type figures struct {
	Cold, Warm, Start, Heap float64
}

// rows are the lines of the table, and the ratios that issue 15 wants at most; 0 is none.
var rows = []struct {
	name  string
	of    func(figures) float64
	unit  string
	each  float64 // of the unit, in that of the figures
	bound float64
}{
	{"instance, until its first call's answer", func(f figures) float64 { return f.Start }, "ms", 1e6, 0.65},
	{"host heap of an idle instance", func(f figures) float64 { return f.Heap }, "MB", 1e6, 0.35},
	{"cold compile", func(f figures) float64 { return f.Cold }, "ms", 1e6, 0.6},
	{"load from the cache", func(f figures) float64 { return f.Warm }, "ms", 1e6, 0},
}

// probes are the two programs that take turns.
type probes struct{ base, here, guest string }

func run(ctx context.Context, o options, out, progress io.Writer) (err error) {
	dir, err := os.MkdirTemp(o.dir, "bench-start")
	if err == nil {
		dir, err = filepath.Abs(dir)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	p, err := build(ctx, dir, o.base)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "Measured with %s on %s/%s, %d CPUs, %s: medians of %d rounds, in which the two take turns, and the\nratio's 95 %% confidence interval.\n\n", "`make bench-start`",
		runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), o.rounds)
	for _, kind := range []string{"interruptible", "trusted"} {
		if err != nil {
			return err
		}
		var base, here []figures
		for round := range o.rounds {
			_, _ = fmt.Fprintf(progress, "%s: round %d of %d\n", kind, round+1, o.rounds)
			b, h, err := p.round(ctx, kind == "trusted")
			if err != nil {
				return err
			}
			base, here = append(base, b), append(here, h)
		}
		_, err = io.WriteString(out, table(kind, o.base, base, here))
	}
	return err
}

// round runs both programs, in any order.
func (p probes) round(ctx context.Context, trusted bool) (base, here figures, err error) {
	for _, i := range rand.Perm(2) {
		program, into := p.base, &base
		if i == 1 {
			program, into = p.here, &here
		}
		text, err := old.Command(ctx, "", nil, program, fmt.Sprintf("-trusted=%t", trusted), p.guest)
		if err == nil {
			err = json.Unmarshal(text, into)
		}
		if err != nil {
			return base, here, err
		}
	}
	return base, here, nil
}

// table returns the figures in Markdown.
func table(kind, commit string, base, here []figures) string {
	var text strings.Builder
	fmt.Fprintf(&text, "| %s | %s | now | ratio | at most |\n|---|--:|--:|--:|--:|\n", kind, commit)
	for _, row := range rows {
		var before, after, ratios []float64
		for i := range base {
			before, after = append(before, row.of(base[i])), append(after, row.of(here[i]))
			ratios = append(ratios, after[i]/before[i])
		}
		sum := benchmath.AssumeNothing.Summary(benchmath.NewSample(ratios, &benchmath.DefaultThresholds), 0.95)
		bound := "-"
		if row.bound > 0 {
			bound = fmt.Sprint(row.bound)
		}
		fmt.Fprintf(&text, "| %s | %.2f %s | %.2f %s | %.2f (%.2f to %.2f) | %s |\n", row.name, median(before)/row.each, row.unit,
			median(after)/row.each, row.unit, sum.Center, sum.Lo, sum.Hi, bound)
	}
	return text.String() + "\n"
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// build builds the guest, and the probe with both versions of Parigot.
func build(ctx context.Context, dir, commit string) (p probes, err error) {
	const probe = "./start/probe"
	p = probes{base: filepath.Join(dir, "base"), here: filepath.Join(dir, "here"), guest: filepath.Join(dir, "guest.wasm")}
	if _, err := old.Command(ctx, "", []string{"GOOS=wasip1", "GOARCH=wasm"}, "go", "build", "-buildmode=c-shared", "-o", p.guest, "./start/guest"); err != nil {
		return p, err
	}
	if _, err := old.Command(ctx, "", nil, "go", "build", "-o", p.here, probe); err != nil {
		return p, err
	}
	source, err := old.Source(ctx, dir, commit)
	if err != nil {
		return p, err
	}
	program, err := os.ReadFile("start/probe/main.go")
	if err != nil {
		return p, err
	}
	if err := os.MkdirAll(filepath.Join(source, "bench", probe), 0o700); err != nil {
		return p, err
	}
	if err := os.WriteFile(filepath.Join(source, "bench", probe, "main.go"), program, 0o600); err != nil {
		return p, err
	}
	_, err = old.Command(ctx, filepath.Join(source, "bench"), nil, "go", "build", "-o", p.base, probe)
	return p, err
}

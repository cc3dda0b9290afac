package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/iansmith/parigot/bench/syscall/echo"
)

// works are the rows of the table, without their time.
func works() []echo.Work {
	var all []echo.Work
	for _, callers := range []int{1, 100} {
		for _, payload := range []int{16, 1 << 10, 64 << 10} {
			all = append(all, echo.Work{Callers: callers, Payload: payload})
		}
	}
	return all
}

// side is one that is compared, a column of the table. The first one is what the
// others are compared with.
type side struct {
	name string
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
	works    []echo.Work
	sides    []side
	results  [][][]result // by work, side and round
}

func (b *bench) close(ctx context.Context) error {
	var errs []error
	for _, s := range b.sides {
		errs = append(errs, s.close(context.WithoutCancel(ctx)))
	}
	return errors.Join(errs...)
}

// result is what one call took, by the clock and of processors.
type result struct{ clock, cpu time.Duration }

// measure has all sides do all works, in turns, in each round.
func (b *bench) measure(ctx context.Context, rounds int, each time.Duration) error {
	b.results = make([][][]result, len(b.works))
	for i := range b.results {
		b.results[i] = make([][]result, len(b.sides))
	}
	begin := time.Now()
	for round := range rounds {
		for i, w := range b.works {
			for j := range b.sides {
				j = (j + round) % len(b.sides)
				r, err := once(ctx, b.sides[j], w, each)
				if err != nil {
					return fmt.Errorf("%s, %+v: %w", b.sides[j].name, w, err)
				}
				b.results[i][j] = append(b.results[i][j], r)
			}
		}
		took := time.Since(begin)
		say(b.progress, "round %d of %d done, %s left", round+1, rounds,
			(took / time.Duration(round+1) * time.Duration(rounds-round-1)).Round(time.Second))
	}
	return nil
}

// once measures one side. What it does first does not count: buffers grow.
func once(ctx context.Context, s side, w echo.Work, each time.Duration) (result, error) {
	w.Time = each / 10
	if _, err := s.run(ctx, w); err != nil {
		return result{}, err
	}
	w.Time = each
	runtime.GC() // what others left behind
	start := time.Now()
	done, err := s.run(ctx, w)
	if err != nil {
		return result{}, err
	}
	calls := time.Duration(done.Calls)
	return result{clock: time.Since(start) / calls, cpu: done.CPU / calls}, nil
}

func (b *bench) median(work, side int, of func(result) time.Duration) time.Duration {
	var values []time.Duration
	for _, r := range b.results[work][side] {
		values = append(values, of(r))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// table returns the results in Markdown.
func (b *bench) table(rounds int, each time.Duration) string {
	var text strings.Builder
	fmt.Fprintf(&text, "Measured with `make bench-syscall` on %s/%s, %d CPUs, %s: medians of %d rounds of %s, in\n"+
		"which the sides take turns. gRPC connects two native processes by a unix socket; half of the guests call\n"+
		"the other half, in turns.\n\n",
		runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), rounds, each)
	text.WriteString("Microseconds for each call by the clock, and how many times that is gRPC's time:\n\n")
	b.rows(&text, func(r result) time.Duration { return r.clock })
	text.WriteString("\nMicroseconds of processor time for each call, of all processes together, which hardly depend on\n" +
		"what else the machine does:\n\n")
	b.rows(&text, func(r result) time.Duration { return r.cpu })
	return text.String()
}

// rows writes a table of one of the figures.
func (b *bench) rows(text *strings.Builder, of func(result) time.Duration) {
	text.WriteString("| callers | payload |")
	for i, s := range b.sides {
		text.WriteString(" " + s.name + " |")
		if i > 0 {
			text.WriteString(" |")
		}
	}
	text.WriteString("\n|--:|--:|" + strings.Repeat("--:|", 2*len(b.sides)-1) + "\n")
	for i, w := range b.works {
		fmt.Fprintf(text, "| %d | %s |", w.Callers, bytesOf(w.Payload))
		theirs := b.median(i, 0, of)
		for j := range b.sides {
			took := b.median(i, j, of)
			fmt.Fprintf(text, " %.1f |", float64(took)/float64(time.Microsecond))
			if j > 0 {
				fmt.Fprintf(text, " %.2f× |", float64(took)/float64(theirs))
			}
		}
		text.WriteString("\n")
	}
}

func bytesOf(n int) string {
	if n >= 1<<10 {
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d B", n)
}

package main

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/iansmith/parigot/bench/internal/latency"
)

// tables returns the results in Markdown.
func (b *bench) tables(rounds int, each time.Duration) string {
	var text strings.Builder
	fmt.Fprintf(&text, "Measured with `make bench-syscall` on %s/%s, %d CPUs, %s: medians of %d rounds of %s, half\n"+
		"of that for one caller, in which the sides take turns. × is how many times as fast a side is, the median of the rounds; in bold\n"+
		"where that is too little.\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), rounds, each)
	for _, g := range b.groups {
		fmt.Fprintf(&text, "\n**%s**%s\n\n", g.what, g.wanted())
		if g.callers > 1 {
			g.rows(&text, "calls a second", rate, clock)
		} else {
			g.rows(&text, "µs by the clock", micros, clock)
		}
		text.WriteString("\n")
		g.rows(&text, "µs of processors", micros, func(r result) time.Duration { return r.cpu })
		if g.callers > 1 {
			text.WriteString("\n")
			g.latencies(&text)
		}
	}
	return text.String()
}

func clock(r result) time.Duration { return r.clock }

func micros(each time.Duration) string {
	return fmt.Sprintf("%.1f", float64(each)/float64(time.Microsecond))
}

func rate(each time.Duration) string {
	return fmt.Sprintf("%.0f", float64(time.Second)/float64(max(each, 1)))
}

// wanted says which bounds there are.
func (g *group) wanted() string {
	var wanted []string
	for _, s := range g.sides {
		if s.bounds == nil {
			continue
		}
		var list []string
		for _, bound := range s.bounds {
			list = append(list, fmt.Sprintf("%g×", bound))
		}
		wanted = append(wanted, s.name+" "+strings.Join(list, " / "))
	}
	if wanted == nil {
		return ""
	}
	return ", by the clock at least: " + strings.Join(wanted, ", ")
}

// rows writes a table of one of the times.
func (g *group) rows(text *strings.Builder, what string, form func(time.Duration) string, of func(result) time.Duration) {
	text.WriteString("| " + what + " |")
	columns := 0
	for _, s := range g.sides {
		text.WriteString(" " + s.name + " |")
		if columns++; s.against != "" {
			text.WriteString(" × |")
			columns++
		}
	}
	text.WriteString("\n|---|" + strings.Repeat("--:|", columns) + "\n")
	for i, payload := range payloads {
		text.WriteString("| " + bytesOf(payload) + " |")
		for j, s := range g.sides {
			fmt.Fprintf(text, " %s |", form(median(g.results[i][j], of)))
			if s.against == "" {
				continue
			}
			times := g.times(i, j, of)
			cell := fmt.Sprintf("%.2f×", times)
			if what != "µs of processors" && s.bounds != nil && times < s.bounds[i] {
				cell = "**" + cell + "**"
			}
			text.WriteString(" " + cell + " |")
		}
		text.WriteString("\n")
	}
}

// times returns how many times as fast as the other a side is: the median of the rounds.
func (g *group) times(payload, nth int, of func(result) time.Duration) float64 {
	other := slices.IndexFunc(g.sides, func(s side) bool { return s.name == g.sides[nth].against })
	var all []float64
	for round, r := range g.results[payload][nth] {
		all = append(all, float64(of(g.results[payload][other][round]))/float64(max(of(r), 1)))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// latencies writes how long the calls took, of all rounds together.
func (g *group) latencies(text *strings.Builder) {
	text.WriteString("| ms for a call: median / p99 / longest |")
	for _, s := range g.sides {
		text.WriteString(" " + s.name + " |")
	}
	text.WriteString("\n|---|" + strings.Repeat("--:|", len(g.sides)) + "\n")
	for i, payload := range payloads {
		text.WriteString("| " + bytesOf(payload) + " |")
		for j := range g.sides {
			var all latency.Counts
			for _, r := range g.results[i][j] {
				all.Merge(r.calls)
			}
			fmt.Fprintf(text, " %s / %s / %s |", millis(all.Quantile(0.5)), millis(all.Quantile(0.99)), millis(all.Worst))
		}
		text.WriteString("\n")
	}
}

func millis(d time.Duration) string {
	v := float64(d) / float64(time.Millisecond)
	if v >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.2g", v)
}

func median(results []result, of func(result) time.Duration) time.Duration {
	var values []time.Duration
	for _, r := range results {
		values = append(values, of(r))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func bytesOf(n int) string {
	if n >= 1<<10 {
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d B", n)
}

package main

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/perf/benchmath"
)

// writeRaw writes all samples in the format of Go's benchmarks, for benchstat.
func writeRaw(w io.Writer, all []*results) error {
	_, err := fmt.Fprintf(w, "goos: %s\ngoarch: %s\npkg: github.com/iansmith/parigot/bench/call\n", runtime.GOOS, runtime.GOARCH)
	for _, r := range all {
		for _, s := range r.samples {
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(w, "BenchmarkCall/side=%s/payload=%s-%d %d %.2f ns/op %.2f host-allocs/op %.2f guest-B/op\n",
				r.side, strings.ReplaceAll(bytesOf(r.payload), " ", ""), runtime.GOMAXPROCS(0), s.calls, s.perCall(),
				float64(s.mallocs)/float64(s.calls), float64(s.grown)/float64(s.calls))
		}
	}
	return err
}

// summary returns the median of the times in microseconds, and its confidence interval.
func (r *results) summary() string {
	values := make([]float64, len(r.samples))
	for i, s := range r.samples {
		values[i] = s.perCall() / 1000
	}
	sum := benchmath.AssumeNothing.Summary(benchmath.NewSample(values, &benchmath.DefaultThresholds), 0.95)
	return fmt.Sprintf("%s %s", digits(sum.Center), sum.PctRangeString())
}

// digits prints three digits.
func digits(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	case v >= 1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3f", v)
}

// timesTable returns the times of all sides in Markdown, and how many times as fast as
// the reference each is; in bold where it misses one of its figures.
func timesTable(sides []side, sizes []int, all []*results, list []outcome) string {
	missed := map[string]bool{}
	for _, o := range list {
		if !o.met(o.ratio) {
			missed[fmt.Sprint(o.side, o.size)] = true
		}
	}
	var text strings.Builder
	text.WriteString("| |")
	for _, size := range sizes {
		text.WriteString(" " + bytesOf(size) + " | |")
	}
	text.WriteString("\n|---|" + strings.Repeat("--:|--:|", len(sizes)) + "\n")
	for _, k := range []kind{limit, ours, peer} {
		text.WriteString("| **" + string(k) + "** |" + strings.Repeat(" | |", len(sizes)) + "\n")
		for _, s := range sides {
			if s.kind != k {
				continue
			}
			text.WriteString("| " + s.name + " |")
			for _, size := range sizes {
				r, ref := find(all, s.name, size), find(all, reference, size)
				ratio := ""
				if ref != nil {
					ratio = digits(ref.median()/r.median()) + "×"
				}
				if missed[fmt.Sprint(s.name, size)] {
					ratio = "**" + ratio + "**"
				}
				text.WriteString(" " + r.summary() + " | " + ratio + " |")
			}
			text.WriteString("\n")
		}
	}
	return text.String()
}

// memoryTable returns what calls allocate in the host, and by how much they make the
// guest's memory grow.
func memoryTable(sides []side, sizes []int, all []*results) string {
	var text strings.Builder
	text.WriteString("| |" + strings.Repeat(" %s |", len(sizes)) + strings.Repeat(" %s |", len(sizes)) + "\n")
	var names []any
	for range 2 {
		for _, size := range sizes {
			names = append(names, bytesOf(size))
		}
	}
	head := fmt.Sprintf(text.String(), names...)
	text.Reset()
	text.WriteString(head + "|---|" + strings.Repeat("--:|", 2*len(sizes)) + "\n")
	for _, s := range slices.Concat(ofKind(sides, ours), ofKind(sides, peer)) {
		text.WriteString("| " + s.name + " |")
		for _, size := range sizes {
			fmt.Fprintf(&text, " %.1f |", find(all, s.name, size).allocs())
		}
		for _, size := range sizes {
			fmt.Fprintf(&text, " %.0f |", find(all, s.name, size).growth())
		}
		text.WriteString("\n")
	}
	return text.String()
}

func ofKind(sides []side, k kind) []side {
	return slices.DeleteFunc(slices.Clone(sides), func(s side) bool { return s.kind != k })
}

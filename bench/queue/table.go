package main

import (
	"fmt"
	"runtime"
	"strings"
	"time"
)

// rate returns the median rate of a side.
func (b *bench) rate(work, side int) float64 { return median(b.rates[work][side]) }

// ratio returns the median of what a side's rate is of that of the first side in
// the same turn.
func (b *bench) ratio(work, side int) float64 {
	var ratios []float64
	for turn, rate := range b.rates[work][side] {
		ratios = append(ratios, rate/b.rates[work][0][turn])
	}
	return median(ratios)
}

// ratioText returns the ratio of a side, in bold when it is less than it is to be.
func (b *bench) ratioText(work, side int) string {
	ratio := b.ratio(work, side)
	text := fmt.Sprintf("%.2f×", ratio)
	if ratio < b.sides[side].least {
		return "**" + text + "**"
	}
	return text
}

// table returns everything as Markdown.
func (b *bench) table(p plan) string {
	var text strings.Builder
	fmt.Fprintf(&text, "Measured with `make bench-queue` on %s/%s, %d CPUs, %s: medians of %d turns of %s with each of %d databases. ",
		runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), p.turns, p.each, p.rounds)
	fmt.Fprintf(&text, "To append a page to a file and sync it took %d µs.\n\n", median(b.syncs).Microseconds())
	text.WriteString("Messages per second, and how many times goqite's rate that is; in bold where the bridge is below its aim, " +
		"which is not to be slower message by message, and 10 times as fast in batches:\n\n")
	b.head(&text, " |")
	for i, w := range b.works {
		fmt.Fprintf(&text, "| %s |", w)
		for j := range b.sides {
			fmt.Fprintf(&text, " %.0f |", b.rate(i, j))
			if j > 0 {
				text.WriteString(" " + b.ratioText(i, j) + " |")
			}
		}
		text.WriteString("\n")
	}
	text.WriteString("\nProcessor time of the whole process for each message, in µs, which depends less on what else the machine does:\n\n")
	b.head(&text, "")
	for i, w := range b.works {
		fmt.Fprintf(&text, "| %s |", w)
		for j := range b.sides {
			fmt.Fprintf(&text, " %.0f |", float64(median(b.cpu[i][j]))/float64(time.Microsecond))
		}
		text.WriteString("\n")
	}
	return text.String()
}

// head writes the head of a table, with the column ratio after each side but the
// first.
func (b *bench) head(text *strings.Builder, ratio string) {
	columns := len(b.sides) + strings.Count(ratio, "|")*(len(b.sides)-1)
	text.WriteString("|  | clients | payload |")
	for i, s := range b.sides {
		text.WriteString(" " + s.name + " |")
		if i > 0 {
			text.WriteString(ratio)
		}
	}
	text.WriteString("\n|---|--:|--:|" + strings.Repeat("--:|", columns) + "\n")
}

// String returns the first columns of the row.
func (w work) String() string {
	what, payload := "send", fmt.Sprintf("%d B", w.payload)
	if w.cycle {
		what = "send, receive, done"
	}
	if w.payload >= 1<<10 {
		payload = fmt.Sprintf("%d KiB", w.payload>>10)
	}
	return fmt.Sprintf("%s | %d | %s", what, w.clients, payload)
}

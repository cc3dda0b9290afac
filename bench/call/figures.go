package main

import (
	"fmt"
	"slices"
	"strings"
)

// figure is an aim: how one side has to compare with another.
type figure struct {
	what    string // the work
	against string // the side that it is compared with
	side    string
	size    int
	bound   float64
	atMost  bool // the time is at most bound times that of the other; else it is that many times as fast
}

// forms are the two forms of a guest.
var forms = []string{"trusted", "interruptible"}

const reference = "knqyf263-go-plugin"

// figures are the aims for all sides.
func figures() []figure {
	var all []figure
	for _, form := range forms {
		each := func(what, side, against string, bounds ...float64) {
			for i, bound := range bounds {
				all = append(all, figure{what: what, against: against, side: side + "-" + form, size: payloads[i], bound: bound})
			}
		}
		each("default call", "default", reference, 8, 12, 16, 16)
		each("opt-in call", "optin", reference, 14, 27, 100, 45)
		each("call without vtprotobuf", "plain", reference, 1, 1, 1, 1)
		for _, side := range []string{"default", "optin", "plain"} {
			each("any call", side, "grpc", 1, 1, 1, 1)
		}
		for i, bound := range []float64{1.4, 1.1} {
			all = append(all, figure{"opt-in call", "copy-" + form, "optin-" + form, payloads[2+i], bound, true})
		}
	}
	return append(all, figure{"bridge alone", "native-host-half", "bridge", payloads[0], 1.3, true})
}

// outcome is what became of a figure.
type outcome struct {
	figure
	ratio float64
}

func (o outcome) met() bool {
	if o.atMost {
		return o.ratio <= o.bound
	}
	return o.ratio >= o.bound
}

// outcomes compares what was measured with the figures. Those without a measurement are
// left out.
func outcomes(all []*results) []outcome {
	var list []outcome
	for _, f := range figures() {
		side, other := find(all, f.side, f.size), find(all, f.against, f.size)
		if side == nil || other == nil {
			continue
		}
		o := outcome{f, other.median() / side.median()}
		if f.atMost {
			o.ratio = 1 / o.ratio
		}
		list = append(list, o)
	}
	return list
}

// find returns what was measured of a side, or nil.
func find(all []*results, side string, size int) *results {
	i := slices.IndexFunc(all, func(r *results) bool { return r.side == side && r.payload == size })
	if i < 0 {
		return nil
	}
	return all[i]
}

// figuresTable returns the outcomes in Markdown: a row for each kind of figure, side and
// bound.
func figuresTable(list []outcome) string {
	var text strings.Builder
	text.WriteString("| work | side | against | payload | bound | measured | met |\n|---|---|---|--:|--:|--:|---|\n")
	for _, o := range list {
		bound, met, measured := fmt.Sprintf("at least %g×", o.bound), "yes", fmt.Sprintf("%.2f×", o.ratio)
		if o.atMost {
			bound = fmt.Sprintf("at most %g×", o.bound)
		}
		if !o.met() {
			met, measured = "**no**", "**"+measured+"**"
		}
		fmt.Fprintf(&text, "| %s | %s | %s | %s | %s | %s | %s |\n", o.what, o.side, o.against, bytesOf(o.size), bound, measured, met)
	}
	return text.String()
}

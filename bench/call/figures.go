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
	allocs  bool // the host's allocations for a call are at most bound: against nobody
}

// stray are allocations for a call that are not its own: others of the process allocate
// now and then.
const stray = 0.1

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
			all = append(all, figure{what: "opt-in call", against: "copy-" + form, side: "optin-" + form, size: payloads[2+i], bound: bound, atMost: true})
		}
		for _, size := range payloads {
			all = append(all, figure{what: "host allocations", side: "optin-" + form, size: size, allocs: true})
		}
	}
	return append(all, figure{what: "bridge alone", against: "native-host-half", side: "bridge", size: payloads[0], bound: 1.3, atMost: true})
}

// outcome is what became of a figure.
type outcome struct {
	figure
	ratio float64
}

func (o outcome) met() bool {
	switch {
	case o.allocs:
		return o.ratio <= o.bound+stray
	case o.atMost:
		return o.ratio <= o.bound
	}
	return o.ratio >= o.bound
}

// texts returns the bound and what was measured.
func (o outcome) texts() (bound, measured string) {
	switch {
	case o.allocs:
		return fmt.Sprintf("at most %g", o.bound), fmt.Sprintf("%.2f", o.ratio)
	case o.atMost:
		return fmt.Sprintf("at most %g×", o.bound), fmt.Sprintf("%.2f×", o.ratio)
	}
	return fmt.Sprintf("at least %g×", o.bound), fmt.Sprintf("%.2f×", o.ratio)
}

// outcomes compares what was measured with the figures. Those without a measurement are
// left out.
func outcomes(all []*results) []outcome {
	var list []outcome
	for _, f := range figures() {
		side, other := find(all, f.side, f.size), find(all, f.against, f.size)
		if side != nil && f.allocs {
			list = append(list, outcome{f, side.allocs()})
		}
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
		met := "yes"
		bound, measured := o.texts()
		if !o.met() {
			met, measured = "**no**", "**"+measured+"**"
		}
		fmt.Fprintf(&text, "| %s | %s | %s | %s | %s | %s | %s |\n", o.what, o.side, o.against, bytesOf(o.size), bound, measured, met)
	}
	return text.String()
}

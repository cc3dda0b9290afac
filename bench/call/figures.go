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
	bound   float64 // 0: there is none
	atMost  bool    // the time is at most bound times that of the other; else it is that many times as fast
	allocs  bool    // the host's allocations for a call are at most bound: against nobody
}

// stray are allocations for a call that are not its own: others of the process allocate
// now and then.
const stray = 0.1

// forms are the two forms of a guest.
var forms = []string{"trusted", "interruptible"}

const reference = "knqyf263-go-plugin"

// figures are the aims for the calls that guests make.
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

// hostFigures are the aims for the calls of guests that their host makes.
func hostFigures() []figure {
	var all []figure
	for _, form := range forms {
		served := "serve-" + form
		each := func(what, against string, atMost bool, bound float64) {
			for i, size := range payloads {
				if i == 2 {
					bound = 0 // from here on it is only told
				}
				all = append(all, figure{what: what, against: against, side: served, size: size, bound: bound, atMost: atMost})
			}
		}
		all = append(all, figure{what: "empty export", against: "empty-" + form, side: "export-" + form, size: payloads[0], bound: 5, atMost: true})
		each("host → guest", "plugin-"+form, true, 1.2)
		each("host → guest", reference, false, 5)
		each("host → guest", "extism", false, 20)
	}
	return all
}

// outcome is what became of a figure.
type outcome struct {
	figure
	ratio   float64 // of the medians
	overall float64 // of the times of all calls together
}

// met reports whether a ratio is within the bound.
func (o outcome) met(ratio float64) bool {
	switch {
	case o.allocs:
		return ratio <= o.bound+stray
	case o.bound == 0:
		return true
	case o.atMost:
		return ratio <= o.bound
	}
	return ratio >= o.bound
}

// texts returns the bound, and what was measured.
func (o outcome) texts() (bound, medians, overall string) {
	switch {
	case o.allocs:
		return fmt.Sprintf("at most %g", o.bound), fmt.Sprintf("%.2f", o.ratio), ""
	case o.bound == 0:
		bound = "none"
	case o.atMost:
		bound = fmt.Sprintf("at most %g×", o.bound)
	default:
		bound = fmt.Sprintf("at least %g×", o.bound)
	}
	return bound, fmt.Sprintf("%.2f×", o.ratio), fmt.Sprintf("%.2f×", o.overall)
}

// outcomes compares what was measured with the figures. Those without a measurement are
// left out.
func outcomes(figures []figure, all []*results) []outcome {
	var list []outcome
	for _, f := range figures {
		side, other := find(all, f.side, f.size), find(all, f.against, f.size)
		if side != nil && f.allocs {
			list = append(list, outcome{f, side.allocs(), side.allocs()})
		}
		if side == nil || other == nil {
			continue
		}
		o := outcome{f, other.median() / side.median(), other.overall() / side.overall()}
		if f.atMost {
			o.ratio, o.overall = 1/o.ratio, 1/o.overall
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

// figuresTable returns the outcomes in Markdown, a row for each, in bold where neither the
// medians nor all rounds together are within the bound.
func figuresTable(list []outcome) string {
	var text strings.Builder
	text.WriteString("| work | side | against | payload | bound | medians | all rounds | met |\n|---|---|---|--:|--:|--:|--:|---|\n")
	for _, o := range list {
		met := "yes"
		bound, medians, overall := o.texts()
		switch {
		case o.bound == 0 && !o.allocs:
			met = ""
		case o.met(o.ratio):
		case o.met(o.overall):
			met = "over all rounds"
		default:
			met, medians = "**no**", "**"+medians+"**"
		}
		fmt.Fprintf(&text, "| %s | %s | %s | %s | %s | %s | %s | %s |\n", o.what, o.side, o.against, bytesOf(o.size), bound, medians, overall, met)
	}
	return text.String()
}

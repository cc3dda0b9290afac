package main

import (
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// drawPlot draws the times over the payloads into an SVG file. It has a white ground, so
// that it can be read on a dark page, too.
func drawPlot(file string, sides []side, sizes []int, all []*results) error {
	p := plot.New()
	p.BackgroundColor = color.White
	p.Title.Text = "A typed call out of a guest"
	p.X.Label.Text, p.Y.Label.Text = "payload", "microseconds for a call"
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.Y.Tick.Marker = plot.LogTicks{Prec: -1}
	var ticks plot.ConstantTicks
	for _, size := range sizes {
		ticks = append(ticks, plot.Tick{Value: float64(size), Label: bytesOf(size)})
	}
	p.X.Tick.Marker = ticks
	p.Add(plotter.NewGrid())
	lowest, highest := math.MaxFloat64, 0.0
	for i, s := range slices.Concat(ofKind(sides, peer), ofKind(sides, ours), ofKind(sides, limit)) {
		var line plotter.XYs
		for _, size := range sizes {
			if r := find(all, s.name, size); r != nil {
				y := r.median() / 1000
				line = append(line, plotter.XY{X: float64(size), Y: y})
				lowest, highest = min(lowest, y), max(highest, y)
			}
		}
		l, points, err := plotter.NewLinePoints(line)
		if err != nil {
			return err
		}
		l.Color = plotutil.Color(i)
		points.Color, points.Shape = l.Color, plotutil.Shape(i)
		switch s.kind {
		case ours:
			l.Width = vg.Points(2)
		case peer:
		case limit:
			l.Dashes = []vg.Length{vg.Points(2), vg.Points(3)}
		}
		p.Add(l, points)
		p.Legend.Add(s.name, l, points)
	}
	p.Y.Min, p.Y.Max = lowest/2, highest*2
	p.X.Max = float64(sizes[len(sizes)-1]) * 200 // room for the legend
	p.Legend.Top, p.Legend.YPosition = true, draw.PosCenter
	return p.Save(24*vg.Centimeter, 16*vg.Centimeter, file)
}

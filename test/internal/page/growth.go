package page

import (
	"fmt"
	"html/template"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg/draw"

	"example.com/ai-agent/test/internal/bench"
)

// growth is the costs of one more item, with a picture of each.
type growth struct {
	bench.Curves
	Pictures []template.HTML // as Costs
}

func growths(result bench.Result) (all []growth, err error) {
	for _, curves := range result.Curves() {
		g := growth{Curves: curves}
		for _, name := range curves.Costs {
			drawn, err := curve(curves.Of, name, curves.Points)
			if err != nil {
				return nil, fmt.Errorf("%s by number of %s: %w", name, curves.Of, err)
			}
			g.Pictures = append(g.Pictures, drawn)
		}
		all = append(all, g)
	}
	return all, nil
}

// curve draws one cost. Size 0 has no logarithm, so it is only in the table.
func curve(of, name string, points []bench.Growth) (template.HTML, error) {
	var xys plotter.XYs
	var ticks plot.ConstantTicks
	for _, point := range points {
		if value, ok := point.Costs[name]; ok && point.Size > 0 {
			xys = append(xys, plotter.XY{X: float64(point.Size), Y: value})
			ticks = append(ticks, plot.Tick{Value: float64(point.Size), Label: fmt.Sprint(point.Size)})
		}
	}
	title := fmt.Sprintf("%s per item, by number of %s", name, of)
	if len(xys) == 0 {
		return template.HTML(template.HTMLEscapeString(title + ": no size of at least 1 was measured")), nil
	}
	drawn, marks, err := plotter.NewLinePoints(xys)
	if err != nil {
		return "", err
	}
	drawn.LineStyle = line(done, 2)
	marks.GlyphStyle = draw.GlyphStyle{Color: done, Radius: 4, Shape: draw.CircleGlyph{}}
	p := newPlot()
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, ticks
	p.X.Label.Text = "number of " + of
	p.Y.Min, p.Y.Tick.Marker = 0, plainTicks{}
	p.Add(plotter.NewGrid(), drawn, marks)
	p.Y.Max *= 1.1
	if p.X.Min == p.X.Max { // otherwise, gonum begins at 0, which has no logarithm
		p.X.Min, p.X.Max = p.X.Min/2, p.X.Max*2
	}
	return picture(title, "the table below has the numbers", 330, 190, func(c draw.Canvas) {
		p.Draw(draw.Crop(c, 2, -16, 4, -8)) // room for fonts wider than the one gonum measures
	}), nil
}

// plainTicks labels the default ticks without trailing zeros.
type plainTicks struct{}

func (plainTicks) Ticks(min, max float64) []plot.Tick {
	ticks := plot.DefaultTicks{}.Ticks(min, max)
	for i, tick := range ticks {
		if !tick.IsMinor() {
			ticks[i].Label = strconv.FormatFloat(tick.Value, 'g', 6, 64)
		}
	}
	return ticks
}

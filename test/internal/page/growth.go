package page

import (
	"cmp"
	"fmt"
	"html/template"
	"maps"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg/draw"

	"example.com/ai-agent/test/internal/bench"
)

// growth is how costs grow with the number of one thing.
type growth struct {
	Of    string
	Costs []string // their names
	Sizes []size
	Curve []template.HTML // as Costs
}

type size struct {
	Size  int
	Costs []string // as growth.Costs
}

func growths(result bench.Result) (all []growth, err error) {
	byOf := map[string][]bench.Growth{}
	var order []string
	for _, g := range result.Growth {
		if byOf[g.Of] == nil {
			order = append(order, g.Of)
		}
		byOf[g.Of] = append(byOf[g.Of], g)
	}
	for _, of := range order {
		g, err := newGrowth(of, byOf[of])
		if err != nil {
			return nil, err
		}
		all = append(all, g)
	}
	return all, nil
}

func newGrowth(of string, points []bench.Growth) (growth, error) {
	slices.SortStableFunc(points, func(a, b bench.Growth) int { return cmp.Compare(a.Size, b.Size) })
	names := map[string]bool{}
	for _, point := range points {
		for name := range point.Costs {
			names[name] = true
		}
	}
	g := growth{Of: of, Costs: slices.Sorted(maps.Keys(names))}
	for _, point := range points {
		row := size{Size: point.Size}
		for _, name := range g.Costs {
			row.Costs = append(row.Costs, costOf(point, name))
		}
		g.Sizes = append(g.Sizes, row)
	}
	for _, name := range g.Costs {
		drawn, err := curve(of, name, points)
		if err != nil {
			return growth{}, fmt.Errorf("%s by number of %s: %w", name, of, err)
		}
		g.Curve = append(g.Curve, drawn)
	}
	return g, nil
}

func costOf(point bench.Growth, name string) string {
	value, ok := point.Costs[name]
	if !ok {
		return "–"
	}
	return fmt.Sprintf("%.4g", value)
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
	p.Y.Min = 0
	p.Add(plotter.NewGrid(), drawn, marks)
	p.Y.Max *= 1.1
	return picture(title, "the table below has the numbers", 330, 190, func(c draw.Canvas) {
		p.Draw(draw.Crop(c, 2, -16, 4, -8)) // room for fonts wider than the one gonum measures
	}), nil
}

package page

import (
	"cmp"
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"example.com/ai-agent/test/internal/bench"
)

// Sizes of a timeline, in pixels.
const (
	timelineWidth = 1040
	labelWidth    = 176 // left of the time axis
	rightWidth    = 56
	panelHeight   = 76
	axisHeight    = 24
	headHeight    = 22 // for the names of the vertical lines
	laneGap       = 8
)

// timeline draws what happened in a scenario: pods and their runs, the number of pods, and
// the load, above one time axis.
func timeline(s bench.Scenario) template.HTML {
	lanes := newLanes(s)
	pods, load := newPods(s), newLoad(s)
	height := vg.Length(headHeight+2*(panelHeight+laneGap)+axisHeight) + lanes.height()
	verdict := s.Verdict()
	description := fmt.Sprintf("%d pods; %s. Below, pods desired and ready, and runs in flight. The tables below have the numbers.", len(s.Pods), strings.Join(verdict.Lines(), ", "))
	return picture(name(s), description, timelineWidth, height, func(c draw.Canvas) {
		top := vg.Length(0)
		panel := func(height vg.Length, p *plot.Plot, plotters ...plot.Plotter) {
			p.X.Min, p.X.Max = 0, s.Ended
			p.HideY()
			p.Add(margins{})
			p.Add(plotters...)
			p.Draw(draw.Crop(c, 0, 0, c.Max.Y-top-height, -top))
			top += height
		}
		moments := moments{s, c}
		p := newPlot()
		p.HideX()
		p.Y.Min, p.Y.Max = 0, 1
		panel(headHeight+lanes.height(), p, lanes)
		p = newPlot()
		p.HideX()
		panel(panelHeight+laneGap, p, pods)
		p = newPlot()
		p.X.Tick.Marker = secondTicks{s.Disturbed}
		panel(panelHeight+laneGap+axisHeight, p, load, moments)
	})
}

func name(s bench.Scenario) string { return s.Subject + ": " + s.Disturbance }

// margins reserves the same space left and right of each panel, so that their time axes
// are aligned.
type margins struct{}

func (margins) Plot(draw.Canvas, *plot.Plot) {}

func (margins) GlyphBoxes(*plot.Plot) []plot.GlyphBox {
	return []plot.GlyphBox{
		{X: 0, Rectangle: vg.Rectangle{Min: vg.Point{X: -labelWidth}}},
		{X: 1, Rectangle: vg.Rectangle{Max: vg.Point{X: rightWidth}}},
	}
}

// secondTicks labels seconds since the disturbance.
type secondTicks struct{ zero float64 }

func (t secondTicks) Ticks(least, most float64) (ticks []plot.Tick) {
	step := 1.0
	for _, candidate := range []float64{2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200} {
		if (most-least)/step <= 12 {
			break
		}
		step = candidate
	}
	for second := math.Ceil((least-t.zero)/step) * step; second+t.zero <= most; second += step {
		label := fmt.Sprintf("%+g s", second)
		if second == 0 {
			label = "0"
		}
		ticks = append(ticks, plot.Tick{Value: second + t.zero, Label: strings.Replace(label, "-", "−", 1)})
	}
	return ticks
}

// moments draws vertical lines through all panels where the disturbance begins and where it has settled.
type moments struct {
	scenario bench.Scenario
	whole    draw.Canvas
}

func (m moments) Plot(c draw.Canvas, p *plot.Plot) {
	x, _ := p.Transforms(&c)
	top := m.whole.Max.Y
	at := x(m.scenario.Disturbed)
	c.StrokeLine2(line(ink, 1.6), at, c.Min.Y, at, top-4)
	end := write(c, ink, vg.Point{X: m.left(at, m.scenario.Disturbance), Y: top - 10}, m.scenario.Disturbance)
	if m.scenario.Settled <= m.scenario.Disturbed {
		return
	}
	at = x(m.scenario.Settled)
	c.StrokeLine2(line(muted, 1, 3, 3), at, c.Min.Y, at, top-4)
	if left := max(m.left(at, "settled"), end+16); m.fits(left, "settled") {
		write(c, muted, vg.Point{X: left, Y: top - 10}, "settled")
	}
}

// left returns where the name of a line begins: to its right or, if there is no room, as far right
// as the name fits.
func (m moments) left(at vg.Length, name string) vg.Length {
	if m.fits(at+5, name) {
		return at + 5
	}
	return max(m.whole.Min.X, m.whole.Max.X-wide*textStyle(ink).Width(name))
}

// wide is how much wider than gonum's font a browser's may be.
const wide = 1.2

func (m moments) fits(left vg.Length, name string) bool {
	return left+wide*textStyle(ink).Width(name) <= m.whole.Max.X
}

// lane is what is drawn in one horizontal strip: a pod and its runs, or what no pod
// answered.
type lane struct {
	label, detail string
	pod           *bench.Pod
	rows          [][]bench.Run // runs of a row do not overlap
	requests      []bench.Requests
}

type lanes struct {
	scenario  bench.Scenario
	all       []lane
	rowHeight vg.Length
}

func newLanes(s bench.Scenario) lanes {
	l := lanes{scenario: s}
	pods := slices.SortedStableFunc(slices.Values(s.Pods), func(a, b bench.Pod) int { return cmp.Compare(a.Created, b.Created) })
	known := map[string]bool{}
	rows := 0
	for _, pod := range pods {
		known[pod.Name] = true
		detail := pod.Node
		if pod.Restarts > 0 {
			detail += fmt.Sprintf(", restarts: %d", pod.Restarts)
		}
		l.all = append(l.all, lane{label: pod.Name, detail: detail, pod: &pod, rows: pack(s, func(run bench.Run) bool { return run.Pod == pod.Name })})
	}
	if none := pack(s, func(run bench.Run) bool { return !known[run.Pod] }); len(none) > 0 {
		l.all = append(l.all, lane{label: "no pod answered", rows: none})
	}
	if len(s.Requests) > 0 {
		l.all = append(l.all, lane{label: "short requests", detail: "that failed", requests: s.Requests})
	}
	for _, lane := range l.all {
		rows += max(1, len(lane.rows))
	}
	l.rowHeight = vg.Length(min(9, max(3, 700/float64(max(1, rows)))))
	return l
}

// pack puts each run into the first row that is free, with a gap for the marker.
func pack(s bench.Scenario, wanted func(bench.Run) bool) (rows [][]bench.Run) {
	gap := s.Ended / 100
	for _, run := range slices.SortedStableFunc(slices.Values(s.Runs), func(a, b bench.Run) int { return cmp.Compare(a.Start, b.Start) }) {
		if !wanted(run) {
			continue
		}
		free := slices.IndexFunc(rows, func(row []bench.Run) bool { return row[len(row)-1].End+gap <= run.Start })
		if free < 0 {
			rows = append(rows, nil)
			free = len(rows) - 1
		}
		rows[free] = append(rows[free], run)
	}
	return rows
}

// laneHeight has room for two lines of text.
func (l lanes) laneHeight(one lane) vg.Length {
	return max(30, vg.Length(len(one.rows))*l.rowHeight+8)
}

func (l lanes) height() (sum vg.Length) {
	for _, one := range l.all {
		sum += l.laneHeight(one) + laneGap
	}
	return sum
}

func (l lanes) Plot(c draw.Canvas, p *plot.Plot) {
	x, _ := p.Transforms(&c)
	clamped := func(second float64) vg.Length { return x(min(max(second, 0), l.scenario.Ended)) }
	top := c.Max.Y - headHeight
	for _, one := range l.all {
		bottom := top - l.laneHeight(one)
		write(c, ink, vg.Point{X: c.Min.X - labelWidth, Y: top - 9}, shorten(one.label))
		write(c, muted, vg.Point{X: c.Min.X - labelWidth, Y: top - 23}, shorten(one.detail))
		switch {
		case one.pod != nil:
			phases(c, *one.pod, clamped, l.scenario.Ended, bottom, top)
		default:
			c.StrokeLine2(line(grid, 1), c.Min.X, bottom, c.Max.X, bottom)
		}
		for i, row := range one.rows {
			y := top - 4 - l.rowHeight*(vg.Length(i)+0.5)
			for _, run := range row {
				bar(c, run, clamped, y, l.rowHeight*0.36)
			}
		}
		for at, failed := range failures(one.requests) {
			left := clamped(at - 0.5)
			c.StrokeLine2(line(lostMark, 2), left, bottom, left, bottom+12)
			if failed > 0 {
				cross(c, left, bottom+18, 2.5)
			}
		}
		top = bottom - laneGap
	}
}

// failures returns how many short requests failed, by second.
func failures(requests []bench.Requests) map[float64]int {
	failed := map[float64]int{}
	for _, second := range requests {
		if second.Failed > 0 {
			failed[second.At] += second.Failed
		}
	}
	return failed
}

// phases draws the phases of a pod as the background of its lane.
func phases(c draw.Canvas, pod bench.Pod, x func(float64) vg.Length, ended float64, bottom, top vg.Length) {
	gone := orElse(pod.Gone, ended)
	deleted := min(orElse(pod.Deleted, gone), gone)
	isReady := min(orElse(pod.Ready, deleted), deleted)
	fill(c, starting, x(pod.Created), x(isReady), bottom, top)
	fill(c, ready, x(isReady), x(deleted), bottom, top)
	fill(c, terminating, x(deleted), x(gone), bottom, top)
	for at := x(pod.Created) + 3; at < x(isReady); at += 4 {
		c.StrokeLine2(line(hatch, 1), at, bottom, at, top)
	}
	area := draw.Canvas{Canvas: c.Canvas, Rectangle: vg.Rectangle{Min: vg.Point{X: x(deleted), Y: bottom}, Max: vg.Point{X: x(gone), Y: top}}}
	for at := area.Min.X - (top - bottom); at < area.Max.X; at += 8 {
		c.StrokeLines(line(hatch, 1), area.ClipLinesXY([]vg.Point{{X: at, Y: bottom}, {X: at + top - bottom, Y: top}})...)
	}
}

func orElse(second, otherwise float64) float64 {
	if second == 0 {
		return otherwise
	}
	return second
}

// bar draws a run, always wide enough to be visible.
func bar(c draw.Canvas, run bench.Run, x func(float64) vg.Length, y, half vg.Length) {
	color := done
	left, right := x(run.Start), x(run.End)
	if run.Lost() {
		color = lost
	}
	fill(c, color, left, max(right, left+2.5), y-half, y+half)
	if run.Lost() {
		cross(c, max(right, left+2.5)+4, y, min(3.4, half+1))
	}
}

// shorten keeps the end of a name, which tells pods of a subject apart.
func shorten(label string) string {
	const most = 25
	if len(label) <= most {
		return label
	}
	return "…" + label[len(label)-most:]
}

// steps draws numbers that change over time.
type steps struct {
	label  string
	lines  []stepLine
	ended  float64
	most   int
	bounds []bench.Scaling // where the range of the autoscaler changes
}

type stepLine struct {
	changes []bench.Change
	style   draw.LineStyle
	area    bool
}

func newPods(s bench.Scenario) steps {
	pods := steps{label: "pods", ended: s.Ended, most: 1}
	var wanted, isReady []bench.Change
	for _, at := range s.Scaling {
		wanted = append(wanted, bench.Change{At: at.At, Value: at.Wanted})
		isReady = append(isReady, bench.Change{At: at.At, Value: at.Ready})
		pods.most = max(pods.most, at.Wanted, at.Ready, at.Max)
		if last := len(pods.bounds) - 1; last < 0 || pods.bounds[last].Min != at.Min || pods.bounds[last].Max != at.Max {
			pods.bounds = append(pods.bounds, at)
		}
	}
	pods.lines = []stepLine{{changes: isReady, style: line(done, 2.4)}, {changes: wanted, style: line(ink, 1.4, 5, 3)}}
	return pods
}

func newLoad(s bench.Scenario) steps {
	l := steps{label: "runs in flight", ended: s.Ended, most: 1, lines: []stepLine{{changes: s.InFlightOverTime(), style: line(load, 1.6), area: true}}}
	for _, change := range l.lines[0].changes {
		l.most = max(l.most, change.Value)
	}
	return l
}

func (s steps) DataRange() (xmin, xmax, ymin, ymax float64) {
	return 0, s.ended, 0, float64(s.most) * 1.1
}

func (s steps) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	for i, value := range []int{0, s.most} {
		height := y(float64(value))
		c.StrokeLine2(line(grid, 1), c.Min.X, height, c.Max.X, height)
		write(c, muted, vg.Point{X: c.Min.X - 28, Y: height + vg.Length(4*(1-i))}, fmt.Sprint(value))
	}
	write(c, ink, vg.Point{X: c.Min.X - labelWidth, Y: c.Max.Y - 12}, s.label)
	for i, at := range s.bounds {
		until := s.ended
		if i+1 < len(s.bounds) {
			until = s.bounds[i+1].At
		}
		fill(c, bound, x(max(0, at.At)), x(min(s.ended, until)), y(float64(at.Min)), y(float64(at.Max)))
	}
	if last := len(s.bounds) - 1; last >= 0 && s.bounds[last].Max > 0 {
		last := s.bounds[last]
		write(c, muted, vg.Point{X: c.Max.X + 6, Y: y(float64(last.Max))}, fmt.Sprintf("max %d", last.Max))
		if last.Min < last.Max { // otherwise it would be written over the other one
			write(c, muted, vg.Point{X: c.Max.X + 6, Y: y(float64(last.Min))}, fmt.Sprintf("min %d", last.Min))
		}
	}
	for _, l := range s.lines {
		path := stepPath(l.changes, s.ended)
		for i := range path {
			path[i] = vg.Point{X: x(float64(path[i].X)), Y: y(float64(path[i].Y))}
		}
		if l.area && len(path) > 0 {
			c.FillPolygon(bound, slices.Concat([]vg.Point{{X: path[0].X, Y: y(0)}}, path, []vg.Point{{X: path[len(path)-1].X, Y: y(0)}}))
		}
		c.StrokeLines(l.style, path)
	}
}

// stepPath turns changes into the corners of a line, in seconds and numbers.
func stepPath(changes []bench.Change, ended float64) (path []vg.Point) {
	for i, change := range changes {
		at := min(max(0, change.At), ended)
		if i > 0 {
			path = append(path, vg.Point{X: vg.Length(at), Y: path[len(path)-1].Y})
		}
		path = append(path, vg.Point{X: vg.Length(at), Y: vg.Length(change.Value)})
	}
	if len(path) > 0 {
		path = append(path, vg.Point{X: vg.Length(ended), Y: path[len(path)-1].Y})
	}
	return path
}

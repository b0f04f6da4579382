package page

import (
	"bytes"
	"fmt"
	"html"
	"html/template"
	"image/color"
	"regexp"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// paint is a color that page.css defines, once for a light page and once for a dark one.
// Gonum writes colors as numbers; picture replaces these by the names.
type paint uint8

const (
	ink paint = iota
	muted
	grid
	starting
	ready
	terminating
	hatch // the pattern that tells phases apart without colors
	done
	lost
	lostMark
	bound
	load
	paints // how many there are
)

var paintNames = [paints]string{"ink", "muted", "grid", "starting", "ready", "terminating", "hatch", "done", "lost", "lost-mark", "bound", "load"}

// RGBA encodes the index. The half is added because vgsvg rounds down.
func (p paint) RGBA() (r, g, b, a uint32) {
	channel := func(value uint32) uint32 { return value*0x101 + 0x80 }
	return channel(0xab), channel(0xcd), channel(uint32(p)), 0xffff
}

var (
	paintCode = regexp.MustCompile(`#ABCD([0-9A-F]{2})`)
	fontStyle = regexp.MustCompile(`font-family:[^;]*;font-variant:none;font-weight:normal;font-style:normal;`)
)

// picture draws on a canvas of a size in pixels, and returns it as an SVG element.
func picture(title, description string, width, height vg.Length, paintOn func(draw.Canvas)) template.HTML {
	canvas := vgsvg.New(width, height)
	paintOn(draw.New(canvas))
	var out bytes.Buffer
	if _, err := canvas.WriteTo(&out); err != nil {
		panic(err) // a bytes.Buffer does not fail
	}
	_, body, _ := strings.Cut(out.String(), "<svg")
	_, body, _ = strings.Cut(body, ">")
	body = fontStyle.ReplaceAllString(body, "") // page.css sets the font
	body = paintCode.ReplaceAllStringFunc(body, func(code string) string {
		index, _ := strconv.ParseUint(code[len("#ABCD"):], 16, 8) // the pattern allows only such numbers
		return "var(--" + paintNames[index] + ")"
	})
	return template.HTML(fmt.Sprintf(`<svg viewBox="0 0 %g %g" role="img" aria-label="%s"><title>%s</title><desc>%s</desc>%s`, width, height,
		html.EscapeString(title+": "+description), html.EscapeString(title), html.EscapeString(description), body))
}

// textSize in pixels of a picture.
const textSize = 12

// newPlot returns a plot without a background, in our colors and font.
func newPlot() *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Padding = 4
		axis.Tick.Label.Font, axis.Tick.Label.Color = sans(textSize), muted
		axis.Label.TextStyle.Font, axis.Label.TextStyle.Color = sans(textSize), muted
		axis.LineStyle.Color, axis.Tick.LineStyle.Color = grid, grid
	}
	return p
}

func sans(size vg.Length) font.Font {
	return font.Font{Typeface: "Liberation", Variant: "Sans", Size: size}
}

// write writes text with its left end at a point, and returns where it ends.
func write(c draw.Canvas, color color.Color, at vg.Point, words string) vg.Length {
	style := textStyle(color)
	c.FillText(style, at, words)
	return at.X + style.Width(words)
}

func textStyle(color color.Color) draw.TextStyle {
	return draw.TextStyle{Color: color, Font: sans(textSize), YAlign: -0.4, Handler: plot.DefaultTextHandler}
}

// fill paints a rectangle, or nothing if it is empty.
func fill(c draw.Canvas, color color.Color, left, right, bottom, top vg.Length) {
	if left >= right {
		return
	}
	c.FillPolygon(color, []vg.Point{{X: left, Y: bottom}, {X: right, Y: bottom}, {X: right, Y: top}, {X: left, Y: top}})
}

func line(color color.Color, width vg.Length, dashes ...vg.Length) draw.LineStyle {
	return draw.LineStyle{Color: color, Width: width, Dashes: dashes}
}

// cross marks what was lost, for readers who cannot distinguish its color.
func cross(c draw.Canvas, x, y, size vg.Length) {
	style := line(lostMark, 1.6)
	c.StrokeLine2(style, x-size, y-size, x+size, y+size)
	c.StrokeLine2(style, x-size, y+size, x+size, y-size)
}

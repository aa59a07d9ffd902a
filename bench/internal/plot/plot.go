// Package plot draws a curve as SVG: two logarithmic axes, a line for each
// contestant, its name beside it.
//
// It is as small as what the page needs. The picture brings no background of its
// own and follows the reader's light or dark setting.
package plot

import (
	"cmp"
	"fmt"
	"html"
	"math"
	"slices"
	"strings"

	"vitrine.dev/vitrine/bench/internal/measure"
)

// The picture, in pixels.
const (
	width, height = 760, 430
	left, right   = 78, 210
	top, bottom   = 46, 50
	label         = 15 // least distance of two names
)

// style holds the colours: ours stands out, the limit is a broken line.
const style = `<style>
text { font: 12px system-ui, sans-serif; fill: #3b3b3b }
.title { font-size: 15px; font-weight: 600 }
.grid { stroke: #8884; stroke-width: 1 }
.line { fill: none; stroke-width: 1.6 }
.ours { stroke-width: 3.2 }
.lead { fill: none; stroke-width: 1; stroke-dasharray: 1 3 }
.limit { stroke-dasharray: 6 4 }
.name { font-size: 12px }
.name.ours { font-weight: 700 }
.c0 { stroke: #c2410c } .t0 { fill: #c2410c }
.c1 { stroke: #6b7280 } .t1 { fill: #6b7280 }
.c2 { stroke: #2563eb } .t2 { fill: #2563eb }
.c3 { stroke: #15803d } .t3 { fill: #15803d }
.c4 { stroke: #7e22ce } .t4 { fill: #7e22ce }
.c5 { stroke: #0e7490 } .t5 { fill: #0e7490 }
.c6 { stroke: #a16207 } .t6 { fill: #a16207 }
@media (prefers-color-scheme: dark) {
text { fill: #d4d4d4 }
.c0 { stroke: #fb923c } .t0 { fill: #fb923c }
.c1 { stroke: #9ca3af } .t1 { fill: #9ca3af }
.c2 { stroke: #60a5fa } .t2 { fill: #60a5fa }
.c3 { stroke: #4ade80 } .t3 { fill: #4ade80 }
.c4 { stroke: #c084fc } .t4 { fill: #c084fc }
.c5 { stroke: #22d3ee } .t5 { fill: #22d3ee }
.c6 { stroke: #facc15 } .t6 { fill: #facc15 }
}
</style>
`

// axis maps values to pixels by their logarithm.
type axis struct {
	low, high float64 // decades
	from, to  float64 // pixels
}

func newAxis(values []float64, from, to float64) axis {
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		low, high = min(low, math.Log10(v)), max(high, math.Log10(v))
	}
	if math.IsInf(low, 0) { // no values
		low, high = 0, 1
	}
	return axis{low, max(high, low+0.1), from, to}
}

// whole widens the axis to whole decades.
func (a axis) whole() axis {
	a.low, a.high = math.Floor(a.low), math.Ceil(a.high)
	return a
}

func (a axis) at(v float64) float64 {
	return a.from + (math.Log10(v)-a.low)/(a.high-a.low)*(a.to-a.from)
}

// SVG draws a curve.
func SVG(c *measure.Curve) []byte {
	var xs, ys []float64
	for _, l := range c.Lines {
		for _, p := range l.Points {
			xs, ys = append(xs, p[0]), append(ys, p[1])
		}
	}
	x, y := newAxis(xs, left, width-right), newAxis(ys, height-bottom, top).whole()
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="%s">`+"\n", width, height, html.EscapeString(c.Title))
	b.WriteString(style)
	fmt.Fprintf(&b, `<text class="title" x="%d" y="22">%s</text>`+"\n", left, html.EscapeString(c.Title))
	grid(&b, c, xs, x, y)
	names := make([]name, len(c.Lines))
	peers := 0
	for i, l := range c.Lines {
		colour := 0
		switch l.Role {
		case measure.Limit:
			colour = 1
		case measure.Peer:
			colour = 2 + peers%5
			peers++
		}
		names[i] = line(&b, c, l, colour, x, y)
	}
	spread(names)
	for _, n := range names {
		fmt.Fprintf(&b, `<path class="lead c%d" d="M%.1f %.1fL%d %.1f"/><text class="name %s t%d" x="%d" y="%.1f">%s</text>`+"\n",
			n.colour, n.endX, n.endY, width-right+12, n.y, n.role, n.colour, width-right+16, n.y+4, html.EscapeString(n.text))
	}
	b.WriteString("</svg>\n")
	return []byte(b.String())
}

// grid draws the axes: a line for each decade, a mark for each value measured.
func grid(b *strings.Builder, c *measure.Curve, xs []float64, x, y axis) {
	for d := y.low; d <= y.high; d++ {
		v := math.Pow(10, d)
		fmt.Fprintf(b, `<path class="grid" d="M%d %.1fH%d"/><text text-anchor="end" x="%d" y="%.1f">%s</text>`+"\n",
			left, y.at(v), width-right, left-8, y.at(v)+4, tick(v, c.Y))
	}
	slices.Sort(xs)
	for _, v := range slices.Compact(xs) {
		fmt.Fprintf(b, `<path class="grid" d="M%.1f %dV%d"/><text text-anchor="middle" x="%.1f" y="%d">%s</text>`+"\n",
			x.at(v), top, height-bottom, x.at(v), height-bottom+18, measure.Format(v, ""))
	}
	fmt.Fprintf(b, `<text text-anchor="middle" x="%d" y="%d">%s</text>`+"\n", (left+width-right)/2, height-10, html.EscapeString(c.X))
}

// tick is a value at the axis.
func tick(v float64, unit string) string {
	if unit != "ns" {
		unit = "/s"
	}
	text := measure.Format(v, unit)
	return strings.Replace(strings.Replace(text, ".00", "", 1), ".0", "", 1)
}

// name is what a line is called, at the right, and where the line ends.
type name struct {
	text       string
	role       measure.Role
	colour     int
	endX, endY float64
	y          float64
}

func line(b *strings.Builder, c *measure.Curve, l *measure.Line, colour int, x, y axis) name {
	var path strings.Builder
	n := name{text: l.Name, role: l.Role, colour: colour}
	for i, p := range l.Points {
		n.endX, n.endY = x.at(p[0]), y.at(p[1])
		n.y = n.endY
		if i == 0 {
			fmt.Fprintf(&path, "M%.1f %.1f", n.endX, n.endY)
		} else {
			fmt.Fprintf(&path, "L%.1f %.1f", n.endX, n.endY)
		}
	}
	fmt.Fprintf(b, `<path class="line %s c%d" d="%s"/>`+"\n", l.Role, colour, path.String())
	for _, p := range l.Points {
		fmt.Fprintf(b, `<circle class="t%d" cx="%.1f" cy="%.1f" r="3"><title>%s: %s at %s</title></circle>`+"\n",
			colour, x.at(p[0]), y.at(p[1]), html.EscapeString(l.Name), html.EscapeString(measure.Format(p[1], unit(c.Y))), measure.Format(p[0], ""))
	}
	return n
}

func unit(y string) string {
	if y == "ns" {
		return "ns"
	}
	return "/s"
}

// spread moves names apart that would stand on each other: down from the top,
// then up from the bottom.
func spread(names []name) {
	order := make([]*name, len(names))
	for i := range names {
		order[i] = &names[i]
	}
	slices.SortStableFunc(order, func(a, b *name) int { return cmp.Compare(a.y, b.y) })
	for i := 1; i < len(order); i++ {
		order[i].y = max(order[i].y, order[i-1].y+label)
	}
	floor := float64(height - bottom)
	for i := len(order) - 1; i >= 0; i-- {
		order[i].y = min(order[i].y, floor)
		floor = order[i].y - label
	}
}

package studio

import (
	"image"

	"golang.org/x/image/vector"
)

// canvas is a picture while it is painted.
type canvas struct {
	w, h int
	px   []rgb
	s    float32 // one unit of length: a thousandth of the shorter side
	r    vector.Rasterizer
	a    *image.Alpha
}

func newCanvas(w, h int) *canvas {
	return &canvas{w: w, h: h, px: make([]rgb, w*h), s: float32(min(w, h)) / 1000, a: image.NewAlpha(image.Rect(0, 0, w, h))}
}

func (c *canvas) size() (w, h float32) { return float32(c.w), float32(c.h) }

// over lays a colour on a pixel.
func (c *canvas) over(x, y int, col rgb, a float32) {
	p := &c.px[y*c.w+x]
	p[0] += (col[0] - p[0]) * a
	p[1] += (col[1] - p[1]) * a
	p[2] += (col[2] - p[2]) * a
}

// paint gives a colour and how much it covers.
type paint func(x, y int) (rgb, float32)

func solid(col rgb, a float32) paint { return func(int, int) (rgb, float32) { return col, a } }

// upright passes from one colour at y0 to another at y1.
func upright(from, to rgb, y0, y1 float32) paint {
	r := newRamp(from, to)
	return func(_, y int) (rgb, float32) { return r.at((float32(y) - y0) / (y1 - y0)), 1 }
}

// across passes along a direction, from one point to another.
func across(from, to rgb, x0, y0, x1, y1 float32) paint {
	r := newRamp(from, to)
	dx, dy := x1-x0, y1-y0
	d := dx*dx + dy*dy
	return func(x, y int) (rgb, float32) {
		return r.at(((float32(x)-x0)*dx + (float32(y)-y0)*dy) / d), 1
	}
}

// all paints every pixel of some rows.
func (c *canvas) all(y0, y1 int, p paint) {
	for y := max(y0, 0); y < min(y1, c.h); y++ {
		for x := range c.w {
			if col, a := p(x, y); a > 0 {
				c.over(x, y, col, a)
			}
		}
	}
}

// below paints what lies below a line given for each column, with a soft edge.
func (c *canvas) below(line []float32, p paint) { c.between(line, nil, p) }

func (c *canvas) between(top, bottom []float32, p paint) {
	for x := range c.w {
		end := float32(c.h)
		if bottom != nil {
			end = min(end, bottom[x])
		}
		for y := max(int(top[x])-1, 0); y < min(int(end)+1, c.h); y++ {
			cover := clamp(float32(y)+0.5-top[x]+0.5) * clamp(end-float32(y))
			if col, a := p(x, y); a > 0 {
				c.over(x, y, col, a*cover)
			}
		}
	}
}

// path is an outline in pixels.
type path struct {
	ops            []op
	x0, y0, x1, y1 float32
	used           bool
}

type op struct {
	kind int
	p    [6]float32
}

func (p *path) grow(x, y float32) {
	if !p.used {
		p.x0, p.x1, p.y0, p.y1, p.used = x, x, y, y, true
	}
	p.x0, p.x1, p.y0, p.y1 = min(p.x0, x), max(p.x1, x), min(p.y0, y), max(p.y1, y)
}

func (p *path) move(x, y float32) *path {
	p.grow(x, y)
	p.ops = append(p.ops, op{0, [6]float32{x, y}})
	return p
}

func (p *path) line(x, y float32) *path {
	p.grow(x, y)
	p.ops = append(p.ops, op{1, [6]float32{x, y}})
	return p
}

func (p *path) quad(bx, by, x, y float32) *path {
	p.grow(bx, by)
	p.grow(x, y)
	p.ops = append(p.ops, op{2, [6]float32{bx, by, x, y}})
	return p
}

func (p *path) cube(bx, by, cx, cy, x, y float32) *path {
	p.grow(bx, by)
	p.grow(cx, cy)
	p.grow(x, y)
	p.ops = append(p.ops, op{3, [6]float32{bx, by, cx, cy, x, y}})
	return p
}

// oval is an ellipse turned by an angle.
func oval(x, y, rx, ry, turn float32) *path {
	const k = 0.5522848
	p := &path{}
	co, si := cos(turn), sin(turn)
	at := func(u, v float32) (float32, float32) { return x + u*rx*co - v*ry*si, y + u*rx*si + v*ry*co }
	ax, ay := at(1, 0)
	p.move(ax, ay)
	for _, q := range [4][6]float32{{1, k, k, 1, 0, 1}, {-k, 1, -1, k, -1, 0}, {-1, -k, -k, -1, 0, -1}, {k, -1, 1, -k, 1, 0}} {
		bx, by := at(q[0], q[1])
		cx, cy := at(q[2], q[3])
		dx, dy := at(q[4], q[5])
		p.cube(bx, by, cx, cy, dx, dy)
	}
	return p
}

// ring is an ellipse with a hole: the inner outline runs the other way.
func ring(x, y, rx, ry, wide float32) *path {
	p := oval(x, y, rx, ry, 0)
	p.ops = append(p.ops, oval(x, y, rx-wide, -(ry-wide), 0).ops...)
	return p
}

func box(x0, y0, x1, y1 float32) *path {
	return (&path{}).move(x0, y0).line(x1, y0).line(x1, y1).line(x0, y1)
}

func poly(pts ...float32) *path {
	p := (&path{}).move(pts[0], pts[1])
	for i := 2; i+1 < len(pts); i += 2 {
		p.line(pts[i], pts[i+1])
	}
	return p
}

// stroke is a line that tapers from one width to another along a curve.
func stroke(x0, y0, bx, by, x1, y1, w0, w1 float32) *path {
	const n = 14
	var left, right [n + 1][2]float32
	for i := range n + 1 {
		t := float32(i) / n
		u := 1 - t
		x, y := u*u*x0+2*u*t*bx+t*t*x1, u*u*y0+2*u*t*by+t*t*y1
		dx, dy := 2*u*(bx-x0)+2*t*(x1-bx), 2*u*(by-y0)+2*t*(y1-by)
		d := max(hypot(dx, dy), 1e-3)
		w := (w0 + (w1-w0)*t) / 2
		left[i] = [2]float32{x - dy/d*w, y + dx/d*w}
		right[i] = [2]float32{x + dy/d*w, y - dx/d*w}
	}
	p := (&path{}).move(left[0][0], left[0][1])
	for i := 1; i <= n; i++ {
		p.line(left[i][0], left[i][1])
	}
	for i := n; i >= 0; i-- {
		p.line(right[i][0], right[i][1])
	}
	return p
}

// fill paints the inside of an outline, with a fine edge.
func (c *canvas) fill(p *path, with paint) {
	x0, y0 := max(int(p.x0)-1, 0), max(int(p.y0)-1, 0)
	x1, y1 := min(int(p.x1)+2, c.w), min(int(p.y1)+2, c.h)
	if x1 <= x0 || y1 <= y0 {
		return
	}
	ox, oy := float32(x0), float32(y0)
	c.r.Reset(x1-x0, y1-y0)
	for _, o := range p.ops {
		q := o.p
		switch o.kind {
		case 0:
			c.r.ClosePath()
			c.r.MoveTo(q[0]-ox, q[1]-oy)
		case 1:
			c.r.LineTo(q[0]-ox, q[1]-oy)
		case 2:
			c.r.QuadTo(q[0]-ox, q[1]-oy, q[2]-ox, q[3]-oy)
		case 3:
			c.r.CubeTo(q[0]-ox, q[1]-oy, q[2]-ox, q[3]-oy, q[4]-ox, q[5]-oy)
		}
	}
	c.r.ClosePath()
	mask := image.Alpha{Pix: c.a.Pix[:(x1-x0)*(y1-y0)], Stride: x1 - x0, Rect: image.Rect(0, 0, x1-x0, y1-y0)}
	clear(mask.Pix)
	c.r.Draw(&mask, mask.Rect, image.Opaque, image.Point{})
	for y := y0; y < y1; y++ {
		row := mask.Pix[(y-y0)*mask.Stride:]
		for x := x0; x < x1; x++ {
			if m := row[x-x0]; m > 0 {
				col, a := with(x, y)
				c.over(x, y, col, a*float32(m)/255)
			}
		}
	}
}

// glow lightens around a point; at distance r little is left.
func (c *canvas) glow(cx, cy, r float32, col rgb, strength float32) {
	reach := r * 2.4
	for y := max(int(cy-reach), 0); y < min(int(cy+reach)+1, c.h); y++ {
		for x := max(int(cx-reach), 0); x < min(int(cx+reach)+1, c.w); x++ {
			dx, dy := float32(x)-cx, float32(y)-cy
			q := (dx*dx + dy*dy) / (reach * reach)
			if q >= 1 {
				continue
			}
			f := (1 - q) * (1 - q)
			f *= f * strength
			p := &c.px[y*c.w+x]
			*p = screen(*p, rgb{col[0] * f, col[1] * f, col[2] * f})
		}
	}
}

// field is a slow function of the place, worked out on a coarse grid.
type field struct {
	step float32
	w    int
	v    []float32
}

func (c *canvas) field(step int, f func(x, y float32) float32) *field {
	w, h := c.w/step+2, c.h/step+2
	g := &field{float32(step), w, make([]float32, w*h)}
	for y := range h {
		for x := range w {
			g.v[y*w+x] = f(float32(x*step), float32(y*step))
		}
	}
	return g
}

func (g *field) at(x, y int) float32 {
	fx, fy := float32(x)/g.step, float32(y)/g.step
	ix, iy := int(fx), int(fy)
	fx, fy = fx-float32(ix), fy-float32(iy)
	v := g.v[iy*g.w+ix:]
	a := v[0] + (v[1]-v[0])*fx
	b := v[g.w] + (v[g.w+1]-v[g.w])*fx
	return a + (b-a)*fy
}

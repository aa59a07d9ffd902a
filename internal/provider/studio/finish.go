package studio

import "image"

// finish draws the edges down a little, lays grain over it, and keeps the
// hues that the prompt asked for.
func (c *canvas) finish(sc *scene) {
	w, h := c.size()
	n := noise(sc.seed>>7) | 1
	for y := range c.h {
		dy := (float32(y)/h - 0.5) * 2
		for x := range c.w {
			dx := (float32(x)/w - 0.5) * 2
			v := 1 - 0.16*smooth(0.55, 2, dx*dx+dy*dy)
			g := 1 + (n.cell(int32(x), int32(y))-0.5)*0.022*sc.grain
			p := &c.px[y*c.w+x]
			f := v * g
			p[0], p[1], p[2] = p[0]*f, p[1]*f, p[2]*f
			if sc.grey {
				l := 0.3*p[0] + 0.59*p[1] + 0.11*p[2]
				l = l + 0.25*(l-0.5)*(1-abs(2*l-1))
				*p = rgb{l * 1.01, l, l * 0.975}
			}
		}
	}
}

// bayer is an ordered dither: gradients do not band, and files stay smaller
// than with noise.
var bayer = [16]float32{0, 8, 2, 10, 12, 4, 14, 6, 3, 11, 1, 9, 15, 7, 13, 5}

func (c *canvas) image() *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, c.w, c.h))
	for y := range c.h {
		row := m.Pix[y*m.Stride:]
		for x := range c.w {
			d := (bayer[y&3<<2|x&3] + 0.5) / 16
			p := &c.px[y*c.w+x]
			for k := range 3 {
				row[4*x+k] = uint8(min(max(p[k]*255+d, 0), 255))
			}
			row[4*x+3] = 255
		}
	}
	return m
}

// glyphs are capitals of five columns by seven rows, one row a byte.
var glyphs = map[rune][7]byte{
	'A': {14, 17, 17, 31, 17, 17, 17}, 'D': {30, 17, 17, 17, 17, 17, 30}, 'E': {31, 16, 16, 30, 16, 16, 31},
	'I': {14, 4, 4, 4, 4, 4, 14}, 'L': {16, 16, 16, 16, 16, 16, 31}, 'M': {17, 27, 21, 21, 17, 17, 17},
	'N': {17, 25, 21, 19, 17, 17, 17}, 'O': {14, 17, 17, 17, 17, 17, 14}, 'S': {15, 16, 16, 14, 1, 1, 30},
	'T': {31, 4, 4, 4, 4, 4, 4}, 'U': {17, 17, 17, 17, 17, 17, 14}, '-': {0, 0, 0, 14, 0, 0, 0},
}

// notes are what the corner says: the longest that fits.
var notes = []string{"STUDIO - NOT AN AI MODEL", "NOT AN AI MODEL", "NOT AI"}

// note says in the corner what this is. It reads on any ground: light letters
// on a dark, half clear plate.
func (c *canvas) note() {
	k := max(min(c.w, c.h)/512, 1)
	pad := 4 * k
	text := notes[0]
	for _, text = range notes {
		if (len(text)*6-1)*k+6*pad <= c.w {
			break
		}
	}
	wide, high := (len(text)*6-1)*k, 7*k
	x0, y0 := c.w-wide-3*pad, c.h-high-3*pad
	for y := max(y0-pad, 0); y < min(y0+high+pad, c.h); y++ {
		for x := max(x0-pad, 0); x < min(x0+wide+pad, c.w); x++ {
			c.over(x, y, rgb{0.05, 0.05, 0.07}, 0.5)
		}
	}
	for i, r := range text {
		for row, bits := range glyphs[r] {
			for col := range 5 {
				if bits>>(4-col)&1 == 0 {
					continue
				}
				for dy := range k {
					for dx := range k {
						x, y := x0+(i*6+col)*k+dx, y0+row*k+dy
						if x >= 0 && y >= 0 && x < c.w && y < c.h {
							c.over(x, y, rgb{0.96, 0.95, 0.92}, 0.88)
						}
					}
				}
			}
		}
	}
}

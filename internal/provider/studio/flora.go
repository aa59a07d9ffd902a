package studio

// flowers: a loose bunch close up before a soft ground.
func flowers(c *canvas, sc *scene) {
	w, hh := c.size()
	ground := newRamp(mix(sc.pal.haze, hex(0xfaf4ea), 0.55), mix(sc.pal.haze, sc.pal.sky[1], 0.35))
	if sc.pal.dark {
		ground = newRamp(mix(sc.pal.sky[2], sc.pal.far, 0.4), mix(sc.pal.near, sc.pal.sky[0], 0.5))
	}
	n := noise(sc.next())
	c.all(0, c.h, func(x, y int) (rgb, float32) {
		d := hypot(float32(x)/w-0.42, float32(y)/hh-0.36)
		return ground.at(d*1.15 + 0.10*(n.at(float32(x)/w*3, float32(y)/hh*3)-0.5)), 1
	})
	for range 14 { // light out of focus
		c.glow(sc.f()*w, sc.f()*hh, sc.in(30, 90)*c.s, sc.pal.light, 0.10)
	}
	cols := sc.bouquet()
	type bloom struct{ x, y, r float32 }
	spots := []bloom{{0.36, 0.36, 0.165}, {0.64, 0.30, 0.135}, {0.53, 0.56, 0.175}, {0.25, 0.60, 0.115}, {0.77, 0.55, 0.125}, {0.48, 0.16, 0.09}, {0.86, 0.32, 0.07}, {0.15, 0.40, 0.075}}
	count := 5 + sc.n(4)
	fx, fy := w*0.5, hh*1.12
	leaf := mix(hex(0x3f6b4a), sc.pal.near, 0.22)
	small := float32(min(c.w, c.h))
	for i := range spots[:count] {
		spots[i].x = w/2 + (spots[i].x+sc.bell()*0.02-0.5)*small*1.05
		spots[i].y = hh/2 + (spots[i].y+sc.bell()*0.02-0.5)*small*1.05
		spots[i].r *= small * sc.in(0.9, 1.1)
	}
	for i := count - 1; i >= 0; i-- {
		b := spots[i]
		mx, my := (b.x+fx)/2+(b.x-fx)*0.28, (b.y+fy)/2
		c.fill(stroke(b.x, b.y, mx, my, fx+(b.x-fx)*0.12, fy, 7*c.s, 11*c.s), across(screen(leaf, sc.pal.light.times(0.12)), leaf.times(0.7), b.x-9*c.s, 0, b.x+9*c.s, 0))
		for k := range 2 {
			side := float32(k*2 - 1)
			lx, ly := b.x+(mx-b.x)*0.62, b.y+(my-b.y)*sc.in(0.75, 1.15)
			c.leaf(sc, lx, ly, small*sc.in(0.10, 0.19), side, leaf)
		}
	}
	for i := count - 1; i >= 0; i-- {
		b := spots[i]
		col := cols[i%len(cols)]
		c.shadow(b.x+b.r*0.10, b.y+b.r*0.16, b.r*1.05, sc.pal.near, 0.20)
		switch {
		case sc.any("tulip"):
			c.tulip(sc, b.x, b.y, b.r, col)
		case sc.any("rose", "peony"):
			c.rose(sc, b.x, b.y, b.r, col)
		case sc.any("sunflower", "daisy"):
			c.daisy(sc, b.x, b.y, b.r, col, true)
		default:
			switch (i + int(sc.seed%3)) % 3 {
			case 0:
				c.poppy(sc, b.x, b.y, b.r, col)
			case 1:
				c.daisy(sc, b.x, b.y, b.r*0.92, col, false)
			default:
				c.rose(sc, b.x, b.y, b.r*0.9, col)
			}
		}
	}
}

func (sc *scene) bouquet() []rgb {
	if sc.any("sunflower") {
		return hexes(0xf0b429, 0xf5c542, 0xe59a1e)
	}
	var cols []rgb
	for _, t := range sc.tints {
		cols = append(cols, t, t.light(0.07), t.light(-0.05))
	}
	if len(cols) > 0 {
		return cols
	}
	return [][]rgb{
		hexes(0xe2574c, 0xf3a683, 0xf7e3c8, 0xc23b4e), hexes(0xdf6d92, 0xf4c6d0, 0x9b5fa8, 0xfbeee6),
		hexes(0xf0a830, 0xe8694a, 0xf8e2b0, 0xb84a62), hexes(0x6a7fd0, 0xc9b7ea, 0xf2ece4, 0x4b4f9c),
	}[sc.n(4)]
}

// shadow darkens softly.
func (c *canvas) shadow(cx, cy, r float32, col rgb, a float32) {
	for y := max(int(cy-r*1.5), 0); y < min(int(cy+r*1.5), c.h); y++ {
		for x := max(int(cx-r*1.5), 0); x < min(int(cx+r*1.5), c.w); x++ {
			dx, dy := float32(x)-cx, float32(y)-cy
			if q := (dx*dx + dy*dy) / (r * r * 2.25); q < 1 {
				c.over(x, y, col, a*(1-q)*(1-q))
			}
		}
	}
}

// petal is an outline from its root outwards along an angle.
func petal(x, y, a, l, wide, notch float32) *path {
	co, si := cos(a), sin(a)
	at := func(u, v float32) (float32, float32) { return x + (u*co-v*si)*l, y + (u*si+v*co)*l }
	p := &path{}
	q := func(u, v float32) (float32, float32) { return at(u, v) }
	x0, y0 := q(0, 0)
	p.move(x0, y0)
	b1x, b1y := q(0.25, wide*0.9)
	b2x, b2y := q(0.85, wide*1.15)
	ex, ey := q(1, wide*0.18)
	p.cube(b1x, b1y, b2x, b2y, ex, ey)
	nx, ny := q(1-notch, 0)
	fx, fy := q(1, -wide*0.18)
	p.quad(nx, ny, fx, fy)
	b3x, b3y := q(0.85, -wide*1.15)
	b4x, b4y := q(0.25, -wide*0.9)
	p.cube(b3x, b3y, b4x, b4y, x0, y0)
	return p
}

// silk shades a petal from root to tip, with fine veins fanning out.
func (c *canvas) silk(sc *scene, x, y, a, l float32, root, tip rgb, veins float32) paint {
	n := noise(sc.next())
	r := newRamp(root, tip, tip.light(0.035))
	return func(px, py int) (rgb, float32) {
		dx, dy := float32(px)-x, float32(py)-y
		d := hypot(dx, dy) / l
		da := atan2(dy, dx) - a
		if da > 3.14159 {
			da -= 6.28318
		} else if da < -3.14159 {
			da += 6.28318
		}
		v := n.at(da*26+50, d*1.5)*0.6 + 0.4*n.at(da*60+90, d*2)
		side := 1 - 0.10*da*2 // one half turns from the light
		return r.at(d).times((1 - veins*(v-0.5)*0.35) * min(max(side, 0.86), 1.1)), 1
	}
}

func (c *canvas) poppy(sc *scene, x, y, r float32, col rgb) {
	dark := mix(col.light(-0.16), sc.pal.near, 0.15)
	turn := sc.f() * 6.28
	for ring := range 2 {
		l := r * (1.08 - 0.2*float32(ring))
		for i := range 4 {
			a := turn + float32(ring)*0.8 + float32(i)*1.5708 + sc.bell()*0.08
			c.fill(petal(x, y, a, l, 0.86, 0.05), c.silk(sc, x, y, a, l, dark, col, 0.9))
		}
	}
	core := hex(0x2a2430)
	c.shadow(x, y, r*0.34, core, 0.7)
	for range 46 {
		a, d := sc.f()*6.283, r*sc.in(0.13, 0.30)
		c.fill(stroke(x, y, x+cos(a)*d*0.6, y+sin(a)*d*0.6, x+cos(a)*d, y+sin(a)*d, 1.2*c.s, 0.8*c.s), solid(core, 0.8))
		c.speck(x+cos(a)*d, y+sin(a)*d, 1.7*c.s, hex(0xe8c25a), 0.95)
	}
	c.fill(oval(x, y, r*0.11, r*0.11, 0), solid(hex(0x8fa35a), 1))
	for i := range 8 {
		a := float32(i) * 0.7854
		c.fill(stroke(x, y, x+cos(a)*r*0.05, y+sin(a)*r*0.05, x+cos(a)*r*0.1, y+sin(a)*r*0.1, 1.4*c.s, 1*c.s), solid(hex(0x5a6b34), 1))
	}
}

func (c *canvas) daisy(sc *scene, x, y, r float32, col rgb, broad bool) {
	turn := sc.f()
	rings := 2 + b2i(broad)
	for ring := range rings {
		n := 15 + ring*2
		l := r * (1.06 - 0.14*float32(ring))
		for i := range n {
			a := turn + float32(ring)*0.21 + float32(i)*6.28318/float32(n) + sc.bell()*0.035
			tone := col.light(0.02 * float64(sc.bell())).times(0.93 + 0.05*float32(ring))
			c.fill(petal(x, y, a, l*sc.in(0.93, 1.03), 0.155, 0.03), c.silk(sc, x, y, a, l, mix(tone.light(-0.12), sc.pal.accent, 0.12), tone, 0.5))
		}
	}
	heart := hex(0xe3a52c)
	if broad {
		heart = hex(0x5a3a22)
	}
	k := r * 0.30
	if broad {
		k = r * 0.42
	}
	c.shadow(x, y, k*1.25, hex(0x3a2410), 0.5)
	c.fill(oval(x, y, k, k, 0), across(heart.light(0.05), heart.light(-0.1), x-k, y-k, x+k, y+k))
	for i := range 170 { // seeds in their spiral
		d := sqrt(float32(i)/170) * k * 0.95
		a := float32(i) * 2.39996
		tone := heart.light(0.12 - 0.16*float64(i%3)/2)
		c.speck(x+cos(a)*d, y+sin(a)*d, k*0.036, tone, 0.85)
	}
}

func (c *canvas) rose(sc *scene, x, y, r float32, col rgb) {
	turn := sc.f() * 6.28
	for ring := range 7 {
		t := float32(ring) / 6
		l := r * (1.05 - 0.86*t)
		n := 7 - ring/2
		for i := range n {
			a := turn + float32(ring)*0.62 + float32(i)*6.28318/float32(n) + sc.bell()*0.06
			px, py := x+cos(a)*l*0.10, y+sin(a)*l*0.10
			tone := blend(col.light(0.055), col.light(-0.13), t)
			c.fill(petal(px, py, a, l*1.02, 0.70, 0.02), solid(col.light(-0.17), 0.28))
			c.fill(petal(px, py, a, l*0.98, 0.68, 0.03), c.silk(sc, px, py, a, l, tone.light(-0.11), tone, 0.25))
		}
	}
	c.fill(oval(x, y, r*0.07, r*0.06, turn), solid(col.light(-0.2), 0.8))
}

func (c *canvas) tulip(sc *scene, x, y, r float32, col rgb) {
	py := y + r*0.85
	for _, q := range []struct {
		a, l, wide float32
		light      float64
	}{{-1.57, 1.72, 0.40, -0.10}, {-1.90, 1.74, 0.34, -0.07}, {-1.24, 1.74, 0.34, -0.09}, {-2.00, 1.58, 0.34, 0.0}, {-1.14, 1.58, 0.34, -0.03}, {-1.57, 1.46, 0.46, 0.035}} {
		tone := col.light(q.light)
		l := r * q.l * sc.in(0.97, 1.03)
		c.fill(petal(x, py, q.a, l*1.015, q.wide*1.03, -0.12), solid(col.light(-0.2), 0.35))
		c.fill(petal(x, py, q.a, l, q.wide, -0.12), c.silk(sc, x, py, q.a, l, tone.light(-0.16), tone, 0.5))
	}
}

// leaf is pointed, with a mid rib and one side in shade.
func (c *canvas) leaf(sc *scene, x, y, l, side float32, col rgb) {
	a := -1.5708 + side*sc.in(0.7, 1.25)
	co, si := cos(a), sin(a)
	at := func(u, v float32) (float32, float32) { return x + (u*co-v*si)*l, y + (u*si+v*co)*l }
	ex, ey := at(1, 0)
	for _, half := range []float32{1, -1} {
		b1x, b1y := at(0.3, 0.26*half)
		b2x, b2y := at(0.75, 0.2*half)
		p := (&path{}).move(x, y).cube(b1x, b1y, b2x, b2y, ex, ey)
		tone := mix(col, screen(col, sc.pal.light.times(0.26)), 0.5+0.5*half*side*-1)
		c.fill(p, across(tone.times(0.82), tone, x, y, ex, ey))
	}
	c.fill(stroke(x, y, (x+ex)/2, (y+ey)/2, ex, ey, 2.4*c.s, 0.6*c.s), solid(screen(col, hex(0x303a28)), 0.8))
}

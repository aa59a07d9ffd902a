package studio

// swatch is five colours that go together: those named, else one of some sets.
func (sc *scene) swatch() (ground rgb, cols []rgb) {
	sets := [][]uint32{
		{0xf4ecdf, 0xd1495b, 0xedae49, 0x00798c, 0x30638e, 0x003d5b}, {0x14213d, 0xfca311, 0xe5e5e5, 0x3f6fa8, 0xd9594c, 0x8fc1b5},
		{0xf2e9e4, 0x22223b, 0x9a8c98, 0xc97064, 0xe0a458, 0x4a6d7c}, {0x0f1b2d, 0x2ec4b6, 0xe71d36, 0xff9f1c, 0xf4f1de, 0x5b5f97},
		{0xfbf3e4, 0xe76f51, 0xf4a261, 0xe9c46a, 0x2a9d8f, 0x264653}, {0x1b1726, 0x8e7dbe, 0xf7cfd8, 0xf4a6a0, 0x99bc85, 0xf6e6cb},
	}
	set := hexes(sets[sc.n(len(sets))]...)
	ground, cols = set[0], set[1:]
	if len(sc.tints) > 0 {
		t := sc.tints
		cols = nil
		for i := range max(len(t), 2) {
			c := t[i%len(t)]
			cols = append(cols, c, c.light(0.13), c.light(-0.11))
		}
		if ground.lab()[0] < 0.5 {
			ground = tinted(hex(0x141824), t[0], 0.6)
		}
		cols = append(cols, set[0].light(0.1-0.2*float64(b2i(ground.lab()[0] > 0.5))))
	}
	if sc.pal.dark {
		ground = mix(sc.pal.near, hex(0x0c0e18), 0.5)
	}
	return ground, cols
}

// flow: thousands of fine strokes along a field of directions.
func flow(c *canvas, sc *scene) {
	w, hh := c.size()
	ground, cols := sc.swatch()
	light, edge := ground.lab()[0] > 0.5, ground.light(-0.05)
	c.all(0, c.h, func(x, y int) (rgb, float32) {
		return mix(ground, edge, hypot(float32(x)/w-0.5, float32(y)/hh-0.45)), 1
	})
	n, pick := noise(sc.next()), noise(sc.next())
	small := min(w, hh)
	scale := sc.in(1.0, 1.7) / small
	swirl := sc.in(1.1, 1.9)
	angle := c.field(4, func(x, y float32) float32 { return (n.fbm(x*scale, y*scale, 3) - 0.5) * 6.283 * swirl })
	base := sc.in(-0.7, 0.7)
	for i := range 2000 {
		t := float32(i) / 2000
		x, y := sc.in(-0.08, 1.08)*w, sc.in(-0.08, 1.08)*hh
		k := pick.fbm(x/small*1.6, y/small*1.6, 2)*1.9 - 0.45 + sc.bell()*0.07
		col := cols[min(max(int(k*float32(len(cols))), 0), len(cols)-1)]
		col = col.light(float64(sc.bell()) * 0.035)
		wide := sc.in(1.2, 6.2) * c.s
		if sc.chance(0.06) {
			wide *= 2.4
		}
		a := 0.55 + 0.4*t
		if light {
			a = 0.62 + 0.35*t
		}
		c.ribbon(angle, base, x, y, small*sc.in(0.09, 0.27), wide, col, a)
	}
}

// ribbon follows the field and swells in its middle.
func (c *canvas) ribbon(angle *field, base, x, y, length, wide float32, col rgb, a float32) {
	const steps = 26
	var left, right [steps][2]float32
	step := length / steps
	for i := range steps {
		t := float32(i) / (steps - 1)
		v := angle.at(min(max(int(x), 0), c.w-1), min(max(int(y), 0), c.h-1)) + base
		dx, dy := cos(v), sin(v)
		half := wide * (4 * t * (1 - t)) * 0.5
		left[i] = [2]float32{x - dy*half, y + dx*half}
		right[i] = [2]float32{x + dy*half, y - dx*half}
		x, y = x+dx*step, y+dy*step
	}
	p := (&path{}).move(left[0][0], left[0][1])
	for i := 1; i < steps; i++ {
		p.line(left[i][0], left[i][1])
	}
	for i := steps - 1; i >= 0; i-- {
		p.line(right[i][0], right[i][1])
	}
	c.fill(p, solid(col, a))
}

// ink: colours that run into each other, with fine veins of gold.
func ink(c *canvas, sc *scene) {
	w, hh := c.size()
	small := min(w, hh)
	ground, cols := sc.swatch()
	stops := []rgb{ground}
	for i, col := range cols {
		stops = append(stops, col)
		if i%2 == 1 {
			stops = append(stops, mix(ground, col, 0.25))
		}
	}
	r := newRamp(stops...)
	n := noise(sc.next())
	f := sc.in(1.0, 1.5) / small
	warp := sc.in(2.0, 2.9)
	qx := c.field(4, func(x, y float32) float32 { return n.fbm(x*f, y*f, 4) })
	qy := c.field(4, func(x, y float32) float32 { return n.fbm(x*f+5.2, y*f+1.3, 4) })
	v := c.field(2, func(x, y float32) float32 {
		ix, iy := min(int(x), c.w-1), min(int(y), c.h-1)
		return n.fbm(x*f+warp*qx.at(ix, iy), y*f+warp*qy.at(ix, iy), 6)
	})
	gold := newRamp(hex(0x8a6424), hex(0xf6dd94), hex(0xb88a3c))
	c.all(0, c.h, func(x, y int) (rgb, float32) {
		t := v.at(x, y)
		k := smooth(0.22, 0.78, t)
		col := r.at(k*0.85 + 0.15*qx.at(x, y))
		// A relief, as if the paint were thick.
		e := (v.at(min(x+2, c.w-1), y) - t) + (v.at(x, min(y+2, c.h-1)) - t)
		col = col.times(1 + min(max(e*9, -0.2), 0.2))
		// Veins keep their width: the distance to a level is its difference
		// over the slope.
		gx, gy := v.at(min(x+1, c.w-1), y)-t, v.at(x, min(y+1, c.h-1))-t
		edge := abs(k*7 - float32(int(k*7)) - 0.5)
		slope := max(hypot(gx, gy)*12.5, 1e-4)
		vein := clamp(2.1*c.s+0.4-edge/slope) * smooth(0.40, 0.58, qy.at(x, y)) * smooth(0.0002, 0.002, slope)
		if vein > 0 {
			col = mix(col, gold.at(qx.at(x, y)*2-0.5+e*20), vein*0.85)
		}
		return col, 1
	})
}

// shapes: a page of circles, arcs and bars on a grid.
func shapes(c *canvas, sc *scene) {
	w, hh := c.size()
	ground, cols := sc.swatch()
	c.all(0, c.h, solid(ground, 1))
	small := min(w, hh)
	margin := small * 0.07
	across := 4 + sc.n(2)
	cell := (small - 2*margin) / float32(across)
	nx, ny := int((w-2*margin)/cell+0.01), int((hh-2*margin)/cell+0.01)
	x0, y0 := (w-float32(nx)*cell)/2, (hh-float32(ny)*cell)/2
	last := -1
	for j := range ny {
		for i := range nx {
			x, y := x0+float32(i)*cell, y0+float32(j)*cell
			a := sc.n(len(cols))
			if a == last {
				a = (a + 1) % len(cols)
			}
			last = a
			c.tile(sc, x, y, cell, cols[a], cols[(a+1+sc.n(len(cols)-1))%len(cols)], ground)
		}
	}
	n := noise(sc.next())
	c.all(0, c.h, func(x, y int) (rgb, float32) { // the tooth of paper
		g := (n.fbm(float32(x)*0.35, float32(y)*0.35, 2) - 0.5) * 0.08
		return c.px[y*c.w+x].times(1 + g), 1
	})
}

func (c *canvas) tile(sc *scene, x, y, s float32, a, b, ground rgb) {
	quarter := func(cx, cy, r float32, col rgb) {
		p := oval(cx, cy, r, r, 0)
		x1, y1 := x+s, y+s
		c.fill(p, func(px, py int) (rgb, float32) {
			fx, fy := float32(px)+0.5, float32(py)+0.5
			return col, clamp(fx-x+0.5) * clamp(x1-fx+0.5) * clamp(fy-y+0.5) * clamp(y1-fy+0.5)
		})
	}
	corner := [][2]float32{{x, y}, {x + s, y}, {x, y + s}, {x + s, y + s}}[sc.n(4)]
	full := box(x, y, x+s, y+s)
	switch sc.n(8) {
	case 0:
		c.fill(full, solid(a, 1))
		quarter(corner[0], corner[1], s, b)
	case 1:
		for k := range 4 {
			quarter(corner[0], corner[1], s*(1-0.25*float32(k)), []rgb{a, ground, b, ground}[k])
		}
	case 2:
		c.fill(oval(x+s/2, y+s/2, s/2, s/2, 0), solid(a, 1))
		c.fill(oval(x+s/2, y+s/2, s/4.4, s/4.4, 0), solid(b, 1))
	case 3:
		c.fill(full, solid(b, 1))
		for k := range 4 {
			t := float32(k) / 4
			c.fill(box(x, y+t*s, x+s, y+(t+0.125)*s), solid(a, 1))
		}
	case 4:
		c.fill(full, solid(a, 1))
		c.fill(poly(x, y+s, x+s, y+s, corner[0], y), solid(b, 1))
	case 5:
		quarter(x, y+s/2, s/2, a)
		quarter(x+s, y+s/2, s/2, b)
	case 6:
		for k := range 3 {
			for l := range 3 {
				c.fill(oval(x+s*(float32(k)+0.5)/3, y+s*(float32(l)+0.5)/3, s*0.105, s*0.105, 0), solid([]rgb{a, b}[(k+l)%2], 1))
			}
		}
	case 7:
		c.fill(full, solid(a, 1))
		c.fill(oval(x+s/2, y+s/2, s*0.33, s*0.33, 0), solid(ground, 1))
		quarter(x+s/2, y+s, s/2, b)
	}
}

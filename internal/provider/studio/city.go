package studio

// city: a skyline in depth, windows lit by the hour, often a river before it.
func city(c *canvas, sc *scene) {
	w, hh := c.size()
	river := sc.any("river", "harbour", "harbor", "bay", "reflection", "water", "london", "paris", "bridge", "wet", "rain") || sc.chance(0.55)
	ground := hh * 0.97
	if river {
		ground = hh * sc.in(0.70, 0.76)
	}
	sky := c.sky(sc, ground)
	lit := float32(0.12)
	if sc.pal.dark {
		lit = 0.5
	} else if sc.hour == "sunset" || sc.hour == "golden" || sc.hour == "dawn" {
		lit = 0.22
	}
	const layers = 4
	for i := range layers {
		t := float32(i) / (layers - 1)
		col := mix(blend(sc.pal.far, sc.pal.near, 0.1+0.75*t), sc.pal.haze, 0.5*(1-t)*(1-t))
		c.row(sc, ground, hh*(0.50-0.24*t)*sc.in(0.9, 1.15), t, col, lit, sky)
		c.smog(ground, hh*0.20, sc.pal.haze, 0.42*(1-t))
	}
	if sc.pal.dark {
		c.glow(w/2, ground, 420*c.s, sc.pal.accent, 0.16)
	}
	if river {
		c.water(sc, sky, ground, 0.55)
		c.quay(sc, ground)
	}
	c.birds(sc, w*sc.in(0.2, 0.8), ground*0.3)
	c.weather(sc)
}

// smog rises from a foot.
func (c *canvas) smog(foot, tall float32, col rgb, a float32) {
	c.all(int(foot-tall), int(foot), func(_, y int) (rgb, float32) {
		t := (float32(y) - foot + tall) / tall
		return col, a * t * t
	})
}

// row is one depth of buildings.
func (c *canvas) row(sc *scene, ground, tall, t float32, col rgb, lit float32, sky heaven) {
	w, _ := c.size()
	centre := sc.in(0.3, 0.7)
	for x := -30 * c.s; x < w; {
		wide := sc.in(34, 88) * c.s * (0.7 + 0.65*t)
		u := x/w - centre
		h := tall * (0.30 + 0.7*exp2(u*u*6)*sc.in(0.45, 1.15)) * sc.in(0.6, 1.1)
		if sc.chance(0.10) {
			h *= 1.28
		}
		c.building(sc, x, ground, wide, h, t, col, lit, sky)
		x += wide * sc.in(0.86, 1.18)
	}
}

var lamps = []uint32{0xffd98a, 0xffc463, 0xffe9bd, 0xf7b25a, 0xd8ecff}

func (c *canvas) building(sc *scene, x, foot, wide, tall, t float32, col rgb, lit float32, sky heaven) {
	col = mix(col, col.light(0.05*float64(sc.bell())), 0.9)
	day := !sc.pal.dark
	bright := screen(col, sc.pal.light.times(0.20))
	body := func(x0, y0, x1, y1 float32) {
		face := across(bright, col, x0, 0, x1, 0)
		if sky.x > x+wide/2 {
			face = across(col, bright, x0, 0, x1, 0)
		}
		if !day {
			face = upright(col, mix(col, sc.pal.haze, 0.22), y0, foot)
		}
		c.fill(box(x0, y0, x1, y1), face)
	}
	top := foot - tall
	body(x, top, x+wide, foot)
	switch sc.n(6) {
	case 0: // set back
		body(x+wide*0.18, top-tall*0.10, x+wide*0.82, top+1)
		body(x+wide*0.36, top-tall*0.17, x+wide*0.64, top-tall*0.10+1)
	case 1: // mast
		c.fill(box(x+wide*0.485, top-tall*0.22, x+wide*0.515, top), solid(col, 1))
		if sc.pal.dark {
			c.glow(x+wide*0.5, top-tall*0.22, 9*c.s, hex(0xff5a4a), 0.8)
		}
	case 2: // slanted roof
		c.fill(poly(x, top+1, x, top-wide*0.32, x+wide, top+1), solid(bright, 1))
	case 3: // spire
		c.fill(poly(x+wide*0.12, top+1, x+wide*0.5, top-tall*0.24, x+wide*0.88, top+1), solid(mix(col, bright, 0.5), 1))
	case 4: // tank and plant
		c.fill(box(x+wide*0.2, top-7*c.s, x+wide*0.45, top+1), solid(col, 1))
		c.fill(box(x+wide*0.6, top-13*c.s, x+wide*0.78, top+1), solid(col, 1))
	}
	c.windows(sc, x, top, wide, foot, t, col, lit)
}

// windows are a grid; whole floors are often alike, as in offices.
func (c *canvas) windows(sc *scene, x, top, wide, foot, t float32, col rgb, lit float32) {
	pitchX := (5.0 + 4*t) * max(c.s, 0.7)
	pitchY := pitchX * sc.in(1.15, 1.7)
	nx := int((wide - pitchX) / pitchX)
	glass := mix(col, sc.pal.sky[len(sc.pal.sky)/2], 0.24)
	own := lit * sc.in(0.3, 1.3) * (0.45 + 0.55*t)
	band := sc.chance(0.3)
	mark := hex(lamps[sc.n(len(lamps))])
	if sc.hour == "neon" {
		mark = []rgb{hex(0xff4fb0), hex(0x3fe8ff), hex(0xffd36a), hex(0xa878ff)}[sc.n(4)]
	}
	strength := 0.35 + 0.6*t
	margin := (wide - float32(nx)*pitchX) / 2
	for y := top + pitchY*0.7; y < foot-pitchY; y += pitchY {
		floor := sc.in(0.5, 1.4)
		if band && sc.chance(0.2) {
			floor = 3
		}
		for i := range nx {
			wx := x + margin + float32(i)*pitchX
			q := box(wx+pitchX*0.18, y, wx+pitchX*0.78, y+pitchY*0.52)
			if sc.chance(own * floor) {
				c.fill(q, solid(mix(mark, hex(0xffffff), 0.15*sc.f()), strength*sc.in(0.6, 1)))
			} else if !band || t > 0.5 {
				c.fill(q, solid(glass, 0.30*t+0.06))
			}
		}
	}
}

// quay is the edge of the water with its lamps.
func (c *canvas) quay(sc *scene, ground float32) {
	w, _ := c.size()
	c.fill(box(0, ground-5*c.s, w, ground+2*c.s), solid(mix(sc.pal.near, sc.pal.far, 0.1), 1))
	if !sc.pal.dark && sc.hour != "sunset" {
		return
	}
	for x := 30 * c.s; x < w; x += 74 * c.s {
		c.glow(x, ground-11*c.s, 20*c.s, hex(0xffd28a), 0.75)
		c.speck(x, ground-11*c.s, 1.8*c.s, hex(0xfff3d4), 1)
	}
}

package studio

// beast is how the kinds of animal differ.
type beast struct {
	fur, dark, pale, eye rgb
	ears                 string // pointed or hanging
	muzzle               float32
	striped, round       bool
}

// animal: a cat, dog, fox or bear that sits and looks.
func animal(c *canvas, sc *scene) {
	w, hh := c.size()
	u := min(w, hh)
	x, foot := w/2, hh*0.5+u*0.40
	b := sc.beast()
	c.room(sc, u, x, foot)
	c.shadow(x, foot, u*0.26, sc.pal.near, 0.35)
	c.tail(b, x, foot, u)
	c.torso(b, x, foot, u)
	c.head(b, x, foot-u*0.52, u)
}

func (sc *scene) beast() beast {
	furs := hexes(0xd98a45, 0x3a3638, 0xe9e2d6, 0x8b8680, 0xa87a50)
	b := beast{fur: furs[sc.n(len(furs))], eye: hexes(0x8fae3c, 0xd8a032, 0x58a6a0)[sc.n(3)], ears: "pointed", striped: sc.chance(0.45)}
	switch {
	case sc.any("fox"):
		b.fur, b.striped, b.muzzle = hex(0xcf6a2c), false, 0.9
	case sc.any("tiger"):
		b.fur, b.striped = hex(0xdd8a30), true
	case sc.any("bear", "panda"):
		b.fur, b.striped, b.round, b.muzzle = hex(0x6b4a35), false, true, 0.8
	case sc.any("wolf"):
		b.fur, b.striped, b.muzzle = hex(0x7d828a), false, 0.9
	case sc.any("dog", "puppy", "dachshund"):
		b.fur, b.striped, b.ears, b.muzzle = hexes(0xa8693c, 0xd9b27c, 0x4a3a34, 0xe6ddcf)[sc.n(4)], false, "hanging", 1
	}
	if sc.any("tabby") {
		b.fur, b.striped = hex(0x9a8468), true
	}
	if len(sc.tints) > 0 {
		b.fur = mix(b.fur, sc.tints[0], 0.6)
	}
	b.fur = mix(b.fur, sc.pal.haze, 0.08)
	if sc.pal.dark {
		b.fur = mix(b.fur, sc.pal.near, 0.22)
	}
	b.dark, b.pale = b.fur.light(-0.13), mix(b.fur.light(0.16), hex(0xfaf3e8), 0.6)
	return b
}

// room is a window with the hour and the weather behind it, a sill and a plant.
func (c *canvas) room(sc *scene, u, x, foot float32) {
	w, hh := c.size()
	wall := mix(sc.tint(1, mix(sc.pal.far, sc.pal.accent, 0.25)), sc.pal.haze, 0.35)
	if sc.pal.dark {
		wall = mix(wall, sc.pal.near, 0.6)
	}
	r := newRamp(sc.pal.sky...)
	x0, y0, x1 := x-u*0.36, foot-u*0.86, x+u*0.36
	c.fill(box(x0, y0, x1, foot), func(_, y int) (rgb, float32) { return r.at((float32(y) - y0) / (foot - y0) * 1.02), 1 })
	sx, sy := x+u*0.17, y0+u*0.2
	if sc.pal.dark {
		for range 60 {
			c.speck(sc.in(x0, x1), sc.in(y0, foot-u*0.3), 1.1*c.s, hex(0xffffff), 0.4+0.5*sc.f())
		}
	}
	c.fill(oval(sx, sy, u*0.072, u*0.072, 0), solid(sc.pal.sun, 0.95))
	for i := range 2 { // hills outside
		line := c.ridge(sc, foot-u*(0.10-0.05*float32(i)), u*0.16, 2.4+float32(i))
		col := mix(blend(sc.pal.far, sc.pal.near, 0.1+0.3*float32(i)), sc.pal.haze, 0.4-0.2*float32(i))
		c.fill(box(x0, y0, x1, foot), func(px, py int) (rgb, float32) { return col, clamp(float32(py) - line[px] + 0.5) })
	}
	c.weather(sc)
	paper := wall.light(0.03)
	c.all(0, c.h, func(px, py int) (rgb, float32) {
		if x, y := float32(px), float32(py); x0 <= x && x < x1 && y0 <= y && y < foot {
			return paper, 0
		}
		return paper.times(1 - 0.22*float32(py)/hh), 1
	})
	c.glow(sx, sy, u*0.2, sc.pal.sun, 0.5)
	frame := mix(wall.light(0.16), hex(0xf4ece0), 0.5)
	if sc.pal.dark {
		frame = mix(frame, sc.pal.near, 0.55)
	}
	t := u * 0.016
	for _, q := range [][4]float32{{x0 - t, y0 - t, x1 + t, y0 + t*0.3}, {x0 - t, y0 - t, x0 + t*0.4, foot}, {x1 - t*0.4, y0 - t, x1 + t, foot}, {x - t*0.35, y0, x + t*0.35, foot}, {x0, y0 + u*0.3, x1, y0 + u*0.3 + t*0.6}} {
		c.fill(box(q[0], q[1], q[2], q[3]), solid(frame, 1))
	}
	c.fill(box(0, foot-u*0.012, w, foot+u*0.045), across(frame.light(0.03), frame.times(0.86), 0, foot-u*0.01, 0, foot+u*0.045))
	c.fill(box(0, foot+u*0.045, w, foot+u*0.07), solid(wall.times(0.62), 0.8))
	px := x - u*0.30
	pot := mix(sc.pal.accent, hex(0xb5613c), 0.4)
	for i := range 7 {
		c.leaf(sc, px, foot-u*0.10, u*sc.in(0.12, 0.22), float32(i%2*2-1)*sc.in(0.1, 0.8), mix(hex(0x4a7d58), sc.pal.near, 0.25))
	}
	c.fill(poly(px-u*0.055, foot-u*0.115, px+u*0.055, foot-u*0.115, px+u*0.042, foot, px-u*0.042, foot), across(pot.light(0.06), pot.light(-0.1), px-u*0.05, 0, px+u*0.05, 0))
	c.fill(box(px-u*0.062, foot-u*0.125, px+u*0.062, foot-u*0.098), across(pot.light(0.09), pot.light(-0.06), px-u*0.06, 0, px+u*0.06, 0))
}

func (c *canvas) tail(b beast, x, foot, u float32) {
	if b.round {
		return
	}
	c.fill((&path{}).move(x+u*0.12, foot-u*0.10).cube(x+u*0.36, foot+u*0.02, x+u*0.38, foot-u*0.16, x+u*0.29, foot-u*0.21).
		cube(x+u*0.26, foot-u*0.225, x+u*0.25, foot-u*0.185, x+u*0.275, foot-u*0.17).cube(x+u*0.31, foot-u*0.12, x+u*0.25, foot-u*0.03, x+u*0.10, foot-u*0.005), across(b.fur, b.dark, x+u*0.1, 0, x+u*0.36, 0))
}

func (c *canvas) torso(b beast, x, foot, u float32) {
	body := (&path{}).move(x-u*0.105, foot-u*0.44).cube(x-u*0.17, foot-u*0.30, x-u*0.215, foot-u*0.15, x-u*0.185, foot-u*0.03).quad(x-u*0.17, foot, x-u*0.12, foot).
		line(x+u*0.12, foot).quad(x+u*0.17, foot, x+u*0.185, foot-u*0.03).cube(x+u*0.215, foot-u*0.15, x+u*0.17, foot-u*0.30, x+u*0.105, foot-u*0.44)
	c.fill(body, split(b.fur, b.dark, x+u*0.075, foot-u*0.2, 0.12, u*0.02))
	if b.striped {
		for i := range 5 {
			y := foot - u*(0.30-0.05*float32(i))
			for _, s := range []float32{-1, 1} {
				wd := u * (0.150 + 0.010*float32(i))
				c.fill(stroke(x+s*wd, y, x+s*wd*0.82, y+u*0.014, x+s*wd*0.62, y+u*0.010, u*0.017, u*0.002), solid(b.dark.light(-0.07), 0.85))
			}
		}
	}
	chest := (&path{}).move(x-u*0.06, foot-u*0.40).cube(x-u*0.095, foot-u*0.27, x-u*0.055, foot-u*0.17, x, foot-u*0.145).cube(x+u*0.055, foot-u*0.17, x+u*0.095, foot-u*0.27, x+u*0.06, foot-u*0.40)
	c.fill(chest, split(b.pale, mix(b.pale, b.dark, 0.28), x+u*0.035, foot-u*0.2, 0.1, u*0.015))
	for _, s := range []float32{-1, 1} { // front legs and paws
		lx := x + s*u*0.058
		tone := b.fur.light(0.025 - 0.05*float64(max(s, 0)))
		c.fill((&path{}).move(lx-u*0.040, foot-u*0.21).cube(lx-u*0.045, foot-u*0.10, lx-u*0.036, foot-u*0.06, lx-u*0.044, foot-u*0.016).quad(lx-u*0.04, foot+u*0.004, lx, foot+u*0.004).
			quad(lx+u*0.04, foot+u*0.004, lx+u*0.044, foot-u*0.016).cube(lx+u*0.036, foot-u*0.06, lx+u*0.045, foot-u*0.10, lx+u*0.040, foot-u*0.21), func(_, y int) (rgb, float32) {
			return tone, smooth(foot-u*0.21, foot-u*0.11, float32(y))
		})
		c.fill(oval(lx, foot-u*0.012, u*0.046, u*0.022, 0), solid(b.pale, 1))
		for _, k := range []float32{-1, 1} {
			c.fill(stroke(lx+k*u*0.014, foot-u*0.014, lx+k*u*0.0145, foot-u*0.006, lx+k*u*0.014, foot+u*0.004, u*0.003, u*0.003), solid(b.dark, 0.7))
		}
	}
	c.fill(stroke(x, foot-u*0.17, x, foot-u*0.08, x, foot-u*0.01, u*0.003, u*0.004), solid(b.dark.light(-0.1), 0.6))
}

func (c *canvas) head(b beast, x, y, u float32) {
	for _, s := range []float32{-1, 1} {
		tone := b.fur
		if s > 0 {
			tone = b.dark
		}
		switch {
		case b.round:
			c.fill(oval(x+s*u*0.112, y-u*0.105, u*0.050, u*0.050, 0), solid(tone, 1))
			c.fill(oval(x+s*u*0.112, y-u*0.100, u*0.028, u*0.028, 0), solid(mix(b.pale, b.dark, 0.35), 1))
		case b.ears == "pointed":
			c.fill((&path{}).move(x+s*u*0.035, y-u*0.105).quad(x+s*u*0.09, y-u*0.19, x+s*u*0.138, y-u*0.222).quad(x+s*u*0.165, y-u*0.13, x+s*u*0.150, y-u*0.03), solid(tone, 1))
			c.fill((&path{}).move(x+s*u*0.072, y-u*0.11).quad(x+s*u*0.105, y-u*0.165, x+s*u*0.131, y-u*0.188).quad(x+s*u*0.146, y-u*0.12, x+s*u*0.135, y-u*0.065), solid(mix(hex(0xe0a090), tone, 0.3), 1))
		}
	}
	skull := (&path{}).move(x-u*0.157, y).cube(x-u*0.162, y-u*0.165, x+u*0.162, y-u*0.165, x+u*0.157, y).cube(x+u*0.168, y+u*0.085, x+u*0.085, y+u*0.135, x, y+u*0.135).cube(x-u*0.085, y+u*0.135, x-u*0.168, y+u*0.085, x-u*0.157, y)
	c.fill(skull, split(b.fur, b.dark, x+u*0.060, y, 0.1, u*0.018))
	if b.striped {
		mark := b.dark.light(-0.09)
		for _, k := range []float32{-0.04, 0, 0.04} {
			c.fill(stroke(x+k*u*0.9, y-u*0.118, x+k*u*0.8, y-u*0.09, x+k*u*0.7, y-u*0.06, u*0.015, u*0.003), solid(mark, 0.85))
		}
		for _, s := range []float32{-1, 1} {
			for i := range 2 {
				yy := y + u*(0.012+0.034*float32(i))
				c.fill(stroke(x+s*u*0.160, yy, x+s*u*0.135, yy+u*0.006, x+s*u*0.112, yy+u*0.002, u*0.013, u*0.002), solid(mark, 0.8))
			}
		}
	}
	// Muzzle, longer for a dog or fox.
	m := b.muzzle
	c.fill(oval(x, y+u*(0.066+0.012*m), u*(0.074+0.006*m), u*(0.050+0.018*m), 0), split(b.pale, mix(b.pale, b.dark, 0.25), x+u*0.035, y, 0.1, u*0.012))
	if m > 0 && !b.round {
		c.fill((&path{}).move(x-u*0.022, y-u*0.08).quad(x-u*0.03, y, x-u*0.05, y+u*0.06).line(x+u*0.05, y+u*0.06).quad(x+u*0.03, y, x+u*0.022, y-u*0.08), split(b.pale, mix(b.pale, b.dark, 0.25), x+u*0.012, y, 0.1, u*0.010).fade(0.8))
	}
	if b.ears == "hanging" {
		for _, s := range []float32{-1, 1} {
			tone := b.dark.light(0.03 - 0.05*float64(max(s, 0)))
			c.fill((&path{}).move(x+s*u*0.098, y-u*0.118).cube(x+s*u*0.20, y-u*0.12, x+s*u*0.225, y+u*0.04, x+s*u*0.185, y+u*0.115).cube(x+s*u*0.150, y+u*0.125, x+s*u*0.132, y-u*0.01, x+s*u*0.098, y-u*0.118), solid(tone, 1))
		}
	}
	c.muzzle(b, x, y, u)
}

func (c *canvas) muzzle(b beast, x, y, u float32) {
	ink := hex(0x2a2024)
	for _, s := range []float32{-1, 1} {
		ex, ey := x+s*u*0.072, y-u*0.008
		eye := (&path{}).move(ex-s*u*0.038, ey+u*0.012).quad(ex-s*u*0.006, ey-u*0.046, ex+s*u*0.040, ey-u*0.004).quad(ex+s*u*0.014, ey+u*0.040, ex-s*u*0.038, ey+u*0.012)
		if b.muzzle > 0 {
			eye = oval(ex, ey, u*0.021, u*0.022, 0)
			c.fill(eye, solid(ink, 1))
			c.fill(oval(ex, ey+u*0.004, u*0.013, u*0.013, 0), solid(mix(hex(0x5a3418), ink, 0.3), 1))
		} else {
			c.fill(eye, across(b.eye.light(0.10), b.eye.light(-0.06), ex, ey-u*0.02, ex, ey+u*0.025))
			c.fill(oval(ex, ey, u*0.0105, u*0.022, 0), solid(ink, 1))
			c.fill(stroke(ex-s*u*0.040, ey+u*0.013, ex-s*u*0.006, ey-u*0.048, ex+s*u*0.043, ey-u*0.006, u*0.005, u*0.007), solid(ink, 0.9))
		}
		c.speck(ex-u*0.007, ey-u*0.009, u*0.0045, hex(0xffffff), 0.95)
	}
	ny := y + u*(0.044+0.012*b.muzzle)
	k := 1 + 0.45*b.muzzle
	nose := mix(hex(0xc98a80), ink, min(b.muzzle, 1)*0.9)
	c.fill((&path{}).move(x-u*0.019*k, ny-u*0.008*k).quad(x, ny-u*0.016*k, x+u*0.019*k, ny-u*0.008*k).quad(x+u*0.012*k, ny+u*0.013*k, x, ny+u*0.015*k).quad(x-u*0.012*k, ny+u*0.013*k, x-u*0.019*k, ny-u*0.008*k), solid(nose, 1))
	my := ny + u*0.014*k
	for _, s := range []float32{-1, 1} {
		c.fill(stroke(x, my, x+s*u*0.006, my+u*0.026, x+s*u*0.036, my+u*0.018, u*0.005, u*0.003), solid(ink, 0.85))
		if b.muzzle == 0 {
			for i := range 3 {
				d := float32(i)*0.022 - 0.02
				c.fill(stroke(x+s*u*0.045, my+u*(0.004+d*0.3), x+s*u*0.12, my+u*(d*0.8-0.012), x+s*u*0.215, my+u*(d*1.7+0.006), u*0.0035, u*0.0008), solid(mix(b.pale, hex(0xffffff), 0.5), 0.85))
			}
		}
	}
}

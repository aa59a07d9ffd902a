package studio

// water mirrors what stands above the shore, drawn out by ripples, with the
// sun's path on it.
func (c *canvas) water(sc *scene, sky heaven, shore, calm float32) {
	w, hh := c.size()
	n := noise(sc.next())
	top := int(shore)
	deep := mix(sc.pal.near, sc.pal.sky[0], 0.55)
	sw := c.s * 26
	for y := max(top, 0); y < c.h; y++ {
		d := float32(y) - shore
		near := d / (hh - shore)
		// Ripples grow towards the viewer.
		fy := 60 / (1 + 9*near) / (hh - shore) * 12
		src := float32(top) - d*(1.05+0.25*near) - 1
		for x := range c.w {
			u := float32(x) / w
			rip := n.fbm(u*(11-7*near), d*fy*0.22+7, 2) - 0.5
			fine := n.at(u*(60-44*near), d*fy*0.9+31) - 0.5
			dx := (rip*30 + fine*9) * c.s * (0.15 + near) * (1.5 - calm)
			dy := (rip*16 + fine*8) * c.s * (0.3 + near) * (1.5 - calm)
			col := c.sample(float32(x)+dx, src+dy)
			fres := 0.20 + 0.34*near
			col = mix(col, deep, fres)
			// The sun's path: broken light, wider near by.
			path := (float32(x) - sky.x) / (sw * (1 + 7*near))
			spark := smooth(0.52, 0.78, n.at(u*(90-60*near)+3, d*fy*1.3+2)*0.6+0.5*n.at(u*(24-14*near), d*fy*0.7+11))
			glint := exp2(path*path*1.2) * (0.18 + 0.9*spark) * sky.light
			lift := 0.06 * smooth(0.55, 0.8, rip+0.5+fine*0.5)
			c.px[y*c.w+x] = screen(col, sc.pal.sun.times(glint*0.75+lift*0.5))
		}
	}
	// A light line where water meets what stands behind.
	c.all(top-1, top+int(2*c.s)+1, func(_, _ int) (rgb, float32) { return sc.pal.haze, 0.35 })
}

// sample reads the picture between pixels, clamped to it.
func (c *canvas) sample(x, y float32) rgb {
	x = min(max(x, 0), float32(c.w)-1.001)
	y = min(max(y, 0), float32(c.h)-1.001)
	ix, iy := int(x), int(y)
	fx, fy := x-float32(ix), y-float32(iy)
	i := iy*c.w + ix
	return mix(mix(c.px[i], c.px[i+1], fx), mix(c.px[i+c.w], c.px[i+c.w+1], fx), fy)
}

// sea: islands, a lighthouse or sails, and long light on the water.
func sea(c *canvas, sc *scene) {
	w, hh := c.size()
	horizon := hh * sc.in(0.50, 0.58)
	sky := c.sky(sc, horizon)
	if sc.hour == "sunset" || sc.hour == "dawn" || sc.hour == "golden" {
		c.glow(sky.x, horizon, 260*c.s, sc.pal.sun, 0.35)
	}
	islands := sc.any("island", "coast", "bay", "fjord", "harbour", "harbor", "port") || sc.chance(0.75)
	if islands {
		for i := range 2 {
			t := float32(i)
			c.island(sc, horizon, hh*(0.07+0.06*t)*sc.in(0.7, 1.2), mix(blend(sc.pal.far, sc.pal.near, 0.15+0.35*t), sc.pal.haze, 0.5-0.28*t))
		}
	}
	lighthouse := sc.any("lighthouse", "beacon")
	if lighthouse {
		c.lighthouse(sc, w*0.74, horizon-30*c.s, 270*c.s)
	}
	boats := sc.any("boat", "ship", "sail", "sailing", "yacht", "harbour", "harbor", "regatta", "port") || !lighthouse && sc.chance(0.5)
	if boats {
		for range 1 + sc.n(2) + 2*b2i(sc.any("harbour", "harbor", "regatta", "boats")) {
			c.boat(sc, w*sc.in(0.12, 0.88), horizon+1, sc.in(26, 54)*c.s)
		}
	}
	calm := float32(0.75)
	if sc.any("storm", "stormy", "wave", "surf", "rough") {
		calm = 0.05
	}
	c.water(sc, sky, horizon, calm)
	if boats {
		s := sc.in(120, 165) * c.s
		c.boat(sc, w*sc.in(0.22, 0.42), horizon+0.17*hh, s)
	}
	c.birds(sc, w*sc.in(0.3, 0.7), horizon*sc.in(0.4, 0.7))
	if sc.any("beach", "sand", "tropical", "palm", "shore", "lagoon") {
		c.beach(sc)
	} else if sc.any("rock", "cliff", "coast", "stone") || sc.chance(0.5) {
		c.rocks(sc)
	}
	c.weather(sc)
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// island rises from the horizon and ends.
func (c *canvas) island(sc *scene, horizon, tall float32, col rgb) {
	w, _ := c.size()
	n := noise(sc.next())
	mid, half := sc.in(0.0, 1.0), sc.in(0.18, 0.42)
	line, foot := make([]float32, c.w), make([]float32, c.w)
	for x := range line {
		u := (float32(x)/w - mid) / half
		v := max(0, 1-u*u)
		line[x] = horizon - tall*pow(v, 0.6)*(0.35+0.9*n.ridged(float32(x)/w*5, 1, 4))
		if v == 0 {
			line[x] = horizon + 2
		}
		foot[x] = horizon + 1
	}
	c.between(line, foot, upright(col, mix(col, sc.pal.haze, 0.55), horizon-tall, horizon))
}

func (c *canvas) lighthouse(sc *scene, x, foot, tall float32) {
	rock := mix(sc.pal.near, sc.pal.far, 0.18)
	c.fill((&path{}).move(x-tall*0.95, foot+tall*0.14).quad(x-tall*0.5, foot-tall*0.02, x-tall*0.22, foot).line(x+tall*0.2, foot-tall*0.01).
		quad(x+tall*0.6, foot+tall*0.0, x+tall*1.4, foot+tall*0.14), solid(rock, 1))
	white := mix(hex(0xf6efe2), sc.pal.haze, 0.25)
	red := mix(hex(0xc23a2e), sc.pal.near, 0.12)
	if sc.pal.dark {
		white, red = mix(white, sc.pal.near, 0.45), mix(red, sc.pal.near, 0.45)
	}
	wide := func(t float32) float32 { return tall * (0.105 - 0.045*t) }
	for i := range 5 {
		a, b := float32(i)/5*0.8, float32(i+1)/5*0.8
		col := white
		if i%2 == 1 {
			col = red
		}
		c.fill(poly(x-wide(a), foot-a*tall, x+wide(a), foot-a*tall, x+wide(b), foot-b*tall, x-wide(b), foot-b*tall), across(col, col.times(0.66), x-wide(0), 0, x+wide(0), 0))
	}
	dark := sc.pal.near
	y := foot - tall*0.8
	c.fill(box(x-tall*0.085, y-tall*0.02, x+tall*0.085, y), solid(dark, 1))
	c.fill(box(x-tall*0.045, y-tall*0.1, x+tall*0.045, y-tall*0.02), solid(hex(0xffe7a0), 1))
	c.fill(poly(x-tall*0.065, y-tall*0.1, x, y-tall*0.17, x+tall*0.065, y-tall*0.1), solid(red.times(0.8), 1))
	c.glow(x, y-tall*0.06, tall*0.22, hex(0xffe7a0), 0.7)
	if sc.pal.dark || sc.hour == "sunset" {
		for _, side := range []float32{-1, 1} {
			ly := y - tall*0.06
			beam := poly(x, ly-3*c.s, x+side*tall*3, ly-tall*0.34, x+side*tall*3, ly+tall*0.22, x, ly+3*c.s)
			c.fill(beam, func(px, _ int) (rgb, float32) {
				return hex(0xffefbf), 0.36 * clamp(1-abs(float32(px)-x)/(tall*2.8))
			})
		}
	}
}

// boat is a small sailing boat with its reflection.
func (c *canvas) boat(sc *scene, x, water, s float32) {
	hull := mix(sc.pal.near, sc.pal.far, 0.15)
	sail := mix(sc.tint(1, hex(0xfbf1de)), sc.pal.haze, 0.22)
	if sc.pal.dark {
		sail = mix(sail, sc.pal.far, 0.6)
	}
	dir := float32(1)
	if sc.chance(0.5) {
		dir = -1
	}
	for _, up := range []float32{1, -0.62} {
		a := float32(1)
		if up < 0 {
			a = 0.28
		}
		y := func(v float32) float32 { return water - v*s*up }
		px := func(v float32) float32 { return x + v*s*dir }
		c.fill((&path{}).move(px(-0.5), y(0.13)).line(px(0.62), y(0.15)).quad(px(0.42), y(-0.02), px(0.3), y(-0.03)).line(px(-0.36), y(-0.03)), solid(hull, a))
		c.fill(poly(px(0.03), y(0.14), px(0.045), y(0.14), px(0.045), y(1.22), px(0.03), y(1.22)), solid(hull, a))
		c.fill((&path{}).move(px(0.0), y(1.2)).quad(px(-0.34), y(0.6), px(-0.46), y(0.2)).line(px(0.0), y(0.2)), across(sail, sail.times(0.84), px(0), 0, px(-0.46), 0).fade(a))
		c.fill((&path{}).move(px(0.07), y(1.1)).quad(px(0.36), y(0.6), px(0.56), y(0.2)).line(px(0.07), y(0.22)), across(sail.times(0.94), sail.times(0.76), px(0.05), 0, px(0.5), 0).fade(a))
	}
}

// fade makes a paint cover less.
func (p paint) fade(a float32) paint {
	return func(x, y int) (rgb, float32) {
		col, b := p(x, y)
		return col, a * b
	}
}

// beach is sand in front with foam along it, maybe a palm.
func (c *canvas) beach(sc *scene) {
	w, hh := c.size()
	n := noise(sc.next())
	sand := mix(hex(0xe8cf9f), sc.pal.haze, 0.2)
	if sc.pal.dark {
		sand = mix(sand, sc.pal.near, 0.68)
	}
	line, foam := make([]float32, c.w), make([]float32, c.w)
	lean := sc.in(-0.12, 0.12)
	for x := range line {
		u := float32(x) / w
		line[x] = hh*(0.86+lean*(u-0.5)) + hh*0.05*(n.fbm(u*2.4, 1, 3)-0.5)
		foam[x] = line[x] - (6+20*n.fbm(u*6, 4, 3))*c.s
	}
	c.between(foam, line, solid(mix(hex(0xffffff), sc.pal.haze, 0.25), 0.62))
	wet := mix(sand, sc.pal.near, 0.3)
	c.below(line, func(x, y int) (rgb, float32) {
		d := float32(y) - line[x]
		g := (n.at(float32(x)*0.5, float32(y)*0.5) - 0.5) * 0.04
		return mix(wet, sand, smooth(0, 46*c.s, d)).times(1 + g), 1
	})
	if sc.any("palm", "tropical", "lagoon", "island", "summer") {
		side := float32(1)
		x := w * 0.1
		if sc.chance(0.5) {
			side, x = -1, w*0.9
		}
		c.palm(sc, x, hh*0.95, 520*c.s, side)
		c.palm(sc, x-side*40*c.s, hh*0.97, 400*c.s, side)
	}
}

func (c *canvas) palm(sc *scene, x, foot, tall, side float32) {
	col := mix(sc.pal.near, hex(0x1d3a2a), 0.4)
	tx, ty := x+side*tall*0.22, foot-tall
	c.fill(stroke(x, foot, x-side*tall*0.02, foot-tall*0.55, tx, ty, 22*c.s, 11*c.s), across(col, col.times(0.7), x, 0, x+20*c.s, 0))
	for i := range 9 {
		a := -3.3 + float32(i)*0.46 + sc.bell()*0.1
		l := tall * sc.in(0.34, 0.46)
		ex, ey := tx+cos(a)*l, ty+sin(a)*l*0.55+l*0.32
		bx, by := tx+cos(a)*l*0.55, ty+sin(a)*l*0.62-l*0.06
		c.fill(stroke(tx, ty, bx, by, ex, ey, 4*c.s, 1*c.s), solid(col, 1))
		for k := range 40 { // leaflets
			t := 0.08 + 0.92*float32(k)/40
			u := 1 - t
			px, py := u*u*tx+2*u*t*bx+t*t*ex, u*u*ty+2*u*t*by+t*t*ey
			drop := l * 0.26 * (1 - 0.6*t)
			c.fill(stroke(px, py, px+cos(a)*drop*0.5, py+drop*0.3, px+cos(a)*drop*0.6, py+drop, 6*c.s, 1*c.s), solid(col.times(0.9+0.2*sc.f()), 1))
		}
	}
}

// rocks lie in front, wet on top.
func (c *canvas) rocks(sc *scene) {
	w, hh := c.size()
	for i := range 3 {
		n := noise(sc.next())
		t := float32(i) / 2
		col := mix(sc.pal.near, sc.pal.far, 0.28*(1-t))
		lit := screen(col, sc.pal.light.times(0.28))
		left := sc.chance(0.5)
		line := make([]float32, c.w)
		for x := range line {
			u := float32(x) / w
			if !left {
				u = 1 - u
			}
			v := smooth(0.75-0.2*t, 0, u)
			line[x] = hh*(1.02-0.04*t) - hh*(0.19-0.07*t)*v*(0.30+0.75*n.fbm(u*6+3*t, 2, 4)+0.22*n.ridged(u*9, 5, 3))
		}
		c.below(line, func(x, y int) (rgb, float32) {
			d := float32(y) - line[x]
			g := n.ridged(float32(x)/w*16+d/w*9, d/w*10, 3)
			return mix(mix(col, lit, 0.6*g*exp2(d/(50*c.s))), sc.pal.near, smooth(0, 190*c.s, d)*0.7), 1
		})
	}
}

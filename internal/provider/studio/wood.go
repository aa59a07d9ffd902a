package studio

// forest: layers of firs in mist, trunks in front, light between them.
func forest(c *canvas, sc *scene) {
	w, hh := c.size()
	leafy := sc.any("autumn", "fall", "bamboo", "birch", "jungle", "october")
	horizon := hh * 0.8
	green := sc.tint(0, hex(0x2f6b4f))
	base := sc.pal
	top, low := mix(base.sky[len(base.sky)-2], green, 0.22), mix(base.haze, green, 0.12)
	glow := newRamp(mix(top, base.sky[0], 0.35), top, low, mix(low, base.sun, 0.3))
	c.all(0, c.h, func(_, y int) (rgb, float32) { return glow.at(float32(y) / horizon), 1 })
	lx, ly := w*(0.5+0.2*sc.bell()), hh*sc.in(0.14, 0.3)
	if sc.pal.dark {
		c.stars(sc, hh*0.5, 0.5)
	}
	c.glow(lx, ly, 330*c.s, base.sun, 0.6)
	c.glow(lx, ly, 90*c.s, base.sun, 0.6)
	deepest := mix(base.near, green.times(0.35), 0.5)
	const depths = 7
	for i := range depths {
		t := float32(i) / (depths - 1)
		col := blend(mix(low, mix(top, green, 0.3), 0.45), deepest, 0.10+0.90*pow(t, 1.5))
		c.stand(sc, t, col, leafy)
		if i < depths-1 {
			c.veil(sc, hh*(0.60+0.055*float32(i)), hh*0.15, mix(low, base.sun, 0.22), 0.55*(1-t))
		}
		if i == 4 {
			c.rays(sc, lx, ly, mix(base.sun, base.haze, 0.3), 0.34)
		}
	}
	c.undergrowth(sc, deepest)
	if sc.pal.dark || sc.any("magic", "magical", "enchanted", "fairy", "firefly", "fireflies") {
		for range 60 {
			x, y := sc.f()*w, hh*sc.in(0.45, 0.98)
			c.glow(x, y, sc.in(6, 13)*c.s, hex(0xffe08a), 0.9)
			c.speck(x, y, 1.4*c.s, hex(0xfff6c8), 0.95)
		}
	}
	c.weather(sc)
}

// stand is one depth of trees.
func (c *canvas) stand(sc *scene, t float32, col rgb, leafy bool) {
	w, hh := c.size()
	n := noise(sc.next())
	foot := hh * (0.66 + 0.30*t)
	ground := make([]float32, c.w)
	for x := range ground {
		ground[x] = foot - hh*0.05*(n.fbm(float32(x)/w*3, 1, 3)-0.3)
	}
	count := int(46 - 34*t)
	for i := range count {
		x := (float32(i)+0.5+sc.bell()*0.45)/float32(count)*w*1.1 - w*0.05
		if t > 0.6 && abs(x/w-0.5) < 0.16+0.14*t { // leave a clearing to look into
			continue
		}
		tall := hh * (0.20 + 0.60*t*t) * sc.in(0.7, 1.25)
		gx := ground[min(max(int(x), 0), c.w-1)] + 6*c.s
		if leafy {
			c.leafTree(sc, x, gx, max(tall, hh*0.3)*1.1, t, col)
		} else {
			c.fir(sc, x, gx+tall*0.05, tall, col)
		}
	}
	c.below(ground, upright(col, mix(col, sc.pal.near, 0.3), foot, hh))
}

// leafTree is a slender trunk with boughs and clouds of single leaves.
func (c *canvas) leafTree(sc *scene, x, foot, tall, t float32, col rgb) {
	wd := tall * sc.in(0.018, 0.026)
	lean := sc.bell() * tall * 0.04
	bark := mix(col, sc.pal.near, 0.3)
	if sc.any("birch") {
		bark = mix(col, mix(hex(0xf0e9dc), sc.pal.haze, 0.3), 0.75)
	}
	c.fill(stroke(x, foot, x+lean*0.3, foot-tall*0.5, x+lean, foot-tall, wd, wd*0.3), across(bark, bark.times(0.74), x-wd/2, 0, x+wd/2, 0))
	if sc.any("birch") {
		for range 14 {
			y := foot - tall*sc.in(0.03, 0.8)
			c.fill(poly(x-wd*0.5+lean*0.2, y, x+wd*sc.in(-0.2, 0.4)+lean*0.2, y-wd*0.1, x-wd*0.5+lean*0.2, y+wd*0.16), solid(mix(hex(0x2a2422), sc.pal.haze, 0.4*(1-t)), 0.8))
		}
	}
	hues := []rgb{mix(hex(0x4f7a3a), col, 0.4), mix(hex(0x7f9a44), col, 0.4), mix(hex(0x35603c), col, 0.4)}
	if sc.any("autumn", "fall", "october") {
		hues = hexes(0xd9882f, 0xc05a28, 0xe2b044, 0x9c3f26)
	}
	for range 8 {
		a, d := sc.in(-3.0, -0.1), sc.in(0.05, 0.17)*tall
		bx, by := x+lean*0.7, foot-tall*sc.in(0.45, 0.92)
		ex, ey := bx+cos(a)*d, by+sin(a)*d*0.75
		c.fill(stroke(bx, by, (bx+ex)/2, by+sin(a)*d*0.2, ex, ey, wd*0.4, wd*0.1), solid(bark.times(0.85), 1))
		hue := sc.from(hues)
		for range 20 + int(40*t) {
			q, r := sc.f()*6.283, sqrt(sc.f())*tall*0.085
			px, py := ex+cos(q)*r*1.25, ey+sin(q)*r*0.8
			tone := mix(hue.light(0.05*float64(sc.bell())), col, 0.55*(1-t))
			tone = mix(tone, screen(tone, sc.pal.light.times(0.3)), clamp(0.5-sin(q)*0.5)*0.8)
			c.speck(px, py, tall*sc.in(0.0035, 0.0075), mix(tone, sc.pal.near, 0.28*t), 0.92)
		}
	}
}

// veil is mist with a soft upper edge.
func (c *canvas) veil(sc *scene, at, thick float32, col rgb, strength float32) {
	w, _ := c.size()
	n := noise(sc.next())
	g := c.field(4, func(x, y float32) float32 {
		d := (y - at) / thick
		return exp2(d*d) * (0.3 + n.fbm(x/w*3, y/w*7, 4))
	})
	c.all(int(at-3*thick), int(at+3*thick), func(x, y int) (rgb, float32) { return col, clamp(g.at(x, y) * strength) })
}

// undergrowth is grass and fern along the lower edge.
func (c *canvas) undergrowth(sc *scene, col rgb) {
	w, hh := c.size()
	for i := range 260 {
		x := sc.f() * w
		edge := abs(x/w*2 - 1)
		l := hh * sc.in(0.03, 0.09) * (0.5 + 0.9*edge)
		bend := sc.bell() * l * 0.5
		tone := mix(col, screen(col, sc.pal.light.times(0.2)), 0.5*sc.f()*float32(i%3)/2)
		c.fill(stroke(x, hh+4, x+bend*0.2, hh-l*0.6, x+bend, hh-l, 5*c.s, 0.6*c.s), solid(tone, 1))
	}
}

// meadow: hills one behind another, flowers in the grass, perhaps a house, a
// windmill or balloons.
func meadow(c *canvas, sc *scene) {
	w, hh := c.size()
	horizon := hh * sc.in(0.46, 0.54)
	c.sky(sc, horizon)
	green := sc.tint(0, hex(0x5f9a4a))
	switch {
	case sc.any("lavender"):
		green = hex(0x8a6fc0)
	case sc.any("wheat", "harvest", "autumn", "golden"):
		green = hex(0xd2a548)
	}
	for i := range 2 {
		t := float32(i)
		col := mix(blend(sc.pal.far, green, 0.25+0.2*t), sc.pal.haze, 0.45-0.2*t)
		c.below(c.ridge(sc, horizon+hh*0.01, hh*(0.11-0.03*t), 1.8+t), upright(col, mix(col, sc.pal.haze, 0.6), horizon-0.12*hh, horizon+0.05*hh))
	}
	if sc.any("balloon", "balloons") {
		// Each in its third of the sky, none behind the hills.
		first := sc.n(3)
		for i, s := range []float32{46, 70, 118} {
			x := 0.08 + 0.84*(float32((i+first)%3)+sc.in(0.3, 0.7))/3
			c.balloon(sc, w*x, min(horizon*sc.in(0.25, 0.75), horizon-1.75*s*c.s), s*c.s)
		}
	}
	if sc.pal.dark {
		green = mix(green, sc.pal.near, 0.66)
	}
	for i := range 4 {
		t := float32(i) / 3
		c.hill(sc, t, horizon, mix(mix(green, sc.pal.haze, 0.5*(1-t)), sc.pal.near, 0.30*t))
		if i == 1 && sc.any("house", "cottage", "village", "farm", "barn", "cabin") {
			c.house(sc, w*sc.in(0.3, 0.7), horizon+0.10*hh, 105*c.s)
		}
		if i == 1 && sc.any("windmill") {
			c.windmill(sc, w*sc.in(0.25, 0.75), horizon+0.08*hh, 190*c.s)
		}
	}
	c.blossoms(sc, horizon)
	c.birds(sc, w*sc.in(0.2, 0.8), horizon*0.45)
	c.weather(sc)
}

// hill is a gentle slope with a lit brow, a few round trees and furrows.
func (c *canvas) hill(sc *scene, t, horizon float32, col rgb) {
	w, hh := c.size()
	n := noise(sc.next())
	base := horizon + hh*(0.02+0.10*t+0.24*t*t)
	line := make([]float32, c.w)
	for x := range line {
		line[x] = base - hh*(0.06+0.05*t)*(n.fbm(float32(x)/w*1.5+3*t, 1, 2)*2-0.7)
	}
	if t < 0.9 {
		for range 12 {
			x := sc.f() * w
			y := line[min(int(x), c.w-1)]
			r := hh * (0.010 + 0.022*t) * sc.in(0.7, 1.5)
			tree := mix(mix(col, sc.pal.near, 0.42), sc.pal.haze, 0.25*(1-t))
			c.fill(oval(x, y-r*0.7, r*0.85, r, 0), across(screen(tree, sc.pal.light.times(0.16)), tree.times(0.82), x-r, y-r, x+r, y+r))
		}
	}
	lit := screen(col, sc.pal.light.times(0.24))
	rows := sc.any("lavender", "vineyard", "wheat", "field", "farm") && t > 0.3
	vx := w * 0.5
	c.below(line, func(x, y int) (rgb, float32) {
		d := float32(y) - line[x]
		p := mix(lit, col, smooth(0, hh*0.16, d))
		p = p.times(0.96 + 0.09*n.fbm(float32(x)/w*5, float32(y)/w*24, 3))
		if rows {
			q := (float32(x) - vx) / (float32(y) - horizon + 0.06*hh)
			k := sin(q * 34)
			p = mix(p, p.times(0.72), smooth(-0.2, 0.9, k)*0.75*smooth(0, 30*c.s, d))
		}
		return p, 1
	})
}

// blossoms are dots of colour in the grass, larger near by, with blades.
func (c *canvas) blossoms(sc *scene, horizon float32) {
	w, hh := c.size()
	cols := []rgb{sc.pal.accent, hex(0xf7f1e4), hex(0xf2c04a), tinted(sc.pal.accent, hex(0x7a5fc0), 0.6)}
	if len(sc.tints) > 1 {
		cols = sc.tints
	}
	count := 900
	for i := range count {
		t := float32(i) / float32(count)
		y := horizon + hh*0.16 + (hh*0.86-horizon)*(t*t*0.95+0.04*sc.f())
		x := sc.f() * w
		r := (0.9 + 6.5*t*t) * c.s * sc.in(0.7, 1.3)
		col := sc.from(cols)
		if sc.pal.dark {
			col = mix(col, sc.pal.near, 0.55)
		}
		col = mix(col, sc.pal.haze, 0.35*(1-t))
		if r > 3.2*c.s {
			blade := mix(hex(0x2e5a38), sc.pal.near, 0.35)
			c.fill(stroke(x, y, x+sc.bell()*4*c.s, y+r*3, x+sc.bell()*7*c.s, y+r*6, 1.8*c.s, 1*c.s), solid(blade, 0.8))
			for k := range 5 {
				a := float32(k)*1.2566 + sc.f()
				c.fill(oval(x+cos(a)*r*0.55, y+sin(a)*r*0.42, r*0.5, r*0.36, a), solid(col.times(0.9+0.15*sc.f()), 0.95))
			}
			c.speck(x, y, r*0.28, hex(0xf7d774), 1)
			continue
		}
		c.fill(oval(x, y, r, r*0.75, 0), solid(col, 0.9))
	}
}

func (c *canvas) balloon(sc *scene, x, y, s float32) {
	cols := []rgb{sc.pal.accent, hex(0xf6ead2), hex(0x3f7f9a), hex(0xe0a63c), hex(0xb5435a)}
	i := sc.n(len(cols))
	a, b := cols[i], cols[(i+1+sc.n(len(cols)-1))%len(cols)]
	far := clamp(0.55 - s/(220*c.s))
	a, b = mix(a, sc.pal.haze, far), mix(b, sc.pal.haze, far)
	shape := func(k float32) *path { // a gore between two meridians
		return (&path{}).move(x, y-s).cube(x+k*s*1.16, y-s, x+k*s*1.1, y+s*0.2, x+k*s*0.2, y+s*1.05).line(x, y+s*1.05)
	}
	for i := 5; i >= 0; i-- {
		k := float32(i) / 5
		col := a
		if i%2 == 0 {
			col = b
		}
		c.fill(shape(k), across(col, col.times(0.72), x, y, x+s, y+s*0.4))
		c.fill(shape(-k), across(screen(col, sc.pal.light.times(0.14)), col, x-s, y, x, y+s*0.4))
	}
	rope := mix(sc.pal.near, sc.pal.haze, far)
	for _, k := range []float32{-1, 1} {
		c.fill(poly(x+k*s*0.19, y+s*1.04, x+k*s*0.19+1.2*c.s, y+s*1.04, x+k*s*0.12+1.2*c.s, y+s*1.36, x+k*s*0.12, y+s*1.36), solid(rope, 0.8))
	}
	c.fill(box(x-s*0.14, y+s*1.34, x+s*0.14, y+s*1.54), solid(mix(hex(0x7a4f30), rope, 0.35), 1))
}

func (c *canvas) windmill(sc *scene, x, foot, tall float32) {
	wall := mix(hex(0xede2cf), sc.pal.haze, 0.2)
	dark := mix(sc.pal.near, hex(0x6b4030), 0.4)
	if sc.pal.dark {
		wall = mix(wall, sc.pal.near, 0.65)
	}
	c.fill(poly(x-tall*0.2, foot, x-tall*0.12, foot-tall*0.72, x+tall*0.12, foot-tall*0.72, x+tall*0.2, foot), across(wall, wall.times(0.7), x-tall*0.2, 0, x+tall*0.2, 0))
	c.fill((&path{}).move(x-tall*0.14, foot-tall*0.71).quad(x, foot-tall*0.98, x+tall*0.14, foot-tall*0.71), solid(dark, 1))
	hx, hy := x, foot-tall*0.74
	turn := sc.in(0.2, 1.2)
	for i := range 4 {
		a := turn + float32(i)*1.5708
		ex, ey := hx+cos(a)*tall*0.56, hy+sin(a)*tall*0.56
		c.fill(stroke(hx, hy, (hx+ex)/2, (hy+ey)/2, ex, ey, tall*0.022, tall*0.014), solid(dark, 1))
		nx, ny := -sin(a)*tall*0.1, cos(a)*tall*0.1
		sx, sy := hx+cos(a)*tall*0.14, hy+sin(a)*tall*0.14
		c.fill(poly(sx, sy, ex, ey, ex+nx, ey+ny, sx+nx, sy+ny), solid(wall.times(0.92), 0.88))
	}
}

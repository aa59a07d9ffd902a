package studio

// sitter is a person made of flat shapes; nobody in particular.
type sitter struct {
	x, y, u                float32 // centre of the face, unit of length
	skin, shade, lip, hair rgb
	cloth, trim            rgb
	style                  string
	closed                 bool
}

// portrait: head and shoulders in planes of light and shade, before a disc.
func portrait(c *canvas, sc *scene) {
	w, hh := c.size()
	p := sc.sitter(w, hh)
	c.backdrop(sc, p)
	c.hairBehind(sc, p)
	c.shoulders(sc, p)
	c.face(sc, p)
	c.features(sc, p)
	c.hairFront(sc, p)
	if sc.any("glasses", "spectacles") || sc.chance(0.22) {
		c.glasses(p)
	}
	c.weather(sc)
}

func (sc *scene) sitter(w, hh float32) *sitter {
	skins := hexes(0xf3cfb3, 0xe8b48f, 0xd29a70, 0xb27a52, 0x8c5a3c, 0x6a4230, 0x4f3226)
	hairs := hexes(0x1d1a1f, 0x33241f, 0x5a3826, 0x8a5a34, 0xc08a48, 0x7a2f22, 0x9a9aa2)
	p := &sitter{x: w / 2, y: hh/2 - 0.055*min(w, hh), u: min(w, hh)}
	k := sc.n(len(skins))
	p.skin = skins[k]
	p.hair = hairs[sc.n(len(hairs))]
	if k > 3 {
		p.hair = hairs[sc.n(2)]
	}
	p.skin = mix(p.skin, screen(p.skin, sc.pal.light.times(0.25)), 0.5)
	p.shade = mix(blend(p.skin, hex(0x6b2b2a), 0.30), sc.pal.sky[0], 0.14)
	p.lip = blend(p.skin, hex(0xa8323a), 0.52)
	cloths := hexes(0x2f5d62, 0xb5443c, 0x27364f, 0xd8a23a, 0x5b4a7a, 0x3f6f4a, 0xe8ded0, 0x1f2024)
	p.cloth = sc.tint(0, cloths[sc.n(len(cloths))])
	p.trim = sc.tint(1, mix(p.cloth.light(0.16), sc.pal.accent, 0.35))
	styles := []string{"long", "bob", "bun", "curly", "short", "swept"}
	switch {
	case sc.any("woman", "girl", "lady", "queen", "grandmother", "she", "her"):
		styles = []string{"long", "bob", "bun", "curly"}
	case sc.any("man", "boy", "gentleman", "king", "grandfather", "he", "his"):
		styles = []string{"short", "swept", "curly", "short"}
	}
	p.style = styles[sc.n(len(styles))]
	if sc.any("old", "elderly", "grandmother", "grandfather", "senior") {
		p.hair = hex(0xa3a1a2)
	}
	p.closed = sc.chance(0.5)
	return p
}

func (c *canvas) backdrop(sc *scene, p *sitter) {
	_, hh := c.size()
	a, b := mix(sc.pal.haze, hex(0xf6efe4), 0.35), mix(sc.pal.sky[1], sc.pal.haze, 0.45)
	if sc.pal.dark {
		a, b = mix(sc.pal.sky[2], sc.pal.haze, 0.2), sc.pal.near
	}
	r := newRamp(a, b)
	c.all(0, c.h, func(_, y int) (rgb, float32) { return r.at(float32(y) / hh), 1 })
	disc := mix(sc.pal.sky[len(sc.pal.sky)-2], sc.pal.accent, 0.35)
	R := p.u * 0.37
	c.fill(oval(p.x+p.u*0.02, p.y-p.u*0.015, R, R, 0), across(disc.light(0.06), disc.light(-0.06), p.x, p.y-R, p.x, p.y+R))
	leaf := mix(mix(hex(0x3d6b52), sc.pal.near, 0.3), b, 0.3)
	for i := range 7 { // foliage at both sides
		side := float32(i%2*2 - 1)
		lx, ly := p.x+side*p.u*sc.in(0.36, 0.52), p.y+p.u*sc.in(0.15, 0.5)
		c.leaf(sc, lx, ly, p.u*sc.in(0.16, 0.3), side*sc.in(0.2, 0.7), mix(leaf, sc.pal.accent, 0.12*sc.f()))
	}
}

// split shades a plane: light on one side of a soft, slanting edge.
func split(light, dark rgb, x, y, slant, soft float32) paint {
	return func(px, py int) (rgb, float32) {
		t := smooth(-soft, soft, float32(px)-x-(float32(py)-y)*slant)
		return mix(light, dark, t), 1
	}
}

func (c *canvas) shoulders(sc *scene, p *sitter) {
	_, hh := c.size()
	x, y, u := p.x, p.y, p.u
	neck := (&path{}).move(x-u*0.066, y+u*0.08).line(x-u*0.068, y+u*0.25).quad(x-u*0.08, y+u*0.31, x-u*0.16, y+u*0.34).line(x, y+u*0.47).
		line(x+u*0.16, y+u*0.34).quad(x+u*0.08, y+u*0.31, x+u*0.068, y+u*0.25).line(x+u*0.066, y+u*0.08)
	body := (&path{}).move(x-u*0.07, y+u*0.285).cube(x-u*0.15, y+u*0.345, x-u*0.36, y+u*0.33, x-u*0.41, y+u*0.60).line(x-u*0.43, hh+5).line(x+u*0.43, hh+5).
		line(x+u*0.41, y+u*0.60).cube(x+u*0.36, y+u*0.33, x+u*0.15, y+u*0.345, x+u*0.07, y+u*0.285).quad(x, y+u*0.40, x-u*0.07, y+u*0.285)
	c.fill(neck, split(p.skin, p.shade, x+u*0.0, y+u*0.2, -0.2, u*0.01))
	// The chin's shadow on the throat.
	c.fill((&path{}).move(x-u*0.066, y+u*0.12).line(x+u*0.066, y+u*0.12).line(x+u*0.067, y+u*0.25).quad(x+u*0.01, y+u*0.245, x-u*0.066, y+u*0.175), solid(mix(p.shade, p.skin.times(0.55), 0.35), 0.9))
	c.fill(body, split(p.cloth.light(0.02), p.cloth.light(-0.085), x+u*0.10, y+u*0.5, 0.25, u*0.012))
	switch sc.n(3) {
	case 0: // lapels
		for _, s := range []float32{-1, 1} {
			c.fill(poly(x+s*u*0.072, y+u*0.285, x+s*u*0.155, y+u*0.345, x+s*u*0.12, y+u*0.44, x, y+u*0.60, x+s*u*0.015, y+u*0.49), solid(p.trim.light(-0.03*float64(s)), 1))
		}
	case 1: // a round collar
		c.fill((&path{}).move(x-u*0.085, y+u*0.285).quad(x, y+u*0.415, x+u*0.085, y+u*0.285).line(x+u*0.105, y+u*0.305).quad(x, y+u*0.46, x-u*0.105, y+u*0.305), solid(p.trim, 1))
	default: // a scarf
		c.fill((&path{}).move(x-u*0.10, y+u*0.23).quad(x, y+u*0.31, x+u*0.10, y+u*0.23).cube(x+u*0.17, y+u*0.27, x+u*0.15, y+u*0.37, x+u*0.02, y+u*0.385).
			cube(x-u*0.13, y+u*0.38, x-u*0.17, y+u*0.28, x-u*0.10, y+u*0.23), split(p.trim, p.trim.light(-0.09), x+u*0.02, y+u*0.3, 0.6, u*0.012))
		c.fill(poly(x+u*0.03, y+u*0.35, x+u*0.10, y+u*0.345, x+u*0.13, y+u*0.57, x+u*0.05, y+u*0.56), split(p.trim.light(0.02), p.trim.light(-0.08), x+u*0.085, y+u*0.4, 0.15, u*0.008))
	}
}

func faceShape(p *sitter) *path {
	x, y, u := p.x, p.y, p.u
	return (&path{}).move(x-u*0.132, y-u*0.05).cube(x-u*0.14, y-u*0.235, x+u*0.14, y-u*0.235, x+u*0.132, y-u*0.05).
		cube(x+u*0.132, y+u*0.075, x+u*0.085, y+u*0.187, x, y+u*0.192).cube(x-u*0.085, y+u*0.187, x-u*0.132, y+u*0.075, x-u*0.132, y-u*0.05)
}

func (c *canvas) face(sc *scene, p *sitter) {
	x, y, u := p.x, p.y, p.u
	for _, s := range []float32{-1, 1} { // ears
		tone := p.skin
		if s > 0 {
			tone = p.shade
		}
		c.fill(oval(x+s*u*0.136, y+u*0.012, u*0.022, u*0.042, s*0.12), solid(tone, 1))
		c.fill(oval(x+s*u*0.137, y+u*0.014, u*0.010, u*0.024, s*0.12), solid(mix(tone, p.shade, 0.55), 1))
	}
	c.fill(faceShape(p), func(px, py int) (rgb, float32) {
		dx, dy := (float32(px)-x)/u, (float32(py)-y)/u
		// The shaded side begins at brow, nose and chin, not at a straight line.
		edge := 0.026 + 0.030*smooth(-0.05, 0.05, dy)*(1-smooth(0.05, 0.075, dy)) + 0.018*smooth(0.10, 0.17, dy) + 0.03*smooth(-0.06, -0.16, dy)
		t := smooth(-0.005, 0.005, dx-edge)
		col := mix(p.skin, p.shade, t*0.8)
		for _, s := range []float32{-1, 1} { // cheeks
			q := ((dx-s*0.075)*(dx-s*0.075) + (dy-0.06)*(dy-0.06)) * 900
			col = mix(col, p.lip, 0.20*exp2(q))
		}
		return col, 1
	})
}

func (c *canvas) features(sc *scene, p *sitter) {
	x, y, u := p.x, p.y, p.u
	ink := mix(p.hair, hex(0x241a1c), 0.6)
	for _, s := range []float32{-1, 1} {
		ex, ey := x+s*u*0.058, y+u*0.006
		if p.closed {
			c.fill(stroke(ex-s*u*0.030, ey+u*0.002, ex, ey+u*0.021, ex+s*u*0.032, ey, u*0.004, u*0.0085), solid(ink, 1))
			for k := range 3 {
				t := 0.35 + 0.3*float32(k)
				c.fill(stroke(ex+s*u*(0.062*t-0.030), ey+u*0.011, ex+s*u*(0.07*t-0.03), ey+u*0.016, ex+s*u*(0.078*t-0.03), ey+u*0.021, u*0.003, u*0.001), solid(ink, 1))
			}
		} else {
			c.eye(sc, p, ex, ey, s, ink)
		}
		c.fill(stroke(ex-s*u*0.034, ey-u*0.033, ex+s*u*0.006, ey-u*0.052, ex+s*u*0.044, ey-u*0.037, u*0.0095, u*0.004), solid(mix(p.hair, ink, 0.4), 0.95))
	}
	// Nose: the edge of its shade and a nostril.
	dark := mix(p.shade, p.skin.times(0.45), 0.35)
	c.fill((&path{}).move(x+u*0.008, y-u*0.015).quad(x+u*0.014, y+u*0.035, x+u*0.026, y+u*0.066).quad(x+u*0.012, y+u*0.079, x-u*0.012, y+u*0.076).
		quad(x+u*0.008, y+u*0.068, x+u*0.009, y+u*0.05).quad(x+u*0.004, y+u*0.02, x+u*0.008, y-u*0.015), solid(dark, 0.62))
	// Lips.
	my := y + u*0.118
	c.fill((&path{}).move(x-u*0.042, my).quad(x-u*0.016, my-u*0.019, x, my-u*0.010).quad(x+u*0.016, my-u*0.019, x+u*0.042, my).quad(x, my+u*0.008, x-u*0.042, my), solid(p.lip.light(-0.045), 1))
	c.fill((&path{}).move(x-u*0.042, my).quad(x, my+u*0.008, x+u*0.042, my).quad(x, my+u*0.043, x-u*0.042, my), solid(p.lip, 1))
	c.fill(stroke(x-u*0.044, my, x, my+u*0.008, x+u*0.044, my, u*0.0035, u*0.0035), solid(mix(p.lip, ink, 0.6), 0.9))
	c.fill(oval(x, my+u*0.036, u*0.024, u*0.005, 0), solid(dark, 0.3))
}

func (c *canvas) eye(sc *scene, p *sitter, ex, ey, s float32, ink rgb) {
	u := p.u
	iris := hexes(0x4a3020, 0x3f6b7a, 0x55703f, 0x2c2420)[sc.seed>>5%4]
	almond := (&path{}).move(ex-s*u*0.032, ey+u*0.006).quad(ex-s*u*0.004, ey-u*0.026, ex+s*u*0.033, ey-u*0.001).quad(ex, ey+u*0.020, ex-s*u*0.032, ey+u*0.006)
	c.fill(almond, solid(mix(hex(0xf7f1ea), p.shade, 0.30), 1))
	c.fill(oval(ex+u*0.001, ey, u*0.0135, u*0.0135, 0), solid(iris, 1))
	c.fill(oval(ex+u*0.001, ey, u*0.0065, u*0.0065, 0), solid(hex(0x120e10), 1))
	c.speck(ex-u*0.004, ey-u*0.005, u*0.0028, hex(0xffffff), 0.95)
	c.fill(stroke(ex-s*u*0.034, ey+u*0.007, ex-s*u*0.004, ey-u*0.031, ex+s*u*0.039, ey-u*0.005, u*0.004, u*0.0095), solid(ink, 1))
	c.fill(stroke(ex-s*u*0.026, ey-u*0.022, ex, ey-u*0.036, ex+s*u*0.034, ey-u*0.018, u*0.002, u*0.002), solid(mix(p.shade, ink, 0.2), 0.7))
}

func (c *canvas) hairBehind(sc *scene, p *sitter) {
	x, y, u := p.x, p.y, p.u
	dark := p.hair.light(-0.05)
	switch p.style {
	case "long":
		c.fill((&path{}).move(x, y-u*0.245).cube(x-u*0.23, y-u*0.25, x-u*0.20, y+u*0.10, x-u*0.235, y+u*0.40).quad(x, y+u*0.46, x+u*0.235, y+u*0.40).
			cube(x+u*0.20, y+u*0.10, x+u*0.23, y-u*0.25, x, y-u*0.245), split(dark, dark.light(-0.04), x+u*0.06, y, 0.1, u*0.02))
	case "bob":
		c.fill((&path{}).move(x, y-u*0.24).cube(x-u*0.25, y-u*0.25, x-u*0.20, y+u*0.05, x-u*0.19, y+u*0.165).quad(x, y+u*0.22, x+u*0.19, y+u*0.165).
			cube(x+u*0.20, y+u*0.05, x+u*0.25, y-u*0.25, x, y-u*0.24), split(dark, dark.light(-0.04), x+u*0.06, y, 0.1, u*0.02))
	case "bun":
		c.fill(oval(x+u*0.012, y-u*0.236, u*0.086, u*0.074, 0), across(p.hair.light(0.07), dark, x-u*0.07, y-u*0.29, x+u*0.08, y-u*0.17))
	case "curly":
		for range 70 {
			a := sc.f() * 6.283
			d := u * sc.in(0.13, 0.215)
			c.fill(oval(x+cos(a)*d, y-u*0.06+sin(a)*d*0.98, u*sc.in(0.03, 0.055), u*sc.in(0.03, 0.055), 0), solid(dark.light(0.03*float64(sc.bell())), 1))
		}
	}
}

func (c *canvas) hairFront(sc *scene, p *sitter) {
	x, y, u := p.x, p.y, p.u
	sheen := across(p.hair.light(0.085), p.hair.light(-0.03), x-u*0.13, y-u*0.22, x+u*0.12, y-u*0.02)
	switch p.style {
	case "long", "bob":
		part := sc.in(-0.05, 0.05) * u
		for _, s := range []float32{-1, 1} {
			low := u * 0.10
			c.fill((&path{}).move(x+part, y-u*0.247).cube(x+s*u*0.13, y-u*0.26, x+s*u*0.205, y-u*0.12, x+s*u*0.172, y+low).quad(x+s*u*0.142, y+low*0.9, x+s*u*0.138, y+u*0.01).
				quad(x+s*u*0.118, y-u*0.10, x+part, y-u*0.182), sheen)
		}
	case "bun":
		c.fill((&path{}).move(x-u*0.142, y-u*0.005).cube(x-u*0.175, y-u*0.24, x+u*0.175, y-u*0.26, x+u*0.142, y-u*0.005).quad(x+u*0.12, y-u*0.11, x+u*0.01, y-u*0.158).quad(x-u*0.115, y-u*0.125, x-u*0.142, y-u*0.005), sheen)
	case "curly":
		for range 60 {
			a := sc.in(-3.2, 0.05)
			d := u * sc.in(0.135, 0.19)
			px, py := x+cos(a)*d*0.95, y-u*0.045+sin(a)*d
			r := u * sc.in(0.022, 0.042)
			c.fill(oval(px, py, r, r, 0), across(p.hair.light(0.10), p.hair.light(-0.02), px-r, py-r, px+r, py+r))
		}
	case "swept":
		c.fill((&path{}).move(x-u*0.142, y-u*0.0).cube(x-u*0.185, y-u*0.20, x-u*0.06, y-u*0.285, x+u*0.06, y-u*0.255).cube(x+u*0.15, y-u*0.245, x+u*0.165, y-u*0.12, x+u*0.142, y-u*0.0).
			quad(x+u*0.138, y-u*0.09, x+u*0.10, y-u*0.125).cube(x+u*0.02, y-u*0.155, x-u*0.05, y-u*0.145, x-u*0.115, y-u*0.085).quad(x-u*0.13, y-u*0.05, x-u*0.142, y), sheen)
	default:
		c.fill((&path{}).move(x-u*0.137, y+u*0.03).cube(x-u*0.158, y-u*0.16, x-u*0.11, y-u*0.222, x-u*0.01, y-u*0.226).cube(x+u*0.10, y-u*0.232, x+u*0.160, y-u*0.16, x+u*0.137, y+u*0.03).
			quad(x+u*0.126, y-u*0.02, x+u*0.123, y-u*0.075).quad(x+u*0.110, y-u*0.118, x+u*0.05, y-u*0.128).quad(x-u*0.04, y-u*0.150, x-u*0.108, y-u*0.105).quad(x-u*0.128, y-u*0.05, x-u*0.137, y+u*0.03), sheen)
		for range 26 { // strands
			q := sc.in(-0.11, 0.11)
			top := -0.205 + q*q*3.2
			c.fill(stroke(x+u*q, y+u*top, x+u*(q*1.06+0.012), y+u*(top+0.03), x+u*(q*1.12+0.008), y+u*(top+0.062), u*0.003, u*0.0008), solid(p.hair.light(0.12*float64(sc.f())), 0.6))
		}
	}
}

func (c *canvas) glasses(p *sitter) {
	x, y, u := p.x, p.y+p.u*0.004, p.u
	frame := hex(0x2a2226)
	for _, s := range []float32{-1, 1} {
		cx := x + s*u*0.060
		c.fill(ring(cx, y, u*0.051, u*0.049, u*0.0065), solid(frame, 0.95))
		c.fill(oval(cx, y, u*0.045, u*0.043, 0), solid(hex(0xffffff), 0.07))
		c.fill(stroke(cx+s*u*0.048, y-u*0.006, cx+s*u*0.07, y-u*0.012, cx+s*u*0.084, y-u*0.006, u*0.006, u*0.005), solid(frame, 0.95))
	}
	c.fill(stroke(x-u*0.013, y-u*0.004, x, y-u*0.014, x+u*0.013, y-u*0.004, u*0.0062, u*0.0062), solid(frame, 0.95))
}

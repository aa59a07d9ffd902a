package studio

// space: a nebula, stars in front and behind, a planet with or without a ring.
func space(c *canvas, sc *scene) {
	w, hh := c.size()
	small := min(w, hh)
	a, b := sc.tint(0, []rgb{hex(0x7a3fb0), hex(0x2f6fc0), hex(0xb0405f), hex(0x1f8f8a)}[sc.n(4)]), sc.tint(1, []rgb{hex(0xf08a5c), hex(0xe85f9a), hex(0x5fd0e0), hex(0xf2c46a)}[sc.n(4)])
	n, m := noise(sc.next()), noise(sc.next())
	lean := sc.in(-0.9, 0.9)
	thin := float32(0.34)
	if sc.any("galaxy", "nebula", "milky") {
		thin = 0.24
	}
	band := func(x, y float32) (dense, dust, warm float32) {
		u, v := (x-w/2)/small, (y-hh/2)/small
		p, q := u*cos(lean)+v*sin(lean), v*cos(lean)-u*sin(lean)
		wx, wy := n.fbm(p*2+3, q*2, 3)-0.5, n.fbm(p*2+13, q*2+7, 3)-0.5
		cloud := n.fbm(p*1.6+wx*1.7, q*2.6+wy*1.7+5, 5)
		arm := exp2((q + wx*0.22) * (q + wx*0.22) * 9)
		return smooth(thin, thin+0.46, cloud*0.72+arm*0.34), smooth(0.46, 0.70, m.fbm(p*3.2+wx*2, q*5+wy*2, 5)) * arm, smooth(0.4, 0.72, m.fbm(p*1.3, q*1.3+9, 3))
	}
	fd := c.field(3, func(x, y float32) float32 { d, _, _ := band(x, y); return d })
	fu := c.field(3, func(x, y float32) float32 { _, d, _ := band(x, y); return d })
	fw := c.field(6, func(x, y float32) float32 { _, _, d := band(x, y); return d })
	void := mix(hex(0x05060f), a, 0.05)
	cold := newRamp(void, mix(void, a, 0.45), a, screen(a, hex(0x505060)))
	warm := newRamp(void, mix(void, b, 0.40), b, screen(b, hex(0x606050)))
	c.all(0, c.h, func(x, y int) (rgb, float32) {
		d := fd.at(x, y) * (1 - 0.72*fu.at(x, y))
		col := mix(cold.at(d*0.92), warm.at(d*0.92), fw.at(x, y))
		core := d * d * d * 0.30
		return screen(col, rgb{core, core * 0.92, core * 0.85}), 1
	})
	c.stars(sc, hh*1.6, 1.5)
	for range 5 {
		x, y := sc.f()*w, sc.f()*hh
		c.glint(x, y, sc.in(14, 30)*c.s)
	}
	if sc.any("galaxy", "nebula", "milky") && !sc.any("planet", "saturn", "mars") {
		return
	}
	r := small * sc.in(0.15, 0.24)
	px, py := w*sc.in(0.3, 0.7), hh*sc.in(0.35, 0.65)
	c.planet(sc, px, py, r, b, a, sc.any("saturn", "ring", "rings") || sc.chance(0.5))
}

// glint is a star with four points.
func (c *canvas) glint(x, y, l float32) {
	white := hex(0xfdf6ff)
	c.glow(x, y, l*0.7, white, 0.7)
	for _, d := range [][2]float32{{1, 0}, {-1, 0}, {0, 1}, {0, -1}} {
		c.fill(stroke(x, y, x+d[0]*l*0.5, y+d[1]*l*0.5, x+d[0]*l, y+d[1]*l, 2*c.s, 0.2*c.s), solid(white, 0.8))
	}
	c.speck(x, y, 1.8*c.s, white, 1)
}

// planet has bands, a lit side and air at its rim.
func (c *canvas) planet(sc *scene, px, py, r float32, a, b rgb, ring bool) {
	n := noise(sc.next())
	tilt := sc.in(-0.5, 0.5)
	lx, ly, lz := float32(-0.62), float32(-0.45), float32(0.64)
	bands := newRamp(a.light(0.10), a, mix(a, b, 0.35), a.light(0.05), mix(a, hex(0xf3e6d0), 0.5), a.light(-0.07), mix(a, b, 0.25), a.light(0.08))
	air := screen(mix(a, b, 0.3), hex(0x404858))
	if ring {
		c.rings(sc, px, py, r, tilt, a, false)
	}
	c.glow(px+lx*r*0.15, py+ly*r*0.15, r*1.15, air, 0.34)
	c.fill(oval(px, py, r, r, 0), func(x, y int) (rgb, float32) {
		u, v := (float32(x)-px)/r, (float32(y)-py)/r
		z := sqrt(max(0, 1-u*u-v*v))
		q := v*cos(tilt) - u*sin(tilt)
		p := u*cos(tilt) + v*sin(tilt)
		turb := n.fbm(p*2.2/(z+0.45)+8, q*5, 5) - 0.5
		col := bands.at(q*0.5 + 0.5 + 0.16*turb)
		lightness := max(0, u*lx+v*ly+z*lz)
		lightness = 0.03 + 1.02*smooth(-0.02, 1, lightness)
		col = col.times(lightness)
		rim := (1 - z) * (1 - z)
		return screen(col, air.times(rim*0.55*clamp(lightness+0.1))), 1
	})
	if ring {
		c.rings(sc, px, py, r, tilt, a, true)
	}
}

func (c *canvas) rings(sc *scene, px, py, r, tilt float32, col rgb, front bool) {
	n := noise(sc.seed >> 9)
	flat := float32(0.28)
	col = mix(col, hex(0xf1e4cf), 0.6)
	reach := r * 2.25
	for y := max(int(py-reach), 0); y < min(int(py+reach), c.h); y++ {
		for x := max(int(px-reach), 0); x < min(int(px+reach), c.w); x++ {
			dx, dy := float32(x)-px, float32(y)-py
			p, q := dx*cos2(tilt)+dy*sin2(tilt), (dy*cos2(tilt)-dx*sin2(tilt))/flat
			if (q > 0) != front {
				continue
			}
			d := hypot(p, q) / r
			if d < 1.28 || d > 2.22 {
				continue
			}
			a := smooth(1.28, 1.36, d) * smooth(2.22, 2.1, d) * (0.30 + 0.75*n.at(d*26, 1)) * (1 - 0.85*exp2((d-1.82)*(d-1.82)*2500))
			if front || dx*0.6+dy*0.45 < r*0.75 || hypot(dx, dy) > r*1.0 {
				c.over(x, y, col.times(0.7+0.3*n.at(d*60, 3)), clamp(a)*0.85)
			}
		}
	}
}

// The ring's turn, by small angles only: series are enough and cheaper.
func sin2(v float32) float32 { return v - v*v*v/6 }
func cos2(v float32) float32 { return 1 - v*v/2 + v*v*v*v/24 }

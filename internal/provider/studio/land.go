package studio

// mountains: ranges that fade with distance, a lake when asked for, firs in
// front.
func mountains(c *canvas, sc *scene) {
	w, hh := c.size()
	lake := sc.any("lake", "fjord", "river", "water", "reflection", "calm", "mirror") || sc.chance(0.3)
	horizon := hh * sc.in(0.60, 0.68)
	sky := c.sky(sc, horizon)
	snow := sc.any("snow", "snowy", "winter", "glacier", "alp", "everest", "fuji", "ice") || sc.chance(0.35)
	volcano := sc.any("volcano", "fuji")
	layers := 5
	for i := range layers {
		t := float32(i) / float32(layers-1)
		base := horizon + (t*t*0.16-0.015)*hh
		tall := hh * (0.40 - 0.31*t) * sc.in(0.9, 1.15)
		col := blend(sc.pal.far, sc.pal.near, 0.12+0.7*t*t)
		col = mix(col, sc.pal.haze, 0.42*(1-t))
		c.massif(sc, sc.peaks(w, base, tall, t, volcano && i == 0), sky, base, tall, col, t, snow && i < 3)
	}
	shore := horizon + 0.13*hh
	if lake {
		c.water(sc, sky, shore, sc.in(0.4, 0.8))
	}
	if sc.any("cabin", "house", "cottage", "hut", "camp") {
		c.house(sc, w*sc.in(0.25, 0.75), hh*0.86, 90*c.s)
	}
	c.birds(sc, w*sc.in(0.2, 0.7), horizon*sc.in(0.35, 0.6))
	c.firs(sc, hh, sc.pal.near, lake)
	c.fog(sc, horizon+0.03*hh, 0.10*hh)
	c.weather(sc)
}

// ridge is a low, rolling skyline: for each column how high the land is.
func (c *canvas) ridge(sc *scene, base, tall, freq float32) []float32 {
	w, _ := c.size()
	n := noise(sc.next())
	line := make([]float32, c.w)
	for x := range line {
		u := float32(x) / w
		line[x] = base - tall*1.15*(n.ridged(u*freq+5, 0.5, 3)*0.62+0.28*n.fbm(u*freq*1.3, 9, 2)+0.13*n.ridged(u*freq*5, 3.5, 4))
	}
	return line
}

// peak is a summit with its two slopes.
type peak struct {
	x, y        float32
	left, right float32 // how steep, in height for each pixel
}

// peaks are the summits of one range; near ranges have more and lower ones.
func (sc *scene) peaks(w, base, tall, t float32, cone bool) []peak {
	if cone {
		return []peak{{w * sc.in(0.35, 0.65), base - tall, tall / (w * 0.30), tall / (w * 0.34)}}
	}
	count := 3 + int(5*t) + sc.n(2)
	all := make([]peak, 0, count+2)
	first := sc.f()
	for i := -1; i <= count; i++ {
		x := (float32(i) + first + sc.bell()*0.28) / float32(count) * w
		h := tall * sc.in(0.38, 0.80)
		if i == count/2 || sc.chance(0.15) {
			h = tall * sc.in(0.9, 1.12)
		}
		slope := tall / w * sc.in(2.3, 3.8) * (1 + 0.5*t)
		all = append(all, peak{x, base - h, slope * sc.in(0.75, 1.2), slope * sc.in(0.75, 1.2)})
	}
	return all
}

// massif paints one range. From each summit a spine winds down; what lies on
// its sunny side is lit, with spurs on both. Snow lies above a line, haze at
// the foot.
func (c *canvas) massif(sc *scene, peaks []peak, sky heaven, base, tall float32, col rgb, t float32, snow bool) {
	w, hh := c.size()
	n := noise(sc.next())
	line := make([]float32, c.w)
	of := make([]int, c.w)
	margin := make([]float32, c.w) // how far below the summit's slope the next one lies
	rough := tall * (0.10 - 0.03*t)
	for x := range line {
		fx := float32(x)
		best, next := float32(1e9), float32(1e9)
		for i, p := range peaks {
			d := fx - p.x
			y := p.y + max(d, 0)*p.right + max(-d, 0)*p.left
			// Slopes ease off towards the foot.
			y = p.y + (y-p.y)*(1-0.28*clamp((y-p.y)/tall))
			if y < best {
				best, next, of[x] = y, best, i
			} else {
				next = min(next, y)
			}
		}
		margin[x] = next - best
		u := fx / w
		away := smooth(0, 0.10*tall, best-peaks[of[x]].y)
		line[x] = min(best+rough*(0.25+0.75*away)*(n.ridged(u*14*(1+t), 2, 4)*-1.5+0.6), base+0.04*hh)
	}
	lit := mix(col, screen(col, sc.pal.light.times(0.60)), 0.85)
	dark := mix(col, sc.pal.near, 0.34)
	snowLit := mix(screen(sc.pal.light, hex(0x909090)), sc.pal.haze, 0.12)
	snowDark := mix(mix(snowLit, sc.pal.far, 0.58), sc.pal.sky[min(1, len(sc.pal.sky)-1)], 0.22)
	if sc.pal.dark {
		snowLit, snowDark = mix(sc.pal.light, sc.pal.far, 0.22), mix(sc.pal.far, sc.pal.light, 0.18)
	}
	f := 12 / w * (1 + 0.6*t)
	face := c.field(3, func(x, y float32) float32 {
		xi := min(max(int(x), 0), c.w-1)
		if y < line[xi]-6 || y > base+0.1*hh {
			return 0.5
		}
		// Where two mountains meet there is a gully, not a wall.
		gi := min(max(xi+int((n.fbm(y*f*1.3, 7, 3)-0.5)*110*c.s), 0), c.w-1)
		p := peaks[of[gi]]
		down := max(y-p.y, 0)
		wind := (n.fbm(down*f*0.9+float32(of[gi])*9, 4, 2) - 0.5) * (10*c.s + down*0.85)
		d := x - p.x - wind
		// Spurs branch off and lean away from the spine.
		spur := n.ridged((x-sign(d)*down*0.55)*f*0.8, down*f*0.55+float32(of[gi])*3, 3) - 0.42
		v := sign(sky.x-p.x)*-d/(9*c.s+down*0.05) + spur*3.4*smooth(0, 90*c.s, abs(d)+down*0.2)
		return clamp(0.5 + 0.5*min(max(v, -1), 1)*smooth(0, 70*c.s, margin[gi])*(1-smooth(0.35, 0.95, (y-line[xi])/(base-line[xi]+0.1*hh))))
	})
	relief := 1 - 0.66*t
	high := base - tall*(0.46+0.1*sc.f())
	c.below(line, func(x, y int) (rgb, float32) {
		g := face.at(x, y)
		p := mix(col, mix(dark, lit, g), relief)
		if snow && float32(y) < high+0.35*tall {
			edge := high + tall*0.42*(n.fbm(float32(x)*f*4, float32(y)*f*2.2, 3)-0.5)
			if k := smooth(0, 20*c.s, edge-float32(y)+tall*0.16*(0.5-g)); k > 0 {
				p = mix(p, mix(snowDark, snowLit, g), k*0.94)
			}
		}
		foot := smooth(0.10, 1.0, (float32(y)-line[x])/(base-line[x]+0.08*hh))
		return mix(p, sc.pal.haze, foot*(0.78-0.55*t)), 1
	})
}

func sign(v float32) float32 {
	if v < 0 {
		return -1
	}
	return 1
}

// firs stand along the lower edge, large at the sides, so that they frame.
func (c *canvas) firs(sc *scene, foot float32, col rgb, sparse bool) {
	w, hh := c.size()
	for depth := range 3 {
		t := float32(depth) / 2
		tone := mix(mix(sc.pal.far, col, 0.72+0.28*t), sc.pal.haze, 0.10*(1-t))
		n := noise(sc.next())
		ground := make([]float32, c.w)
		rise := hh * (0.125 - 0.045*t)
		for x := range ground {
			u := float32(x)/w*2 - 1
			valley := u * u
			if sparse {
				valley = 1.6*u*u - 0.45
			}
			ground[x] = foot - rise*(0.35+0.75*valley) - hh*0.03*n.fbm(float32(x)/w*4, 1, 3)
		}
		c.below(ground, solid(tone, 1))
		count := int(90 - 40*t)
		for range count {
			x := sc.f() * w
			u := abs(x/w*2 - 1)
			if sparse && sc.f() > u*1.15-0.05 {
				continue
			}
			tall := hh * (0.05 + 0.05*t) * sc.in(0.6, 1.5) * (0.55 + 1.15*u*u)
			c.fir(sc, x, ground[min(int(x), c.w-1)]+5*c.s+tall*0.04, tall, tone)
		}
	}
}

// fir is one tree, drawn row by row with ragged boughs.
func (c *canvas) fir(sc *scene, x, foot, tall float32, col rgb) {
	n := noise(sc.next())
	wide := tall * sc.in(0.17, 0.23)
	boughs := 6 + tall/(16*c.s)
	for y := max(int(foot-tall), 0); y < min(int(foot)+1, c.h); y++ {
		t := (float32(y) - foot + tall) / tall
		saw := t * boughs
		saw -= float32(int(saw))
		left := wide * t * (0.50 + 0.50*saw) * (0.6 + 0.8*n.at(t*boughs*1.1, 1))
		right := wide * t * (0.50 + 0.50*saw) * (0.6 + 0.8*n.at(t*boughs*1.1, 7))
		if t > 0.95 {
			left, right = wide*0.09, wide*0.09
		}
		c.span(y, x-left-0.4, x+right+0.4, col, 1)
	}
}

// span is a piece of a row with soft ends.
func (c *canvas) span(y int, x0, x1 float32, col rgb, a float32) {
	for x := max(int(x0), 0); x <= min(int(x1), c.w-1); x++ {
		cover := clamp(float32(x)+1-x0) * clamp(x1-float32(x))
		c.over(x, y, col, cover*a)
	}
}

// fog lies in the valley.
func (c *canvas) fog(sc *scene, at, thick float32) {
	strength := float32(0.16)
	if sc.any("fog", "foggy", "mist", "misty", "haze", "hazy", "dawn", "morning") {
		strength = 0.6
	}
	w, _ := c.size()
	n := noise(sc.next())
	g := c.field(4, func(x, y float32) float32 {
		d := (y - at) / thick
		return exp2(d*d*0.8) * (0.35 + 0.9*n.fbm(x/w*3, y/w*9, 4))
	})
	col := mix(sc.pal.haze, hex(0xffffff), 0.12)
	c.all(int(at-3*thick), int(at+3*thick), func(x, y int) (rgb, float32) { return col, clamp(g.at(x, y) * strength) })
}

// birds fly far away.
func (c *canvas) birds(sc *scene, x, y float32) {
	if sc.pal.dark && !sc.any("bird", "seagull") {
		return
	}
	col := mix(sc.pal.near, sc.pal.far, 0.35)
	for range 3 + sc.n(5) {
		bx, by := x+sc.bell()*90*c.s, y+sc.bell()*36*c.s
		s := sc.in(7, 13) * c.s
		lift := sc.in(0.3, 0.75)
		c.fill(stroke(bx, by, bx-s*0.55, by-s*lift*1.3, bx-s*1.25, by-s*lift*0.35, 2.2*c.s, 0.5*c.s), solid(col, 0.9))
		c.fill(stroke(bx, by, bx+s*0.55, by-s*lift*1.3, bx+s*1.25, by-s*lift*0.25, 2.2*c.s, 0.5*c.s), solid(col, 0.9))
	}
}

// house is small, with light in its windows.
func (c *canvas) house(sc *scene, x, foot, s float32) {
	wall, roof := sc.tint(0, hex(0xefe6d8)), mix(sc.pal.accent, sc.pal.near, 0.25)
	if sc.pal.dark || sc.hour == "sunset" {
		wall = mix(wall, sc.pal.near, 0.72)
		roof = mix(roof, sc.pal.near, 0.75)
	}
	wall = mix(wall, sc.pal.haze, 0.12)
	lamp := hex(0xffd27a)
	c.fill(box(x-s*0.52, foot-s*0.62, x+s*0.52, foot), across(wall, wall.times(0.78), x-s*0.5, 0, x+s*0.5, 0))
	c.fill(box(x+s*0.22, foot-s*1.08, x+s*0.34, foot-s*0.7), solid(wall.times(0.7), 1))
	c.fill(poly(x-s*0.64, foot-s*0.58, x, foot-s*1.12, x+s*0.64, foot-s*0.58), across(roof, roof.times(0.72), x-s*0.6, 0, x+s*0.6, 0))
	c.fill(box(x-s*0.08, foot-s*0.34, x+s*0.10, foot), solid(roof.times(0.6), 1))
	for _, dx := range []float32{-0.33, 0.30} {
		c.fill(box(x+(dx-0.09)*s, foot-s*0.42, x+(dx+0.09)*s, foot-s*0.20), solid(lamp, 0.95))
		c.fill(box(x+(dx-0.008)*s, foot-s*0.42, x+(dx+0.008)*s, foot-s*0.20), solid(wall.times(0.6), 1))
		if sc.pal.dark || sc.hour == "sunset" {
			c.glow(x+dx*s, foot-s*0.3, s*0.5, lamp, 0.5)
		}
	}
}

// weather is rain or snow in the air.
func (c *canvas) weather(sc *scene) {
	w, hh := c.size()
	switch {
	case sc.any("rain", "rainy", "rainfall", "storm", "downpour"):
		col := mix(sc.pal.haze, hex(0xffffff), 0.5)
		for range 520 {
			x, y, l := sc.f()*w*1.1, sc.f()*hh, sc.in(18, 60)*c.s
			c.fill(poly(x, y, x+1.1*c.s, y, x-l*0.2, y+l, x-l*0.2-1*c.s, y+l), solid(col, sc.in(0.06, 0.22)))
		}
	case sc.any("snow", "snowfall", "snowy", "blizzard", "winter") && sc.kind != "portrait":
		for range 420 {
			d := sc.f()
			c.speck(sc.f()*w, sc.f()*hh, (0.8+3*d*d)*c.s, hex(0xffffff), 0.75-0.4*d)
		}
	}
}

// desert: dunes with a lit and a shaded side.
func desert(c *canvas, sc *scene) {
	w, hh := c.size()
	horizon := hh * sc.in(0.5, 0.58)
	sky := c.sky(sc, horizon)
	sand := mix(hex(0xd99a5b), sc.pal.light, 0.25)
	if len(sc.tints) > 0 {
		sand = tinted(sand, sc.tints[0], 0.5)
	}
	if sc.pal.dark {
		sand = mix(mix(sand, sc.pal.far, 0.72), sc.pal.near, 0.25)
	}
	c.below(c.ridge(sc, horizon+0.02*hh, hh*0.13, 2.2), upright(mix(sand, sc.pal.haze, 0.6), sc.pal.haze, horizon-0.13*hh, horizon+0.04*hh))
	for i := range 5 {
		t := float32(i) / 4
		c.dune(sc, sky, horizon+hh*(0.02+0.36*t*t+0.05*t), hh*(0.05+0.13*t), mix(sand, sc.pal.haze, 0.5*(1-t)*(1-t)), t)
	}
	if sc.any("cactus", "arizona", "mexico", "western") || sc.chance(0.4) {
		for range 1 + sc.n(3) {
			c.cactus(sc, w*sc.in(0.1, 0.9), hh*sc.in(0.78, 0.93), sc.in(80, 190)*c.s)
		}
	}
	c.birds(sc, w*sc.in(0.2, 0.8), horizon*0.5)
}

// dune has one crest; which side of it is lit depends on the sun.
func (c *canvas) dune(sc *scene, sky heaven, base, tall float32, col rgb, t float32) {
	w, _ := c.size()
	n := noise(sc.next())
	crest, sharp := sc.f()*6, sc.in(0.8, 1.5)
	line := make([]float32, c.w)
	shadow := make([]float32, c.w) // where, below the line, shade ends
	for x := range line {
		u := float32(x) / w
		v := n.fbm(u*1.7*sharp+crest, 2, 2)
		line[x] = base - tall*(v*1.9-0.45)
	}
	side := float32(1)
	if sky.x < w/2 {
		side = -1
	}
	for x := range shadow {
		u := float32(x) / w
		slope := (line[min(x+6, c.w-1)] - line[max(x-6, 0)]) / 13 * side
		shadow[x] = tall * (0.2 + 1.9*smooth(-0.15, 0.5, -slope)) * (0.75 + 0.5*n.at(u*9, 5))
	}
	lit := screen(col, sc.pal.light.times(0.30))
	dark := mix(col, mix(sc.pal.near, sc.pal.far, 0.4), 0.46)
	c.below(line, func(x, y int) (rgb, float32) {
		d := float32(y) - line[x]
		k := smooth(-3*c.s, 10*c.s*(1+t), d-shadow[x]*0.9+tall*0.25)
		p := mix(dark, lit, k)
		// Ripples, seen only near by.
		rip := sin((d*0.9+float32(x)*0.10+24*n.at(float32(x)/w*14, d/w*14))/(3.4*c.s)) * 0.018 * t * smooth(0, 60*c.s, d)
		p = p.times(1 + rip)
		return mix(p, col, smooth(0, tall*3, d)*0.6), 1
	})
}

func (c *canvas) cactus(sc *scene, x, foot, tall float32) {
	col := mix(mix(hex(0x2f5a45), sc.pal.near, 0.45), sc.pal.haze, 0.06)
	lit := screen(col, sc.pal.light.times(0.22))
	wd := tall * 0.15
	trunk := across(lit, col.times(0.75), x-wd/2, 0, x+wd/2, 0)
	limb := func(x0, y0, x1, y1, w float32) {
		c.fill(stroke(x0, y0, (x0+x1)/2, (y0+y1)/2, x1, y1, w, w), trunk)
		c.fill(oval(x1, y1, w/2, w/2, 0), trunk)
	}
	c.fill(oval(x+tall*0.25, foot, tall*0.42, tall*0.035, 0), solid(sc.pal.near, 0.3))
	limb(x, foot, x, foot-tall, wd)
	for _, side := range []float32{-1, 1} {
		y := foot - tall*sc.in(0.35, 0.6)
		ax := x + side*tall*0.24
		c.fill(stroke(x, y, ax, y+tall*0.03, ax, y-tall*0.1, wd*0.75, wd*0.75), trunk)
		limb(ax, y-tall*0.08, ax, y-tall*sc.in(0.24, 0.36), wd*0.75)
	}
}

package studio

// heaven is what later layers need to know of a sky.
type heaven struct {
	x, y  float32 // of the sun or moon
	ramp  *ramp
	moon  bool
	light float32 // how strong
}

// sky paints everything down to the horizon, and on to the foot in the
// horizon's colour.
func (c *canvas) sky(sc *scene, horizon float32) heaven {
	w, _ := c.size()
	h := heaven{ramp: newRamp(sc.pal.sky...), light: 1}
	h.x = w * (0.5 + 0.24*sc.bell())
	h.y = horizon * sc.in(0.68, 0.88)
	h.moon = sc.pal.dark && sc.hour != "neon"
	switch sc.hour {
	case "day", "pastel":
		h.y = horizon * sc.in(0.22, 0.4)
	case "night", "dusk":
		h.y = horizon * sc.in(0.25, 0.5)
	case "overcast":
		h.light = 0.35
	}
	reach := 0.9 * w
	c.all(0, c.h, func(x, y int) (rgb, float32) {
		t := float32(y) / horizon
		// The sky is warmer towards the sun: its colours reach higher there.
		dx := (float32(x) - h.x) / reach
		t += 0.10 * (exp2(dx*dx) - 0.6) * t
		return h.ramp.at(t), 1
	})
	wet := sc.any("rain", "rainy", "rainfall", "storm", "stormy")
	if sc.pal.dark && sc.hour != "dusk" && !wet || sc.any("star", "starry", "galaxy") {
		c.stars(sc, horizon, 1)
	}
	if sc.any("aurora", "northern") {
		c.aurora(sc, horizon)
	}
	c.disc(sc, h)
	if !sc.any("clear", "cloudless") {
		c.clouds(sc, h, horizon)
	}
	return h
}

// exp2 falls off like a bell, cheaply.
func exp2(q float32) float32 { v := 1 / (1 + q*2); return v * v }

func (c *canvas) disc(sc *scene, h heaven) {
	s := c.s
	switch {
	case sc.hour == "neon":
		c.bandedSun(sc, h)
	case h.moon:
		r := sc.in(30, 46) * s
		c.glow(h.x, h.y, r*5, sc.pal.sun, 0.35)
		c.glow(h.x, h.y, r*1.6, sc.pal.sun, 0.5)
		n := noise(sc.next())
		c.fill(oval(h.x, h.y, r, r, 0), func(x, y int) (rgb, float32) {
			u, v := (float32(x)-h.x)/r, (float32(y)-h.y)/r
			seas := smooth(0.45, 0.68, n.fbm(u*1.6+4, v*1.6+4, 4))
			return sc.pal.sun.times(1 - 0.16*seas - 0.08*(u*u+v*v)), 1
		})
	default:
		r := sc.in(34, 58) * s
		if sc.hour == "day" || sc.hour == "pastel" {
			r *= 0.75
		}
		c.glow(h.x, h.y, r*9, sc.pal.sun, 0.42*h.light)
		c.glow(h.x, h.y, r*3.2, sc.pal.sun, 0.55*h.light)
		c.fill(oval(h.x, h.y, r, r, 0), solid(sc.pal.sun, 0.96*h.light))
	}
}

// bandedSun is the setting sun of the eighties.
func (c *canvas) bandedSun(sc *scene, h heaven) {
	r := 150 * c.s
	c.glow(h.x, h.y, r*2, hex(0xff4f9a), 0.5)
	sun := newRamp(hex(0xffe27a), hex(0xff8a5c), hex(0xff3d92))
	c.fill(oval(h.x, h.y, r, r, 0), func(_, y int) (rgb, float32) {
		t := (float32(y) - h.y + r) / (2 * r)
		band := float32(1)
		if t > 0.45 {
			k := (t - 0.45) * 11
			gap := (t - 0.45) * 0.9
			if k-float32(int(k)) < gap {
				band = 0
			}
		}
		return sun.at(t), band
	})
}

// stars scatters many small and few bright ones.
func (c *canvas) stars(sc *scene, horizon, density float32) {
	w, _ := c.size()
	n := int(900 * density * (w * horizon) / (1e6 * c.s * c.s))
	for range n {
		x, y := sc.f()*w, sc.f()*horizon
		b := sc.f()
		b = b * b * b
		fade := 1 - 0.8*y/horizon
		col := mix(hex(0xffffff), []rgb{hex(0xbfd4ff), hex(0xffe9c8)}[sc.n(2)], 0.6)
		c.speck(x, y, (0.5+1.1*b)*max(c.s, 0.6), col, (0.35+0.65*b)*fade)
		if b > 0.9 {
			c.glow(x, y, 7*c.s, col, 0.5*fade)
		}
	}
}

// speck is a soft point.
func (c *canvas) speck(cx, cy, r float32, col rgb, a float32) {
	for y := max(int(cy-r-1), 0); y <= min(int(cy+r+1), c.h-1); y++ {
		for x := max(int(cx-r-1), 0); x <= min(int(cx+r+1), c.w-1); x++ {
			if d := clamp(r + 0.5 - hypot(float32(x)-cx, float32(y)-cy)); d > 0 {
				c.over(x, y, col, a*d)
			}
		}
	}
}

// clouds are lit from the side of the sun.
func (c *canvas) clouds(sc *scene, h heaven, horizon float32) {
	w, _ := c.size()
	n := noise(sc.next())
	fx, fy := 2.6/w, 7.5/horizon
	cover := sc.in(0.50, 0.60)
	weight := float32(0.75)
	switch {
	case sc.hour == "overcast":
		cover, weight = 0.40, 0.7
	case sc.any("storm", "stormy", "dramatic", "cloud", "cloudy", "epic"):
		cover, weight = 0.42, 0.9
	case sc.pal.dark:
		cover, weight = cover+0.04, 0.5
	}
	density := func(x, y float32) float32 {
		v := n.fbm(x*fx+0.35*n.at(x*fx*2, y*fy*2), y*fy*(0.6+0.9*y/horizon), 5)
		return smooth(cover, cover+0.24, v)
	}
	lift := 26 * c.s
	sign := float32(1)
	if h.y < horizon*0.5 {
		sign = -1 // lit from above
	}
	body := c.field(3, density)
	edge := c.field(3, func(x, y float32) float32 { return density(x+(h.x-x)*0.02, y+sign*lift) })
	shade := mix(h.ramp.at(0.25), sc.pal.haze, 0.55)
	lit := screen(sc.pal.light, sc.pal.haze.times(0.25))
	if h.moon {
		lit = mix(shade, sc.pal.light, 0.4)
	}
	c.all(0, int(horizon)+1, func(x, y int) (rgb, float32) {
		d := body.at(x, y)
		if d <= 0.003 {
			return rgb{}, 0
		}
		rim := clamp(d - 0.85*edge.at(x, y))
		fade := 1 - 0.55*smooth(0.7, 1, float32(y)/horizon)
		return mix(shade, lit, clamp(0.15+1.1*rim)), d * weight * fade
	})
}

// aurora hangs curtains of light.
func (c *canvas) aurora(sc *scene, horizon float32) {
	w, _ := c.size()
	n := noise(sc.next())
	green, violet := hex(0x3dffb0), hex(0xa060ff)
	for k := range 3 {
		base := horizon * (0.74 - 0.14*float32(k))
		for x := range c.w {
			u := float32(x) / w
			foot := base + horizon*0.26*(n.fbm(u*2.2+float32(k)*9, 1, 3)-0.5)
			rays := 0.25 + 0.75*pow(n.fbm(u*38+float32(k)*31, 2, 3), 1.6)*1.6
			bright := smooth(0.3, 0.62, n.fbm(u*2.5+float32(k)*17, 5, 2)) * rays
			tall := horizon * (0.34 + 0.3*n.at(u*7, 8+float32(k)))
			for y := max(int(foot-tall), 0); y < min(int(foot+horizon*0.05), c.h); y++ {
				t := (foot - float32(y)) / tall // 0 at the foot
				f := float32(0)
				if t < 0 {
					f = 1 + t*tall/(horizon*0.05)
				} else {
					f = (1 - t) * (1 - t)
				}
				f *= bright * 0.62
				p := &c.px[y*c.w+x]
				*p = screen(*p, mix(green, violet, clamp(t*1.3)).times(f))
			}
		}
	}
}

// rays fan out from the sun.
func (c *canvas) rays(sc *scene, x0, y0 float32, col rgb, strength float32) {
	n := noise(sc.next())
	reach := float32(max(c.w, c.h)) * 1.1
	g := c.field(2, func(x, y float32) float32 {
		dx, dy := x-x0, y-y0
		d := hypot(dx, dy)
		a := atan2(dy, dx)
		v := smooth(0.42, 0.75, n.fbm(a*7+40, 3, 3))
		return v * clamp(1-d/reach) * smooth(0, 120*c.s, d)
	})
	c.all(0, c.h, func(x, y int) (rgb, float32) {
		p := c.px[y*c.w+x]
		return screen(p, col.times(g.at(x, y)*strength)), 1
	})
}

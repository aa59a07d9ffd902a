package studio

// still: a table by the light, with what the prompt names: fruit, a vase, a
// cup, a bottle.
func still(c *canvas, sc *scene) {
	w, hh := c.size()
	u := min(w, hh)
	table := hh*0.5 + u*0.20
	wall := mix(mix(sc.pal.sky[1], sc.pal.haze, 0.55), hex(0xe9dcc8), 0.45)
	wood := mix(hex(0x9a6b43), sc.pal.accent, 0.12)
	if sc.pal.dark {
		wall, wood = mix(sc.pal.sky[2], sc.pal.near, 0.3), mix(wood, sc.pal.near, 0.55)
	}
	lx := w * 0.18
	n := noise(sc.next())
	bright, grain, knots := wall.light(0.06), wood.light(0.05), wood.light(-0.07)
	c.all(0, c.h, func(x, y int) (rgb, float32) {
		d := hypot((float32(x)-lx)/w, (float32(y)-hh*0.2)/hh)
		return bright.times(1.02 - 0.42*smooth(0, 1.1, d) + 0.03*(n.fbm(float32(x)/w*5, float32(y)/hh*5, 3)-0.5)), 1
	})
	// A pane of light from a window that is not in the picture.
	pane := screen(wall, sc.pal.light.times(0.45))
	for i := range 2 {
		x := w*0.40 + float32(i)*u*0.19
		c.fill(poly(x, table-u*0.62, x+u*0.16, table-u*0.56, x+u*0.16, table-u*0.10, x, table-u*0.15), solid(pane, 0.38))
	}
	c.all(int(table), c.h, func(x, y int) (rgb, float32) {
		t := (float32(y) - table) / (hh - table)
		g := n.fbm(float32(x)/w*3+30, float32(y)/hh*70/(0.6+t), 4)
		col := mix(grain, knots, g)
		return col.times(1.12 - 0.35*t - 0.2*smooth(0.2, 1, float32(x)/w)), 1
	})
	c.all(int(table), int(table+4*c.s), solid(wood.light(0.12), 0.6))
	foot := table + u*0.12
	if sc.any("coffee", "cup", "espresso", "tea", "mug", "breakfast", "pancake") {
		c.cup(sc, w*0.5, foot+u*0.05, u*0.21)
		if sc.any("breakfast", "pancake", "fruit", "lemon", "orange", "apple") || sc.chance(0.5) {
			c.fruits(sc, w*0.5+u*0.30, foot+u*0.015, u*0.8, 2)
		}
		return
	}
	if sc.any("bottle", "wine", "perfume", "product", "ceramic") {
		c.lathe(sc, w*0.5-u*0.02, foot, u*0.58, []float32{0.115, 0.12, 0.12, 0.12, 0.12, 0.115, 0.075, 0.036, 0.034, 0.034, 0.042}, sc.tint(0, hex(0x2f5a4a)), 0.85)
		c.fruits(sc, w*0.5+u*0.22, foot+u*0.03, u*0.85, 3)
		return
	}
	vase := sc.tint(1, []rgb{hex(0x4f7a8a), hex(0xe8ded0), hex(0x3a4a6a), hex(0xb0653f)}[sc.n(4)])
	vx := w*0.5 - u*0.16
	for range 9 {
		side := sc.in(-1, 1)
		c.leaf(sc, vx+side*u*0.015, foot-u*0.36, u*sc.in(0.16, 0.34), side, mix(hex(0x4f7d52), sc.pal.near, 0.2+0.2*sc.f()))
	}
	c.lathe(sc, vx, foot, u*0.40, []float32{0.075, 0.115, 0.142, 0.150, 0.140, 0.115, 0.085, 0.062, 0.058, 0.064, 0.075}, vase, 0.3)
	c.fruits(sc, w*0.5+u*0.12, foot+u*0.04, u, 4)
}

// lathe is a body of revolution from half widths, foot to rim.
func (c *canvas) lathe(sc *scene, x, foot, tall float32, profile []float32, col rgb, gloss float32) {
	u := tall / 0.45
	last := len(profile) - 1
	half := func(t float32) float32 { // a smooth curve through the given widths
		f := clamp(t) * float32(last)
		i := min(int(f), last-1)
		f -= float32(i)
		p0, p1, p2, p3 := profile[max(i-1, 0)], profile[i], profile[i+1], profile[min(i+2, last)]
		return u * (p1 + 0.5*f*(p2-p0+f*(2*p0-5*p1+4*p2-p3+f*(3*(p1-p2)+p3-p0))))
	}
	c.cast(sc, x, foot, half(0.15)*1.2)
	c.fill(oval(x, foot, half(0), half(0)*0.26, 0), solid(col.light(-0.16), 1))
	for y := max(int(foot-tall), 0); y < min(int(foot)+1, c.h); y++ {
		hw := half((foot - float32(y)) / tall)
		for px := max(int(x-hw-1), 0); px <= min(int(x+hw+1), c.w-1); px++ {
			q := (float32(px) + 0.5 - x) / hw
			cover := clamp((1-abs(q))*hw + 0.5)
			if cover <= 0 {
				continue
			}
			q = min(max(q, -1), 1)
			lit := 0.50 + 0.62*max(0, -q*0.72+0.69*sqrt(1-q*q))
			p := col.times(lit)
			edge := smooth(0.82, 1, q)
			p = screen(p, sc.pal.light.times(0.16*edge))
			hi := exp2((q + 0.5) * (q + 0.5) * 60)
			p = screen(p, sc.pal.light.times(gloss*0.55*hi))
			c.over(px, y, p, cover)
		}
	}
	rim := half(1)
	c.fill(oval(x, foot-tall, rim, rim*0.24, 0), solid(col.light(0.05), 1))
	c.fill(oval(x, foot-tall+rim*0.02, rim*0.84, rim*0.17, 0), solid(col.light(-0.26), 1))
}

// cast is the shadow that falls away from the light along the table.
func (c *canvas) cast(sc *scene, x, foot, r float32) {
	dark := mix(sc.pal.near, hex(0x2a1a14), 0.5)
	for i := range 6 {
		t := float32(i) / 6
		c.fill(oval(x+r*(0.5+0.55*t), foot+r*0.05*t, r*(1.05+0.4*t), r*(0.17+0.08*t), 0), solid(dark, 0.13))
	}
	c.fill(oval(x+r*0.06, foot, r*0.95, r*0.17, 0), solid(dark, 0.35))
}

// fruits lie in a row, the hind ones first.
func (c *canvas) fruits(sc *scene, x, foot, u float32, count int) {
	kinds := hexes(0xc8372d, 0xe8912c, 0x9fb43a, 0xe6bf35, 0x8e2f45)
	if len(sc.tints) > 0 {
		kinds = append([]rgb{sc.tints[0], sc.tints[0].light(0.06)}, kinds[1])
	}
	for i := count - 1; i >= 0; i-- {
		r := u * sc.in(0.066, 0.088)
		fx := x + (float32(i)-float32(count-1)/2)*u*0.125
		fy := foot - u*0.04*float32(i%2)
		c.fruit(sc, fx, fy, r, kinds[(i+int(sc.seed%5))%len(kinds)])
	}
}

func (c *canvas) fruit(sc *scene, x, foot, r float32, col rgb) {
	y := foot - r*0.95
	c.cast(sc, x, foot, r)
	n := noise(sc.next())
	c.fill(oval(x, y, r*1.03, r*0.98, 0), func(px, py int) (rgb, float32) {
		u, v := (float32(px)-x)/(r*1.03), (float32(py)-y)/(r*0.98)
		z := sqrt(max(0, 1-u*u-v*v))
		// A dimple at the top darkens where the stalk stands.
		dimple := exp2((u*u*7 + (v+0.80)*(v+0.80)*26))
		lit := max(0, -0.58*u-0.55*v+0.60*z)
		p := col.times(0.40 + 0.74*lit - 0.20*dimple)
		blush := smooth(0.40, 0.75, n.fbm(u*2+5+v*0.6, v*2+3, 3))
		p = mix(p, screen(p, hex(0x4a3a10)), blush*0.5)
		fleck := n.at(u*34, v*34)
		p = mix(p, screen(p, hex(0x303018)), smooth(0.80, 0.92, fleck)*0.4*lit)
		h := exp2(((u+0.36)*(u+0.36) + (v+0.40)*(v+0.40)) * 32)
		bounce := smooth(0.5, 1, v) * 0.10
		return screen(p, sc.pal.light.times(0.62*h*h+bounce)), 1
	})
	c.fill(stroke(x, y-r*0.80, x+r*0.03, y-r*1.05, x+r*0.16, y-r*1.22, r*0.07, r*0.045), solid(hex(0x4a3220), 1))
}

// cup stands on its saucer, with steam.
func (c *canvas) cup(sc *scene, x, foot, r float32) {
	col := sc.tint(0, []rgb{hex(0xb8382e), hex(0xefe7da), hex(0x2f5d7a), hex(0xd9a441)}[sc.n(4)])
	c.cast(sc, x, foot+r*0.05, r*1.45)
	plate := mix(hex(0xf2ebdf), col, 0.12)
	if sc.pal.dark {
		plate = plate.times(0.6)
		col = col.times(0.8)
	}
	c.fill(oval(x, foot, r*1.5, r*0.40, 0), across(plate, plate.times(0.78), x-r*1.4, 0, x+r*1.4, 0))
	c.fill(oval(x, foot-r*0.03, r*1.02, r*0.25, 0), across(plate.times(0.84), plate.times(0.95), x-r, 0, x+r, 0))
	// The handle, then the bowl over it.
	hx, hy := x+r*0.92, foot-r*0.62
	c.fill(ring(hx, hy, r*0.40, r*0.39, r*0.13), across(col.light(-0.02), col.light(-0.15), hx, hy-r*0.35, hx, hy+r*0.35))
	c.fill(oval(x, foot, r*0.60, r*0.15, 0), solid(col.light(-0.12), 1))
	c.bowl(sc, x, foot, r, col)
	for i := range 3 {
		sx := x + (float32(i)-1)*r*0.34
		k := sc.in(0.7, 1.1)
		for j := range 3 {
			c.fill((&path{}).move(sx, foot-r*1.18).cube(sx-r*0.28*k, foot-r*1.75, sx+r*0.34*k, foot-r*2.05, sx+r*0.02, foot-r*(2.6+0.3*k)).
				cube(sx+r*(0.42+0.05*float32(j))*k, foot-r*2.05, sx-r*(0.14-0.05*float32(j))*k, foot-r*1.7, sx+r*0.10, foot-r*1.18), func(_, y int) (rgb, float32) {
				t := (foot - r*1.18 - float32(y)) / (r * 1.6)
				return hex(0xffffff), 0.11 * smooth(0, 0.2, t) * (1 - smooth(0.4, 1, t))
			})
		}
	}
}

// bowl is the cup without its handle, filled.
func (c *canvas) bowl(sc *scene, x, foot, r float32, col rgb) {
	tall := r * 1.12
	for y := int(foot - tall); y < int(foot)+1; y++ {
		t := (foot - float32(y)) / tall
		hw := r * (0.50 + 0.50*pow(clamp(t), 0.40)) // a bowl on a small foot
		if t < 0.05 {
			hw = r * (0.50 + 0.50*pow(0.05, 0.40)) * (0.94 + 0.06*smooth(0, 0.05, t))
		}
		for px := max(int(x-hw-1), 0); px <= min(int(x+hw+1), c.w-1); px++ {
			q := min(max((float32(px)+0.5-x)/hw, -1), 1)
			lit := 0.52 + 0.60*max(0, -q*0.72+0.69*sqrt(1-q*q))
			hi := exp2((q + 0.55) * (q + 0.55) * 50)
			if y >= 0 && y < c.h {
				c.over(px, y, screen(col.times(lit), sc.pal.light.times(0.30*hi)), clamp((1-abs((float32(px)+0.5-x)/hw))*hw+0.5))
			}
		}
	}
	c.fill(oval(x, foot-tall, r, r*0.25, 0), across(col.light(0.08), col.light(-0.02), x-r, 0, x+r, 0))
	c.fill(oval(x, foot-tall+r*0.01, r*0.92, r*0.215, 0), solid(col.light(-0.18), 1))
	brew := hex(0x3a2014)
	if sc.any("tea") {
		brew = hex(0x9a4a18)
	}
	c.fill(oval(x, foot-tall+r*0.06, r*0.86, r*0.165, 0), across(mix(brew, hex(0xc08a54), 0.55), brew, x-r*0.8, foot-tall, x+r*0.8, foot-tall+r*0.1))
	c.fill(oval(x-r*0.22, foot-tall+r*0.04, r*0.34, r*0.06, -0.08), solid(hex(0xd9ab74), 0.35))
}

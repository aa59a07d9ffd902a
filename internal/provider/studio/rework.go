package studio

// rework lays the prompt's picture over a source: its colours enter by hue,
// its forms by soft light, so that the source stays what it is. Where a mask
// is opaque the source is kept as it was.
func rework(drawn *canvas, sc *scene, s Spec) *canvas {
	c := newCanvas(drawn.w, drawn.h)
	strength := float32(s.Strength)
	if strength <= 0 || strength > 1 {
		strength = 0.6
	}
	tone := newRamp(mix(sc.pal.near, sc.pal.sky[0], 0.35), sc.pal.far, mix(sc.pal.haze, sc.pal.accent, 0.25), mix(sc.pal.sun, sc.pal.haze, 0.3))
	for y := range c.h {
		for x := range c.w {
			q := s.Source.Pix[s.Source.PixOffset(x, y):]
			src := rgb{float32(q[0]) / 255, float32(q[1]) / 255, float32(q[2]) / 255}
			m := float32(1)
			if s.Mask != nil {
				m = 1 - float32(s.Mask.Pix[s.Mask.PixOffset(x, y)+3])/255
			}
			if m <= 0 {
				c.px[y*c.w+x] = src
				continue
			}
			l := 0.3*src[0] + 0.59*src[1] + 0.11*src[2]
			graded := mix(src, tone.at(l), 0.42*strength)
			c.px[y*c.w+x] = mix(src, softLight(graded, drawn.px[y*c.w+x], strength), m)
		}
	}
	return c
}

// softLight lightens and darkens a by b.
func softLight(a, b rgb, amount float32) rgb {
	var out rgb
	for k := range 3 {
		v, w := clamp(a[k]), clamp(b[k])
		lit := (1-2*w)*v*v + 2*w*v
		out[k] = v + (lit-v)*amount
		out[k] += (w - out[k]) * amount * 0.16
	}
	return out
}

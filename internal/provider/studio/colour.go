package studio

import "math"

// rgb is a colour with gamma, 0 to 1.
type rgb [3]float32

func hex(v uint32) rgb {
	return rgb{float32(v>>16) / 255, float32(v>>8&255) / 255, float32(v&255) / 255}
}

func mix(a, b rgb, t float32) rgb {
	return rgb{a[0] + (b[0]-a[0])*t, a[1] + (b[1]-a[1])*t, a[2] + (b[2]-a[2])*t}
}

func (a rgb) times(f float32) rgb { return rgb{a[0] * f, a[1] * f, a[2] * f} }

// screen lightens as a second projector would: it never burns out hard.
func screen(a, b rgb) rgb {
	return rgb{1 - (1-a[0])*(1-b[0]), 1 - (1-a[1])*(1-b[1]), 1 - (1-a[2])*(1-b[2])}
}

// lab is OKLab, in which a mixture of two colours looks like one.
type lab [3]float64

func (a rgb) lab() lab {
	lin := func(v float32) float64 {
		f := float64(clamp(v))
		if f <= 0.04045 {
			return f / 12.92
		}
		return math.Pow((f+0.055)/1.055, 2.4)
	}
	r, g, b := lin(a[0]), lin(a[1]), lin(a[2])
	l := math.Cbrt(0.4122214708*r + 0.5363325363*g + 0.0514459929*b)
	m := math.Cbrt(0.2119034982*r + 0.6806995451*g + 0.1073969566*b)
	s := math.Cbrt(0.0883024619*r + 0.2817188376*g + 0.6299787005*b)
	return lab{0.2104542553*l + 0.7936177850*m - 0.0040720468*s, 1.9779984951*l - 2.4285922050*m + 0.4505937099*s, 0.0259040371*l + 0.7827717662*m - 0.8086757660*s}
}

func (c lab) rgb() rgb {
	l := c[0] + 0.3963377774*c[1] + 0.2158037573*c[2]
	m := c[0] - 0.1055613458*c[1] - 0.0638541728*c[2]
	s := c[0] - 0.0894841775*c[1] - 1.2914855480*c[2]
	l, m, s = l*l*l, m*m*m, s*s*s
	gam := func(f float64) float32 {
		if f <= 0.0031308 {
			return clamp(float32(f * 12.92))
		}
		return clamp(float32(1.055*math.Pow(f, 1/2.4) - 0.055))
	}
	return rgb{gam(4.0767416621*l - 3.3077115913*m + 0.2309699292*s), gam(-1.2684380046*l + 2.6097574011*m - 0.3413193965*s), gam(-0.0041960863*l - 0.7034186147*m + 1.7076147010*s)}
}

// blend mixes in OKLab.
func blend(a, b rgb, t float32) rgb {
	x, y := a.lab(), b.lab()
	f := float64(t)
	return lab{x[0] + (y[0]-x[0])*f, x[1] + (y[1]-x[1])*f, x[2] + (y[2]-x[2])*f}.rgb()
}

// tinted turns a colour towards the hue of another and keeps its lightness.
func tinted(a, hue rgb, amount float64) rgb {
	x, h := a.lab(), hue.lab()
	have, want := math.Hypot(x[1], x[2]), math.Hypot(h[1], h[2])
	chroma := have + (max(have, want*0.75)-have)*amount
	if want < 0.02 { // grey takes colour away
		chroma = have * (1 - amount)
		return lab{x[0], x[1] * chroma / max(have, 1e-6), x[2] * chroma / max(have, 1e-6)}.rgb()
	}
	u := [2]float64{h[1] / want * chroma, h[2] / want * chroma}
	return lab{x[0], x[1] + (u[0]-x[1])*amount, x[2] + (u[1]-x[2])*amount}.rgb()
}

// lighter and darker move the lightness in OKLab.
func (a rgb) light(by float64) rgb {
	l := a.lab()
	l[0] = min(max(l[0]+by, 0), 1)
	return l.rgb()
}

// ramp is a smooth passage through colours, looked up by 0 to 1.
type ramp [512]rgb

func newRamp(stops ...rgb) *ramp {
	var r ramp
	labs := make([]lab, len(stops))
	for i, s := range stops {
		labs[i] = s.lab()
	}
	for i := range r {
		at := float64(i) / float64(len(r)-1) * float64(len(stops)-1)
		k := min(int(at), len(stops)-2)
		f := at - float64(k)
		f = f*f*(3-2*f)*0.5 + f*0.5
		a, b := labs[k], labs[k+1]
		r[i] = lab{a[0] + (b[0]-a[0])*f, a[1] + (b[1]-a[1])*f, a[2] + (b[2]-a[2])*f}.rgb()
	}
	return &r
}

func (r *ramp) at(t float32) rgb {
	f := clamp(t) * float32(len(r)-1)
	i := min(int(f), len(r)-2)
	return mix(r[i], r[i+1], f-float32(i))
}

func clamp(v float32) float32 { return min(max(v, 0), 1) }

// smooth is 0 below a, 1 above b and soft between.
func smooth(a, b, v float32) float32 {
	t := clamp((v - a) / (b - a))
	return t * t * (3 - 2*t)
}

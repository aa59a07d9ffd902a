package studio

import "math"

// dice are deterministic random numbers (splitmix64).
type dice uint64

func (d *dice) next() uint64 {
	*d += 0x9e3779b97f4a7c15
	return scramble(uint64(*d))
}

func scramble(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// f is in [0,1); in is in [a,b).
func (d *dice) f() float32              { return float32(d.next()>>40) / (1 << 24) }
func (d *dice) in(a, b float32) float32 { return a + (b-a)*d.f() }
func (d *dice) n(n int) int             { return int(d.next() % uint64(n)) }
func (d *dice) chance(p float32) bool   { return d.f() < p }

// bell is about normal, mean 0, within ±2.
func (d *dice) bell() float32 { return (d.f() + d.f() + d.f() + d.f()) - 2 }

// noise is gradient-free value noise with a smooth lattice: cheap, and good
// enough once octaves are stacked.
type noise uint32

func (n noise) cell(x, y int32) float32 {
	h := uint32(x)*0x8da6b343 ^ uint32(y)*0xd8163841 ^ uint32(n)
	h = (h ^ h>>15) * 0x2c1b3c6d
	h = (h ^ h>>12) * 0x297a2d39
	return float32((h^h>>15)>>8) / (1 << 24)
}

func floor(v float32) int32 {
	i := int32(v)
	if float32(i) > v {
		i--
	}
	return i
}

// at is in [0,1].
func (n noise) at(x, y float32) float32 {
	ix, iy := floor(x), floor(y)
	fx, fy := x-float32(ix), y-float32(iy)
	fx, fy = fx*fx*fx*(fx*(fx*6-15)+10), fy*fy*fy*(fy*(fy*6-15)+10)
	a, b := n.cell(ix, iy), n.cell(ix+1, iy)
	c, d := n.cell(ix, iy+1), n.cell(ix+1, iy+1)
	a += (b - a) * fx
	c += (d - c) * fx
	return a + (c-a)*fy
}

// fbm stacks octaves; its values gather around 0.5.
func (n noise) fbm(x, y float32, octaves int) float32 {
	var sum, norm float32
	amp := float32(0.5)
	for i := range octaves {
		sum += amp * (n+noise(i*7919)).at(x, y)
		norm += amp
		amp *= 0.5
		// Turned a little each time, so that the lattice does not show.
		x, y = x*1.6+y*1.2+3.7, y*1.6-x*1.2+1.3
	}
	return sum / norm
}

// ridged has sharp crests.
func (n noise) ridged(x, y float32, octaves int) float32 {
	var sum, norm float32
	amp, prev := float32(0.5), float32(1)
	for i := range octaves {
		v := 1 - abs(2*(n+noise(i*104729)).at(x, y)-1)
		v *= v
		sum += amp * v * prev
		norm += amp
		prev = v*0.6 + 0.4
		amp *= 0.5
		x, y = x*2.03+7.1, y*2.03+2.9
	}
	return sum / norm
}

func abs(v float32) float32 { return max(v, -v) }

func sin(v float32) float32      { return float32(math.Sin(float64(v))) }
func cos(v float32) float32      { return float32(math.Cos(float64(v))) }
func sqrt(v float32) float32     { return float32(math.Sqrt(float64(v))) }
func pow(a, b float32) float32   { return float32(math.Pow(float64(a), float64(b))) }
func atan2(y, x float32) float32 { return float32(math.Atan2(float64(y), float64(x))) }
func hypot(a, b float32) float32 { return sqrt(a*a + b*b) }

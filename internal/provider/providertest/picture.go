package providertest

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
)

// PNG is a small real picture; different shades give different bytes.
func PNG(width, height, shade int) []byte {
	p := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			p.SetRGBA(x, y, color.RGBA{uint8(x * 255 / width), uint8(y * 255 / height), uint8(40 + 60*shade), 255})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, p); err != nil {
		panic("encode a picture in memory: " + err.Error())
	}
	return b.Bytes()
}

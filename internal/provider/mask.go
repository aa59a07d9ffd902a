package provider

import (
	"bufio"
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"

	"golang.org/x/image/webp"

	"vitrine.dev/vitrine"
)

// maskPixels bounds what is decoded of a mask.
const maskPixels = 16 << 20

// dimensions reads a picture's header.
func dimensions(s Source, param string) (image.Config, error) {
	c, _, err := configure(s)
	if err != nil || c.Width <= 0 || c.Height <= 0 {
		return c, &vitrine.Error{Kind: vitrine.ErrInvalid, Param: param, Code: "bad_image", Public: "The picture cannot be read.", Err: err}
	}
	return c, nil
}

func configure(s Source) (image.Config, string, error) {
	in := bufio.NewReader(io.NewSectionReader(s, 0, s.Size))
	if s.Format == "webp" {
		c, err := webp.DecodeConfig(in)
		return c, "webp", err
	}
	return image.DecodeConfig(in)
}

// greyMask turns a mask as OpenAI's clients send it - transparent where the
// picture is to change - into what diffusion services read: white where it is to
// change, black where it stays. A mask that is opaque everywhere is one of theirs
// already and goes as it is, without its colours.
func greyMask(s Source) (Source, error) {
	c, err := dimensions(s, "mask")
	if err != nil {
		return Source{}, err
	}
	if c.Width > maskPixels/c.Height {
		return Source{}, vitrine.Invalid("mask", "image_too_large", "The mask has too many pixels.")
	}
	in := bufio.NewReader(io.NewSectionReader(s, 0, s.Size))
	decode := func() (image.Image, error) { m, _, err := image.Decode(in); return m, err }
	if s.Format == "webp" {
		decode = func() (image.Image, error) { return webp.Decode(in) }
	}
	m, err := decode()
	if err != nil {
		return Source{}, &vitrine.Error{Kind: vitrine.ErrInvalid, Param: "mask", Code: "bad_image", Public: "The mask cannot be read.", Err: err}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, greyed(m)); err != nil {
		return Source{}, fmt.Errorf("encode a mask: %w", err)
	}
	return Source{ReaderAt: bytes.NewReader(b.Bytes()), Size: int64(b.Len()), Format: "png"}, nil
}

func greyed(m image.Image) *image.Gray {
	b := m.Bounds()
	light, holes := image.NewGray(image.Rect(0, 0, b.Dx(), b.Dy())), image.NewGray(image.Rect(0, 0, b.Dx(), b.Dy()))
	opaque := true
	for y := range b.Dy() {
		for x := range b.Dx() {
			at := color.NRGBAModel.Convert(m.At(b.Min.X+x, b.Min.Y+y)).(color.NRGBA)
			i := y*light.Stride + x
			light.Pix[i] = color.GrayModel.Convert(color.NRGBA{at.R, at.G, at.B, 255}).(color.Gray).Y
			holes.Pix[i] = 255 - at.A
			opaque = opaque && at.A == 255
		}
	}
	if opaque {
		return light
	}
	return holes
}

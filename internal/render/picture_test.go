package render_test

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"testing"
)

// Pictures are built here piece by piece, so that each can be wrong in one way.

func file(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func cat(parts ...any) []byte {
	var b []byte
	for _, p := range parts {
		switch p := p.(type) {
		case []byte:
			b = append(b, p...)
		case string:
			b = append(b, p...)
		case int: // one byte
			b = append(b, byte(p))
		case uint16:
			b = binary.BigEndian.AppendUint16(b, p)
		case uint32:
			b = binary.BigEndian.AppendUint32(b, p)
		}
	}
	return b
}

const pngSignature = "\x89PNG\r\n\x1a\n"

func chunk(kind string, data ...any) []byte {
	d := cat(data...)
	body := cat(kind, d)
	return cat(uint32(len(d)), body, crc32.ChecksumIEEE(body))
}

func ihdr(width, height uint32, depth, mode, interlace int) []byte {
	return chunk("IHDR", width, height, depth, mode, 0, 0, interlace)
}

func deflate(b []byte) []byte {
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	w.Write(b)
	w.Close()
	return out.Bytes()
}

// grey is a grey PNG of 8 by 8 with further chunks before its pixels.
func grey(chunks ...[]byte) []byte {
	return cat(pngSignature, ihdr(8, 8, 8, 0, 0), bytes.Join(chunks, nil),
		chunk("IDAT", deflate(make([]byte, 8*9))), chunk("IEND"))
}

// corners is a picture of 40 by 20 whose quarters are red, green, blue, white.
func corners() *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, 40, 20))
	for y := range 20 {
		for x := range 40 {
			m.Set(x, y, [2][2]color.Color{{red, green}, {blue, white}}[y/10][x/20])
		}
	}
	return m
}

var (
	red   = color.RGBA{255, 0, 0, 255}
	green = color.RGBA{0, 255, 0, 255}
	blue  = color.RGBA{0, 0, 255, 255}
	white = color.RGBA{255, 255, 255, 255}
)

func pngOf(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func jpegOf(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// segment is one of a JPEG.
func segment(marker int, data ...any) []byte {
	d := cat(data...)
	return cat(0xff, marker, uint16(len(d)+2), d)
}

// after puts segments behind the start marker of a JPEG.
func after(b []byte, segments ...[]byte) []byte {
	return cat(b[:2], bytes.Join(segments, nil), b[2:])
}

// exif is a TIFF structure with an orientation and nothing else.
func exif(orientation int) []byte {
	return cat("MM\x00*", uint32(8), uint16(1), uint16(0x0112), uint16(3), uint32(1), uint16(uint16(orientation)), uint16(0), uint32(0))
}

// gifOf is a GIF with n red frames of 20 by 10 on a canvas of 40 by 20.
func gifOf(t testing.TB, n int) []byte {
	t.Helper()
	colours := color.Palette{red, white}
	g := gif.GIF{Config: image.Config{Width: 40, Height: 20, ColorModel: colours}}
	for range n {
		m := image.NewPaletted(image.Rect(20, 10, 40, 20), colours)
		g.Image, g.Delay = append(g.Image, m), append(g.Delay, 5)
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, &g); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// riff is a WebP of chunks.
func riff(chunks ...[]byte) []byte {
	b := cat("WEBP", bytes.Join(chunks, nil))
	return cat("RIFF", binary.LittleEndian.AppendUint32(nil, uint32(len(b))), b)
}

func webpChunk(kind string, data ...any) []byte {
	d := cat(data...)
	return cat(kind, binary.LittleEndian.AppendUint32(nil, uint32(len(d))), d, make([]byte, len(d)&1))
}

// vp8x is the head of an extended WebP.
func vp8x(flags, width, height int) []byte {
	w, h := width-1, height-1
	return webpChunk("VP8X", flags, 0, 0, 0, w&255, w>>8&255, w>>16, h&255, h>>8&255, h>>16)
}

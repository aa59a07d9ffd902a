package provider

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"image"
	_ "image/gif" // sources may be of these kinds
	"image/jpeg"
	"image/png"
	"io"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/image/draw"
	"golang.org/x/image/webp"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/provider/studio"
)

// studioProvider is the built-in generator: rules, not a model. It stands in
// for any upstream model, so that a whole installation runs without an account,
// and it tells no cost: what a picture costs is the price of the deployment.
type studioProvider struct{}

// Bounds of what studio draws and edits.
const (
	studioMin, studioMax = 64, 1536
	studioPixels         = 12 << 20 // of a source
	studioSources        = 4
	defaultSize          = "1024x1024"
)

func checkStudio(r *Request) error {
	if !slices.Contains([]string{"", "png", "jpeg"}, r.Format) {
		return vitrine.Invalid("output_format", "unsupported_format", "Studio draws png and jpeg; it has no encoder for "+strconv.Quote(r.Format)+".")
	}
	if _, _, err := studioSize(r.Size); err != nil {
		return err
	}
	if len(r.Sources) > studioSources {
		return vitrine.Invalid("image", "too_many_images", fmt.Sprintf("Studio edits at most %d pictures at once.", studioSources))
	}
	for _, s := range r.Sources {
		if s.Size > maxSource {
			return vitrine.Invalid("image", "image_too_large", "A picture to edit has to be smaller than 50 MB.")
		}
	}
	return checkMask(r)
}

func studioSize(size string) (w, h int, err error) {
	if size == "" || size == "auto" {
		size = defaultSize
	}
	a, b, ok := strings.Cut(size, "x")
	w, errW := strconv.Atoi(a)
	h, errH := strconv.Atoi(b)
	if !ok || errW != nil || errH != nil || w < studioMin || h < studioMin || w > studioMax || h > studioMax {
		return 0, 0, vitrine.Invalid("size", "invalid_size", fmt.Sprintf("Studio draws sizes from %dx%d to %dx%d.", studioMin, studioMin, studioMax, studioMax))
	}
	return w, h, nil
}

// Generate draws. The i-th picture has the i-th seed after the one asked for.
func (p studioProvider) Generate(ctx context.Context, r *Request) (*Result, error) {
	if err := Check(vitrine.Studio, r); err != nil {
		return nil, err
	}
	w, h, err := studioSize(r.Size)
	if err != nil {
		return nil, err
	}
	spec := studio.Spec{Prompt: r.Prompt.Reveal(), Width: w, Height: h, Strength: number(r.Extra["strength"])}
	if len(r.Sources) > 0 {
		if spec.Source, err = picture(r.Sources[0], "image", w, h); err != nil {
			return nil, err
		}
		if r.Mask != nil {
			if spec.Mask, err = picture(*r.Mask, "mask", w, h); err != nil {
				return nil, err
			}
		}
	}
	seed := uint64(int64(number(r.Extra["seed"])))
	res := &Result{Echo: map[string]string{"size": fmt.Sprintf("%dx%d", w, h), "output_format": cmp.Or(r.Format, "png"), "quality": cmp.Or(r.Quality, "standard"), "background": "opaque"}}
	for i := range max(r.N, 1) {
		spec.Seed = seed + uint64(i)
		if err := sketch(ctx, spec, r); err != nil {
			return nil, err
		}
		b, err := encodeStudio(ctx, spec, r)
		if err != nil {
			return nil, err
		}
		sink, err := r.Sink(i)
		if err == nil {
			_, err = sink.Write(b)
		}
		if err != nil {
			return nil, notKept(err)
		}
		res.Images = append(res.Images, Image{Size: int64(len(b)), Seed: strconv.FormatInt(int64(spec.Seed), 10)})
	}
	return res, nil
}

// sketch shows a drawing's previews: the same drawing, small.
func sketch(ctx context.Context, spec studio.Spec, r *Request) error {
	if r.Previews == 0 || r.Preview == nil || spec.Source != nil {
		return nil
	}
	w, h := spec.Width, spec.Height
	for k := range r.Previews {
		spec.Width, spec.Height = max(w>>(MaxPreviews-k), 16), max(h>>(MaxPreviews-k), 16)
		b, err := encodeStudio(ctx, spec, r)
		if err != nil {
			return err
		}
		to, whole := r.Preview()
		if to == nil {
			continue
		}
		if _, err := to.Write(b); err != nil {
			return notKept(err)
		}
		whole(k)
	}
	return nil
}

// number is a JSON number, also one written as text; else 0.
func number(raw json.RawMessage) float64 {
	text, _ := scalarText(raw)
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || v != v || v < -1<<53 || v > 1<<53 {
		return 0
	}
	return v
}

// picture decodes a source within bounds - its size is looked at first - and
// scales it to fill w × h, its middle kept.
func picture(s Source, param string, w, h int) (*image.RGBA, error) {
	bad := vitrine.Invalid(param, "bad_image", "The picture cannot be read.")
	open := func() io.Reader { return bufio.NewReader(io.NewSectionReader(s, 0, s.Size)) }
	config, decode := image.DecodeConfig, image.Decode
	if s.Format == "webp" {
		config = func(r io.Reader) (image.Config, string, error) { c, err := webp.DecodeConfig(r); return c, "webp", err }
		decode = func(r io.Reader) (image.Image, string, error) { m, err := webp.Decode(r); return m, "webp", err }
	}
	c, _, err := config(open())
	if err != nil {
		bad.Err = err
		return nil, bad
	}
	if c.Width <= 0 || c.Height <= 0 || c.Width > studioPixels/c.Height {
		return nil, vitrine.Invalid(param, "image_too_large", "The picture has too many pixels to edit.")
	}
	m, _, err := decode(open())
	if err != nil {
		bad.Err = err
		return nil, bad
	}
	b := m.Bounds()
	cut := b
	if b.Dx()*h > b.Dy()*w {
		cut.Min.X += (b.Dx() - b.Dy()*w/h) / 2
		cut.Max.X = cut.Min.X + max(b.Dy()*w/h, 1)
	} else {
		cut.Min.Y += (b.Dy() - b.Dx()*h/w) / 2
		cut.Max.Y = cut.Min.Y + max(b.Dx()*h/w, 1)
	}
	flat := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.ApproxBiLinear.Scale(flat, flat.Rect, m, cut, draw.Src, nil)
	return flat, nil
}

// easels bounds how many pictures are drawn at once: each takes a core and, at
// the largest size, some 50 MB.
var easels = make(chan struct{}, 2)

// encodeStudio draws and encodes one picture. A PNG carries what it was made
// with, as AUTOMATIC1111's do.
func encodeStudio(ctx context.Context, spec studio.Spec, r *Request) ([]byte, error) {
	select {
	case easels <- struct{}{}:
		defer func() { <-easels }()
	case <-ctx.Done():
		return nil, broken(ctx, false, ctx.Err())
	}
	if err := ctx.Err(); err != nil {
		return nil, broken(ctx, false, err)
	}
	m := studio.Draw(spec)
	var b bytes.Buffer
	if r.Format == "jpeg" {
		quality := 90
		if q := int(number(r.Extra["output_compression"])); q > 0 && q <= 100 {
			quality = q
		}
		if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: quality}); err != nil {
			return nil, fmt.Errorf("encode a drawing: %w", err)
		}
		return b.Bytes(), nil
	}
	enc := png.Encoder{CompressionLevel: png.BestSpeed}
	if err := enc.Encode(&b, m); err != nil {
		return nil, fmt.Errorf("encode a drawing: %w", err)
	}
	steps := int(number(r.Extra["num_inference_steps"]))
	if steps < 1 || steps > 1000 {
		steps = 1
	}
	text := fmt.Sprintf("%s\nSteps: %d, Sampler: rules, Seed: %d, Size: %dx%d, Model: studio, Version: not an AI model",
		strings.ReplaceAll(spec.Prompt, "\x00", ""), steps, int64(spec.Seed), spec.Width, spec.Height)
	return withText(b.Bytes(), "parameters", text), nil
}

// withText puts a text chunk behind a PNG's header. tEXt is Latin-1 by its
// standard; those who write "parameters" write UTF-8 when they need to, as
// iTXt, and so does this.
func withText(file []byte, key, text string) []byte {
	kind, data := "tEXt", key+"\x00"+text
	for i := range len(text) {
		if text[i] >= 0x80 {
			kind, data = "iTXt", key+"\x00\x00\x00\x00\x00"+text
			break
		}
	}
	const header = 8 + 25 // signature and IHDR
	var chunk bytes.Buffer
	size := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	sum := crc32.ChecksumIEEE([]byte(kind + data))
	chunk.Write(size)
	chunk.WriteString(kind + data)
	chunk.Write(binary.BigEndian.AppendUint32(nil, sum))
	return slices.Concat(file[:header], chunk.Bytes(), file[header:])
}

// Models is studio itself; whatever else it is deployed as, it draws alike.
func (studioProvider) Models(context.Context) ([]Model, error) {
	return []Model{{ID: "studio"}}, nil
}

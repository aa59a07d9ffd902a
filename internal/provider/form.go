package provider

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/textproto"
	"slices"

	"maps"

	"vitrine.dev/vitrine"
)

// OpenAI's bounds on uploads.
const (
	maxSources = 16
	maxSource  = 50<<20 - 1
	maxMask    = 4<<20 - 1
)

func checkForm(r *Request) error {
	if len(r.Sources) > maxSources {
		return vitrine.Invalid("image", "too_many_images", fmt.Sprintf("An edit takes at most %d pictures.", maxSources))
	}
	for _, s := range r.Sources {
		if s.Size > maxSource {
			return vitrine.Invalid("image", "image_too_large", "A picture to edit has to be smaller than 50 MB.")
		}
	}
	if r.Mask != nil && r.Mask.Size > maxMask {
		return vitrine.Invalid("mask", "mask_too_large", "A mask has to be smaller than 4 MB.")
	}
	return checkMask(r)
}

func checkMask(r *Request) error {
	if r.Mask != nil && len(r.Sources) == 0 {
		return vitrine.Invalid("mask", "mask_without_image", "A mask needs a picture to edit.")
	}
	return nil
}

// formBody is a multipart form that streams the pictures from where they lie.
// Its length is known, because services and proxies refuse chunked uploads.
func formBody(fields map[string]json.RawMessage, sources []Source, mask *Source) (*body, error) {
	var b bytes.Buffer
	f := &form{w: multipart.NewWriter(&b), text: &b}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		value, ok := scalarText(fields[name])
		if name == "prompt" { // bounded by whoever decided the request
			ok = json.Unmarshal(fields[name], &value) == nil
		}
		if !ok {
			return nil, fmt.Errorf("field %s: no form can hold it", name)
		}
		if err := f.w.WriteField(name, value); err != nil {
			return nil, err
		}
	}
	field := "image"
	if len(sources) > 1 {
		field = "image[]"
	}
	for i, s := range sources {
		if err := f.file(field, fmt.Sprintf("image-%d", i), s); err != nil {
			return nil, err
		}
	}
	if mask != nil {
		if err := f.file("mask", "mask", *mask); err != nil {
			return nil, err
		}
	}
	if err := f.w.Close(); err != nil {
		return nil, err
	}
	f.flush()
	return &body{io.MultiReader(f.parts...), f.w.FormDataContentType(), f.size}, nil
}

// form collects text between files.
type form struct {
	w     *multipart.Writer
	text  *bytes.Buffer
	parts []io.Reader
	size  int64
}

func (f *form) flush() {
	f.size += int64(f.text.Len())
	f.parts = append(f.parts, bytes.NewReader(bytes.Clone(f.text.Bytes())))
	f.text.Reset()
}

func (f *form) file(field, name string, s Source) error {
	kind, ext := mediaType(s.Format)
	h := textproto.MIMEHeader{}
	h.Set("Content-Disposition", fmt.Sprintf(`form-data; name="%s"; filename="%s.%s"`, field, name, ext))
	h.Set("Content-Type", kind)
	if _, err := f.w.CreatePart(h); err != nil {
		return err
	}
	f.flush()
	f.parts = append(f.parts, io.NewSectionReader(s, 0, s.Size))
	f.size += s.Size
	return nil
}

// mediaType is the type of a picture's format and the extension of its name.
func mediaType(format string) (kind, ext string) {
	switch format {
	case "jpeg", "webp", "gif":
		return "image/" + format, format
	}
	return "image/png", "png"
}

package render

import (
	"bytes"
	"strings"
)

// signatures tell what else people send, so that a refusal can name it.
var signatures = []struct {
	off  int
	is   string
	what string
}{
	{0, "%PDF", "a PDF document"},
	{0, "BM", "a BMP picture"},
	{0, "II*\x00", "a TIFF picture"},
	{0, "MM\x00*", "a TIFF picture"},
	{0, "PK\x03\x04", "a ZIP archive"},
	{0, "\x1f\x8b", "a gzip archive"},
	{0, "8BPS", "a Photoshop document"},
	{0, "\x00\x00\x01\x00", "an icon file"},
	{0, "\xff\x0a", "a JPEG XL picture"},
	{0, "\x00\x00\x00\x0cJXL ", "a JPEG XL picture"},
	{0, "\x00\x00\x00\x0cjP  ", "a JPEG 2000 picture"},
	{4, "ftypavif", "an AVIF picture"},
	{4, "ftypavis", "an AVIF animation"},
	{4, "ftyphei", "a HEIC picture"},
	{4, "ftypmif1", "a HEIF picture"},
	{4, "ftyp", "a video"},
	{0, "\x1aE\xdf\xa3", "a video"},
	{0, "\x7fELF", "a program"},
	{0, "MZ", "a program"},
	{0, "#!", "a script"},
	{0, "%!PS", "a PostScript document"},
}

// sniff is the format of what begins with head, or else what it looks like.
func sniff(head []byte) string {
	at := func(off int, s string) bool {
		return len(head) >= off && bytes.HasPrefix(head[off:], []byte(s))
	}
	switch {
	case len(head) == 0:
		return "an empty file"
	case at(0, "\x89PNG\r\n\x1a\n"):
		return "png"
	case at(0, "\xff\xd8\xff"):
		return "jpeg"
	case at(0, "RIFF") && at(8, "WEBP"):
		return "webp"
	case at(0, "GIF87a"), at(0, "GIF89a"):
		return "gif"
	}
	for _, s := range signatures {
		if at(s.off, s.is) {
			return s.what
		}
	}
	return markup(head)
}

func markup(head []byte) string {
	text := strings.ToLower(strings.TrimLeft(strings.TrimPrefix(string(head), "\ufeff"), " \t\r\n"))
	switch {
	case !strings.HasPrefix(text, "<"):
		return "something else"
	case strings.Contains(text, "<svg"):
		return "an SVG drawing"
	case strings.HasPrefix(text, "<?xml"):
		return "an XML document"
	case strings.HasPrefix(text, "<!doctype html"), strings.Contains(text, "<html"), strings.Contains(text, "<script"), strings.Contains(text, "<body"):
		return "an HTML page"
	}
	return "a text with markup"
}

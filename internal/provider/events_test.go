package provider

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

// plainEvents reads a stream as the standard says, all of it in memory.
func plainEvents(in string) (all []string) {
	in = strings.TrimPrefix(in, "\ufeff")
	in = strings.ReplaceAll(strings.ReplaceAll(in, "\r\n", "\n"), "\r", "\n")
	var lines []string
	for line := range strings.Lines(in + "\n\n") {
		line = strings.TrimSuffix(line, "\n")
		name, value, _ := strings.Cut(line, ":")
		switch {
		case line == "" && len(lines) > 0:
			all = append(all, strings.Join(lines, "\n"))
			lines = nil
		case name == "data":
			lines = append(lines, strings.TrimPrefix(value, " "))
		}
	}
	return all
}

// FuzzEvents compares the events read piece by piece with those read whole.
func FuzzEvents(f *testing.F) {
	for _, s := range []string{
		"data: {}\n\n", "event: a\r\ndata: x\r\ndata:  y\r\n\r\nid: 3\r\n\r\n", "data\n\ndata:\n\ndata: z", ": c\rdata:1\r\rdata:2\r\r\r",
		"\ufeffdata: a\n: b\ndata: c\nretry: 1\n\n", "dat: x\ndata: y\n\n", "data: a\n\n\n\ndata: b\n\n", "event\ndata:x\n\n", "data:\r\n\ndata: \r\r\n",
	} {
		f.Add(s, 1)
		f.Add(s, 7)
	}
	f.Fuzz(func(t *testing.T, in string, step int) {
		if len(in) > 4096 {
			return
		}
		e := newEvents(&stepReader{strings.NewReader(in), max(step, 1)})
		var got []string
		for {
			data, err := e.next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(data)
			if err != nil {
				t.Fatal(err)
			}
			if len(bytes.Trim(b, "\n")) > 0 {
				got = append(got, string(b))
			}
		}
		var want []string
		for _, s := range plainEvents(in) {
			if strings.Trim(s, "\n") != "" {
				want = append(want, s)
			}
		}
		// An empty line of data between others is left out: JSON does without.
		squeeze := func(all []string) string {
			return strings.Join(strings.FieldsFunc(strings.Join(all, "\n\x00\n"), func(r rune) bool { return r == '\n' }), "\n")
		}
		if squeeze(got) != squeeze(want) {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	})
}

// FuzzReadStream: whatever a service streams, no more pictures come out of it
// than were asked for, none larger than is taken, and no preview is called whole
// that was not.
func FuzzReadStream(f *testing.F) {
	for _, s := range []string{
		"event: image_generation.completed\ndata: {\"type\":\"image_generation.completed\",\"b64_json\":\"aGVsbG8=\",\"usage\":{\"total_tokens\":1}}\n\n",
		"data: {\"type\":\"image_edit.partial_image\",\"partial_image_index\":1,\"b64_json\":\"aGVsbG8=\"}\n\ndata: {\"type\":\"image_edit.completed\",\"url\":\"https://x/y\"}\n\n",
		"event: error\ndata: {\"error\":{\"message\":\"no\"}}\n\n", "data: [DONE]\n\n", "data: {\"type\":\"x.completed\",\"cost\":1,\ndata: \"b64_json\":\"data:image/png;base64,QUJD\"}\n\n",
		"data: {\"b64_json\":\"aGVsbG8=\"}\n\n", ": keep-alive\n\ndata: {\"type\":\"a.completed\",\"b64_json\":null}\n\n",
	} {
		f.Add([]byte(s), 1)
		f.Add([]byte(s), 9)
	}
	f.Fuzz(func(t *testing.T, in []byte, step int) {
		if len(in) > 8192 {
			return
		}
		var pictures [2]bytes.Buffer
		open, whole := 0, 0
		body := &watched{ReadCloser: io.NopCloser(&stepReader{bytes.NewReader(in), max(step, 1)}), idle: time.Minute, timeout: func() {}}
		a, failed, err := readStream(body, &Request{Model: "gpt-image-2", N: 2, Previews: 1,
			Sink: func(i int) (io.Writer, error) { return &pictures[i], nil },
			Preview: func() (io.Writer, func(int)) {
				open++
				return io.Discard, func(int) { whole++ }
			}}, 1000)
		if whole > open {
			t.Errorf("%d previews are whole of %d", whole, open)
		}
		if len(a.Images) > 2 || pictures[0].Len() > 1000 || pictures[1].Len() > 1000 {
			t.Errorf("%d pictures of %d and %d bytes", len(a.Images), pictures[0].Len(), pictures[1].Len())
		}
		if err == nil && failed == nil && len(a.Images) != 2 {
			t.Errorf("%d pictures are called all of two", len(a.Images))
		}
		for i, m := range a.Images {
			if m.Size != int64(pictures[i].Len()) && err == nil {
				t.Errorf("picture %d: %d bytes are called %d", i, pictures[i].Len(), m.Size)
			}
		}
	})
}

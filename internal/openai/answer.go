package openai

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"

	"vitrine.dev/vitrine/internal/gateway"
	"vitrine.dev/vitrine/internal/web"
)

// echoed are the fields in which the dialect repeats what was made.
var echoed = []string{"background", "output_format", "quality", "size"}

// answer sends what came of a generation.
func (f *Front) answer(w http.ResponseWriter, r *http.Request, a *gateway.Answer) {
	defer func() {
		if err := a.Close(); err != nil {
			f.door.Unexpected(w, r, fmt.Errorf("close an answer: %w", err))
		}
	}()
	h := w.Header()
	if a.Replayed {
		h.Set("X-Vitrine-Replay", "true")
	}
	h.Set("Content-Type", "application/json")
	h.Set("X-Vitrine-Image-Ids", ids(a))
	h.Set(web.HeaderRevision, strconv.FormatInt(a.Revision, 10))
	pieces := f.render(r, a)
	size := int64(0)
	for _, p := range pieces {
		size += p.size()
	}
	h.Set("Content-Length", strconv.FormatInt(size, 10))
	w.WriteHeader(http.StatusOK)
	out := web.NewWriter(w)
	defer out.Done()
	for _, p := range pieces {
		if err := p.write(out); err != nil {
			// The images are in the vault. Half an answer must not look whole.
			f.door.Unexpected(w, r, fmt.Errorf("send an answer: %w", err))
			panic(http.ErrAbortHandler)
		}
	}
}

// piece is text of an answer, or a picture that goes into it as base64.
type piece struct {
	text    []byte
	picture *gateway.AnswerImage
}

func (p *piece) size() int64 {
	if p.picture != nil {
		return (p.picture.Size + 2) / 3 * 4
	}
	return int64(len(p.text))
}

// run is how much of a picture is encoded at once; a multiple of 3.
const run = 48 << 10

var runs = sync.Pool{New: func() any { return new([run + run/3*4]byte) }}

func (p *piece) write(w io.Writer) error {
	if p.picture == nil {
		_, err := w.Write(p.text)
		return err
	}
	buf, ok := runs.Get().(*[run + run/3*4]byte)
	if !ok {
		buf = new([run + run/3*4]byte)
	}
	defer runs.Put(buf)
	plain, text := buf[:run], buf[run:]
	for at := int64(0); at < p.picture.Size; at += run {
		n := min(run, p.picture.Size-at)
		if k, err := p.picture.ReadAt(plain[:n], at); int64(k) < n {
			return fmt.Errorf("read image %s: %w", p.picture.ID, err)
		}
		base64.StdEncoding.Encode(text, plain[:n])
		if _, err := w.Write(text[:base64.StdEncoding.EncodedLen(int(n))]); err != nil {
			return err
		}
	}
	return nil
}

// render lays out the answer.
func (f *Front) render(r *http.Request, a *gateway.Answer) []piece {
	var all []piece
	b := appendEcho(fmt.Appendf(nil, `{"created":%d`, a.Created.Unix()), a)
	b = append(b, `,"data":[`...)
	for i := range a.Images {
		m := &a.Images[i]
		if i > 0 {
			b = append(b, ',')
		}
		if m.LinkPath != "" {
			b = appendText(append(b, `{"url":`...), f.base(r)+m.LinkPath)
		} else {
			all = append(all, piece{text: append(b, `{"b64_json":"`...)}, piece{picture: m})
			b = []byte(`"`)
		}
		if m.RevisedPrompt != "" {
			b = appendText(append(b, `,"revised_prompt":`...), m.RevisedPrompt)
		}
		b = append(b, '}')
	}
	b = appendBill(append(b, ']'), a)
	return append(all, piece{text: append(b, "}\n"...)})
}

// appendEcho repeats what was made.
func appendEcho(b []byte, a *gateway.Answer) []byte {
	for _, name := range echoed {
		if value := a.Echo[name]; value != "" {
			b = appendText(append(b, `,"`+name+`":`...), value)
		}
	}
	return b
}

// appendBill says what it cost, in tokens and in money.
func appendBill(b []byte, a *gateway.Answer) []byte {
	if len(a.Usage) > 0 {
		b = append(append(b, `,"usage":`...), oneLine(a.Usage)...)
	}
	// Dollars as a number: the text of an amount is one, exactly.
	b = append(append(b, `,"cost":`...), a.Cost.String()...)
	if a.PaymentSource != "" {
		b = appendText(append(b, `,"paymentSource":`...), a.PaymentSource)
	}
	if a.Remaining != nil {
		b = append(append(b, `,"remainingBalance":`...), a.Remaining.String()...)
	}
	return b
}

// oneLine is JSON without line breaks, which between its tokens mean nothing and
// in an event end the line.
func oneLine(raw json.RawMessage) []byte {
	return bytes.Map(func(r rune) rune {
		if r == '\n' || r == '\r' {
			return ' '
		}
		return r
	}, raw)
}

func appendText(b []byte, s string) []byte {
	quoted, err := json.Marshal(s)
	if err != nil { // a string always marshals
		panic(err)
	}
	return append(b, quoted...)
}

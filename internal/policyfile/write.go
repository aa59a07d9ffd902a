package policyfile

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"vitrine.dev/vitrine"
)

// writer writes block style YAML, two spaces a level.
type writer struct {
	lines  []string
	indent int
	dash   bool // the next line begins a list item
}

// String is all that was written.
func (w *writer) String() string { return strings.Join(w.lines, "") }

func (w *writer) line(s string) {
	pad := strings.Repeat("  ", w.indent)
	if w.dash {
		pad = pad[:len(pad)-2] + "- "
		w.dash = false
	}
	w.lines = append(w.lines, pad+s+"\n")
}

// open begins a mapping under a key; what it holds is deeper by one.
func (w *writer) open(key string) {
	w.line(quote(key) + ":")
	w.indent++
}

func (w *writer) close() { w.indent-- }

// section writes a key with what fn writes below it, or nothing where fn
// writes nothing.
func (w *writer) section(key string, fn func()) {
	before, dash := w.lines, w.dash
	w.lines, w.dash = nil, false
	w.indent++
	fn()
	w.indent--
	inside := w.lines
	w.lines, w.dash = before, dash
	if len(inside) == 0 {
		return
	}
	if w.indent == 0 && len(w.lines) > 0 {
		w.lines = append(w.lines, "\n")
	}
	w.line(quote(key) + ":")
	w.lines = append(w.lines, inside...)
}

// item writes a list item that is a mapping.
func (w *writer) item(fn func()) {
	w.indent++
	w.dash = true
	fn()
	if w.dash { // nothing was written
		w.line("{}")
	}
	w.indent--
}

func (w *writer) text(name, s string) {
	if s != "" {
		w.line(name + ": " + quote(s))
	}
}

func (w *writer) flag(name string, b bool) {
	if b {
		w.line(name + ": true")
	}
}

func (w *writer) list(name string, s []string) {
	if len(s) > 0 {
		w.flow(name, s)
	}
}

func (w *writer) flow(name string, s []string) {
	quoted := make([]string, len(s))
	for i, x := range s {
		quoted[i] = quote(x)
	}
	w.line(name + ": [" + strings.Join(quoted, ", ") + "]")
}

// quote is a YAML scalar that reads back as s: bare where nothing in it could
// mean anything else, quoted otherwise.
func quote(s string) string {
	if bare(s) {
		return s
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < 0x20 || r >= 0x7f && r < 0xa0:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r == 0x2028 || r == 0x2029 || r == 0xfeff || r == 0x85:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// bare reports whether s needs no quotes: words and numbers, with dots, dashes,
// slashes and single spaces inside.
func bare(s string) bool {
	if s == "" || strings.HasPrefix(s, " ") || strings.HasSuffix(s, " ") {
		return false
	}
	switch strings.ToLower(s) {
	case "null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf":
		return false
	}
	for i, r := range s {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !letter && (i == 0 || !strings.ContainsRune("._-/%+ @", r)) {
			return false
		}
	}
	return true
}

// count is a number as text.
func (w *writer) count(name string, n int) {
	if n != 0 {
		w.line(name + ": " + strconv.Itoa(n))
	}
}

func (w *writer) time(name string, t time.Time) {
	if !t.IsZero() {
		w.line(name + ": " + strconv.Quote(t.UTC().Format(time.RFC3339Nano)))
	}
}

// scope is a plain id, or for a deployment whose model needs encoding its
// project and model, which people can read.
func (w *writer) scope(id vitrine.ID) {
	project, model, ok := vitrine.SplitDeployment(id)
	if ok && strings.ContainsAny(string(id), "%+") {
		w.line("scope: {project: " + quote(string(project)) + ", model: " + quote(model) + "}")
		return
	}
	w.text("scope", string(id))
}

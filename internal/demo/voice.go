package demo

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// The few colours that the story uses. They add nothing to what is said.
const (
	plain  = ""
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
)

// voice writes lines that fit a terminal.
type voice struct {
	out    io.Writer
	colour bool
	width  int
}

const (
	usualWidth  = 78
	leastWidth  = 36
	largerWidth = 100
)

func newVoice(c Config) *voice {
	v := &voice{out: c.Out, colour: c.Colour, width: c.Width}
	if v.width == 0 {
		v.width = usualWidth
	}
	v.width = min(max(v.width, leastWidth), largerWidth)
	return v
}

func (v *voice) paint(colour, text string) string {
	if !v.colour || colour == plain || text == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// line writes text behind a mark, wrapped, with later lines below the first.
// What cannot be broken, such as an address, stands over the edge rather than
// being cut: it is there to be copied.
func (v *voice) line(mark, colour, text string) {
	indent := "     "
	lead := "   " + mark + strings.Repeat(" ", max(0, 2-utf8.RuneCountInString(mark)))
	for _, row := range wrap(text, v.width-len(indent)) {
		fmt.Fprintln(v.out, lead+v.paint(colour, row)) // a broken pipe ends the story by its own signal
		lead = indent
	}
}

// wrap breaks text at spaces into rows of at most width.
func wrap(text string, width int) []string {
	var rows []string
	row := ""
	for _, word := range strings.Fields(text) {
		if row != "" && utf8.RuneCountInString(row)+1+utf8.RuneCountInString(word) > width {
			rows = append(rows, row)
			row = ""
		}
		if row != "" {
			row += " "
		}
		row += word
	}
	return append(rows, row)
}

func (v *voice) blank() { fmt.Fprintln(v.out) }

func (v *voice) title(name, text string) {
	v.blank()
	for i, row := range wrap(name+" · "+text, v.width-2) {
		if rest, ok := strings.CutPrefix(row, name); ok && i == 0 {
			row = v.paint(bold, name) + rest
		}
		fmt.Fprintln(v.out, " "+row)
	}
	v.blank()
}

// scene begins a part.
func (v *voice) scene(n int, title string) {
	v.blank()
	fmt.Fprintf(v.out, " %s  %s\n", v.paint(dim, fmt.Sprint(n)), v.paint(bold, title))
}

// say tells; ask shows what is asked, got a good answer, no a refusal; aside
// adds what is worth knowing.
func (v *voice) say(format string, args ...any)   { v.line("", plain, fmt.Sprintf(format, args...)) }
func (v *voice) ask(format string, args ...any)   { v.line("→", plain, fmt.Sprintf(format, args...)) }
func (v *voice) got(format string, args ...any)   { v.line("✓", green, fmt.Sprintf(format, args...)) }
func (v *voice) no(format string, args ...any)    { v.line("✗", yellow, fmt.Sprintf(format, args...)) }
func (v *voice) bad(format string, args ...any)   { v.line("!", red, fmt.Sprintf(format, args...)) }
func (v *voice) aside(format string, args ...any) { v.line("", dim, fmt.Sprintf(format, args...)) }

// verbatim writes lines as they are, to be copied.
func (v *voice) verbatim(lines ...string) {
	for _, l := range lines {
		fmt.Fprintln(v.out, "     "+l)
	}
}

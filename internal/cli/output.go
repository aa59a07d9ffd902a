package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"vitrine.dev/vitrine"
)

// output is "table" or "json".
func output(cmd *cobra.Command) string {
	if cmd == nil {
		return "table"
	}
	if f := cmd.Flags().Lookup("output"); f != nil {
		return f.Value.String()
	}
	return "table"
}

// show prints v as JSON with --output json, else calls table on standard
// output.
func show(cmd *cobra.Command, v any, table func(io.Writer)) error {
	w := cmd.OutOrStdout()
	if output(cmd) != "json" {
		out := &failing{w: w}
		table(out)
		return out.err
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// encodeLine prints v as JSON on one line.
func encodeLine(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// failing remembers the first error of a writer, so that printing needs no
// check at each line and a full disk is still no success.
type failing struct {
	w   io.Writer
	err error
}

// Write implements io.Writer.
func (f *failing) Write(p []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	n, err := f.w.Write(p)
	f.err = err
	return n, err
}

// grid is a table: a head and rows of cells, aligned when it is printed.
type grid struct {
	head  []string
	right map[int]bool // columns of numbers
	rows  [][]string
}

func newGrid(head ...string) *grid { return &grid{head: head, right: map[int]bool{}} }

// numbers aligns columns to the right.
func (g *grid) numbers(columns ...int) *grid {
	for _, c := range columns {
		g.right[c] = true
	}
	return g
}

func (g *grid) row(cells ...string) {
	for i := range cells {
		cells[i] = clean(cells[i])
	}
	g.rows = append(g.rows, cells)
}

// print writes the table; where there is nothing to list it says so.
func (g *grid) print(w io.Writer, nothing string) {
	if len(g.rows) == 0 {
		fmt.Fprintln(w, nothing)
		return
	}
	width := make([]int, len(g.head))
	for _, row := range append([][]string{g.head}, g.rows...) {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range append([][]string{g.head}, g.rows...) {
		var b strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if g.right[i] {
				b.WriteString(pad + cell)
			} else {
				b.WriteString(cell + pad)
			}
			b.WriteString("  ")
		}
		fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
	}
}

// clean makes text safe for a terminal: names come from people, and a control
// character could rewrite what an operator sees.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == 0x2028 || r == 0x2029 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return '�'
		}
		return r
	}, s)
}

// pairs prints names with values below each other.
func pairs(w io.Writer, all ...string) {
	width := 0
	for i := 0; i < len(all); i += 2 {
		if all[i+1] != "" {
			width = max(width, utf8.RuneCountInString(all[i]))
		}
	}
	for i := 0; i < len(all); i += 2 {
		if all[i+1] != "" {
			fmt.Fprintf(w, "%-*s  %s\n", width, all[i], clean(all[i+1]))
		}
	}
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// minute is stamp for a time that is kept by the minute.
func minute(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04Z")
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func join[T ~string](all []T, sep string) string {
	s := make([]string, len(all))
	for i, x := range all {
		s[i] = string(x)
	}
	return strings.Join(s, sep)
}

func dollars(m vitrine.Micros) string { return "$" + m.String() }

func size(n int64) string {
	switch {
	case n < 0:
		return "-"
	case n < 1<<10:
		return fmt.Sprintf("%d B", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1f KB", float64(n)/(1<<10))
	case n < 1<<30:
		return fmt.Sprintf("%.1f MB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f GB", float64(n)/(1<<30))
}

// progress tells a person on a terminal how far long work is; nobody else.
type progress struct {
	w     io.Writer
	what  string
	n     int64
	shown time.Time
}

func newProgress(cmd *cobra.Command, what string) *progress {
	p := &progress{what: what}
	if f, ok := cmd.ErrOrStderr().(*os.File); ok && terminal(f) {
		p.w = f
	}
	return p
}

// Write counts bytes, so that a progress can stand in an io.MultiWriter.
func (p *progress) Write(b []byte) (int, error) {
	p.n += int64(len(b))
	p.say(size(p.n))
	return len(b), nil
}

// say tells where the work is, at most ten times a second.
func (p *progress) say(where string) {
	if time.Since(p.shown) >= 100*time.Millisecond {
		p.now(where)
	}
}

// now tells where the work is, however soon after the last time.
func (p *progress) now(where string) {
	if p.w == nil {
		return
	}
	p.shown = time.Now()
	fmt.Fprintf(p.w, "\r\x1b[K%s %s", p.what, where)
}

// done takes the line away.
func (p *progress) done() {
	if p.w != nil && !p.shown.IsZero() {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

package measure

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"
)

// Report is all that one part of the benchmark found, as it is written down.
type Report struct {
	Part    string    `json:"part"`
	Began   time.Time `json:"began"`
	Seconds float64   `json:"seconds"`
	Quick   bool      `json:"quick,omitempty"` // a short run, for whoever is changing something
	Rounds  int       `json:"rounds"`
	Machine Machine   `json:"machine"`
	Tables  []*Table  `json:"tables"`
	Budgets []Budget  `json:"budgets"`
	Curves  []*Curve  `json:"curves,omitempty"`
	Notes   []string  `json:"notes,omitempty"`
}

// Budget is what a figure is held to: at most Want, or at least Want.
type Budget struct {
	Text  string  `json:"text"`
	Unit  string  `json:"unit"`
	Got   float64 `json:"got"`
	Want  float64 `json:"want"`
	Least bool    `json:"least,omitempty"` // at least Want
}

// Met reports whether the budget is kept.
func (b Budget) Met() bool {
	if b.Least {
		return b.Got >= b.Want
	}
	return b.Got <= b.Want
}

// Curve is a plot: one quantity against another, a line for each contestant.
type Curve struct {
	Name  string  `json:"name"` // of the file
	Title string  `json:"title"`
	X     string  `json:"x"`
	Y     string  `json:"y"`
	Lines []*Line `json:"lines"`
}

// Line is the points of one contestant.
type Line struct {
	Name   string       `json:"name"`
	Role   Role         `json:"role"`
	Points [][2]float64 `json:"points"`
}

// Add adds a point to a contestant's line.
func (c *Curve) Add(name string, role Role, x, y float64) {
	for _, l := range c.Lines {
		if l.Name == name {
			l.Points = append(l.Points, [2]float64{x, y})
			return
		}
	}
	c.Lines = append(c.Lines, &Line{Name: name, Role: role, Points: [][2]float64{{x, y}}})
}

// AtMost adds a budget that a figure must not exceed.
func (r *Report) AtMost(text, unit string, got, want float64) {
	r.Budgets = append(r.Budgets, Budget{text, unit, got, want, false})
}

// AtLeast adds a budget that a figure must reach.
func (r *Report) AtLeast(text, unit string, got, want float64) {
	r.Budgets = append(r.Budgets, Budget{text, unit, got, want, true})
}

// Save writes the report into a directory, as PART.json.
func (r *Report) Save(dir string) error {
	b, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, r.Part+".json"), append(b, '\n'), 0o644)
}

// Load reads what Save wrote; nil where there is no such file.
func Load(dir, part string) (*Report, error) {
	b, err := os.ReadFile(filepath.Join(dir, part+".json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r := new(Report)
	if err := json.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("%s: %w", part, err)
	}
	return r, nil
}

// Print writes the report as text, for whoever waits for it.
func (r *Report) Print(to io.Writer) error {
	w := tabwriter.NewWriter(to, 2, 8, 2, ' ', 0)
	for _, t := range r.Tables {
		t.print(w)
	}
	if len(r.Budgets) > 0 {
		fmt.Fprintln(w, "\nBudgets\t\t\t")
	}
	for _, b := range r.Budgets {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", b.Verdict(), b.Text, Format(b.Got, b.Unit), b.Bound())
	}
	for _, n := range r.Notes {
		fmt.Fprintf(w, "note: %s\n", n)
	}
	return w.Flush()
}

func (t *Table) print(w io.Writer) {
	fmt.Fprintf(w, "\n%s\t\n", t.Title)
	head := []string{"", "× ours", "× limit"}
	for _, c := range t.Columns {
		head = append(head, c.Name)
	}
	fmt.Fprintln(w, strings.Join(head, "\t"))
	for i := range t.Rows {
		fmt.Fprintln(w, strings.Join(t.Cells(&t.Rows[i]), "\t"))
	}
}

// Cells are a row's name, its two ratios and its figures, as text.
func (t *Table) Cells(r *Row) []string {
	cells := []string{r.Name, t.ratio(r, Ours), t.ratio(r, Limit)}
	for _, c := range t.Columns {
		if v, ok := r.Median(c.Name); ok {
			cells = append(cells, Format(v, c.Unit))
		} else {
			cells = append(cells, "-")
		}
	}
	return cells
}

// ratio is how many times a row's first figure is that of the first row of a
// role.
func (t *Table) ratio(r *Row, of Role) string {
	c := t.Columns[0]
	for i := range t.Rows {
		o := &t.Rows[i]
		if o.Role != of || o.Runs[c.Name] == nil {
			continue
		}
		mine, ok := r.Median(c.Name)
		its, _ := o.Median(c.Name)
		if !ok || its == 0 {
			return "-"
		}
		return number(mine / its)
	}
	return "-"
}

// Verdict is whether the budget is kept, in a word.
func (b Budget) Verdict() string {
	if b.Met() {
		return "met"
	}
	return "missed"
}

// Bound is the budget itself, as text.
func (b Budget) Bound() string {
	if b.Least {
		return "≥ " + Format(b.Want, b.Unit)
	}
	return "≤ " + Format(b.Want, b.Unit)
}

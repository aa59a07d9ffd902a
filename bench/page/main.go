// Command page writes docs/benchmarks.md and its plots from the results that
// were kept. It measures nothing, so the page can be written again, in other
// words, without another run.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"vitrine.dev/vitrine/bench/internal/measure"
	"vitrine.dev/vitrine/bench/internal/plot"
)

func main() {
	docs := flag.String("docs", filepath.Join("..", "docs"), "directory of the page")
	flag.Parse()
	if err := run(*docs); err != nil {
		fmt.Fprintf(os.Stderr, "bench page: %v\n", err)
		os.Exit(1)
	}
}

// parts are the parts in the order of the page.
var parts = []struct{ name, title, text string }{
	{"engines", "Decisions", enginesText},
	{"gateway", "The gateway", gatewayText},
	{"log", "The log", logText},
	{"images", "Images", imagesText},
}

func run(docs string) error {
	results := filepath.Join(docs, "benchmarks")
	var reports []*measure.Report
	for _, p := range parts {
		r, err := measure.Load(results, p.name)
		if err != nil {
			return err
		}
		reports = append(reports, r) // nil where it was not run
	}
	var b bytes.Buffer
	head(&b, reports)
	for i, p := range parts {
		r := reports[i]
		fmt.Fprintf(&b, "\n## %s\n\n%s", p.title, p.text)
		if r == nil {
			b.WriteString("\nNot measured yet.\n")
			continue
		}
		for _, c := range r.Curves {
			if err := os.WriteFile(filepath.Join(results, c.Name+".svg"), plot.SVG(c), 0o644); err != nil {
				return err
			}
			fmt.Fprintf(&b, "\n![%s](benchmarks/%s.svg)\n", c.Title, c.Name)
		}
		for _, t := range r.Tables {
			table(&b, t)
		}
		for _, n := range r.Notes {
			fmt.Fprintf(&b, "\n%s\n", n)
		}
	}
	b.WriteString(notMeasured)
	return os.WriteFile(filepath.Join(docs, "benchmarks.md"), b.Bytes(), 0o644)
}

// head is what most readers want: the ratios, whether the budgets are kept, and
// on what machine.
func head(w io.Writer, reports []*measure.Report) {
	fmt.Fprint(w, intro)
	if slices.ContainsFunc(reports, func(r *measure.Report) bool { return r != nil && r.Quick }) {
		fmt.Fprint(w, quickText)
	}
	fmt.Fprint(w, "\n## Beside peers\n\n"+peersText+"\n| what | beside | times as good | ours | theirs |\n|---|---|---|---|---|\n")
	ratios(w, reports, measure.Peer)
	fmt.Fprint(w, "\n## Beside the limit\n\n"+limitText+"\n| what | limit | | ours | the limit |\n|---|---|---|---|---|\n")
	ratios(w, reports, measure.Limit)
	fmt.Fprint(w, "\n## Budgets\n\n"+budgetsText+"\n| | what | measured | budget |\n|---|---|---|---|\n")
	for _, r := range reports {
		if r != nil {
			for _, x := range r.Budgets {
				fmt.Fprintf(w, "| %s | %s | %s | %s |\n", x.Verdict(), x.Text, measure.Format(x.Got, x.Unit), x.Bound())
			}
		}
	}
	fmt.Fprint(w, "\n## Machine and method\n\n| part | when | rounds | processor | memory | kernel | Go | 4 KB written and synced |\n|---|---|---|---|---|---|---|---|\n")
	for _, r := range reports {
		if r == nil {
			continue
		}
		rounds := fmt.Sprint(r.Rounds)
		if r.Quick {
			rounds += ", short run"
		}
		m := r.Machine
		fmt.Fprintf(w, "| %s | %s | %s | %d × %s | %s | %s | %s | %s |\n", r.Part, r.Began.Format(time.DateOnly), rounds, m.Cores, m.CPU,
			measure.Format(float64(m.Memory), "bytes"), m.Kernel, m.Go, measure.Format(float64(m.Fsync), "ns"))
	}
	fmt.Fprint(w, methodText)
}

// ratios are the rows about all contestants of a role.
func ratios(w io.Writer, reports []*measure.Report, role measure.Role) {
	for _, r := range reports {
		if r == nil {
			continue
		}
		for _, t := range r.Tables {
			ratiosOf(w, t, role)
		}
	}
}

// ratiosOf compares the first of ours in a table with the others of a role, by
// the first column.
func ratiosOf(w io.Writer, t *measure.Table, role measure.Role) {
	c := t.Columns[0]
	at := slices.IndexFunc(t.Rows, func(r measure.Row) bool { return r.Role == measure.Ours })
	if at < 0 {
		return
	}
	mine, ok := t.Rows[at].Median(c.Name)
	if !ok || mine == 0 {
		return
	}
	what := t.Title + ": " + c.Name
	for i := range t.Rows {
		o := &t.Rows[i]
		its, ok := o.Median(c.Name)
		if o.Role != role || !ok || its == 0 {
			continue
		}
		fmt.Fprintf(w, "| %s | %s | **%s** | %s | %s |\n", what, o.Name, ratio(mine, its, c.More, role), measure.Format(mine, c.Unit), measure.Format(its, c.Unit))
		what = ""
	}
}

// ratio is how many times as good ours is as a peer; beside a limit, how many
// times as long it takes, or how much of it it reaches.
func ratio(mine, its float64, more bool, role measure.Role) string {
	switch {
	case role == measure.Limit && more:
		return measure.Format(100*mine/its, "%")
	case role == measure.Limit || more:
		return measure.Format(mine/its, "×")
	}
	return measure.Format(its/mine, "×")
}

func table(w io.Writer, t *measure.Table) {
	fmt.Fprintf(w, "\n### %s\n\n", t.Title)
	if t.Text != "" {
		fmt.Fprintf(w, "%s\n\n", t.Text)
	}
	head, rule := []string{""}, []string{"---"}
	for _, c := range t.Columns {
		head, rule = append(head, c.Name), append(rule, "---")
	}
	fmt.Fprintf(w, "| %s |\n|%s|\n", strings.Join(head, " | "), strings.Join(rule, "|"))
	for i := range t.Rows {
		r := &t.Rows[i]
		cells := t.Cells(r)
		name := cells[0]
		switch r.Role {
		case measure.Ours:
			name = "**" + name + "**"
		case measure.Limit:
			name = "*" + name + "*"
		}
		fmt.Fprintf(w, "| %s |\n", strings.Join(append([]string{name}, cells[3:]...), " | "))
	}
}

package rbac_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/rbac"
)

const modelDoc = "../../docs/model.md"

// TestModelDoc holds docs/model.md to what it says: its policy compiles, its
// questions are answered so, and its tables are those of the code.
func TestModelDoc(t *testing.T) {
	b, err := os.ReadFile(modelDoc)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	was := text
	text = section(t, text, "permissions", permissionTable())
	text = section(t, text, "matrix", matrixTable(t))
	policy := between(t, text, "```yaml policy\n", "```\n")
	state := "enrol alice\nenrol adam\n"
	var out strings.Builder
	for rest := text; ; {
		before, after, ok := strings.Cut(rest, "```text questions\n")
		out.WriteString(before)
		if !ok {
			break
		}
		questions, end, _ := strings.Cut(after, "```\n")
		head := "-- policy --\n" + policy + "-- state --\n" + state + "-- questions --\n"
		answered := readTable(t, modelDoc, head+questions).ask(t)
		out.WriteString("```text questions\n" + strings.TrimPrefix(answered, head) + "```\n")
		rest = end
	}
	if *update {
		if err := os.WriteFile(modelDoc, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if out.String() != was {
		t.Errorf("the tables of %s are not those of the code; run with -update", modelDoc)
	}
	for _, r := range rbac.Predefined() {
		if !strings.Contains(text, "| `"+string(r.ID)+"` | ") {
			t.Errorf("the role %s is not explained", r.ID)
		}
	}
	for _, c := range rbac.Shipped("org", false) {
		if !strings.Contains(text, "| `"+string(c.ID)+"` | ") {
			t.Errorf("the constraint %s is not explained", c.ID)
		}
	}
}

func between(t *testing.T, text, start, end string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, start)
	body, _, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no %q", modelDoc, start)
	}
	return body
}

// section puts a generated part between its marks.
func section(t *testing.T, text, name, body string) string {
	t.Helper()
	mark := "<!-- " + name + " -->\n"
	old := between(t, text, mark, "<!-- end -->")
	return strings.Replace(text, mark+old+"<!-- end -->", mark+body+"<!-- end -->", 1)
}

func permissionTable() string {
	var b strings.Builder
	b.WriteString("| permission | its holder may | risk | | with it |\n|---|---|---|---|---|\n")
	for _, i := range vitrine.Catalogue {
		var marks, with []string
		for _, m := range []struct {
			on   bool
			mark string
		}{{i.Data, "data"}, {i.People, "people"}, {i.Setup, "set-up"}} {
			if m.on {
				marks = append(marks, m.mark)
			}
		}
		for _, p := range i.Implies {
			with = append(with, "`"+string(p)+"`")
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", i.Permission, i.Text, i.Risk, strings.Join(marks, ", "), strings.Join(with, ", "))
	}
	return b.String()
}

// matrixTable is the matrix of the predefined roles, each category in a cell.
func matrixTable(t *testing.T) string {
	var b strings.Builder
	b.WriteString("| role |")
	for _, c := range vitrine.Categories {
		fmt.Fprintf(&b, " %s |", c)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(vitrine.Categories)) + "\n")
	for _, row := range installed(t).Matrix() {
		fmt.Fprintf(&b, "| `%s` |", row.Role)
		for _, c := range vitrine.Categories {
			fmt.Fprintf(&b, " %s |", levels(row.Cells[c]))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// levels says the tiers of a cell in few words.
func levels(cells map[vitrine.Tier]rbac.Level) string {
	var words []string
	for i := len(vitrine.Tiers) - 1; i >= 0; i-- {
		level := cells[vitrine.Tiers[i]]
		if level == rbac.Nothing || i < len(vitrine.Tiers)-1 && level == cells[vitrine.Tiers[i+1]] {
			continue
		}
		word := string(level)
		if tier := vitrine.Tiers[i]; tier < vitrine.Restricted {
			word += " ≤ " + tier.String()
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}

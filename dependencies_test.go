package vitrine_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"
)

// Everything that go.mod asks for itself - modules and tools - has its line in
// docs/dependencies.md, with every column filled; and no line stays behind when
// a module has gone.
func TestEveryDependencyIsExplained(t *testing.T) {
	explained := explainedDependencies(t)
	for _, path := range directDependencies(t) {
		cells, ok := explained[path]
		if !ok {
			t.Errorf("%s has no line in docs/dependencies.md", path)
			continue
		}
		delete(explained, path)
		if len(cells) != 6 {
			t.Errorf("%s: the line has %d columns; want module, for, why, tried, licence, replace", path, len(cells))
		}
		for i, cell := range cells {
			if cell == "" {
				t.Errorf("%s: column %d is empty", path, i+1)
			}
		}
	}
	for path := range explained {
		t.Errorf("docs/dependencies.md explains %s, which go.mod does not ask for", path)
	}
}

// directDependencies lists the modules that go.mod names without "indirect",
// and those that its tools come from.
func directDependencies(t *testing.T) []string {
	t.Helper()
	b, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	f, err := modfile.Parse("go.mod", b, nil)
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, r := range f.Require {
		tool := false
		for _, u := range f.Tool {
			tool = tool || strings.HasPrefix(u.Path, r.Mod.Path+"/")
		}
		if !r.Indirect || tool {
			paths = append(paths, r.Mod.Path)
		}
	}
	if len(paths) == 0 {
		t.Fatal("go.mod names no dependency; the test reads it wrongly")
	}
	return paths
}

// explainedDependencies reads the rows of the document whose first column is a
// module's path: path to columns.
func explainedDependencies(t *testing.T) map[string][]string {
	t.Helper()
	b, err := os.ReadFile("docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	module := regexp.MustCompile("^`([a-z0-9.-]+\\.[a-z]+/[^` ]+)`$")
	rows := map[string][]string{}
	for line := range strings.Lines(string(b)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		m := module.FindStringSubmatch(cells[0])
		if m == nil {
			continue
		}
		if rows[m[1]] != nil {
			t.Errorf("docs/dependencies.md explains %s twice", m[1])
		}
		rows[m[1]] = cells
	}
	return rows
}

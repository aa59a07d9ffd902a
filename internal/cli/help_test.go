package cli_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"vitrine.dev/vitrine/internal/cli"
)

// verb is the part of a command that tests of help look at.
type verb struct {
	path, short, example string
	runs                 bool
}

// verbs walks over every verb.
func verbs() []verb {
	var all []verb
	todo := cli.Root().Commands()
	for len(todo) > 0 {
		c := todo[0]
		todo = append(todo[1:], c.Commands()...)
		all = append(all, verb{c.CommandPath(), c.Short, c.Example, !c.HasSubCommands()})
	}
	return all
}

// TestEveryVerbHasHelpWithAnExample also holds that what the examples say can
// be typed: the verb is there, with these flags and this many arguments.
func TestEveryVerbHasHelpWithAnExample(t *testing.T) {
	for _, v := range verbs() {
		t.Run(v.path, func(t *testing.T) {
			if v.short == "" || strings.HasSuffix(v.short, ".") {
				t.Errorf("short help %q: want a phrase", v.short)
			}
			lines := strings.Split(strings.TrimSpace(v.example), "\n")
			if v.example == "" {
				t.Fatal("no example")
			}
			mentioned := false
			for _, l := range lines {
				mentioned = mentioned || strings.Contains(l, v.path+" ") || strings.HasSuffix(l, v.path)
				for _, problem := range cli.Current(l) {
					t.Errorf("%s: %s", strings.TrimSpace(l), problem)
				}
			}
			if v.runs && !mentioned {
				t.Errorf("no example of %s in %q", v.path, v.example)
			}
		})
	}
}

// TestFlagsHaveOneWordForTheirValue: what stands between backquotes in a flag's
// help is taken for the name of its value.
func TestFlagsHaveOneWordForTheirValue(t *testing.T) {
	words := regexp.MustCompile(`(?m)^ +(-\w, )?--[\w-]+ \S+ \S.*$`)
	todo := cli.Root().Commands()
	for len(todo) > 0 {
		c := todo[0]
		todo = append(todo[1:], c.Commands()...)
		if line := words.FindString(c.Flags().FlagUsages()); line != "" {
			t.Errorf("%s: %s", c.CommandPath(), line)
		}
	}
}

// TestDocumentsAreCurrent reads every command line in the documentation.
func TestDocumentsAreCurrent(t *testing.T) {
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	files = append(files, "../../README.md", "../../SECURITY.md", "../../CONTRIBUTING.md")
	n := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, l := range strings.Split(string(text), "\n") {
			if !strings.HasPrefix(l, "    ") {
				continue
			}
			if strings.Contains(l, "vitrine ") {
				n++
			}
			for _, problem := range cli.Current(l) {
				t.Errorf("%s:%d: %s: %s", file, i+1, strings.TrimSpace(l), problem)
			}
		}
	}
	if n < 20 {
		t.Errorf("%d command lines in the documentation: is it read at all?", n)
	}
}

// TestReadmeMapsTheSource: the map names every package, and its links lead
// somewhere.
func TestReadmeMapsTheSource(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	dirs, err := filepath.Glob("../*")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dirs {
		if !regexp.MustCompile(`(?m)^      .*\b` + filepath.Base(d) + `\b`).Match(text) {
			t.Errorf("internal/%s stands on no line of the map", filepath.Base(d))
		}
	}
	for _, m := range regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllSubmatch(text, -1) {
		if _, err := os.Stat(filepath.Join("../..", string(m[1]))); err != nil {
			t.Errorf("README links to %s: %v", m[1], err)
		}
	}
}

func TestExitStatus(t *testing.T) {
	tests := []struct {
		name string
		args []string
		want int
		says string
	}{
		{"help", []string{"--help"}, 0, ""},
		{"no such verb", []string{"imgae"}, 2, "unknown command"},
		{"no such flag", []string{"version", "--nope"}, 2, "unknown flag"},
		{"required flag missing", []string{"recover", "--data", "nowhere"}, 2, `required flag(s) "owner" not set`},
		{"wrong output", []string{"version", "-o", "yaml"}, 2, "want table or json"},
		{"too many arguments", []string{"version", "x"}, 2, "want 0 arguments, got 1"},
		{"serve takes no argument", []string{"serve", "x"}, 2, "want 0 arguments, got 1"},
		{"no key", []string{"whoami"}, 2, "no key"},
		{"no file", []string{"policy", "test", "-f", "nowhere"}, 1, "no such file"},
	}
	t.Setenv("VITRINE_KEY", "")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out, errs bytes.Buffer
			if got := cli.Run(t.Context(), tt.args, strings.NewReader(""), &out, &errs); got != tt.want || !strings.Contains(errs.String(), tt.says) {
				t.Errorf("exit %d, want %d, with %q in:\n%s", got, tt.want, tt.says, errs.String())
			}
			if got := cli.Run(t.Context(), append([]string{"--output=json"}, tt.args...), strings.NewReader(""), &out, &errs); got != tt.want {
				t.Errorf("with JSON exit %d, want %d", got, tt.want)
			}
		})
	}
}

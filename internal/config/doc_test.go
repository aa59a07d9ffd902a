package config_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"strings"
	"testing"

	"vitrine.dev/vitrine/internal/config"
)

var update = flag.Bool("update", false, "write docs/config.md and examples/vitrine.yaml")

// TestDocsAreCurrent generates docs/config.md and the sample file from the
// comments of Config; with -update it writes them.
func TestDocsAreCurrent(t *testing.T) {
	comments := comments(t)
	for path, want := range map[string]string{
		"../../docs/config.md":        markdown(comments),
		"../../examples/vitrine.yaml": sample(comments),
	} {
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != want {
			t.Errorf("%s is not what the code says (%v); run: go test ./internal/config -update", path, err)
		}
	}
}

func TestSampleIsValid(t *testing.T) {
	c, err := config.Load("../../examples/vitrine.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != config.Default().Listen {
		t.Errorf("the sample changes something: %v", c)
	}
}

func comments(t *testing.T) map[string]string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "config.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok || spec.Name.Name != "Config" {
			return true
		}
		for _, f := range spec.Type.(*ast.StructType).Fields.List {
			for _, name := range f.Names {
				if name.IsExported() && f.Doc == nil {
					t.Errorf("%s has no comment", name)
				}
				out[name.Name] = f.Doc.Text()
			}
		}
		return false
	})
	return out
}

type setting struct{ name, env, example, value, text string }

func settings(comments map[string]string) []setting {
	var all []setting
	typ, def := reflect.TypeFor[config.Config](), reflect.ValueOf(config.Default()).Elem()
	for i := range typ.NumField() {
		f := typ.Field(i)
		if !f.IsExported() {
			continue
		}
		value := strings.Trim(fmt.Sprint(def.Field(i).Interface()), "[]")
		all = append(all, setting{f.Tag.Get("yaml"), "VITRINE_" + f.Tag.Get("env"), f.Tag.Get("example"), value, strings.TrimSpace(comments[f.Name])})
	}
	return all
}

func markdown(comments map[string]string) string {
	var b strings.Builder
	b.WriteString(`# Configuration

<!-- Generated from internal/config/config.go by: go test ./internal/config -update -->

One YAML file (` + "`--config FILE` or `VITRINE_CONFIG`" + `), variables in the environment, a few
flags. A later one of these wins: default, file, environment, flag. Nothing needs to be
set. Relative paths count from where the process was started. ` + "`vitrine config check`" + ` prints
what is in force and where each value came from. A sample with every setting is
[examples/vitrine.yaml](../examples/vitrine.yaml).

| in the file | in the environment | default | meaning |
|---|---|---|---|
`)
	for _, s := range settings(comments) {
		value := "`" + s.value + "`"
		if s.value == "" {
			value = "none"
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s For example `%s`. |\n", s.name, s.env, value, strings.ReplaceAll(s.text, "\n", " "), s.example)
	}
	b.WriteString(`
The verbs that speak to a server read two more variables: ` + "`VITRINE_SERVER`" + `, the server's
URL, and ` + "`VITRINE_KEY`" + `, the key to show. Nothing else begins with ` + "`VITRINE_`" + ` and is read.
`)
	return b.String()
}

func sample(comments map[string]string) string {
	var b strings.Builder
	b.WriteString("# Every setting of Vitrine, none of them in force. Remove a # to set one.\n# vitrine serve --config vitrine.yaml\n")
	for _, s := range settings(comments) {
		fmt.Fprintf(&b, "\n# %s\n#%s: %s\n", strings.ReplaceAll(s.text, "\n", "\n# "), s.name, s.example)
	}
	return b.String()
}

package vitrine_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "vitrine.dev/vitrine"

// layers is the import rule: a package may import packages of lower layers
// only, never sideways. A package below a listed one belongs to the same floor
// and may import its parent (an implementation its interface).
var layers = [][]string{
	{""}, // the nouns
	{"internal/cond", "internal/merkle", "internal/seal", "internal/entry", "internal/render"},
	{"internal/rbac", "internal/problem", "internal/config"},
	{"internal/policyfile"},
	{"internal/store", "internal/blob", "internal/keys", "internal/provider", "client"},
	{"internal/access"},
	{"internal/audit"},
	{"internal/policy"},
	{"internal/identity", "internal/vault"},
	{"internal/gateway"},
	{"internal/backup"},
	{"internal/web"}, // what the fronts share
	{"internal/api", "internal/openai", "internal/ops"},
	{"examples"},
	{"internal/app"},
	{"internal/vitrinetest", "internal/demo"},
	{"internal/cli"},
	{"cmd/vitrine"},
}

// importers names, for dependencies that must stay in one place, the only
// packages that may import them, and why.
var importers = map[string]struct {
	only []string
	why  string
}{
	"database/sql":                        {[]string{"internal/store"}, "SQL stands only in store"},
	"modernc.org/sqlite":                  {[]string{"internal/store"}, "SQL stands only in store"},
	"github.com/jackc/pgx/v5":             {[]string{"internal/store"}, "SQL stands only in store"},
	"github.com/pressly/goose/v3":         {[]string{"internal/store"}, "SQL stands only in store"},
	"cel.dev/cel-go":                      {[]string{"internal/cond"}, "conditions have one meaning"},
	"github.com/transparency-dev/merkle":  {[]string{"internal/merkle"}, "one arithmetic of the log"},
	"golang.org/x/mod":                    {[]string{"internal/audit"}, "signed notes are audit's"},
	"github.com/minio/sio":                {[]string{"internal/seal"}, "one way to seal"},
	"github.com/minio/minio-go/v7":        {[]string{"internal/blob"}, "one way to speak to object stores"},
	"golang.org/x/image":                  {[]string{"internal/render", "internal/provider"}, "pixels are render's; studio draws"},
	"github.com/goccy/go-yaml":            {[]string{"internal/policyfile", "internal/config"}, "files are read in two places"},
	"github.com/danielgtaylor/huma/v2":    {[]string{"internal/api"}, "only the JSON API is described by it"},
	"github.com/spf13/cobra":              {[]string{"internal/cli"}, "verbs are cli's"},
	"github.com/openai/openai-go/v3":      {[]string{"internal/demo"}, "an official client to show the door with; the product does not need it"},
	"github.com/prometheus/client_golang": {[]string{"internal/ops"}, "metrics are told in one place"},
	"filippo.io/age":                      {[]string{"internal/backup"}, "backups are all that is encrypted to somebody else"},
	"golang.org/x/time":                   {[]string{"internal/gateway", "internal/web"}, "limits in the node"},
	"github.com/caarlos0/env/v11":         {[]string{"internal/config"}, "the environment is read once"},
	"github.com/rogpeppe/go-internal":     {nil, "tests only"},
	"github.com/google/go-cmp":            {nil, "tests only"},
}

// testOnly names packages that tests are made with. What is served does not
// import them.
var testOnly = map[string]string{
	"internal/rbac/reference": "the engine and what it is held against share nothing",
	"internal/rbac/rbactest":  "worlds to measure with are no part of the product",
}

const (
	maxFile = 600 // lines
	maxFunc = 100 // lines
	maxRoot = 2000
)

type source struct {
	dir, path string // relative to the module, with slashes
	test      bool
	file      *ast.File
	lines     int
	fset      *token.FileSet
}

func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != "." && (name == "testdata" || name == "node_modules" || name == "bench" || strings.HasPrefix(name, ".")) {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, path, b, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		dir := filepath.ToSlash(filepath.Dir(path))
		if dir == "." {
			dir = ""
		}
		all = append(all, source{dir, filepath.ToSlash(path), strings.HasSuffix(name, "_test.go"), f, strings.Count(string(b), "\n"), fset})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// floor is the layer of a package and the listed package that it belongs to.
func floor(dir string) (layer int, room string) {
	for i, rooms := range layers {
		for _, r := range rooms {
			if dir == r || r != "" && strings.HasPrefix(dir, r+"/") {
				return i, r
			}
		}
	}
	return -1, ""
}

func TestImportsGoDown(t *testing.T) {
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		from, room := floor(s.dir)
		if from < 0 {
			t.Errorf("%s: package %q stands in no layer; give it one in layout_test.go", s.path, s.dir)
			continue
		}
		for _, spec := range s.file.Imports {
			imp := strings.Trim(spec.Path.Value, `"`)
			checkImporter(t, s, imp)
			rest, ours := strings.CutPrefix(imp, module)
			if !ours {
				if s.dir == "" && strings.Contains(strings.Split(imp, "/")[0], ".") {
					t.Errorf("%s imports %s: the nouns import the standard library only", s.path, imp)
				}
				continue
			}
			dir := strings.TrimPrefix(rest, "/")
			if why, only := testOnly[dir]; only && s.dir != dir {
				t.Errorf("%s imports %s: only tests may (%s)", s.path, dir, why)
			}
			to, other := floor(dir)
			if to >= from && room != other {
				t.Errorf("%s imports %s: imports go down only, never up or sideways", s.path, dir)
			}
		}
	}
}

func checkImporter(t *testing.T, s source, imp string) {
	t.Helper()
	for dep, rule := range importers {
		if imp != dep && !strings.HasPrefix(imp, dep+"/") {
			continue
		}
		_, room := floor(s.dir)
		if !slices.Contains(rule.only, room) {
			t.Errorf("%s imports %s: only %v may (%s)", s.path, imp, rule.only, rule.why)
		}
	}
}

func TestEveryPackageIsExplainedOnce(t *testing.T) {
	comments := map[string][]string{}
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		if _, ok := comments[s.dir]; !ok {
			comments[s.dir] = nil
		}
		if s.file.Doc != nil {
			comments[s.dir] = append(comments[s.dir], s.path)
		}
	}
	for dir, files := range comments {
		if len(files) != 1 {
			t.Errorf("package %q has its package comment in %v; want exactly one file", dir, files)
		}
	}
}

func TestFilesAndFunctionsStaySmall(t *testing.T) {
	root := 0
	for _, s := range sources(t) {
		if s.dir == "" && !s.test {
			root += s.lines
		}
		if s.lines > maxFile {
			t.Errorf("%s has %d lines; the limit is %d: look for the missing idea", s.path, s.lines, maxFile)
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Body == nil {
				continue
			}
			if n := s.fset.Position(f.End()).Line - s.fset.Position(f.Pos()).Line + 1; n > maxFunc {
				t.Errorf("%s: %s has %d lines; the limit is %d", s.path, f.Name.Name, n, maxFunc)
			}
		}
	}
	if root > maxRoot {
		t.Errorf("the nouns have %d lines; the limit is %d: this is the place to read first", root, maxRoot)
	}
}

// A sleep in a test hides a race or wastes a minute; a panic that stands for
// unwritten code is a lie.
func TestNothingPretends(t *testing.T) {
	for _, s := range sources(t) {
		ast.Inspect(s.file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if sel, ok := call.Fun.(*ast.SelectorExpr); ok && s.test {
				if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" && sel.Sel.Name == "Sleep" {
					t.Errorf("%s sleeps; wait for what you wait for", s.fset.Position(call.Pos()))
				}
			}
			if id, ok := call.Fun.(*ast.Ident); ok && id.Name == "panic" && len(call.Args) == 1 {
				if lit, ok := call.Args[0].(*ast.BasicLit); ok && strings.Contains(lit.Value, "skeleton") {
					t.Errorf("%s is unwritten", s.fset.Position(call.Pos()))
				}
			}
			return true
		})
	}
}

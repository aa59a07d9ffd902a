package policyfile_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/policyfile"
)

const good = `
organization: {name: Acme}
projects:
  renders:
    environment: staging
    datasets:
      drafts: {category: generated, birth_tier: internal, owner: ann, retention: 90d, keep_at_least: 1d12h, restore_window: 0}
    deployments:
      hidream: {provider: studio, price: 0.01}
      black-forest/flux@dev:
        provider: studio
        price: {image: 0.04, rules: [{size: 512x512, image: 0.02}]}
        limits: {sizes: [512x512, 1024x1024], formats: png, max_n: 4}
deployments:
  - {project: renders, model: "a:b", provider: studio}
---
people:
  ann: {name: Ann, email: ann@example.com}
  bob:
groups:
  team: {members: [ann, bob]}
roles:
  - id: junior
    grants:
      - permissions: [image.open, model.generate]
        categories: all
        tiers: <= internal
        max_size: 1024x1024
      - {permissions: role.view, use: false, give: true}
bindings:
  - {role: junior, principals: [ann, bob], scope: renders, until: 2027-01-31}
  - {role: junior, principal: team, scope: {project: renders, model: "black-forest/flux@dev"}}
denies:
  quiet: {permissions: [image.export], principals: everyone, except: [ann], scope: drafts}
budgets:
  each-person: {kind: principal, each: true, window: day, limit: $2.50}
`

func TestParse(t *testing.T) {
	files, err := policyfile.Read(fstest.MapFS{
		"a/policy.yaml": {Data: []byte(good)},
		"a/more.yml":    {Data: []byte("budgets:\n  all: {kind: organization, window: month, limit: 500}\n")},
		"a/notes.txt":   {Data: []byte("not a policy")},
		".git/x.yaml":   {Data: []byte("neither")},
	})
	if err != nil {
		t.Fatal(err)
	}
	byRef := map[string]vitrine.Object{}
	for _, o := range files.Objects {
		byRef[o.Ref().String()] = o
	}
	if len(files.Objects) != 16 {
		t.Errorf("%d objects: %v", len(files.Objects), byRef)
	}
	drafts, ok := byRef["dataset/drafts"].(*vitrine.Dataset)
	if !ok || time.Duration(drafts.Retention) != 90*24*time.Hour || time.Duration(drafts.KeepAtLeast) != 36*time.Hour || drafts.RestoreWindow == nil || *drafts.RestoreWindow != 0 {
		t.Errorf("drafts: %+v", drafts)
	}
	flux, ok := byRef["deployment/renders/black-forest%2Fflux%40dev"].(*vitrine.Deployment)
	if !ok || flux.Price.Of("512x512", "") != 20_000 || flux.Price.Of("", "") != 40_000 || flux.Limits.Formats[0] != "png" {
		t.Errorf("flux: %+v", flux)
	}
	junior, ok := byRef["role/junior"].(*vitrine.Role)
	if !ok || len(junior.Grants[0].Categories) != 6 || len(junior.Grants[0].Tiers) != 2 || junior.Grants[0].MaxWidth != 1024 || !junior.Grants[1].NoUse {
		t.Errorf("junior: %+v", junior)
	}
	ann, ok := byRef["binding/"+string(policyfile.BindingID("junior", "ann", "renders"))].(*vitrine.Binding)
	if !ok || !ann.Until.Equal(time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("ann's binding: %+v in %v", ann, byRef)
	}
	if b, ok := byRef["budget/each-person"].(*vitrine.Budget); !ok || b.Subject != "*" || b.Limit != 2_500_000 {
		t.Errorf("budget: %+v", b)
	}
	if d, ok := byRef["deny/quiet"].(*vitrine.Deny); !ok || d.Principals[0] != vitrine.Everyone {
		t.Errorf("deny: %+v", d)
	}
}

func TestLocate(t *testing.T) {
	files, err := policyfile.Read(fstest.MapFS{"p.yaml": {Data: []byte(good)}}, "p.yaml")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, field, want string
		ref               vitrine.Ref
	}{
		{"object", "", "p.yaml:7:7", vitrine.Ref{Kind: vitrine.KindDataset, ID: "drafts"}},
		{"field", "owner", "p.yaml:7:66", vitrine.Ref{Kind: vitrine.KindDataset, ID: "drafts"}},
		{"field that is not written", "project", "p.yaml:7:7", vitrine.Ref{Kind: vitrine.KindDataset, ID: "drafts"}},
		{"deep", "grants[0].permissions[1]", "p.yaml:25:35", vitrine.Ref{Kind: vitrine.KindRole, ID: "junior"}},
		{"deeper than written", "grants[0].max_width", "p.yaml:25:9", vitrine.Ref{Kind: vitrine.KindRole, ID: "junior"}},
		{"binding without id", "role", "p.yaml:31:12", policyRef("junior", "bob", "renders")},
		{"deployment", "provider", "p.yaml:9:27", vitrine.Ref{Kind: vitrine.KindDeployment, ID: "renders/hidream"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			at, ok := files.Locate(tt.ref, tt.field)
			if !ok || at.String() != tt.want {
				t.Errorf("%s %s at %s (%v), want %s", tt.ref, tt.field, at, ok, tt.want)
			}
		})
	}
	if _, ok := files.Locate(vitrine.Ref{Kind: vitrine.KindRole, ID: "owner"}, ""); ok {
		t.Error("found what no file declares")
	}
}

func policyRef(role, principal, scope vitrine.ID) vitrine.Ref {
	return vitrine.Ref{Kind: vitrine.KindBinding, ID: policyfile.BindingID(role, principal, scope)}
}

func TestWrong(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"unknown section", "project:\n  x: {}", `p.yaml:1:1: unknown section "project"; did you mean "projects"?`},
		{"section of another name", "keys: {}", `p.yaml:1:1: keys are issued, not declared: vitrine key create`},
		{"unknown field", "people:\n  ann: {emial: a@b.c}", `p.yaml:2:9: unknown field "emial"; did you mean "email"?`},
		{"secret", "providers:\n  o: {kind: openai, base_url: https://x.example/v1, api_key: sk-1}", `p.yaml:2:53: api_key: secrets never stand in policy files; add them with vitrine provider add --credential-file`},
		{"secret in a URL", "providers:\n  o: {kind: openai, base_url: https://u:p@x.example}", `p.yaml:2:31: secrets never stand in policy files: leave out what stands before the @`},
		{"two with one id", "people: {ann: {}}\nservices:\n  ann: {kind: agent}", `p.yaml:3:3: there is a principal "ann" already in p.yaml:1:10`},
		{"key twice", "people:\n  ann: {}\n  ann: {}", `p.yaml:3:3: "ann" stands here twice; first in line 2`},
		{"bad id", "groups:\n  our team: {}", `p.yaml:2:3: "our team" is no id: want up to 128 letters, digits, '.', '_' and '-', first a letter or digit`},
		{"unknown permission", "roles:\n  r: {grants: [{permissions: [image.veiw], categories: all, tiers: all}]}", `p.yaml:2:31: unknown permission "image.veiw"; did you mean "image.view"?`},
		{"unknown tier", "projects:\n  p: {environment: staging, datasets: {d: {category: generated, birth_tier: secret}}}", `p.yaml:2:77: unknown tier "secret"; want public, internal, confidential, restricted`},
		{"no time", "projects:\n  p: {environment: staging, datasets: {d: {category: generated, retention: soon}}}", `p.yaml:2:76: want a time such as 15m, 72h or 90d`},
		{"a retention of nothing", "projects:\n  p: {environment: staging, datasets: {d: {category: generated, retention: 0d}}}", `p.yaml:2:76: want a time such as 15m, 72h or 90d`},
		{"a window below nothing", "projects:\n  p: {environment: staging, datasets: {d: {category: generated, restore_window: -1h}}}", `p.yaml:2:81: want a time such as 7d, or 0`},
		{"single tier", "roles:\n  r: {grants: [{permissions: [image.view], categories: all, tiers: internal}]}", `p.yaml:2:68: write "<= internal" for this tier and those below, or [internal] for this one alone`},
		{"grant that covers nothing", "roles:\n  r: {grants: [{permissions: [image.view], tiers: all}]}", `p.yaml:2:16: categories is missing: without it image.view covers nothing; say all, or which`},
		{"missing", "projects: {p: {}}", `p.yaml:1:12: environment is missing`},
		{"no value", "people: {ann: {name: }}", `p.yaml:1:16: name has no value`},
		{"list for text", "people: {ann: {name: [x]}}", `p.yaml:1:22: want text, not a list`},
		{"text for mapping", "people: {ann: hello}", `p.yaml:1:15: want a mapping with the fields of ann, not text`},
		{"no time", "bindings: [{role: r, principal: p, scope: s, until: soon}]", `p.yaml:1:53: want a day such as 2027-01-31 or an instant such as 2027-01-31T18:00:00Z`},
		{"ends before it begins", "bindings: [{role: r, principal: p, scope: s, from: 2027-02-01, until: 2027-01-01}]", `p.yaml:1:12: this binding ends before it begins`},
		{"no money", "budgets: {b: {kind: organization, window: day, limit: -3}}", `p.yaml:1:55: want dollars such as 12 or 0.04, at most six decimals`},
		{"whose budget", "budgets: {b: {kind: project, window: day, limit: 3}}", `p.yaml:1:11: subject is missing: whose spending this counts; or each: true for every project alone`},
		{"bound twice", "bindings:\n  - {role: r, principal: p, scope: s}\n  - {role: r, principal: p, scope: s}", `p.yaml:3:5: this role is bound to this principal at this scope already in p.yaml:2:5; give both an id if you mean it`},
		{"scope of a model", "bindings: [{role: r, principal: p, scope: a/b/c}]", `p.yaml:1:43: a model is written as {project: a, model: "b/c"}`},
		{"circle of roles", "roles:\n  a: {includes: [b]}\n  b: {includes: [c, a]}", `p.yaml:3:21: roles include each other in a circle: a → b → a`},
		{"circle of groups", "groups:\n  a: {members: [a]}", `p.yaml:2:17: groups hold each other in a circle: a → a`},
		{"separation of duty of one", "constraints: {c: {kind: static, sets: [{roles: [a]}], max: 2}}", `p.yaml:1:15: max is how many of the 1 sets are too many: from 2 to 1`},
		{"anchor", "people: &x {ann: {}}", `p.yaml:1:9: anchors, aliases and merge keys are not used in policy files: write out what you mean (a * needs quotes)`},
		{"tag", "people: !!map {ann: {}}", `p.yaml:1:9: tags are not used in policy files (a ! needs quotes)`},
		{"no sections", "- x", `p.yaml:1:1: want sections such as projects, roles and bindings, not a list`},
		{"disabled person", "people: {ann: {disabled: true}}", `p.yaml:1:26: whether somebody is disabled does not stand in files: vitrine principal disable`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := policyfile.Parse(fstest.MapFS{"p.yaml": {Data: []byte(tt.text)}}, "p.yaml")
			var all policyfile.Problems
			if !errors.As(err, &all) {
				t.Fatalf("error %v, want problems", err)
			}
			if err.Error() != tt.want {
				t.Errorf("got\n%s\nwant\n%s", err, tt.want)
			}
		})
	}
}

func TestEveryProblemAtOnce(t *testing.T) {
	_, err := policyfile.Parse(fstest.MapFS{
		"b.yaml": {Data: []byte("people: {ann: {emial: x}}\nteams: {}\n")},
		"a.yaml": {Data: []byte("projects:\n  p: {environment: prod}\n  q q: {}\n")},
		"c.yaml": {Data: []byte("projects: [")},
	})
	var all policyfile.Problems
	if !errors.As(err, &all) {
		t.Fatal(err)
	}
	var where []string
	for _, p := range all {
		where = append(where, policyfile.Position{File: p.File, Line: p.Line, Column: p.Column}.String())
	}
	want := "a.yaml:2:20 a.yaml:3:3 a.yaml:3:3 b.yaml:1:16 b.yaml:2:1 c.yaml:1:11"
	if got := strings.Join(where, " "); got != want {
		t.Errorf("at %s, want %s\n%v", got, want, err)
	}
}

func TestFilesThatCannotBeRead(t *testing.T) {
	tests := []struct {
		name  string
		files fstest.MapFS
		want  string
		args  []string
	}{
		{"none", fstest.MapFS{}, "no policy files", nil},
		{"missing", fstest.MapFS{}, "file does not exist", []string{"x.yaml"}},
		{"too large", fstest.MapFS{"x.yaml": {Data: make([]byte, 2<<20)}}, "at most 1048576 bytes", nil},
		{"not text", fstest.MapFS{"x.yaml": {Data: []byte("a: b\nc: \xff")}}, "x.yaml:2:1: this line is not UTF-8 text", nil},
		{"nested flow", fstest.MapFS{"x.yaml": {Data: []byte(strings.Repeat("[", 100_000))}}, "nested too deeply", nil},
		{"nested lists", fstest.MapFS{"x.yaml": {Data: []byte(strings.Repeat("- ", 100_000))}}, "nested too deeply", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := policyfile.Parse(tt.files, tt.args...); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
	if _, err := policyfile.Parse(fstest.MapFS{}, "x.yaml"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
}

// FuzzParse: no input crashes or hangs, and what is accepted survives printing.
func FuzzParse(f *testing.F) {
	f.Add(good)
	for _, s := range []string{"", "a", "? a\n: b", "- - - - x", "{[", "people: *x", "a: |\n  b", "---\n...\n", "people: {ann: {name: \"\\x41\"}}", "%YAML 1.2\n---\n{}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		objects, err := policyfile.Parse(fstest.MapFS{"p.yaml": {Data: []byte(text)}}, "p.yaml")
		if err != nil || len(objects) == 0 {
			return
		}
		files := policyfile.Print(objects)
		again, err := policyfile.Parse(asFS(files))
		if err != nil {
			t.Fatalf("printed, it is refused: %v\n%s", err, dump(files))
		}
		if a, b := lines(t, objects), lines(t, again); a != b {
			t.Fatalf("printed, it is\n%s\nnot\n%s", b, a)
		}
	})
}

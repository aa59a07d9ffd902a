package policyfile_test

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"vitrine.dev/vitrine/internal/policyfile"
)

const tabled = `
projects:
  renders:
    environment: staging
    datasets:
      drafts: {category: generated, birth_tier: internal}
      scans: {category: training}
    deployments:
      "black-forest/flux@dev:2": {provider: studio, price: 0.04}
providers: {studio: {kind: studio}}
people: {ann: {}, carol: {}, eve: {}}
roles:
  designer:
    grants:
      - {permissions: [image.open], categories: [generated], tiers: <= internal}
      - {permissions: [image.view], categories: [generated], tiers: <= confidential}
      - {permissions: [model.generate], max_size: 512x512, max_n: 2}
  viewer:
    grants:
      - {permissions: [image.view], categories: [generated], tiers: <= confidential}
bindings:
  - {role: designer, principal: ann, scope: renders, until: 2027-01-01}
  - {role: viewer, principal: carol, scope: renders}
`

func run(t *testing.T, table string) ([]policyfile.TestResult, error) {
	t.Helper()
	fsys := fstest.MapFS{"policy.yaml": {Data: []byte(tabled)}, "who/may.test.txt": {Data: []byte(table)}}
	files, err := policyfile.Read(fsys)
	if err != nil {
		t.Fatal(err)
	}
	p, err := files.Compile()
	if err != nil {
		t.Fatal(err)
	}
	return policyfile.RunTests(fsys, p)
}

// TestTableAnswers asks each question with its answer and with another one.
func TestTableAnswers(t *testing.T) {
	tests := []struct{ question, want, not string }{
		{"ann see drafts", "original", "masked"},
		{"ann see drafts confidential", "masked", "original"},
		{"ann see drafts restricted", "not found", "denied"},
		{"ann image.open drafts confidential", "denied tier", "denied no_permission"},
		{"ann image.open drafts confidential", "denied", "allow"},
		{"ann see scans", "not found", "masked"},
		{"ann see renders generated public", "original", "masked"},
		{"ann see drafts at=2027-01-01", "not found", "original"},
		{"ann see drafts at=2026-12-31T23:59:59Z", "original", "not found"},
		{"carol see drafts", "masked", "original"},
		{"carol image.view drafts", "allow", "denied"},
		{"eve see drafts", "not found no_role", "masked"},
		{"ann model.generate renders/black-forest/flux@dev:2", "allow", "denied model"},
		{"ann model.generate renders/black-forest/flux@dev:2 size=1024x512", "denied size", "allow"},
		{"ann model.generate renders/black-forest/flux@dev:2 n=3", "denied n", "allow"},
		{"eve model.generate renders/black-forest/flux@dev:2", "not found", "allow"},
		{"ann role.bind org", "not found", "allow"},
	}
	for _, tt := range tests {
		t.Run(tt.question, func(t *testing.T) {
			results, err := run(t, tt.question+" -> "+tt.want+"\n"+tt.question+" → "+tt.not+" # wrong\n")
			if err != nil {
				t.Fatal(err)
			}
			if len(results) != 2 || !results[0].OK || results[1].OK {
				t.Fatalf("%+v", results)
			}
			if r := results[1]; r.File != "who/may.test.txt" || r.Line != 2 || r.Question != tt.question || r.Want != tt.not || !strings.HasPrefix(r.Got, strings.SplitN(tt.want, " ", 2)[0]) {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestTableTime(t *testing.T) {
	results, err := run(t, "at 2026-06-01\nann see drafts -> original\n\n  at 2027-01-01T00:00:00Z # her binding has ended\nann see drafts -> not found\n")
	if err != nil || len(results) != 2 || !results[0].OK || !results[1].OK {
		t.Errorf("%+v, %v", results, err)
	}
}

func TestTableProblems(t *testing.T) {
	tests := []struct{ line, want string }{
		{"ann see drafts", "who/may.test.txt:1:1: want WHO PERMISSION WHERE ... -> ANSWER"},
		{"ann see drafts ->", "1:1: want WHO"},
		{"zoe see drafts -> original", "1:1: the policy knows no principal zoe"},
		{"ann image.opne drafts -> allow", "1:5: unknown permission image.opne; did you mean image.open?"},
		{"ann see cellar -> original", "1:9: the policy knows no project or dataset cellar"},
		{"ann model.generate renders/none -> allow", "1:20: the policy knows no model none in a project renders"},
		{"ann see drafts secret -> original", "1:16: secret: want a tier"},
		{"ann see drafts size=big -> original", "1:16: size=big: want"},
		{"ann see drafts owner= -> original", "1:16: owner=: want"},
		{"ann see renders -> original", "1:9: renders is no dataset: say a category and a tier, too"},
		{"ann see drafts -> allow", "1:19: allow: want original, masked, denied or not found"},
		{"ann image.open drafts -> masked", "1:26: masked: want allow, denied or not found"},
		{"at noon", "1:4: want an instant"},
	}
	for _, tt := range tests {
		t.Run(tt.line, func(t *testing.T) {
			results, err := run(t, tt.line+"\nann see drafts -> original\n")
			var all policyfile.Problems
			if !errors.As(err, &all) || len(all) != 1 || !strings.Contains(all.Error(), tt.want) {
				t.Errorf("got %v and %v, want %q", results, err, tt.want)
			}
		})
	}
}

func FuzzTable(f *testing.F) {
	for _, seed := range []string{"ann see drafts -> original", "at 2026-01-01\n", "a b c d=e -> not found x", "-> -> ->", "ann see drafts mfa=-9h size=1x1 at= # x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, table string) {
		fsys := fstest.MapFS{"policy.yaml": {Data: []byte(tabled)}, "x.test.txt": {Data: []byte(table)}}
		files, err := policyfile.Read(fsys)
		if err != nil {
			t.Fatal(err)
		}
		p, err := files.Compile()
		if err != nil {
			t.Fatal(err)
		}
		if results, err := policyfile.RunTests(fsys, p); err != nil && results != nil {
			t.Errorf("results beside %v", err)
		}
	})
}

package examples_test

import (
	"bytes"
	"image"
	_ "image/jpeg"
	_ "image/png"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/examples"
	"vitrine.dev/vitrine/internal/policyfile"
)

// TestPolicies compiles every example as a server would and asks its decision
// table.
func TestPolicies(t *testing.T) {
	for _, name := range examples.Names {
		t.Run(name, func(t *testing.T) {
			files, err := policyfile.Read(examples.Policy(name))
			if err != nil {
				t.Fatal(err)
			}
			p, err := files.Compile()
			if err != nil {
				t.Fatal(err)
			}
			results, err := policyfile.RunTests(examples.Policy(name), p)
			if err != nil {
				t.Fatal(err)
			}
			if len(results) < 10 {
				t.Errorf("%d questions: a policy is explained by more", len(results))
			}
			for _, r := range results {
				if !r.OK {
					t.Errorf("%s:%d: %s\n\twant %s\n\tgot  %s", r.File, r.Line, r.Question, r.Want, r.Got)
				}
			}
		})
	}
}

// TestCompanyShowsEverything: the company is what people copy from, so it has
// one of each thing that a policy may hold.
func TestCompanyShowsEverything(t *testing.T) {
	objects, err := policyfile.Parse(examples.Policy("company"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, o := range objects {
		seen[string(o.Ref().Kind)] = true
		switch o := o.(type) {
		case *vitrine.Project:
			seen[string(o.Environment)] = true
		case *vitrine.Dataset:
			seen[o.BirthTier.String()], seen[o.Category.String()] = true, true
		case *vitrine.Principal:
			seen[string(o.Kind)], seen[string(o.Service)] = true, true
		case *vitrine.Budget:
			seen["budget of "+string(o.Kind)], seen["budget a "+string(o.Window)] = true, true
		case *vitrine.Binding:
			seen["condition"] = seen["condition"] || o.Condition != ""
			seen["until"] = seen["until"] || !o.Until.IsZero()
		}
	}
	for _, want := range []string{
		"project", "dataset", "deployment", "provider", "role", "principal", "binding", "deny", "constraint", "budget",
		"experimental", "staging", "production", "public", "internal", "confidential", "restricted",
		"training", "reference", "generated", "evaluation", "user", "service", "group", "pipeline", "agent", "model", "application",
		"budget of organization", "budget of project", "budget of group", "budget of principal", "budget of key", "budget of end-user",
		"budget a day", "budget a month", "budget a total", "condition", "until",
	} {
		if !seen[want] {
			t.Errorf("the company shows no %s", want)
		}
	}
}

// TestCompanyPrices: the first rule that fits counts, so what is dear stands
// first, or it would be sold for the price of something else.
func TestCompanyPrices(t *testing.T) {
	objects, err := policyfile.Parse(examples.Policy("company"))
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(objects, func(o vitrine.Object) bool {
		d, ok := o.(*vitrine.Deployment)
		return ok && d.Model == "gpt-4o-image"
	})
	if i < 0 {
		t.Fatal("there is no gpt-4o-image")
	}
	price := objects[i].(*vitrine.Deployment).Price
	for _, tt := range []struct {
		size, quality string
		want          string
	}{
		{"1024x1024", "", "0.08"}, {"512x512", "", "0.02"}, {"512x512", "low", "0.02"},
		{"1024x1024", "high", "0.17"}, {"512x512", "high", "0.17"},
	} {
		if got := price.Of(tt.size, tt.quality).String(); got != tt.want {
			t.Errorf("%s %s costs %s, want %s", tt.size, tt.quality, got, tt.want)
		}
	}
}

func TestPictures(t *testing.T) {
	licences, err := fs.ReadFile(examples.Pictures(), "LICENCES.md")
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	err = fs.WalkDir(examples.Pictures(), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.HasSuffix(name, ".md") {
			return err
		}
		b, err := fs.ReadFile(examples.Pictures(), name)
		if err != nil {
			return err
		}
		total += len(b)
		if _, _, err := image.Decode(bytes.NewReader(b)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !bytes.Contains(licences, []byte("`"+name+"`")) {
			t.Errorf("LICENCES.md does not say where %s comes from", name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if total == 0 || total > 600<<10 {
		t.Errorf("pictures have %d bytes; they are in every binary, so at most 600 KB", total)
	}
}

// TestNamesAreAll finds a directory that was added and not named.
func TestNamesAreAll(t *testing.T) {
	dirs, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, d := range dirs {
		if d.IsDir() && d.Name() != "pictures" {
			n++
		}
	}
	if n != len(examples.Names) {
		t.Errorf("%d policies stand here and %d are named", n, len(examples.Names))
	}
}

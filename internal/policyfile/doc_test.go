package policyfile_test

import (
	"fmt"
	"os"
	"regexp"
	"testing"
	"testing/fstest"

	"vitrine.dev/vitrine/internal/policyfile"
)

// TestDocumentIsAPolicy reads the blocks of docs/policy-files.md as one policy
// and asks its table.
func TestDocumentIsAPolicy(t *testing.T) {
	text, err := os.ReadFile("../../docs/policy-files.md")
	if err != nil {
		t.Fatal(err)
	}
	fsys := fstest.MapFS{}
	for i, m := range regexp.MustCompile("(?s)```(yaml|table)\n(.*?)```").FindAllSubmatch(text, -1) {
		name := fmt.Sprintf("block-%d.yaml", i+1)
		if string(m[1]) == "table" {
			name = "block.test.txt"
		}
		fsys[name] = &fstest.MapFile{Data: m[2]}
	}
	files, err := policyfile.Read(fsys)
	if err != nil {
		t.Fatal(err)
	}
	p, err := files.Compile()
	if err != nil {
		t.Fatal(err)
	}
	results, err := policyfile.RunTests(fsys, p)
	if err != nil || len(results) < 8 {
		t.Fatalf("%d questions, %v", len(results), err)
	}
	for _, r := range results {
		if !r.OK {
			t.Errorf("%s -> %s, but it is %s", r.Question, r.Want, r.Got)
		}
	}
}

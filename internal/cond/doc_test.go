package cond_test

import (
	"os"
	"strings"
	"testing"

	"vitrine.dev/vitrine/internal/cond"
)

// Every example in the guide compiles, and the guide names every fact.
func TestGuide(t *testing.T) {
	b, err := os.ReadFile("../../docs/conditions.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := 0
	for line := range strings.Lines(string(b)) {
		text, indented := strings.CutPrefix(line, "    ")
		if !indented {
			continue
		}
		examples++
		if _, err := cond.Compile(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	if examples < 7 {
		t.Errorf("only %d examples were found", examples)
	}
	for _, name := range []string{"now", "mfa_age", "address", "key", "end_user", "principal", "scope", "category", "tier", "environment", "owner"} {
		if !strings.Contains(string(b), "| `"+name+"` |") {
			t.Errorf("the guide does not explain %s", name)
		}
	}
}

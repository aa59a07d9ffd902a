package main

import (
	"testing"

	"vitrine.dev/vitrine/internal/rbac/rbactest"
)

// TestAllEnginesAgree holds that what is compared is the same: every engine
// answers every question as the bare loop does.
func TestAllEnginesAgree(t *testing.T) {
	w := newWorld(rbactest.Small, 2_000)
	for _, c := range contestants {
		t.Run(c.name, func(t *testing.T) {
			e := c.make()
			if err := e.load(w); err != nil {
				t.Fatal(err)
			}
			if err := agree(e, w); err != nil {
				t.Error(err)
			}
			w.questions[17].Allow = !w.questions[17].Allow
			if agree(e, w) == nil {
				t.Error("a wrong answer was not noticed")
			}
			w.questions[17].Allow = !w.questions[17].Allow
		})
	}
}

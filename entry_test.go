package vitrine_test

import (
	"testing"

	"vitrine.dev/vitrine"
)

// Of several alerts of one entry none hides another.
func TestRaise(t *testing.T) {
	var e vitrine.Entry
	if e.Raised("budget_90") || e.Raised("") {
		t.Error("an alert stands in an entry that has none")
	}
	for range 2 {
		e.Raise("budget_90")
		e.Raise("budget_debt")
	}
	if e.Alert != "budget_90,budget_debt" {
		t.Errorf("Alert = %q, want both, once", e.Alert)
	}
	for alert, want := range map[string]bool{"budget_90": true, "budget_debt": true, "budget_9": false, "budget_90,budget_debt": false, "": false} {
		if got := e.Raised(alert); got != want {
			t.Errorf("Raised(%q) = %v, want %v", alert, got, want)
		}
	}
}

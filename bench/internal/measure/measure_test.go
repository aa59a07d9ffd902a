package measure_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"vitrine.dev/vitrine/bench/internal/measure"
)

func TestRoundsTakeTurns(t *testing.T) {
	var order string
	run := func(name string, v float64) measure.Contestant {
		return measure.Contestant{Name: name, Role: measure.Peer, Run: func() (measure.Sample, error) {
			order += name
			return measure.Sample{"x": v + float64(len(order))}, nil
		}}
	}
	table := &measure.Table{Name: "t", Columns: []measure.Column{{Name: "x"}}}
	if err := table.Rounds(3, run("a", 0), run("b", 100), run("c", 200)); err != nil {
		t.Fatal(err)
	}
	if want := "abc" + "abc" + "bca" + "cab"; order != want { // the first round is thrown away
		t.Errorf("got %s, want %s", order, want)
	}
	if got, want := table.Rows[0].Runs["x"], []float64{4, 9, 11}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := table.Of("a", "x"); got != 9 {
		t.Errorf("the median is %v, want 9", got)
	}
	failed := errors.New("failed")
	err := table.Rounds(1, measure.Contestant{Name: "d", Run: func() (measure.Sample, error) { return nil, failed }})
	if !errors.Is(err, failed) {
		t.Errorf("got %v, want what failed", err)
	}
}

func TestFormat(t *testing.T) {
	for _, test := range []struct {
		v    float64
		unit string
		want string
	}{
		{0, "", "0"}, {5, "", "5"}, {5.25, "", "5.25"}, {10_000, "", "10,000"}, {0.0123, "", "0.0123"},
		{91.6, "ns", "91.6 ns"}, {1234, "ns", "1.23 µs"}, {2.5e9, "ns", "2.50 s"},
		{1 << 20, "bytes", "1.00 MB"}, {21.6e6, "/s", "21.6 M/s"}, {280, "/s", "280 /s"}, {2.5, "×", "2.50 ×"},
	} {
		if got := measure.Format(test.v, test.unit); got != test.want {
			t.Errorf("Format(%v, %q) = %q, want %q", test.v, test.unit, got, test.want)
		}
	}
}

func TestBudgets(t *testing.T) {
	var r measure.Report
	r.AtMost("a", "ns", 300, 300)
	r.AtMost("b", "ns", 301, 300)
	r.AtLeast("c", "/s", 300, 300)
	r.AtLeast("d", "/s", 299, 300)
	var got string
	for _, b := range r.Budgets {
		got += fmt.Sprintf("%s %s %s; ", b.Text, b.Bound(), b.Verdict())
	}
	if want := "a ≤ 300 ns met; b ≤ 300 ns missed; c ≥ 300 /s met; d ≥ 300 /s missed; "; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestQuantile(t *testing.T) {
	all := []time.Duration{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	for q, want := range map[float64]time.Duration{0: 1, 0.5: 6, 0.99: 10, 1: 10} {
		if got := measure.Quantile(all, q); got != want {
			t.Errorf("the %v quantile is %v, want %v", q, got, want)
		}
	}
}

func TestSaveAndLoad(t *testing.T) {
	dir := t.TempDir()
	r := &measure.Report{Part: "p", Rounds: 5, Tables: []*measure.Table{{Name: "t", Rows: []measure.Row{{Name: "ours", Role: measure.Ours, Runs: map[string][]float64{"x": {1, 2}}}}}}}
	if err := r.Save(dir); err != nil {
		t.Fatal(err)
	}
	got, err := measure.Load(dir, "p")
	if err != nil || got.Tables[0].Of("ours", "x") != 1.5 {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := measure.Load(dir, "absent"); got != nil || err != nil {
		t.Errorf("got %v, %v of what is not there", got, err)
	}
}

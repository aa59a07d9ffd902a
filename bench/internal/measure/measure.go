// Package measure is what every part of the benchmark measures with: rounds
// that interleave the contestants, medians, and the report that they end in.
//
// Contestants of one table take turns within one run, so that whatever else the
// machine does meets them all. A figure is a median of rounds, and every round
// is kept in the report. It knows nothing of what is measured.
package measure

import (
	"fmt"
	"runtime"
	"slices"
)

// Role is what a contestant is in a table.
type Role string

// The roles.
const (
	Ours  Role = "ours"
	Peer  Role = "peer"
	Limit Role = "limit" // what the machine could do at best; no product
)

// Sample is what one round came to, by column.
type Sample map[string]float64

// Contestant is one row of a table.
type Contestant struct {
	Name string
	Role Role
	Run  func() (Sample, error)
}

// Column is one quantity of a table.
type Column struct {
	Name string `json:"name"`
	Unit string `json:"unit"`           // ns, /s, bytes, or "" for a count
	More bool   `json:"more,omitempty"` // more is better
}

// Table is contestants and what was measured of them. The first column is the
// one that ratios are taken of.
type Table struct {
	Name    string   `json:"name"`
	Title   string   `json:"title"`
	Text    string   `json:"text,omitempty"`
	Columns []Column `json:"columns"`
	Rows    []Row    `json:"rows"`
}

// Row is one contestant's rounds.
type Row struct {
	Name string               `json:"name"`
	Role Role                 `json:"role"`
	Runs map[string][]float64 `json:"runs"`
}

// Rounds runs all contestants n times, in turn, each round beginning with
// another one. One warm-up round is thrown away.
func (t *Table) Rounds(n int, all ...Contestant) error {
	t.Rows = make([]Row, len(all))
	for i, c := range all {
		t.Rows[i] = Row{Name: c.Name, Role: c.Role, Runs: map[string][]float64{}}
	}
	for round := -1; round < n; round++ {
		for i := range all {
			at := (i + max(round, 0)) % len(all)
			runtime.GC() // what one left behind is not the next one's to sweep
			s, err := all[at].Run()
			if err != nil {
				return fmt.Errorf("%s: %s: %w", t.Name, all[at].Name, err)
			}
			if round < 0 {
				continue
			}
			for k, v := range s {
				t.Rows[at].Runs[k] = append(t.Rows[at].Runs[k], v)
			}
		}
	}
	return nil
}

// Part is a table of some of the rows.
func (t *Table) Part(name, title string, rows ...string) *Table {
	p := &Table{Name: name, Title: title, Columns: slices.Clone(t.Columns)}
	for _, r := range rows {
		if row := t.Row(r); row != nil {
			p.Rows = append(p.Rows, *row)
		}
	}
	return p
}

// Row is the row of a contestant, or nil.
func (t *Table) Row(name string) *Row {
	i := slices.IndexFunc(t.Rows, func(r Row) bool { return r.Name == name })
	if i < 0 {
		return nil
	}
	return &t.Rows[i]
}

// Median is the median of a contestant's rounds; ok is false where there are
// none.
func (r *Row) Median(column string) (v float64, ok bool) {
	if r == nil || len(r.Runs[column]) == 0 {
		return 0, false
	}
	return Median(r.Runs[column]), true
}

// Of is the median of what a contestant had in a column, or 0.
func (t *Table) Of(name, column string) float64 {
	v, _ := t.Row(name).Median(column)
	return v
}

// Median is the middle one, or the mean of the two in the middle; of none 0.
func Median(all []float64) float64 {
	if len(all) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(all))
	if m := len(s) / 2; len(s)%2 == 1 {
		return s[m]
	} else {
		return (s[m-1] + s[m]) / 2
	}
}

// Quantile is the q-th quantile of sorted values, by the nearest rank; of none 0.
func Quantile[T any](sorted []T, q float64) T {
	var zero T
	if len(sorted) == 0 {
		return zero
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

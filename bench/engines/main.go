package main

import (
	"fmt"
	"runtime"
	"time"

	"vitrine.dev/vitrine/bench/internal/measure"
	"vitrine.dev/vitrine/internal/rbac/rbactest"
)

func main() { measure.Main("engines", run) }

// The columns.
const (
	decision  = "a decision"
	allocs    = "allocations"
	perSecond = "decisions/s, all cores"
	wall      = "load"
	cpu       = "CPU to load"
	heap      = "heap"
)

func run(o *measure.Options, r *measure.Report) error {
	for _, part := range []func(*measure.Options, *measure.Report) error{decide, cold, load, compile, lists, sizes} {
		if err := part(o, r); err != nil {
			return err
		}
		runtime.GC()
	}
	if o.Quick {
		r.Notes = append(r.Notes, "The worlds of a million are left out of a short run.")
		return nil
	}
	return million(r)
}

// spell is how long one round of one contestant takes.
func spell(o *measure.Options) time.Duration {
	if o.Quick {
		return 100 * time.Millisecond
	}
	return 300 * time.Millisecond
}

// loaded makes and loads the engines that may be asked about a world, and sees
// to it that they agree.
func loaded(w *world, from []contestant) ([]contestant, []engine, error) {
	var who []contestant
	var all []engine
	for _, c := range from {
		if c.most > 0 && len(w.Bindings) > c.most {
			continue
		}
		e := c.make()
		if err := e.load(w); err != nil {
			return nil, nil, fmt.Errorf("%s: load: %w", c.name, err)
		}
		if err := agree(e, w); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", c.name, err)
		}
		who, all = append(who, c), append(all, e)
	}
	return who, all, nil
}

// asker asks an engine's questions over and over.
func asker(e engine, w *world) func(i int) error {
	n := len(w.questions)
	return func(i int) error {
		_, err := e.ask(i % n)
		return err
	}
}

// decide is the table of all engines, on the small policy and the medium one.
func decide(o *measure.Options, r *measure.Report) error {
	ratio := map[string]float64{}
	for _, size := range []rbactest.Size{rbactest.Small, rbactest.Medium} {
		measure.Progress("decide, %s", size.Name)
		w := newWorld(size, 4096)
		t := &measure.Table{Name: "decide-" + size.Name, Title: "Decide, " + size.Name + " policy", Text: describe(size), Columns: []measure.Column{
			{Name: decision, Unit: "ns"}, {Name: allocs}, {Name: perSecond, Unit: "/s", More: true},
		}}
		who, all, err := loaded(w, contestants)
		if err != nil {
			return err
		}
		var rows []measure.Contestant
		for i, e := range all {
			rows = append(rows, measure.Contestant{Name: who[i].name, Role: who[i].role, Run: func() (measure.Sample, error) { return sample(o, asker(e, w)) }})
		}
		if err := t.Rounds(o.Rounds, rows...); err != nil {
			return err
		}
		r.Tables = append(r.Tables, t)
		bare := t.Of("bare loop over flat masks", decision)
		ratio[size.Name] = t.Of("vitrine", decision) / bare
		if size.Name != rbactest.Medium.Name {
			continue
		}
		mine := t.Of("vitrine", decision)
		r.AtMost("a decision, medium policy, against the bare loop", "×", ratio[size.Name], 2.5)
		r.AtMost("allocations of a decision", "", t.Of("vitrine", allocs), 0)
		r.AtLeast("decisions a second on all cores", "/s", t.Of("vitrine", perSecond), 8e6)
		r.AtLeast("cedar-go's best encoding takes as many times as long", "×", t.Of("cedar-go, grants as data", decision)/mine, 20)
		r.AtLeast("Casbin's cache hits take as many times as long", "×", t.Of("Casbin, cached: hits only", decision)/mine, 1)
	}
	return nil
}

func describe(s rbactest.Size) string {
	n := func(n int) string { return measure.Format(float64(n), "") }
	return fmt.Sprintf("%s users in %s groups, %s roles, %s projects, %s resources, %s bindings; half of the questions are allowed.",
		n(s.Users), n(s.Groups), n(s.Roles), n(s.Projects), n(s.Resources), n(s.Bindings+s.Own*s.Users))
}

func sample(o *measure.Options, ask func(int) error) (measure.Sample, error) {
	one, err := measure.Calls(spell(o), ask)
	if err != nil {
		return nil, err
	}
	n := min(10_000, max(10, int(float64(spell(o))/one/4)))
	made, err := measure.Allocations(n, ask)
	if err != nil {
		return nil, err
	}
	all, err := measure.Parallel(spell(o), ask)
	return measure.Sample{decision: one, allocs: made, perSecond: all}, err
}

// cold asks so many different questions that no cache holds what they need.
func cold(o *measure.Options, r *measure.Report) error {
	measure.Progress("decide, cold")
	w := newWorld(rbactest.Medium, 1<<18)
	t := &measure.Table{Name: "decide-cold", Title: "Decide, medium policy, cold", Text: "262,144 different questions, one after the other, so that what they need is in no cache.",
		Columns: []measure.Column{{Name: decision, Unit: "ns"}}}
	who, all, err := loaded(w, contestants[:3])
	if err != nil {
		return err
	}
	var rows []measure.Contestant
	for i, e := range all {
		rows = append(rows, measure.Contestant{Name: who[i].name, Role: who[i].role, Run: func() (measure.Sample, error) {
			ns, err := measure.Calls(spell(o), asker(e, w))
			return measure.Sample{decision: ns}, err
		}})
	}
	r.Tables = append(r.Tables, t)
	return t.Rounds(o.Rounds, rows...)
}

// load is what it takes each engine to take the medium policy in.
func load(o *measure.Options, r *measure.Report) error {
	measure.Progress("load")
	w := newWorld(rbactest.Medium, 16)
	t := &measure.Table{Name: "load", Title: "Take in the medium policy", Columns: []measure.Column{
		{Name: wall, Unit: "ns"}, {Name: cpu, Unit: "ns"}, {Name: heap, Unit: "bytes"},
	}}
	var rows []measure.Contestant
	for _, c := range contestants[1:] {
		if c.name == "Casbin, cached: hits only" {
			continue // loads as Casbin does
		}
		rows = append(rows, measure.Contestant{Name: c.name, Role: c.role, Run: func() (measure.Sample, error) {
			before, used, began := measure.Heap(), measure.CPU(), time.Now()
			e := c.make()
			if err := e.load(w); err != nil {
				return nil, err
			}
			s := measure.Sample{wall: float64(time.Since(began)), cpu: float64(measure.CPU() - used), heap: float64(measure.Heap() - before)}
			_, err := e.ask(0)
			return s, err
		}})
	}
	r.Tables = append(r.Tables, t)
	return t.Rounds(o.Rounds, rows...)
}

package main

import (
	"fmt"
	"runtime"
	"slices"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/bench/internal/measure"
	"vitrine.dev/vitrine/internal/rbac"
	"vitrine.dev/vitrine/internal/rbac/rbactest"
)

// compile is what it takes to make a policy, and to make the next one of it.
func compile(o *measure.Options, r *measure.Report) error {
	measure.Progress("compile, apply")
	w := newWorld(rbactest.Medium, 16)
	objects := w.Objects()
	p, err := rbac.Compile(1, objects)
	if err != nil {
		return err
	}
	const took = "time"
	t := &measure.Table{Name: "policy", Title: "Compile the medium policy, and change it", Columns: []measure.Column{{Name: took, Unit: "ns"}}}
	run := func(name string, fn func(i int) error) measure.Contestant {
		return measure.Contestant{Name: name, Role: measure.Ours, Run: func() (measure.Sample, error) {
			runtime.GC()
			ns, err := measure.Calls(spell(o), fn)
			return measure.Sample{took: ns}, err
		}}
	}
	err = t.Rounds(o.Rounds,
		run("compile", func(int) error {
			_, err := rbac.Compile(1, objects)
			return err
		}),
		run("give a binding, and decide by it", func(i int) error { return giveAndAsk(p, w, i) }),
		run("take a binding, and decide without it", func(i int) error { return takeAndAsk(p, w, i) }),
	)
	if err != nil {
		return err
	}
	r.Tables = append(r.Tables, t)
	r.AtMost("compile the medium policy", "ns", t.Of("compile", took), 300e6)
	r.AtMost("apply a change of one binding, and decide by it", "ns", t.Of("give a binding, and decide by it", took), 50e3)
	return nil
}

// giveAndAsk gives somebody a role in a new place and asks at once.
func giveAndAsk(p *rbac.Policy, w *world, i int) error {
	u, d := w.Users[i*7919%len(w.Users)], w.Resources[i*104_729%len(w.Resources)]
	next, err := p.Apply(2, []vitrine.Change{vitrine.Put(&vitrine.Binding{ID: "new", Role: "role-0", Principal: u.ID, Scope: d.Project})})
	if err != nil {
		return err
	}
	q := rbac.Question{Subject: rbac.Subject{Principal: u.ID}, Permission: vitrine.DatasetView, At: rbactest.Now,
		Resource: vitrine.Resource{Kind: vitrine.KindDataset, ID: d.ID, Scope: d.ID}}
	if d := next.Decide(&q); !d.Allow {
		return fmt.Errorf("the new binding does not count: %s", d.Code)
	}
	return nil
}

func takeAndAsk(p *rbac.Policy, w *world, i int) error {
	b := w.Bindings[i*7919%len(w.Bindings)]
	next, err := p.Apply(2, []vitrine.Change{vitrine.Delete(b.Ref())})
	if err != nil {
		return err
	}
	q := rbac.Question{Subject: rbac.Subject{Principal: w.Users[0].ID}, Permission: vitrine.DatasetView, At: rbactest.Now,
		Resource: vitrine.Resource{Kind: vitrine.KindDataset, ID: "x", Scope: b.Scope}}
	if d := next.Decide(&q); d.Binding == b.ID {
		return fmt.Errorf("the binding %s still counts", b.ID)
	}
	return nil
}

// lists are what is asked for pages: where somebody may do something.
func lists(o *measure.Options, r *measure.Report) error {
	measure.Progress("lists")
	w := newWorld(rbactest.Medium, 16)
	p, err := rbac.Compile(1, w.Objects())
	if err != nil {
		return err
	}
	bare := w.Bare()
	reader := rbac.Subject{Principal: w.Reader(bare, 584)}
	want := slices.Sorted(slices.Values(bare.Datasets(nil, reader.Principal)))
	got := slices.Sorted(slices.Values(p.Visible(&reader, vitrine.DatasetView, vitrine.KindDataset, rbactest.Now)))
	if !slices.Equal(got, want) {
		return fmt.Errorf("the list of %d datasets is not the one of %d that the bare loop has", len(got), len(want))
	}
	const took = "time"
	t := &measure.Table{Name: "lists", Title: fmt.Sprintf("List the %d datasets of %s that a user may see", len(want), measure.Format(float64(len(w.Resources)), "")),
		Columns: []measure.Column{{Name: took, Unit: "ns"}, {Name: allocs}}}
	run := func(name string, role measure.Role, fn func(i int) error) measure.Contestant {
		return measure.Contestant{Name: name, Role: role, Run: func() (measure.Sample, error) {
			ns, err := measure.Calls(spell(o), fn)
			if err != nil {
				return nil, err
			}
			made, err := measure.Allocations(100, fn)
			return measure.Sample{took: ns, allocs: made}, err
		}}
	}
	var list []vitrine.ID
	err = t.Rounds(o.Rounds,
		run("bare loop over flat masks", measure.Limit, func(int) error {
			list = bare.Datasets(list, reader.Principal)
			return nil
		}),
		run("vitrine, all ids", measure.Ours, func(int) error {
			list = p.Visible(&reader, vitrine.DatasetView, vitrine.KindDataset, rbactest.Now)
			return nil
		}),
		run("vitrine, filter for a query", measure.Ours, func(int) error {
			if f := p.Filter(&reader, vitrine.ImageView, rbactest.Now); f.Revision != p.Revision() {
				return fmt.Errorf("another revision")
			}
			return nil
		}),
	)
	if err != nil {
		return err
	}
	r.Tables = append(r.Tables, t)
	r.AtMost(fmt.Sprintf("all %d ids that a user may see out of %s", len(want), measure.Format(float64(len(w.Resources)), "")), "ns", t.Of("vitrine, all ids", took), 10e3)
	r.AtMost("filter", "ns", t.Of("vitrine, filter for a query", took), 5e3)
	return nil
}

// sizes is the curve of decisions against policy size.
func sizes(o *measure.Options, r *measure.Report) error {
	curve := &measure.Curve{Name: "decisions", Title: "Decisions a second on one core, by size of the policy", X: "bindings", Y: "decisions/s"}
	most := 400_000
	if o.Quick {
		most = 40_000
	}
	for n := 40; n <= most; n *= 10 {
		measure.Progress("decide, %d bindings", n)
		s := rbactest.Size{Name: fmt.Sprint(n), Users: max(100, n*5/2), Groups: max(20, n/8), Roles: 100, Projects: max(10, n/4), Resources: max(1000, n), Bindings: n}
		w := newWorld(s, 1024)
		who, all, err := loaded(w, contestants)
		if err != nil {
			return err
		}
		runs := make([][]float64, len(all))
		for range min(3, o.Rounds) {
			for i, e := range all {
				runtime.GC()
				ns, err := measure.Calls(spell(o), asker(e, w))
				if err != nil {
					return err
				}
				runs[i] = append(runs[i], 1e9/ns)
			}
		}
		for i, c := range who {
			curve.Add(c.name, c.role, float64(n), measure.Median(runs[i]))
		}
		runtime.GC()
	}
	r.Curves = append(r.Curves, curve)
	return nil
}

// million is the worlds of a million people: whether a decision still costs
// what it did, and what they weigh.
func million(r *measure.Report) error {
	measure.Progress("a million people")
	o := &measure.Options{Rounds: 5}
	small := r.Tables[0]
	w := newWorld(rbactest.Million, 4096)
	t := &measure.Table{Name: "decide-million", Title: "Decide, a million people", Text: describe(rbactest.Million),
		Columns: []measure.Column{{Name: decision, Unit: "ns"}, {Name: allocs}, {Name: perSecond, Unit: "/s", More: true}}}
	who, all, err := loaded(w, contestants[:2])
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
	ratio := func(t *measure.Table) float64 {
		return t.Of("vitrine", decision) / t.Of("bare loop over flat masks", decision)
	}
	r.AtMost("the ratio to the bare loop with a million people, against that with a hundred", "×", ratio(t)/ratio(small), 1)
	return crowd(r)
}

// crowd weighs a million people with ten bindings each.
func crowd(r *measure.Report) error {
	measure.Progress("a million people with ten bindings each")
	empty := measure.Heap()
	objects := rbactest.New(rbactest.Crowd).Objects()
	n, began := len(objects), time.Now()
	p, err := rbac.Compile(1, objects)
	if err != nil {
		return err
	}
	took := time.Since(began)
	objects = nil // what the policy needs of them, it has
	whole := measure.Heap() - empty
	r.Tables = append(r.Tables, &measure.Table{Name: "crowd", Title: "A million people with ten bindings each", Columns: []measure.Column{
		{Name: heap, Unit: "bytes"}, {Name: wall, Unit: "ns"},
	}, Rows: []measure.Row{{Name: "vitrine", Role: measure.Ours, Runs: map[string][]float64{wall: {float64(took)}, heap: {float64(whole)}}}}})
	r.AtMost(fmt.Sprintf("the policy of %s objects in memory: a million people with ten bindings each", measure.Format(float64(n), "")), "bytes", float64(whole), 1<<30)
	runtime.KeepAlive(p)
	return nil
}

package rbac_test

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/rbac"
	"vitrine.dev/vitrine/internal/rbac/rbactest"
)

// Figures of a machine that others use too are medians of many short runs: what
// was interrupted falls out. What is compared runs in turns.

// sizes are those to measure: with -short not the million, whose world takes a
// minute to make.
func sizes() []rbactest.Size {
	if testing.Short() {
		return []rbactest.Size{rbactest.Small, rbactest.Medium}
	}
	return []rbactest.Size{rbactest.Small, rbactest.Medium, rbactest.Million}
}

// governed is a policy of a world under the constraints that are shipped.
func governed(tb testing.TB, w *rbactest.World) *rbac.Policy {
	tb.Helper()
	objects := w.Objects()
	for _, c := range rbac.Shipped(rbactest.Organization, false) {
		objects = append(objects, c)
	}
	return compile(tb, objects)
}

// turns is how long runs of several functions take that do so in turns.
type turns struct {
	fns   []func()
	spans [][]time.Duration
}

func inTurns(fns ...func()) *turns { return &turns{fns, make([][]time.Duration, len(fns))} }

func (t *turns) run() {
	for i, fn := range t.fns {
		began := time.Now()
		fn()
		t.spans[i] = append(t.spans[i], time.Since(began))
	}
}

// median is that of a function's runs, each of n parts, in nanoseconds.
func (t *turns) median(i, n int) float64 {
	s := slices.Sorted(slices.Values(t.spans[i]))
	return float64(s[len(s)/2]) / float64(n)
}

// BenchmarkDecide asks the engine what it asks the bare loop, in turns: string
// ids in, here the whole decision out, there a bool. 4,096 questions stay in the
// caches, 262,144 do not. ×bare is the ratio of the two.
func BenchmarkDecide(b *testing.B) {
	for _, s := range sizes() {
		w := rbactest.New(s)
		p, bare := governed(b, w), w.Bare()
		for _, n := range []int{4_096, 262_144} {
			if n > s.Users*s.Resources/4 {
				continue
			}
			questions := w.Questions(n)
			b.Run(fmt.Sprintf("%s/%d", s.Name, n), func(b *testing.B) { benchmarkDecide(b, p, bare, questions) })
		}
	}
}

func benchmarkDecide(b *testing.B, p *rbac.Policy, bare *rbactest.Bare, questions []rbactest.Question) {
	const batch = 1024
	var q rbac.Question
	wrong, at := 0, 0
	next := func() []rbactest.Question {
		at = (at + batch) % len(questions)
		return questions[at : at+batch]
	}
	t := inTurns(func() {
		part := next()
		for i := range part {
			x := &part[i]
			if bare.Allows(x.User, x.Permission, x.Dataset) != x.Allow {
				wrong++
			}
		}
	}, func() {
		part := next()
		for i := range part {
			x := &part[i]
			x.Ask(&q)
			if p.Decide(&q).Allow != x.Allow {
				wrong++
			}
		}
	})
	b.ReportAllocs()
	for b.Loop() {
		t.run()
	}
	if wrong > 0 {
		b.Fatalf("%d wrong answers", wrong)
	}
	limit, ours := t.median(0, batch), t.median(1, batch)
	b.ReportMetric(0, "ns/op") // of both, and so of neither
	b.ReportMetric(limit, "ns/bare")
	b.ReportMetric(ours, "ns/decision")
	b.ReportMetric(ours/limit, "×bare")
}

// BenchmarkDecideParallel is how many decisions all processors make in a second.
func BenchmarkDecideParallel(b *testing.B) {
	w := rbactest.New(rbactest.Medium)
	p := governed(b, w)
	for _, n := range []int{4_096, 262_144} {
		questions := w.Questions(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				var q rbac.Question
				for i := 0; pb.Next(); i++ {
					questions[i&(n-1)].Ask(&q)
					p.Decide(&q)
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1e6, "M/s")
		})
	}
}

// BenchmarkDecideKinds asks one question again and again, each of another way
// to the answer.
func BenchmarkDecideKinds(b *testing.B) {
	w := rbactest.New(rbactest.Medium)
	x := reads(w)
	p := apply(b, governed(b, w),
		vitrine.Put(&vitrine.Key{ID: "k", Principal: x.User}),
		vitrine.Put(&vitrine.Principal{ID: "stranger", Kind: vitrine.User}),
		vitrine.Put(&vitrine.Binding{ID: "timed", Role: "role-0", Principal: "stranger", Scope: w.Projects[0].ID, Until: rbactest.Now.Add(time.Hour)}),
		vitrine.Put(&vitrine.Binding{ID: "if", Role: "role-0", Principal: "stranger", Scope: w.Projects[1].ID, Condition: `tier <= internal`}))
	in := func(project int) vitrine.ID {
		i := slices.IndexFunc(w.Resources, func(r rbactest.Resource) bool { return r.Project == w.Projects[project].ID })
		return w.Resources[i].ID
	}
	kinds := []struct {
		name   string
		who    vitrine.ID
		key    vitrine.ID
		perm   vitrine.Permission
		on     vitrine.ID
		allow  bool
		hidden bool
	}{
		{"allowed", x.User, "", vitrine.DatasetView, x.Dataset, true, false},
		{"allowed with a key", x.User, "k", vitrine.DatasetView, x.Dataset, true, false},
		{"allowed until", "stranger", "", vitrine.ImageView, in(0), true, false},
		{"allowed if", "stranger", "", vitrine.ImageView, in(1), true, false},
		{"denied", x.User, "", vitrine.DatasetEdit, x.Dataset, false, false},
		{"hidden", "stranger", "", vitrine.ImageOpen, x.Dataset, false, true},
		{"absent", x.User, "", vitrine.ImageOpen, "none", false, true},
	}
	for _, k := range kinds {
		b.Run(k.name, func(b *testing.B) {
			var q rbac.Question
			(&rbactest.Question{User: k.who, Permission: k.perm, Dataset: k.on, Tier: vitrine.Public}).Ask(&q)
			q.Subject.Credential, q.Subject.Key = k.key, k.key != ""
			if d := p.Decide(&q); d.Allow != k.allow || d.Hidden != k.hidden {
				b.Fatalf("got %+v", d)
			}
			b.ReportAllocs()
			for b.Loop() {
				p.Decide(&q)
			}
		})
	}
}

// reads is a question about a dataset that somebody may see.
func reads(w *rbactest.World) rbactest.Question {
	for _, q := range w.Questions(256) {
		if q.Allow && q.Permission == vitrine.DatasetView {
			return q
		}
	}
	return rbactest.Question{}
}

// listed is how many datasets the user may see whose lists are measured.
const listed = 584

// BenchmarkList lists all that a user may see of the datasets, and the filter
// for images, beside the bare loop's list.
func BenchmarkList(b *testing.B) {
	for _, s := range sizes()[1:] {
		w := rbactest.New(s)
		p, bare := governed(b, w), w.Bare()
		who := rbac.Subject{Principal: w.Reader(bare, listed)}
		ways := []struct {
			name string
			ids  func() int
		}{
			{"bare", func() int { return len(bare.Datasets(nil, who.Principal)) }},
			{"visible", func() int { return len(p.Visible(&who, vitrine.DatasetView, vitrine.KindDataset, rbactest.Now)) }},
			{"filter", func() int { return len(p.Filter(&who, vitrine.ImageView, rbactest.Now).Sets) }},
		}
		for _, way := range ways {
			b.Run(s.Name+"/"+way.name, func(b *testing.B) {
				n := 0
				t := inTurns(func() { n = way.ids() })
				b.ReportAllocs()
				for b.Loop() {
					t.run()
				}
				b.ReportMetric(t.median(0, 1), "ns/median")
				b.ReportMetric(float64(n), "listed")
			})
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	for _, s := range sizes() {
		objects := rbactest.New(s).Objects()
		b.Run(s.Name, func(b *testing.B) {
			t := inTurns(func() { compile(b, objects) })
			b.ReportAllocs()
			for b.Loop() {
				t.run()
			}
			b.ReportMetric(t.median(0, 1)/1e6, "ms/median")
		})
	}
}

// BenchmarkApply makes the next policy of a change: the time until the next
// decision sees it. admit asks all that stands before it too, under the shipped
// constraints.
func BenchmarkApply(b *testing.B) {
	for _, s := range sizes() {
		w := rbactest.New(s)
		p := governed(b, w)
		by := &rbac.Subject{Principal: "owner-alice"}
		for _, c := range edits(w) {
			set := &vitrine.ChangeSet{Changes: []vitrine.Change{c.change}}
			ways := map[string]func() error{
				"apply": func() error { _, err := p.Apply(8, set.Changes); return err },
				"admit": func() error { _, _, err := p.Admit(by, rbactest.Now, set); return err },
			}
			for name, way := range ways {
				b.Run(s.Name+"/"+c.name+"/"+name, func(b *testing.B) {
					t := inTurns(func() {
						if err := way(); err != nil {
							b.Fatal(err)
						}
					})
					b.ReportAllocs()
					for b.Loop() {
						t.run()
					}
					b.ReportMetric(t.median(0, 1)/1e3, "µs/median")
				})
			}
		}
	}
}

// edit is a change of one thing.
type edit struct {
	name   string
	change vitrine.Change
}

func edits(w *rbactest.World) []edit {
	project, team := w.Projects[1].ID, w.Groups[len(w.Groups)-1]
	off := *w.Users[1]
	off.Disabled = true
	less := *team
	less.Members = team.Members[1:]
	return []edit{
		{"bind a user", vitrine.Put(&vitrine.Binding{ID: "new", Role: "role-0", Principal: w.Users[1].ID, Scope: project})},
		{"bind a team", vitrine.Put(&vitrine.Binding{ID: "new", Role: "role-0", Principal: team.ID, Scope: project})},
		{"unbind", vitrine.Delete(w.Bindings[0].Ref())},
		{"disable a user", vitrine.Put(&off)},
		{"leave a team", vitrine.Put(&less)},
		{"new user", vitrine.Put(&vitrine.Principal{ID: "new", Kind: vitrine.User})},
		{"new dataset", vitrine.Put(&vitrine.Dataset{ID: "new", Project: project, Category: vitrine.Generated})},
		{"deny", vitrine.Put(&vitrine.Deny{ID: "new", Permissions: []vitrine.Permission{vitrine.ImageView}, Principals: []vitrine.ID{team.ID}, Scope: project})},
	}
}

// BenchmarkHeap is how much memory the policy of a million people with ten
// bindings each needs.
func BenchmarkHeap(b *testing.B) {
	all := []rbactest.Size{rbactest.Medium, rbactest.Crowd}
	if testing.Short() {
		all = all[:1]
	}
	for _, s := range all {
		b.Run(s.Name, func(b *testing.B) {
			for b.Loop() {
				before := heap()
				p := compile(b, rbactest.New(s).Objects())
				b.ReportMetric(float64(heap()-before)/1e6, "MB")
				runtime.KeepAlive(p)
			}
		})
	}
}

// heap is how many bytes are in use, after all that is not was taken away.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func BenchmarkWho(b *testing.B) {
	w := rbactest.New(rbactest.Medium)
	p := governed(b, w)
	x := reads(w)
	var q rbac.Question
	x.Ask(&q)
	for b.Loop() {
		if len(p.Who(q.Permission, q.Resource, rbactest.Now)) == 0 {
			b.Fatal("nobody")
		}
	}
}

package rbac_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/rbac"
)

// worlds is how many random policies each property is held against.
const worlds = 300

func compile(t testing.TB, objects []vitrine.Object) *rbac.Policy {
	t.Helper()
	p, err := rbac.Compile(7, objects)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// each runs fn on random policies; a failure names the seed.
func each(t *testing.T, fn func(t *testing.T, w world, objects []vitrine.Object, p *rbac.Policy)) {
	for seed := range uint64(worlds) {
		w := newWorld(seed)
		objects := w.objects()
		p := compile(t, objects)
		if fn(t, w, objects, p); t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// own makes a subject with a key use one of its own, mostly; some act for others.
func (w world) own(p *rbac.Policy, s *rbac.Subject) {
	if k, ok := p.Key(s.Credential); ok && !w.odds(10) {
		s.Principal = k.Principal
	}
	if w.odds(12) {
		s.For = pick(w, people...)
	}
}

// The engine says what the access model says, read word by word.
func TestDecideIsWhatTheModelSays(t *testing.T) {
	allowed, asked := 0, 0
	each(t, func(t *testing.T, w world, objects []vitrine.Object, p *rbac.Policy) {
		o := oracle{objects, p.Enrolled()}
		for range 60 {
			q := w.question()
			w.own(p, &q.Subject)
			d := p.Decide(&q)
			if asked++; d.Allow {
				allowed++
			}
			if want := o.allows(&q); d.Allow != want {
				t.Errorf("%+v\ngot %+v, want allow %v", q, d, want)
				return
			}
			if d.Allow != (d.Code == vitrine.CodeAllowed) || d.Allow != (d.Failed == "") || d.Allow && d.Hidden || !d.Allow && d.Obligation.Rendition != "" || d.Revision != 7 {
				t.Errorf("%+v\ncontradicts itself: %+v", q, d)
			}
		}
	})
	if allowed*20 < asked || allowed*2 > asked {
		t.Errorf("%d of %d allowed: the questions test too little", allowed, asked)
	}
}

// A list holds exactly what would be allowed one by one.
func TestFilterIsDecide(t *testing.T) {
	residual := 0
	each(t, func(t *testing.T, w world, _ []vitrine.Object, p *rbac.Policy) {
		for range 4 {
			s, perm := w.subject(), pick(w, vitrine.ImageView, vitrine.ImageOpen, vitrine.ImageExport, vitrine.ImageDelete)
			w.own(p, &s)
			f := p.Filter(&s, perm, noon)
			for range 60 {
				r := w.image()
				got := false
				for i, set := range f.Sets {
					if !slices.Contains(set.Datasets, r.Scope) || set.Cells&rbac.Cell(r.Category, r.Tier) == 0 {
						continue
					}
					if set.Residual {
						residual++
					}
					if got {
						t.Errorf("set %d holds what another holds already: %+v", i, f.Sets)
					}
					got = !set.Residual || f.Allows(r)
				}
				d := p.Decide(&rbac.Question{Subject: s, Permission: perm, Resource: r, At: noon})
				if got != d.Allow {
					t.Errorf("%+v %s %+v: in the list %v, decided %+v\n%+v", s, perm, r, got, d, f.Sets)
					return
				}
			}
		}
	})
	if residual == 0 {
		t.Error("no condition looked at an owner")
	}
}

// Lists of what stands in the policy hold what Decide allows one by one.
func TestVisibleIsDecide(t *testing.T) {
	seen := 0
	each(t, func(t *testing.T, w world, objects []vitrine.Object, p *rbac.Policy) {
		s, k := w.subject(), pick(w, vitrine.PolicyKinds...)
		w.own(p, &s)
		info := pick(w, vitrine.Catalogue...)
		ids := p.Visible(&s, info.Permission, k, noon)
		seen += len(ids)
		for _, o := range p.Objects(k) {
			q := rbac.Question{Subject: s, Permission: info.Permission, Resource: resource(o), At: noon}
			if got, d := slices.Contains(ids, o.Ref().ID), p.Decide(&q); got != d.Allow {
				t.Errorf("%+v %s %s: listed %v, decided %+v", s, info.Permission, o.Ref(), got, d)
			}
		}
	})
	if seen == 0 {
		t.Error("nobody saw anything")
	}
}

// resource is where tests expect an object to lie.
func resource(o vitrine.Object) vitrine.Resource {
	r := vitrine.Resource{Kind: o.Ref().Kind, ID: o.Ref().ID, Scope: "org"}
	switch o := o.(type) {
	case *vitrine.Project:
		r.Scope = o.ID
	case *vitrine.Dataset:
		r.Scope, r.Owner = o.ID, o.Owner
	case *vitrine.Deployment:
		r.Scope, r.Model = o.ID, o.Model
	case *vitrine.Principal:
		r.Owner = o.Owner
	case *vitrine.Key:
		r.Owner = o.Principal
		if o.Scope != "" {
			r.Scope = o.Scope
		}
	case *vitrine.Binding:
		r.Scope = o.Scope
	case *vitrine.Deny:
		r.Scope = o.Scope
	case *vitrine.Constraint:
		if o.Scope != "" {
			r.Scope = o.Scope
		}
	}
	return r
}

// Whoever is allowed is listed, and whoever is listed without a condition is
// allowed.
func TestWhoIsDecide(t *testing.T) {
	listed := 0
	each(t, func(t *testing.T, w world, _ []vitrine.Object, p *rbac.Policy) {
		for range 10 {
			q := w.question()
			found := map[vitrine.ID]rbac.Holder{}
			for _, h := range p.Who(q.Permission, q.Resource, noon) {
				found[h.Principal] = h
				listed++
			}
			for _, id := range people {
				q.Subject = rbac.Subject{Principal: id}
				d := p.Decide(&q)
				h, ok := found[id]
				if d.Allow && !ok || ok && !h.Conditional && !d.Allow || ok && (h.Path[0] != id || len(h.Path) == 0) {
					t.Errorf("%s %s %+v: listed %v %+v, decided %+v", id, q.Permission, q.Resource, ok, h, d)
				}
			}
		}
	})
	if listed == 0 {
		t.Error("nobody was listed")
	}
}

// An explanation's decision is the decision, and what it says of bindings
// supports it.
func TestExplainIsDecide(t *testing.T) {
	each(t, func(t *testing.T, w world, _ []vitrine.Object, p *rbac.Policy) {
		for range 20 {
			q := w.question()
			w.own(p, &q.Subject)
			d, x := p.Decide(&q), p.Explain(&q)
			if diff := cmp.Diff(d, x.Decision); diff != "" {
				t.Errorf("%+v\n%s", q, diff)
			}
			grants := slices.ContainsFunc(x.Bindings, func(c rbac.Considered) bool { return c.Code == vitrine.CodeAllowed })
			if d.Allow && (!grants || len(x.Denies) > 0) || d.Code == vitrine.CodeDenyRule && !slices.Contains(x.Denies, d.Deny) {
				t.Errorf("%+v\n%+v\nexplained by %+v", q, d, x)
			}
			k, _ := p.Key(q.Subject.Credential)
			alone := q.Subject.For == "" && (k == nil || k.For == "")
			if d.Failed == vitrine.FailedPermission && d.Code != vitrine.CodeRespFormat && alone && grants {
				t.Errorf("%+v\n%+v\nbut something grants it: %+v", q, d, x)
			}
			if alone && d.Failed != "" && d.Binding != "" {
				i := slices.IndexFunc(x.Bindings, func(c rbac.Considered) bool { return c.Binding == d.Binding })
				if i < 0 || d.Deny == "" && x.Bindings[i].Code != d.Code && x.Bindings[i].Code != vitrine.CodeAllowed {
					t.Errorf("%+v\n%+v\nexplained by %+v", q, d, x.Bindings)
				}
			}
		}
	})
}

// change is a random edit that leaves the policy sound, mostly.
func (w world) change(now map[vitrine.Ref]vitrine.Object) vitrine.Change {
	refs := make([]vitrine.Ref, 0, len(now))
	for ref := range now {
		refs = append(refs, ref)
	}
	slices.SortFunc(refs, func(a, b vitrine.Ref) int { return cmpRef(a, b) })
	switch w.IntN(9) {
	case 0:
		return vitrine.Delete(pick(w, refs...))
	case 1:
		return vitrine.Put(w.role(w.IntN(len(roleIDs))))
	case 2:
		return vitrine.Put(&vitrine.Principal{ID: pick(w, holders[5:]...), Kind: vitrine.Group, Members: some(w, 4, people...), Disabled: w.odds(4)})
	case 3:
		return vitrine.Put(&vitrine.Principal{ID: pick(w, "u0", "u1", "u9", vitrine.ID("u8")), Kind: vitrine.User, Disabled: w.odds(3), Epoch: int64(w.IntN(2))})
	case 4:
		return vitrine.Put(w.key(pick(w, keyIDs...)))
	case 5:
		return vitrine.Put(w.deny(pick(w, "deny0", vitrine.ID("deny9"))))
	case 6:
		return vitrine.Put(w.constraint(pick(w, "c0", vitrine.ID("c9"))))
	case 7:
		return vitrine.Put(&vitrine.Dataset{ID: pick(w, "d0", vitrine.ID("d9")), Project: pick(w, "p0", vitrine.ID("p1")), Category: vitrine.Generated})
	}
	return vitrine.Put(w.binding(vitrine.ID(fmt.Sprintf("b%d", w.IntN(20)))))
}

func cmpRef(a, b vitrine.Ref) int {
	if a.String() < b.String() {
		return -1
	}
	return 1
}

// Applying changes one after the other comes to the same as compiling what they
// leave, problems included, and leaves the policy before as it was.
func TestApplyIsCompile(t *testing.T) {
	refused, applied := 0, 0
	each(t, func(t *testing.T, w world, objects []vitrine.Object, p *rbac.Policy) {
		now := map[vitrine.Ref]vitrine.Object{}
		for _, o := range objects {
			now[o.Ref()] = o
		}
		for n := range 12 {
			var changes []vitrine.Change
			then := map[vitrine.Ref]vitrine.Object{}
			for ref, o := range now {
				then[ref] = o
			}
			for range 1 + w.IntN(2) {
				c := w.change(now)
				if _, there := then[c.Ref]; c.Object == nil && !there {
					continue
				}
				if changes = append(changes, c); c.Object == nil {
					delete(then, c.Ref)
				} else {
					then[c.Ref] = c.Object
				}
			}
			revision := int64(8 + n)
			next, err := p.Apply(revision, changes)
			whole, wholeErr := rbac.Compile(revision, shuffled(w, then))
			if (err == nil) != (wholeErr == nil) {
				t.Errorf("%v: applied %v, compiled %v", changes, err, wholeErr)
				return
			}
			if err != nil {
				refused++
				continue
			}
			applied++
			agree(t, w, next, whole)
			old := compile(t, shuffled(w, now))
			agree(t, w, p, old)
			p, now = next, then
		}
	})
	if refused == 0 || applied == 0 {
		t.Errorf("%d refused, %d applied", refused, applied)
	}
}

func shuffled(w world, m map[vitrine.Ref]vitrine.Object) []vitrine.Object {
	var out []vitrine.Object
	for _, o := range m {
		out = append(out, o)
	}
	rand.New(rand.NewPCG(w.Uint64(), 2)).Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// agree asks two policies the same questions.
func agree(t *testing.T, w world, a, b *rbac.Policy) {
	t.Helper()
	for range 8 {
		q := w.question()
		w.own(a, &q.Subject)
		one, other := a.Decide(&q), b.Decide(&q)
		if other.Revision = one.Revision; !reflect.DeepEqual(one, other) {
			t.Errorf("%+v\n%s", q, cmp.Diff(one, other))
		}
	}
	for _, k := range vitrine.PolicyKinds {
		if !slices.Equal(a.Objects(k), b.Objects(k)) {
			t.Errorf("different objects of kind %s", k)
		}
	}
	for _, id := range holders {
		if diff := cmp.Diff(a.Groups(id), b.Groups(id)); diff != "" {
			t.Errorf("groups of %s: %s", id, diff)
		}
	}
}

// Taking a binding away, or adding a deny or a constraint, never allows more.
func TestLessNeverAllowsMore(t *testing.T) {
	lost := 0
	each(t, func(t *testing.T, w world, objects []vitrine.Object, p *rbac.Policy) {
		var less []vitrine.Change
		for _, o := range objects {
			b, ok := o.(*vitrine.Binding)
			if ok && b.Role != rbac.OwnerRole && !broken(objects) {
				less = append(less, vitrine.Delete(b.Ref()))
			}
		}
		less = append(less, vitrine.Put(w.deny("more")), vitrine.Put(w.constraint("more")))
		next, err := p.Apply(8, []vitrine.Change{pick(w, less...)})
		if err != nil {
			t.Fatal(err)
		}
		for range 60 {
			q := w.question()
			w.own(p, &q.Subject)
			before, after := p.Decide(&q), next.Decide(&q)
			if after.Allow && !before.Allow {
				t.Errorf("%+v\nbefore %+v\nafter %+v", q, before, after)
			}
			if before.Allow && !after.Allow {
				lost++
			}
		}
	})
	if lost == 0 {
		t.Error("nothing was ever lost")
	}
}

// broken is whether there is a dynamic separation of duty: taking away what
// breaks one gives the rest back.
func broken(objects []vitrine.Object) bool {
	return slices.ContainsFunc(objects, func(o vitrine.Object) bool {
		c, ok := o.(*vitrine.Constraint)
		return ok && c.Kind == vitrine.DynamicSoD
	})
}

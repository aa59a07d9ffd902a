package rbac_test

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/rbac"
	"vitrine.dev/vitrine/internal/rbac/reference"
)

func asked(q reference.Question) *rbac.Question {
	return &rbac.Question{Subject: rbac.Subject(q.Caller), Permission: q.Permission, Resource: q.Resource, At: q.At}
}

// decides: Decide says what the model says - whether, which of the conditions
// failed, why, whether it may be known, what may be seen - and names a binding or
// a deny of which that is true.
func decides(q reference.Question) check {
	return func(t told) string {
		want, got := t.world.Decide(&q), t.policy.Decide(asked(q))
		same := got.Allow == want.Allow && got.Code == want.Code && got.Failed == want.Failed && got.Hidden == want.Hidden &&
			got.Obligation.Rendition == want.Rendition && slices.Equal(got.Obligation.Show, want.Show)
		wrong := names(t, &q, &got, &want)
		if same && wrong == "" {
			return ""
		}
		return fmt.Sprintf("%s\nasked %+v\ngot %+v\nthe model says %+v", wrong, q, got, want)
	}
}

// names holds what a decision names to what is so.
func names(t told, q *reference.Question, got *vitrine.Decision, want *reference.Answer) string {
	switch {
	case got.Binding != "" && !slices.Contains(want.Bindings, got.Binding):
		return "it names a binding that is not the reason"
	case got.Binding == "" && len(want.Bindings) > 0:
		return "it names no binding"
	case (got.Deny != "" || len(want.Denies) > 0) && !slices.Contains(want.Denies, got.Deny):
		return "it names a deny that is not the reason"
	case got.Erred != "" && !slices.Contains(want.Erred, got.Erred):
		return "it names a condition that did not err"
	case got.Erred == "" && got.Code == vitrine.CodeCondError:
		return "it does not say which condition erred"
	case got.Hidden && got.Nearest != vitrine.Nearest{}:
		return "it tells of what is hidden"
	case got.Revision != t.policy.Revision() || !got.At.Equal(q.At) || got.Permission != q.Permission:
		return "it is an answer to another question"
	}
	return ""
}

// explains: an explanation decides the same, and says of each binding what
// becomes of it.
func explains(q reference.Question) check {
	return func(t told) string {
		x := t.policy.Explain(asked(q))
		if diff := cmp.Diff(t.policy.Decide(asked(q)), x.Decision); diff != "" {
			return fmt.Sprintf("explained %+v\n%s", q, diff)
		}
		want := t.world.Decide(&q)
		if t.world.ActsFor(&q.Caller) != "" || want.Fates == nil {
			return ""
		}
		fates := map[vitrine.ID]vitrine.Code{}
		for _, c := range x.Bindings {
			if _, here := want.Fates[c.Binding]; here || c.Code != vitrine.CodeNoRole && c.Code != vitrine.CodeRoleOff {
				fates[c.Binding] = c.Code
			}
		}
		if diff := cmp.Diff(want.Fates, fates); diff != "" {
			return fmt.Sprintf("explained %+v\n(-the model says +got) %s", q, diff)
		}
		if got := len(x.Denies) > 0; got != (len(t.world.Denying(&q)) > 0) {
			return fmt.Sprintf("explained %+v\ngot denies %v", q, x.Denies)
		}
		return ""
	}
}

// lists: a filter holds a row exactly if the model allows it, and no row twice.
func lists(c reference.Caller, perm vitrine.Permission, at time.Time, rows []vitrine.Resource) check {
	return func(t told) string {
		s := rbac.Subject(c)
		f := t.policy.Filter(&s, perm, at)
		for _, r := range rows {
			want := t.world.Decide(&reference.Question{Caller: c, Permission: perm, Resource: r, At: at}).Allow && isDataset(t, r.Scope)
			if got, twice := holdsRow(&f, r); got != want || twice {
				return fmt.Sprintf("%+v lists %s: holds %+v %v (twice %v), the model says %v\n%+v", c, perm, r, got, twice, want, f.Sets)
			}
		}
		return ""
	}
}

func isDataset(t told, id vitrine.ID) bool {
	_, ok := t.policy.Dataset(id)
	return ok
}

func holdsRow(f *rbac.Filter, r vitrine.Resource) (held, twice bool) {
	for _, s := range f.Sets {
		if slices.Contains(s.Datasets, r.Scope) && s.Cells&rbac.Cell(r.Category, r.Tier) != 0 {
			twice = twice || held
			held = held || !s.Residual || f.Allows(r)
		}
	}
	return held, twice
}

// sees: what is listed of a kind is what the model lists.
func sees(c reference.Caller, perm vitrine.Permission, k vitrine.Kind, at time.Time) check {
	return func(t told) string {
		s := rbac.Subject(c)
		got, want := t.policy.Visible(&s, perm, k, at), t.world.Visible(c, perm, k, at)
		slices.Sort(got) // the model goes by id, whatever the project
		if !slices.Equal(got, want) {
			return fmt.Sprintf("%+v sees of %s with %s: got %v, the model says %v", c, k, perm, got, want)
		}
		return ""
	}
}

// tells: who may is who the model says may, by a binding that lets them.
func tells(perm vitrine.Permission, r vitrine.Resource, at time.Time) check {
	return func(t told) string {
		want := t.world.Who(perm, r, at)
		got := t.policy.Who(perm, r, at)
		wrong := len(got) != len(want)
		for _, h := range got {
			w, ok := want[h.Principal]
			wrong = wrong || !ok || h.Conditional != w.Conditional || !slices.Contains(w.Bindings, h.Binding) || !path(t, h)
		}
		if wrong || !slices.IsSortedFunc(got, func(a, b rbac.Holder) int { return cmpID(a.Principal, b.Principal) }) {
			return fmt.Sprintf("who may %s %+v: got %+v, the model says %+v", perm, r, got, want)
		}
		return ""
	}
}

func cmpID(a, b vitrine.ID) int {
	if a < b {
		return -1
	}
	return 1
}

// path reports whether a holder's path leads from the principal over groups to
// who is bound.
func path(t told, h rbac.Holder) bool {
	b, _ := t.policy.Object(vitrine.Ref{Kind: vitrine.KindBinding, ID: h.Binding})
	if x, ok := b.(*vitrine.Binding); !ok || h.Path[0] != h.Principal || h.Path[len(h.Path)-1] != x.Principal {
		return false
	}
	for i, id := range h.Path[1:] {
		if g, ok := t.policy.Principal(id); !ok || g.Disabled || !slices.Contains(g.Members, h.Path[i]) {
			return false
		}
	}
	return true
}

// admits: whoever asks may make the changes exactly if the model lets them, and
// is refused for its reason.
func admits(by reference.Caller, at time.Time, changes []vitrine.Change) check {
	return func(t told) string {
		s := rbac.Subject(by)
		next, d, err := t.policy.Admit(&s, at, &vitrine.ChangeSet{Changes: changes})
		want := t.world.Admit(&by, at, changes)
		if (err == nil) == (want.After != nil) && (next != nil) == (err == nil) && (err == nil || slices.Contains(want.Codes, d.Code)) {
			return ""
		}
		return fmt.Sprintf("%+v at %s changes:%s\ngot %s %v, the model says admitted %v %v", by, at, tell(&vitrine.ChangeSet{Changes: changes}), d.Code, err, want.After != nil, want.Codes)
	}
}

// applies: changes make a policy exactly if the model finds nothing wrong.
func applies(changes []vitrine.Change) check {
	return func(t told) string {
		_, err := t.policy.Apply(t.policy.Revision()+1, changes)
		if problem := t.world.Wrong(changes); (err == nil) != (problem == "") {
			return fmt.Sprintf("changes:%s\ngot %v, the model says %q", tell(&vitrine.ChangeSet{Changes: changes}), err, problem)
		}
		return ""
	}
}

// compiles: a policy that came about by changes says to everything what the same
// objects say that are compiled at once, word for word.
func compiles(qs []reference.Question, by reference.Caller, changes []vitrine.Change) check {
	return func(t told) string {
		whole, err := rbac.Compile(t.policy.Revision(), t.world.Objects())
		if err != nil {
			return err.Error()
		}
		for _, q := range qs {
			a, b := t.policy.Explain(asked(q)), whole.Explain(asked(q))
			if !reflect.DeepEqual(a, b) {
				return fmt.Sprintf("asked %+v\n(-applied +compiled) %s", q, cmp.Diff(a, b))
			}
			s := rbac.Subject(q.Caller)
			f, g := t.policy.Filter(&s, q.Permission, q.At), whole.Filter(&s, q.Permission, q.At)
			if !reflect.DeepEqual(f.Sets, g.Sets) {
				return fmt.Sprintf("%+v lists %s\n(-applied +compiled) %s", q.Caller, q.Permission, cmp.Diff(f.Sets, g.Sets))
			}
			if x, y := t.policy.Who(q.Permission, q.Resource, q.At), whole.Who(q.Permission, q.Resource, q.At); !reflect.DeepEqual(x, y) {
				return fmt.Sprintf("who may %s %+v\n(-applied +compiled) %s", q.Permission, q.Resource, cmp.Diff(x, y))
			}
		}
		s := rbac.Subject(by)
		set := &vitrine.ChangeSet{Changes: changes}
		_, d, err := t.policy.Admit(&s, reference.Noon, set)
		_, d2, err2 := whole.Admit(&s, reference.Noon, set)
		if !reflect.DeepEqual(d, d2) || fmt.Sprint(err) != fmt.Sprint(err2) {
			return fmt.Sprintf("%+v changes:%s\napplied says %v, compiled says %v\n(-applied +compiled) %s", by, tell(set), err, err2, cmp.Diff(d, d2))
		}
		return ""
	}
}

// lives: who is active, and in which groups, is what the model says.
func lives(c reference.Caller, at time.Time) check {
	return func(t told) string {
		s := rbac.Subject(c)
		if _, ok := t.policy.Live(&s, at); ok != t.world.Live(&c, at) {
			return fmt.Sprintf("%+v at %s: got live %v", c, at, ok)
		}
		if got, want := t.policy.Groups(c.Principal), t.world.Groups(c.Principal); !slices.Equal(got, want) {
			return fmt.Sprintf("groups of %s: got %v, the model says %v", c.Principal, got, want)
		}
		return ""
	}
}

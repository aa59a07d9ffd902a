package rbac_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/rbac"
)

func set(changes ...vitrine.Change) *vitrine.ChangeSet { return &vitrine.ChangeSet{Changes: changes} }

// wantCode is the refusal that a change set should meet; "" is none.
func wantCode(t *testing.T, p *rbac.Policy, by rbac.Subject, s *vitrine.ChangeSet, want vitrine.Code) {
	t.Helper()
	after, d, err := p.Admit(&by, noon, s)
	if want == "" {
		if err != nil || !d.Allow || after == nil || after.Revision() != p.Revision()+1 {
			t.Errorf("got %+v, %v, want an allow", d, err)
		}
		return
	}
	var e *vitrine.Error
	if !errors.As(err, &e) || d.Allow || after != nil || d.Code != want || e.Code != string(want) || e.Public == "" {
		t.Errorf("got %+v, %v, want %s", d, err, want)
	}
}

// TestInitSet is the first change set of an installation, which the system
// itself makes on a policy of nothing.
func TestInitSet(t *testing.T) {
	nothing, err := rbac.Compile(0, nil)
	if err != nil {
		t.Fatal(err)
	}
	first := func(owners int, solo bool) *vitrine.ChangeSet {
		s := set(vitrine.Put(&vitrine.Organization{ID: "org", Solo: solo}))
		for _, r := range rbac.Predefined() {
			s.Changes = append(s.Changes, vitrine.Put(r))
		}
		for i := range owners {
			o := user(vitrine.ID(fmt.Sprintf("owner-%d", i)))
			s.Changes = append(s.Changes, vitrine.Put(o), vitrine.Put(bind(rbac.OwnerRole, o.ID, "org")))
		}
		for _, c := range rbac.Shipped("org", solo) {
			s.Changes = append(s.Changes, vitrine.Put(c))
		}
		return s
	}
	tests := []struct {
		name   string
		owners int
		solo   bool
		want   vitrine.Code
	}{
		{"nobody", 0, false, vitrine.CodeFewHolders},
		{"one", 1, false, vitrine.CodeFewHolders},
		{"two", 2, false, ""},
		{"three", 3, false, ""},
		{"four", 4, false, vitrine.CodeManyHolders},
		{"solo, nobody", 0, true, vitrine.CodeFewHolders},
		{"solo, one", 1, true, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wantCode(t, nothing, rbac.Subject{System: true}, first(tt.owners, tt.solo), tt.want)
			wantCode(t, nothing, rbac.Subject{}, first(tt.owners, tt.solo), vitrine.CodeNoCaller)
			wantCode(t, nothing, rbac.Subject{Principal: "owner-0"}, first(tt.owners, tt.solo), vitrine.CodeInactive)
		})
	}
}

// TestEnrolled: set-up is finished when as many owners have enrolled as there
// must be, however many there are.
func TestEnrolled(t *testing.T) {
	tests := []struct {
		name     string
		solo     bool
		enrolled []bool
		want     bool
	}{
		{"nobody yet", false, []bool{false, false}, false},
		{"one of two", false, []bool{true, false}, false},
		{"two of two", false, []bool{true, true}, true},
		{"two of three", false, []bool{true, false, true}, true},
		{"solo, not yet", true, []bool{false}, false},
		{"solo", true, []bool{true}, true},
	}
	for _, tt := range tests {
		objects := []vitrine.Object{&vitrine.Organization{ID: "org", Solo: tt.solo}}
		for i, enrolled := range tt.enrolled {
			o := user(vitrine.ID(fmt.Sprintf("owner-%d", i)))
			if enrolled {
				o.Enrolled = noon
			}
			objects = append(objects, o, bind(rbac.OwnerRole, o.ID, "org"))
		}
		if got := installed(t, objects...).Enrolled(); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
	if nothing, err := rbac.Compile(0, nil); err != nil || nothing.Enrolled() {
		t.Errorf("a policy of nothing: %v", err)
	}
}

// TestHolders tells who counts for the least number of holders, and who for the
// most.
func TestHolders(t *testing.T) {
	group := func(disabled bool, members ...vitrine.ID) *vitrine.Principal {
		return &vitrine.Principal{ID: "g", Kind: vitrine.Group, Members: members, Disabled: disabled}
	}
	role := func(id vitrine.ID, disabled bool, includes ...vitrine.ID) *vitrine.Role {
		return &vitrine.Role{ID: id, Disabled: disabled, Includes: includes,
			Grants: []vitrine.Grant{{Permissions: []vitrine.Permission{vitrine.UsageView}}}}
	}
	with := func(b *vitrine.Binding, change func(*vitrine.Binding)) *vitrine.Binding { change(b); return b }
	off := user("ann")
	off.Disabled = true
	robot := &vitrine.Principal{ID: "ann", Kind: vitrine.Service}
	tests := []struct {
		name           string
		objects        []vitrine.Object
		sure, possible bool
	}{
		{"nobody is bound", []vitrine.Object{user("ann")}, false, false},
		{"a person", []vitrine.Object{user("ann"), bind("keeper", "ann", "org")}, true, true},
		{"a member of a group", []vitrine.Object{user("ann"), group(false, "ann"), bind("keeper", "g", "org")}, true, true},
		{"a member of a disabled group", []vitrine.Object{user("ann"), group(true, "ann"), bind("keeper", "g", "org")}, false, true},
		{"an empty group", []vitrine.Object{user("ann"), group(false), bind("keeper", "g", "org")}, false, false},
		{"a role that includes it", []vitrine.Object{user("ann"), role("more", false, "keeper"), bind("more", "ann", "org")}, true, true},
		{"a disabled role that includes it", []vitrine.Object{user("ann"), role("more", true, "keeper"), bind("more", "ann", "org")}, false, true},
		{"a disabled person", []vitrine.Object{off, bind("keeper", "ann", "org")}, false, true},
		{"a service account", []vitrine.Object{robot, bind("keeper", "ann", "org")}, false, true},
		{"until a time", []vitrine.Object{user("ann"), with(bind("keeper", "ann", "org"), func(b *vitrine.Binding) { b.Until = noon.Add(1) })}, false, true},
		{"from a time to come", []vitrine.Object{user("ann"), with(bind("keeper", "ann", "org"), func(b *vitrine.Binding) { b.From = noon.Add(1) })}, false, true},
		{"from a time that has come", []vitrine.Object{user("ann"), with(bind("keeper", "ann", "org"), func(b *vitrine.Binding) { b.From = noon })}, true, true},
		{"under a condition", []vitrine.Object{user("ann"), with(bind("keeper", "ann", "org"), func(b *vitrine.Binding) { b.Condition = "true" })}, false, true},
		{"until now", []vitrine.Object{user("ann"), with(bind("keeper", "ann", "org"), func(b *vitrine.Binding) { b.Until = noon })}, false, false},
		{"in a project only", []vitrine.Object{user("ann"), bind("keeper", "ann", "p")}, false, true},
		{"shut out by a deny", []vitrine.Object{user("ann"), bind("keeper", "ann", "org"),
			&vitrine.Deny{ID: "d", Permissions: []vitrine.Permission{vitrine.RoleView}, Principals: []vitrine.ID{"ann"}, Scope: "org"}}, false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			objects := append(enrolledOwners(), role("keeper", false), &vitrine.Project{ID: "p", Environment: vitrine.Staging})
			p := installed(t, append(objects, tt.objects...)...)
			least := &vitrine.Constraint{ID: "c", Kind: vitrine.Holders, Role: "keeper", Min: 1}
			most := &vitrine.Constraint{ID: "c", Kind: vitrine.Holders, Role: "keeper", Max: 1}
			second := []vitrine.Change{vitrine.Put(user("zoe")), vitrine.Put(bind("keeper", "zoe", "org"))}
			var few, many vitrine.Code
			if !tt.sure {
				few = vitrine.CodeFewHolders
			}
			if tt.possible {
				many = vitrine.CodeManyHolders
			}
			wantCode(t, p, rbac.Subject{Principal: "alice"}, set(vitrine.Put(least)), few)
			wantCode(t, p, rbac.Subject{Principal: "alice"}, set(append(second, vitrine.Put(most))...), many)
		})
	}
}

// A conflict from before a constraint was known does not block what has nothing
// to do with it, and does not grow.
func TestAnOldConflict(t *testing.T) {
	p := installed(t, append(enrolledOwners(),
		&vitrine.Project{ID: "p", Environment: vitrine.Staging}, &vitrine.Project{ID: "q", Environment: vitrine.Staging},
		user("ann"), bind("project-admin", "ann", "p"), bind("ai-image-user", "ann", "p"))...)
	alice := rbac.Subject{Principal: "alice"}
	wantCode(t, p, alice, set(vitrine.Put(user("bob"))), "")
	wantCode(t, p, alice, set(vitrine.Put(bind("usage-reader", "ann", "p"))), "")
	wantCode(t, p, alice, set(vitrine.Put(&vitrine.Principal{ID: "ann", Kind: vitrine.User, Name: "Ann"})), "")
	wantCode(t, p, alice, set(vitrine.Delete(bind("ai-image-user", "ann", "p").Ref())), "")
	wantCode(t, p, alice, set(vitrine.Put(bind("data-steward", "ann", "p"))), vitrine.CodeSoD)
	wantCode(t, p, alice, set(vitrine.Put(bind("ai-image-user", "ann", "q"))), vitrine.CodeSoD)
}

// The name of the role Owner may change; what it grants may not.
func TestOwnerRoleIsFixed(t *testing.T) {
	p := installed(t, enrolledOwners()...)
	o, _ := p.Object(vitrine.Ref{Kind: vitrine.KindRole, ID: rbac.OwnerRole})
	was, _ := o.(*vitrine.Role)
	edit := func(change func(*vitrine.Role)) *vitrine.ChangeSet {
		r := *was
		r.Grants = slices.Clone(r.Grants)
		change(&r)
		return set(vitrine.Put(&r))
	}
	alice := rbac.Subject{Principal: "alice"}
	wantCode(t, p, alice, edit(func(r *vitrine.Role) { r.Name, r.Description = "Boss", "" }), "")
	wantCode(t, p, alice, edit(func(r *vitrine.Role) { r.Disabled = true }), vitrine.CodeFixed)
	wantCode(t, p, alice, edit(func(r *vitrine.Role) { r.Grants = r.Grants[1:] }), vitrine.CodeFixed)
	wantCode(t, p, alice, edit(func(r *vitrine.Role) { r.Includes = []vitrine.ID{"ai-image-user"} }), vitrine.CodeFixed)
}

// Nobody rests a change on a right that the same set gives.
func TestRightsAreThoseOfBefore(t *testing.T) {
	p := installed(t, append(enrolledOwners(), user("ann"), user("bob"),
		&vitrine.Project{ID: "p", Environment: vitrine.Staging}, &vitrine.Project{ID: "q", Environment: vitrine.Staging},
		bind("project-admin", "ann", "p"))...)
	ann := rbac.Subject{Principal: "ann"}
	wantCode(t, p, ann, set(vitrine.Put(bind("usage-reader", "bob", "p"))), "")
	wantCode(t, p, ann, set(vitrine.Put(bind("project-admin", "ann", "q")), vitrine.Put(bind("usage-reader", "bob", "q"))), vitrine.CodeNoRole)
	wantCode(t, p, ann, set(vitrine.Put(bind("usage-reader", "bob", "q")), vitrine.Put(bind("project-admin", "ann", "q"))), vitrine.CodeNoRole)
}

// Changes that make no policy name what is at fault, once the caller may make
// changes there at all.
func TestInvalidChanges(t *testing.T) {
	p := installed(t, append(enrolledOwners(), user("eve"), &vitrine.Project{ID: "p", Environment: vitrine.Staging})...)
	bad := set(vitrine.Put(&vitrine.Binding{ID: "b", Role: "nothing", Principal: "eve", Scope: "p"}))
	_, _, err := p.Admit(&rbac.Subject{Principal: "alice"}, noon, bad)
	var e *vitrine.Error
	var problems rbac.Problems
	if !errors.Is(err, vitrine.ErrInvalid) || !errors.As(err, &e) || e.Param != "binding/b.role" || !errors.As(err, &problems) {
		t.Errorf("got %v", err)
	}
	_, d, err := p.Admit(&rbac.Subject{Principal: "eve"}, noon, bad)
	if !errors.Is(err, vitrine.ErrDenied) || !d.Hidden {
		t.Errorf("eve is told %v, %+v", err, d)
	}
	_, _, err = p.Admit(&rbac.Subject{Principal: "alice"}, noon, set(vitrine.Delete(vitrine.Ref{Kind: vitrine.KindImage, ID: "i"})))
	if !errors.Is(err, vitrine.ErrInvalid) {
		t.Errorf("an image in a change set: %v", err)
	}
}

// Admit leaves the policy as it was, whatever it answers.
func TestAdmitChangesNothing(t *testing.T) {
	p := installed(t, append(enrolledOwners(), user("ann"), &vitrine.Project{ID: "p", Environment: vitrine.Staging})...)
	before := map[vitrine.Kind][]vitrine.Object{}
	for _, k := range vitrine.PolicyKinds {
		before[k] = slices.Clone(p.Objects(k))
	}
	alice := rbac.Subject{Principal: "alice"}
	wantCode(t, p, alice, set(vitrine.Put(bind("ai-image-user", "ann", "p"))), "")
	wantCode(t, p, alice, set(vitrine.Put(bind("ai-image-user", "alice", "p"))), vitrine.CodeSoD)
	for _, k := range vitrine.PolicyKinds {
		if diff := cmp.Diff(before[k], p.Objects(k)); diff != "" {
			t.Errorf("%s changed:\n%s", k, diff)
		}
	}
}

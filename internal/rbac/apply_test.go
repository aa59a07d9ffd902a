package rbac_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/rbac"
)

func apply(t testing.TB, p *rbac.Policy, changes ...vitrine.Change) *rbac.Policy {
	t.Helper()
	next, err := p.Apply(p.Revision()+1, changes)
	if err != nil {
		t.Fatal(err)
	}
	return next
}

// A revocation holds in the next snapshot, and the one before stays as it was.
func TestApplyRevokes(t *testing.T) {
	team := &vitrine.Principal{ID: "team", Kind: vitrine.Group, Members: []vitrine.ID{"inner"}}
	inner := &vitrine.Principal{ID: "inner", Kind: vitrine.Group, Members: []vitrine.ID{"ann", "bob"}}
	b := bind("r", "team", "p0")
	p := house(t, user("ann"), user("bob"), team, inner, b, &vitrine.Key{ID: "k", Principal: "ann"},
		&vitrine.Role{ID: "r", Grants: []vitrine.Grant{grant(vitrine.Internal, vitrine.ImageOpen)}})
	off := user("ann")
	off.Disabled = true
	reborn := user("ann")
	reborn.Epoch = 1
	ways := map[string]vitrine.Change{
		"unbind":            vitrine.Delete(b.Ref()),
		"end the binding":   vitrine.Put(&vitrine.Binding{ID: b.ID, Role: "r", Principal: "team", Scope: "p0", Until: noon}),
		"bind another":      vitrine.Put(&vitrine.Binding{ID: b.ID, Role: "r", Principal: "bob", Scope: "p0"}),
		"bind elsewhere":    vitrine.Put(&vitrine.Binding{ID: b.ID, Role: "r", Principal: "team", Scope: "p1"}),
		"leave the group":   vitrine.Put(&vitrine.Principal{ID: "inner", Kind: vitrine.Group, Members: []vitrine.ID{"bob"}}),
		"empty the group":   vitrine.Put(&vitrine.Principal{ID: "team", Kind: vitrine.Group}),
		"disable":           vitrine.Put(off),
		"raise the epoch":   vitrine.Put(reborn),
		"revoke the key":    vitrine.Put(&vitrine.Key{ID: "k", Principal: "ann", Revoked: noon}),
		"delete the key":    vitrine.Delete(vitrine.Ref{Kind: vitrine.KindKey, ID: "k"}),
		"narrow the key":    vitrine.Put(&vitrine.Key{ID: "k", Principal: "ann", Scope: "p1"}),
		"disable the role":  vitrine.Put(&vitrine.Role{ID: "r", Disabled: true}),
		"lower the role":    vitrine.Put(&vitrine.Role{ID: "r", Grants: []vitrine.Grant{grant(vitrine.Public, vitrine.ImageOpen)}}),
		"deny":              vitrine.Put(&vitrine.Deny{ID: "no", Permissions: []vitrine.Permission{vitrine.ImageOpen}, Principals: []vitrine.ID{"inner"}, Scope: "d0"}),
		"no keys":           vitrine.Put(&vitrine.Constraint{ID: "no", Kind: vitrine.Keys, Permissions: []vitrine.Permission{vitrine.ImageOpen}}),
		"move the dataset":  vitrine.Put(&vitrine.Dataset{ID: "d0", Project: "p1", Category: vitrine.Generated}),
		"take the dataset":  vitrine.Delete(vitrine.Ref{Kind: vitrine.KindDataset, ID: "d0"}),
		"an owner has gone": vitrine.Delete(vitrine.Ref{Kind: vitrine.KindBinding, ID: "owner-adam"}),
	}
	q := by("ann", vitrine.ImageOpen, picture(vitrine.Internal))
	q.Subject.Credential, q.Subject.Key = "k", true
	for name, c := range ways {
		next := apply(t, p, c)
		if d := next.Decide(q); d.Allow {
			t.Errorf("%s: %+v", name, d)
		}
		if d := p.Decide(q); !d.Allow {
			t.Errorf("%s: the snapshot before says %+v", name, d)
		}
		if next.ChangedAt(c.Ref) != 8 && c.Object != nil || p.ChangedAt(c.Ref) == 8 || next.ChangedAt(inner.Ref()) == 8 && c.Ref != inner.Ref() {
			t.Errorf("%s: changed at %d, before at %d", name, next.ChangedAt(c.Ref), p.ChangedAt(c.Ref))
		}
		if _, there := next.Object(c.Ref); there != (c.Object != nil) {
			t.Errorf("%s: there is %v", name, there)
		}
	}
}

func TestApplyRefuses(t *testing.T) {
	g := func(id vitrine.ID, members ...vitrine.ID) *vitrine.Principal {
		return &vitrine.Principal{ID: id, Kind: vitrine.Group, Members: members}
	}
	p := house(t, user("ann"), g("outer", "inner"), g("inner", "ann"), &vitrine.Role{ID: "r"}, &vitrine.Role{ID: "s", Includes: []vitrine.ID{"r"}},
		bind("r", "ann", "d0"), &vitrine.Key{ID: "k", Principal: "ann"}, &vitrine.Budget{ID: "b", Kind: vitrine.BudgetKey, Subject: "k", Window: vitrine.Daily})
	del := func(k vitrine.Kind, id vitrine.ID) vitrine.Change {
		return vitrine.Delete(vitrine.Ref{Kind: k, ID: id})
	}
	tests := []struct {
		name   string
		change vitrine.Change
		want   string
	}{
		{"circle of groups", vitrine.Put(g("inner", "ann", "outer")), "principal/outer: members[0]: groups hold each other in a circle: inner → outer → inner"},
		{"circle of roles", vitrine.Put(&vitrine.Role{ID: "r", Includes: []vitrine.ID{"s"}}), "role/s: includes[0]: roles include each other in a circle: r → s → r"},
		{"member that is not there", vitrine.Put(g("outer", "zoe")), `principal/outer: members[0]: there is no principal "zoe"`},
		{"role that is bound", del(vitrine.KindRole, "r"), "role/s: includes[0]: there is no role \"r\"\nbinding/r-ann-d0: role: there is no role \"r\""},
		{"scope that is bound", del(vitrine.KindDataset, "d0"), `binding/r-ann-d0: scope: there is no scope "d0"`},
		{"principal with a budgeted key", del(vitrine.KindKey, "k"), `budget/b: subject: there is no key "k"`},
		{"group that becomes a person", vitrine.Put(user("inner")), ""},
		{"person with keys who becomes a group", vitrine.Put(g("ann")), `key/k: principal: "ann" is a group`},
		{"what is not there", del(vitrine.KindRole, "none"), "role/none: there is no such thing to delete"},
		{"what does not stand in a policy", del(vitrine.KindImage, "i"), "image/i: this is no object of a policy"},
		{"one thing as another", vitrine.Change{Ref: vitrine.Ref{Kind: vitrine.KindRole, ID: "ann"}, Object: user("ann")}, "role/ann: this is no object of a policy"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			next, err := p.Apply(8, []vitrine.Change{tt.change})
			if tt.want == "" && err == nil {
				return
			}
			if next != nil || err == nil || err.Error() != tt.want || !errors.Is(err, vitrine.ErrInvalid) {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

// What refers may come before what it refers to, and go after it.
func TestApplyIsOneEdit(t *testing.T) {
	p := house(t, &vitrine.Role{ID: "r"})
	b := bind("r", "new", "place")
	there := []vitrine.Change{
		vitrine.Put(b), vitrine.Put(&vitrine.Principal{ID: "team", Kind: vitrine.Group, Members: []vitrine.ID{"new"}}), vitrine.Put(user("new")),
		vitrine.Put(&vitrine.Dataset{ID: "place", Project: "p9", Category: vitrine.Generated}), vitrine.Put(&vitrine.Project{ID: "p9", Environment: vitrine.Staging}),
	}
	next := apply(t, p, there...)
	if !slices.Equal(next.Groups("new"), []vitrine.ID{"team"}) {
		t.Errorf("new is in %v", next.Groups("new"))
	}
	var back []vitrine.Change
	for _, c := range slices.Backward(there) {
		back = append(back, vitrine.Delete(c.Ref))
	}
	last := apply(t, next, back...)
	for _, c := range there {
		if _, ok := last.Object(c.Ref); ok {
			t.Errorf("%s is still there", c.Ref)
		}
	}
}

// Thousands of small edits, so that layers grow and become one.
func TestApplyManyTimes(t *testing.T) {
	p := house(t, user("ann"), &vitrine.Role{ID: "r", Grants: []vitrine.Grant{grant(vitrine.Internal, vitrine.ImageOpen)}})
	for i := range 1500 {
		who := user(vitrine.ID(fmt.Sprintf("u-%d", i)))
		p = apply(t, p, vitrine.Put(who), vitrine.Put(&vitrine.Key{ID: who.ID, Principal: who.ID}), vitrine.Put(bind("r", who.ID, "p0")))
		if i%3 == 0 {
			p = apply(t, p, vitrine.Delete(vitrine.Ref{Kind: vitrine.KindKey, ID: who.ID}), vitrine.Delete(bind("r", who.ID, "p0").Ref()), vitrine.Delete(who.Ref()))
		}
	}
	if n := len(p.Objects(vitrine.KindPrincipal)); n != 1000+3 {
		t.Errorf("%d principals", n)
	}
	for i := range 1500 {
		id := vitrine.ID(fmt.Sprintf("u-%d", i))
		q := by(id, vitrine.ImageOpen, picture(vitrine.Internal))
		q.Subject.Credential, q.Subject.Key = id, true
		if d := p.Decide(q); d.Allow == (i%3 == 0) {
			t.Fatalf("%s: %+v", id, d)
		}
	}
}

// Conditions that are gone are forgotten where there are many, and those that
// are left still hold.
func TestApplyManyConditions(t *testing.T) {
	objects := []vitrine.Object{user("ann"), &vitrine.Role{ID: "r", Grants: []vitrine.Grant{grant(vitrine.Internal, vitrine.ImageOpen)}}}
	for i := range 1100 {
		b := bind("r", "ann", "p1")
		b.ID, b.Condition = vitrine.ID(fmt.Sprintf("b%d", i)), fmt.Sprintf(`owner == "o%d"`, i)
		objects = append(objects, b)
	}
	p := house(t, objects...)
	more := bind("r", "ann", "p0")
	more.Condition = `owner == "new"`
	p = apply(t, p, vitrine.Delete(vitrine.Ref{Kind: vitrine.KindBinding, ID: "b7"}))
	p = apply(t, p, vitrine.Put(more))
	for owner, want := range map[vitrine.ID]bool{"o6": true, "o7": false, "new": false} {
		r := vitrine.Resource{Kind: vitrine.KindImage, Scope: "d3", Category: vitrine.Generated, Tier: vitrine.Public, Owner: owner}
		if d := p.Decide(by("ann", vitrine.ImageOpen, r)); d.Allow != want {
			t.Errorf("%s: %+v", owner, d)
		}
	}
}

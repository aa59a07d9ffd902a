package rbac_test

import (
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/rbac"
)

// Once a group could be disabled and nothing came of it: its members kept all
// that it gave. The bindings of a disabled group count for nobody, nor do those
// of groups that are reached through it alone; its denies stay, and it spares
// nobody from one.
func TestDisabledGroupGivesNothing(t *testing.T) {
	group := func(id vitrine.ID, disabled bool, members ...vitrine.ID) *vitrine.Principal {
		return &vitrine.Principal{ID: id, Kind: vitrine.Group, Members: members, Disabled: disabled}
	}
	opener := &vitrine.Role{ID: "opener", Grants: []vitrine.Grant{grant(vitrine.Internal, vitrine.ImageOpen)}}
	deny := func(principal vitrine.ID, except ...vitrine.ID) *vitrine.Deny {
		return &vitrine.Deny{ID: "no", Permissions: []vitrine.Permission{vitrine.ImageOpen}, Principals: []vitrine.ID{principal}, Except: except, Scope: "p0"}
	}
	tests := []struct {
		name    string
		objects []vitrine.Object
		want    bool
	}{
		{"of an enabled group", []vitrine.Object{group("g0", false, "ann"), bind("opener", "g0", "p0")}, true},
		{"of a disabled group", []vitrine.Object{group("g0", true, "ann"), bind("opener", "g0", "p0")}, false},
		{"of a group that holds a disabled one", []vitrine.Object{group("g0", true, "ann"), group("g1", false, "g0"), bind("opener", "g1", "p0")}, false},
		{"of one that holds another too", []vitrine.Object{group("g0", true, "ann"), group("g2", false, "ann"), group("g1", false, "g0", "g2"), bind("opener", "g1", "p0")}, true},
		{"denied by a disabled group", []vitrine.Object{group("g0", true, "ann"), bind("opener", "ann", "p0"), deny("g0")}, false},
		{"spared by a group", []vitrine.Object{group("g0", false, "ann"), bind("opener", "ann", "p0"), deny(vitrine.Everyone, "g0")}, true},
		{"spared by a disabled group", []vitrine.Object{group("g0", true, "ann"), bind("opener", "ann", "p0"), deny(vitrine.Everyone, "g0")}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := house(t, append(tt.objects, user("ann"), opener)...)
			q := by("ann", vitrine.ImageOpen, picture(vitrine.Internal))
			if d := p.Decide(q); d.Allow != tt.want {
				t.Errorf("decide: %+v", d)
			}
			if x := p.Explain(q); x.Decision.Allow != tt.want {
				t.Errorf("explain: %+v", x)
			}
			if f := p.Filter(&q.Subject, q.Permission, noon); len(f.Sets) > 0 != tt.want {
				t.Errorf("filter: %+v", f.Sets)
			}
			if who := p.Who(q.Permission, q.Resource, noon); len(who) > 0 != tt.want {
				t.Errorf("who: %+v", who)
			}
		})
	}

	on := house(t, user("ann"), opener, group("g0", false, "ann"), group("g1", false, "g0"), bind("opener", "g1", "p0"))
	q := by("ann", vitrine.ImageOpen, picture(vitrine.Internal))
	for _, disabled := range []bool{true, false} {
		next, err := on.Apply(on.Revision()+1, []vitrine.Change{vitrine.Put(group("g0", disabled, "ann"))})
		if err != nil {
			t.Fatal(err)
		}
		if on = next; on.Decide(q).Allow == disabled {
			t.Errorf("switched to disabled %v: %+v", disabled, on.Decide(q))
		}
	}
}

// Whoever holds nothing at a place does not learn that it exists.
func TestReaches(t *testing.T) {
	p := house(t, user("ann"), user("eve"), user("org-wide"),
		&vitrine.Role{ID: "opener", Grants: []vitrine.Grant{grant(vitrine.Internal, vitrine.ImageOpen)}},
		&vitrine.Role{ID: "idle", Includes: []vitrine.ID{"opener"}},
		bind("idle", "ann", "d0"), bind("opener", "org-wide", "org"),
		&vitrine.Binding{ID: "over", Role: "opener", Principal: "eve", Scope: "p0", Until: noon},
		&vitrine.Key{ID: "k", Principal: "org-wide", Scope: "p1"},
	)
	tests := []struct {
		name    string
		subject rbac.Subject
		scope   vitrine.ID
		at      time.Time
		want    bool
	}{
		{"where she is bound", rbac.Subject{Principal: "ann"}, "d0", noon, true},
		{"above", rbac.Subject{Principal: "ann"}, "p0", noon, true},
		{"beside", rbac.Subject{Principal: "ann"}, "p1", noon, false},
		{"nowhere", rbac.Subject{Principal: "ann"}, "gone", noon, false},
		{"below", rbac.Subject{Principal: "org-wide"}, "p1", noon, true},
		{"a role that is not active", rbac.Subject{Principal: "org-wide", Roles: []vitrine.ID{"idle"}}, "p1", noon, false},
		{"by a key for another place", rbac.Subject{Principal: "org-wide", Credential: "k", Key: true}, "p0", noon, false},
		{"before its end", rbac.Subject{Principal: "eve"}, "p0", noon.Add(-1), true},
		{"at its end", rbac.Subject{Principal: "eve"}, "p0", noon, false},
		{"nobody", rbac.Subject{}, "p0", noon, false},
	}
	for _, tt := range tests {
		if got := p.Reaches(&tt.subject, tt.scope, tt.at); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
	for role, want := range map[vitrine.ID]bool{"opener": true, "idle": true, rbac.OwnerRole: false, "gone": false} {
		if got := p.Holds("ann", role); got != want {
			t.Errorf("ann holds %s: %v", role, got)
		}
	}
}

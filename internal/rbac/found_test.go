package rbac_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/rbac"
)

// What the comparison with the model has found and no table can say; the rest
// stands in testdata/found.txt.

// A binding that came in a set with others, and then goes to somebody else, is
// taken from whom it was given to: also where the index of bindings grew by that
// set.
func TestABindingIsFoundWhereverItCame(t *testing.T) {
	for many := 1; many <= 40; many++ {
		p := house(t, user("ann"), user("bob"), &vitrine.Role{ID: "seer", Grants: []vitrine.Grant{grant(vitrine.Internal, vitrine.ImageOpen)}})
		var came, goes []vitrine.Change
		for i := range many {
			b := vitrine.Binding{ID: vitrine.ID(fmt.Sprintf("b%d", i)), Role: "seer", Principal: "ann", Scope: "p0"}
			came = append(came, vitrine.Put(&b))
			moved := b
			moved.Principal = "bob"
			goes = append(goes, vitrine.Put(&moved))
		}
		for revision, set := range [][]vitrine.Change{came, goes} {
			next, err := p.Apply(int64(8+revision), set)
			if err != nil {
				t.Fatal(err)
			}
			p = next
		}
		if d := p.Decide(by("ann", vitrine.ImageOpen, picture(vitrine.Internal))); d.Allow {
			t.Errorf("of %d bindings %s stays with ann", many, d.Binding)
		}
		if d := p.Decide(by("bob", vitrine.ImageOpen, picture(vitrine.Internal))); !d.Allow {
			t.Errorf("%d bindings did not come to bob: %s", many, d.Code)
		}
	}
}

// How a binding reaches somebody does not lead over a group that is disabled
// where another way does not.
func TestNoPathLeadsOverADisabledGroup(t *testing.T) {
	group := func(id vitrine.ID, off bool, members ...vitrine.ID) *vitrine.Principal {
		return &vitrine.Principal{ID: id, Kind: vitrine.Group, Members: members, Disabled: off}
	}
	p := house(t, user("ann"), group("a-off", true, "ann"), group("b-on", false, "ann"), group("all", false, "a-off", "b-on"),
		bind("seer", "all", "p0"), &vitrine.Role{ID: "seer", Grants: []vitrine.Grant{grant(vitrine.Internal, vitrine.ImageOpen)}})
	want := []vitrine.ID{"ann", "b-on", "all"}
	q := by("ann", vitrine.ImageOpen, picture(vitrine.Internal))
	if got := p.Who(q.Permission, q.Resource, q.At); len(got) != 1 || !slices.Equal(got[0].Path, want) {
		t.Errorf("who may: got %+v, want the path %v", got, want)
	}
	if x := p.Explain(q); len(x.Bindings) != 1 || !slices.Equal(x.Bindings[0].Path, want) {
		t.Errorf("explained: got %+v, want the path %v", x.Bindings, want)
	}
}

// A role is dropped from a session whose roles break a separation of duty, also
// where those that stay still do.
func TestDroppingARoleIsNeverTooEarly(t *testing.T) {
	p := house(t, user("ann"), bind("one", "ann", "p0"), bind("two", "ann", "p0"), bind("three", "ann", "p0"),
		&vitrine.Role{ID: "one"}, &vitrine.Role{ID: "two"}, &vitrine.Role{ID: "three"}, &vitrine.Role{ID: "four"}, bind("four", "ann", "p0"),
		&vitrine.Constraint{ID: "apart", Kind: vitrine.DynamicSoD, Max: 2, Sets: []vitrine.RoleSet{
			{Roles: []vitrine.ID{"one"}}, {Roles: []vitrine.ID{"two"}}, {Roles: []vitrine.ID{"three"}}}},
		&vitrine.Key{ID: "k", Principal: "ann"},
		&vitrine.Key{ID: "s", Principal: "ann", Parent: "k", Roles: []vitrine.ID{"one", "two", "three"}, Expires: noon.Add(time.Hour)})
	who := &rbac.Subject{Principal: "ann", Credential: "s", Key: true}
	was, _ := p.Key("s")
	tests := []struct {
		name  string
		roles []vitrine.ID
		want  vitrine.Code
	}{
		{"one of three dropped", []vitrine.ID{"one", "two"}, vitrine.CodeAllowed},
		{"all but one", []vitrine.ID{"one"}, vitrine.CodeAllowed},
		{"another activated", []vitrine.ID{"one", "two", "three", "four"}, vitrine.CodeSession},
		{"another in place of two", []vitrine.ID{"one", "four"}, vitrine.CodeAllowed},
	}
	for _, tt := range tests {
		c := *was
		c.Roles = tt.roles
		if _, d, err := p.Admit(who, noon, &vitrine.ChangeSet{Changes: []vitrine.Change{vitrine.Put(&c)}}); d.Code != tt.want {
			t.Errorf("%s: got %s, %v, want %s", tt.name, d.Code, err, tt.want)
		}
	}
}

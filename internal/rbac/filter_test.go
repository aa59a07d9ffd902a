package rbac_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/rbac"
)

func TestFilter(t *testing.T) {
	mine := bind("open", "ann", "p1")
	mine.Condition = "owner == principal"
	low := bind("open", "ann", "p0")
	low.Condition = "tier < internal"
	p := house(t, user("ann"), user("eve"), mine, low, bind("public", "ann", "d3"),
		&vitrine.Role{ID: "open", Grants: []vitrine.Grant{grant(vitrine.Internal, vitrine.ImageOpen)}},
		&vitrine.Role{ID: "public", Grants: []vitrine.Grant{grant(vitrine.Public, vitrine.ImageOpen)}},
		&vitrine.Deny{ID: "no", Permissions: []vitrine.Permission{vitrine.ImageView}, Principals: []vitrine.ID{"ann"}, Scope: "d1"},
		&vitrine.Key{ID: "k", Principal: "ann", Scope: "d3"})
	public, internal := rbac.Cell(vitrine.Generated, vitrine.Public), rbac.Cell(vitrine.Generated, vitrine.Internal)
	tests := []struct {
		name string
		s    rbac.Subject
		perm vitrine.Permission
		want []rbac.FilterSet
	}{
		{"a session", rbac.Subject{Principal: "ann"}, vitrine.ImageView, []rbac.FilterSet{
			{Datasets: []vitrine.ID{"d0", "d3"}, Cells: public},
			{Datasets: []vitrine.ID{"d2"}, Cells: public | internal, Residual: true},
			{Datasets: []vitrine.ID{"d3"}, Cells: internal, Residual: true},
		}},
		{"a narrowed key", rbac.Subject{Principal: "ann", Credential: "k", Key: true}, vitrine.ImageOpen, []rbac.FilterSet{
			{Datasets: []vitrine.ID{"d3"}, Cells: public}, {Datasets: []vitrine.ID{"d3"}, Cells: internal, Residual: true},
		}},
		{"more than is granted", rbac.Subject{Principal: "ann"}, vitrine.ImageExport, nil},
		{"nothing", rbac.Subject{Principal: "eve"}, vitrine.ImageView, nil},
		{"nobody", rbac.Subject{}, vitrine.ImageView, nil},
		{"no such permission", rbac.Subject{Principal: "ann"}, "image.steal", nil},
		{"not about images", rbac.Subject{Principal: "alice"}, vitrine.RoleView, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := p.Filter(&tt.s, tt.perm, noon)
			if diff := cmp.Diff(tt.want, f.Sets, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
			if f.Revision != 7 {
				t.Errorf("revision %d", f.Revision)
			}
		})
	}
	f := p.Filter(&tests[0].s, vitrine.ImageView, noon)
	r := vitrine.Resource{Kind: vitrine.KindImage, Scope: "d2", Category: vitrine.Generated, Tier: vitrine.Internal, Owner: "ann"}
	if !f.Allows(r) {
		t.Error("her own picture is not in her list")
	}
	if r.Owner = "bob"; f.Allows(r) {
		t.Error("somebody else's is")
	}
	if (&rbac.Filter{}).Allows(r) {
		t.Error("the zero filter holds something")
	}
}

// A cell is the bit that the store stores.
func TestCell(t *testing.T) {
	seen := map[rbac.Cells]bool{}
	for _, c := range vitrine.Categories {
		for _, tier := range vitrine.Tiers {
			seen[rbac.Cell(c, tier)] = true
		}
	}
	if len(seen) != 24 || seen[0] || rbac.Cell(vitrine.Training, vitrine.Public) != 1 || rbac.Cell(vitrine.Configuration, vitrine.Restricted) != 1<<23 {
		t.Errorf("%d cells: %v", len(seen), seen)
	}
	if rbac.Cell(vitrine.Generated, vitrine.TierUnknown) != rbac.Cell(vitrine.Generated, vitrine.Restricted) {
		t.Error("an unknown tier is not restricted")
	}
	if rbac.Cell(vitrine.CategoryUnknown, vitrine.Public) != 0 || rbac.Cell(99, vitrine.Public) != 0 {
		t.Error("an unknown category is in some set")
	}
}

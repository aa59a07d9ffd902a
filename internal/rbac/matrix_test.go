package rbac_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/policyfile"
	"vitrine.dev/vitrine/internal/rbac"
)

// installed is a policy of objects and of what every installation has besides.
func installed(t testing.TB, objects ...vitrine.Object) *rbac.Policy {
	t.Helper()
	p, err := policyfile.Compile(objects)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// places are two projects, own and other, each with a dataset of every category
// and a deployment.
func places() []vitrine.Object {
	all := []vitrine.Object{&vitrine.Provider{ID: "studio", Kind: vitrine.Studio}}
	for _, project := range []vitrine.ID{"own", "other"} {
		all = append(all, &vitrine.Project{ID: project, Environment: vitrine.Staging},
			&vitrine.Deployment{ID: vitrine.DeploymentID(project, "m"), Project: project, Model: "m", Provider: "studio"})
		for _, c := range vitrine.Categories {
			all = append(all, &vitrine.Dataset{ID: project + "-" + vitrine.ID(c.String()), Project: project, Category: c, BirthTier: vitrine.Internal})
		}
	}
	return all
}

// columns are the predefined roles as the matrix heads them.
var columns = []struct {
	role vitrine.ID
	head string
}{
	{"ai-image-user", "user"}, {"ai-data-scientist", "scientist"}, {"model-tester", "tester"}, {"usage-reader", "usage"},
	{"data-steward", "steward"}, {"security-auditor", "auditor"}, {"access-approver", "approver"},
	{"project-admin", "project"}, {"organization-admin", "org"}, {"owner", "owner"},
}

const matrixHead = `# What each predefined role, bound to a person at the project own, may do. A cell
# is three answers: about an internal thing in own, about the same in the project
# other, and about a restricted one in own. A is allowed, d denied, . not found; -
# where there is no tier. With + the role may give it.
#
# user is ai-image-user, scientist ai-data-scientist, tester model-tester, usage
# usage-reader, steward data-steward, auditor security-auditor, approver
# access-approver, project project-admin, org organization-admin.
`

// TestPredefinedRoles is the truth matrix: predefined roles × all permissions. A
// changed role is a difference in it, and a new permission a row.
func TestPredefinedRoles(t *testing.T) {
	if got, want := len(rbac.Predefined()), len(columns); got != want {
		t.Fatalf("%d predefined roles, %d columns", got, want)
	}
	objects := places()
	for _, c := range columns {
		who := "p-" + c.role
		objects = append(objects, &vitrine.Principal{ID: who, Kind: vitrine.User},
			&vitrine.Binding{ID: "b-" + c.role, Role: c.role, Principal: who, Scope: "own"})
	}
	objects = append(objects, enrolledOwners()...)
	p := installed(t, objects...)

	var b strings.Builder
	b.WriteString(matrixHead)
	fmt.Fprintf(&b, "\n%-32s", "")
	for _, c := range columns {
		fmt.Fprintf(&b, " %-9s", c.head)
	}
	b.WriteString("\n")
	for _, info := range vitrine.Catalogue {
		categories := []vitrine.Category{vitrine.CategoryUnknown}
		if info.Data {
			categories = vitrine.Categories
		}
		for _, category := range categories {
			fmt.Fprintf(&b, "%-32s", strings.TrimSpace(string(info.Permission)+" "+category.String()))
			for _, c := range columns {
				fmt.Fprintf(&b, " %-9s", truth(p, c.role, info, category))
			}
			b.WriteString("\n")
		}
	}
	golden(t, "testdata/matrix.golden.txt", trimLines(b.String()))
}

func enrolledOwners() []vitrine.Object {
	var all []vitrine.Object
	for _, id := range []vitrine.ID{"alice", "adam"} {
		all = append(all, &vitrine.Principal{ID: id, Kind: vitrine.User, Enrolled: noon},
			&vitrine.Binding{ID: "owner-" + id, Role: rbac.OwnerRole, Principal: id, Scope: "org"})
	}
	return all
}

// truth is one cell.
func truth(p *rbac.Policy, role vitrine.ID, info vitrine.PermissionInfo, category vitrine.Category) string {
	ask := func(project vitrine.ID, tier vitrine.Tier) string {
		r := vitrine.Resource{Kind: info.Kind, ID: "x", Scope: project}
		switch {
		case info.Data:
			r.Scope, r.Category, r.Tier = project+"-"+vitrine.ID(category.String()), category, tier
		case info.Kind == vitrine.KindDeployment:
			r.Scope = vitrine.DeploymentID(project, "m")
		}
		d := p.Decide(&rbac.Question{Subject: rbac.Subject{Principal: "p-" + role}, Permission: info.Permission, Resource: r, At: noon})
		switch {
		case d.Allow:
			return "A"
		case d.Hidden:
			return "."
		}
		return "d"
	}
	cell := ask("own", vitrine.Internal) + ask("other", vitrine.Internal)
	if info.Data {
		cell += ask("own", vitrine.Restricted)
	} else {
		cell += "-"
	}
	if gives(p, role, info.Permission, category) {
		cell += "+"
	}
	return cell
}

// gives reports whether a role may give a permission, on all tiers.
func gives(p *rbac.Policy, role vitrine.ID, perm vitrine.Permission, category vitrine.Category) bool {
	given := vitrine.Grant{Permissions: []vitrine.Permission{perm}}
	if category != vitrine.CategoryUnknown {
		given.Categories, given.Tiers = []vitrine.Category{category}, vitrine.Tiers
	}
	id := vitrine.ID("binder")
	before, err := p.Apply(2, []vitrine.Change{
		vitrine.Put(&vitrine.Role{ID: "given", Grants: []vitrine.Grant{given}}),
		vitrine.Put(&vitrine.Role{ID: id, Grants: []vitrine.Grant{{Permissions: []vitrine.Permission{vitrine.RoleBind}}}}),
		vitrine.Put(&vitrine.Principal{ID: "somebody", Kind: vitrine.User}),
		vitrine.Put(&vitrine.Binding{ID: "binds", Role: id, Principal: "p-" + role, Scope: "own"}),
	})
	if err != nil {
		panic(err)
	}
	_, d, _ := before.Admit(&rbac.Subject{Principal: "p-" + role}, noon, &vitrine.ChangeSet{Changes: []vitrine.Change{
		vitrine.Put(&vitrine.Binding{ID: "new", Role: "given", Principal: "somebody", Scope: "own"}),
	}})
	return d.Allow
}

func trimLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs; if that is meant, run with -update and review (-want +got):\n%s", name, diff)
	}
}

// Owners give everything there is: what nobody can give nobody could ever hold.
func TestOwnersGiveEverything(t *testing.T) {
	objects := append(places(), enrolledOwners()...)
	objects = append(objects, &vitrine.Principal{ID: "somebody", Kind: vitrine.User})
	p := installed(t, objects...)
	for _, info := range vitrine.Catalogue {
		p, err := p.Apply(2, []vitrine.Change{vitrine.Put(&vitrine.Role{ID: "given", Grants: []vitrine.Grant{{
			Permissions: []vitrine.Permission{info.Permission}, Categories: vitrine.Categories, Tiers: vitrine.Tiers}}})})
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = p.Admit(&rbac.Subject{Principal: "alice"}, noon, &vitrine.ChangeSet{Changes: []vitrine.Change{
			vitrine.Put(&vitrine.Binding{ID: "new", Role: "given", Principal: "somebody", Scope: "org"}),
		}})
		if err != nil {
			t.Errorf("%s: %v", info.Permission, err)
		}
	}
}

// Every predefined role can be held under the shipped constraints.
func TestPredefinedRolesKeepTheShippedConstraints(t *testing.T) {
	for _, solo := range []bool{false, true} {
		for _, r := range rbac.Predefined() {
			p := installed(t, append(enrolledOwners(), &vitrine.Organization{ID: "org", Solo: solo}, &vitrine.Principal{ID: "ann", Kind: vitrine.User})...)
			_, _, err := p.Admit(&rbac.Subject{Principal: "alice"}, noon, &vitrine.ChangeSet{Changes: []vitrine.Change{
				vitrine.Put(&vitrine.Binding{ID: "new", Role: r.ID, Principal: "ann", Scope: "org"}),
			}})
			if err != nil {
				t.Errorf("%s, solo %v: %v", r.ID, solo, err)
			}
		}
	}
}

// What Predefined and Shipped answer is the caller's own.
func TestPredefinedIsMadeAnew(t *testing.T) {
	for _, r := range rbac.Predefined() {
		for i := range r.Grants {
			clear(r.Grants[i].Permissions)
			clear(r.Grants[i].Categories)
			clear(r.Grants[i].Tiers)
		}
	}
	for _, c := range rbac.Shipped("org", false) {
		for i := range c.Sets {
			clear(c.Sets[i].Permissions)
		}
	}
	for _, r := range rbac.Predefined() {
		for _, g := range r.Grants {
			if g.Permissions[0] == "" || len(g.Tiers) > 0 && g.Tiers[0] == vitrine.TierUnknown {
				t.Fatalf("%s was changed: %+v", r.ID, g)
			}
		}
	}
	for _, c := range rbac.Shipped("org", false) {
		for _, s := range c.Sets {
			if s.Permissions[0] == "" {
				t.Fatalf("%s was changed: %+v", c.ID, s)
			}
		}
	}
}

// TestMatrix: what a role may do with each category and tier, with what it
// includes; the most of it stands in the cell.
func TestMatrix(t *testing.T) {
	grant := func(tiers []vitrine.Tier, perms ...vitrine.Permission) vitrine.Grant {
		return vitrine.Grant{Permissions: perms, Categories: []vitrine.Category{vitrine.Generated}, Tiers: tiers}
	}
	p := installed(t,
		&vitrine.Role{ID: "base", Grants: []vitrine.Grant{grant(vitrine.Tiers, vitrine.ImageView)}},
		&vitrine.Role{ID: "most", Includes: []vitrine.ID{"base"}, Grants: []vitrine.Grant{
			grant(vitrine.TiersUpTo(vitrine.Confidential), vitrine.ImageOpen),
			grant(vitrine.TiersUpTo(vitrine.Internal), vitrine.ImageExport),
			grant(vitrine.TiersUpTo(vitrine.Public), vitrine.ImageClassify),
		}},
		&vitrine.Role{ID: "drop-box", Grants: []vitrine.Grant{grant(vitrine.Tiers, vitrine.ImageCreate)}},
		&vitrine.Role{ID: "giver", Grants: []vitrine.Grant{{Permissions: []vitrine.Permission{vitrine.ImageOpen},
			Categories: vitrine.Categories, Tiers: vitrine.Tiers, NoUse: true, Give: true}}},
		&vitrine.Role{ID: "off", Disabled: true, Includes: []vitrine.ID{"most"}},
	)
	got := map[vitrine.ID]map[vitrine.Tier]rbac.Level{}
	for _, row := range p.Matrix() {
		if len(row.Cells) != len(vitrine.Categories) || row.Cells[vitrine.Training] == nil {
			t.Errorf("%s has the categories %v", row.Role, row.Cells)
		}
		got[row.Role] = row.Cells[vitrine.Generated]
	}
	nothing := map[vitrine.Tier]rbac.Level{vitrine.Public: rbac.Nothing, vitrine.Internal: rbac.Nothing, vitrine.Confidential: rbac.Nothing, vitrine.Restricted: rbac.Nothing}
	want := map[vitrine.ID]map[vitrine.Tier]rbac.Level{
		"base":     {vitrine.Public: rbac.SeesMasked, vitrine.Internal: rbac.SeesMasked, vitrine.Confidential: rbac.SeesMasked, vitrine.Restricted: rbac.SeesMasked},
		"most":     {vitrine.Public: rbac.Changes, vitrine.Internal: rbac.SeesOriginal, vitrine.Confidential: rbac.SeesOriginal, vitrine.Restricted: rbac.SeesMasked},
		"drop-box": nothing, "giver": nothing, "off": nothing,
		"owner": nothing, "organization-admin": nothing, "project-admin": nothing, "usage-reader": nothing,
	}
	for role, cells := range want {
		if diff := cmp.Diff(cells, got[role]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", role, diff)
		}
	}
}

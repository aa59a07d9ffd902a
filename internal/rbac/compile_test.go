package rbac_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/rbac"
)

// Every problem names its object and the field as policy files write it.
func TestCompileRefuses(t *testing.T) {
	tests := []struct {
		name string
		o    vitrine.Object
		want string
	}{
		{"bad id", user("our ann"), `principal/our ann: "our ann" is no id`},
		{"unknown kind of principal", &vitrine.Principal{ID: "x", Kind: "robot"}, `principal/x: kind: unknown word "robot"`},
		{"member that is not there", &vitrine.Principal{ID: "g", Kind: vitrine.Group, Members: []vitrine.ID{"alice", "zoe"}}, `principal/g: members[1]: there is no principal "zoe"`},
		{"members of a person", &vitrine.Principal{ID: "x", Kind: vitrine.User, Members: []vitrine.ID{"alice"}}, `principal/x: members: only groups have members`},
		{"owner of a service", &vitrine.Principal{ID: "x", Kind: vitrine.Service, Owner: "nobody"}, `principal/x: owner: there is no principal "nobody"`},
		{"role of a binding", &vitrine.Binding{ID: "b", Role: "none", Principal: "alice", Scope: "p0"}, `binding/b: role: there is no role "none"`},
		{"principal of a binding", &vitrine.Binding{ID: "b", Role: "owner", Principal: "zoe", Scope: "p0"}, `binding/b: principal: there is no principal "zoe"`},
		{"scope of a binding", &vitrine.Binding{ID: "b", Role: "owner", Principal: "alice", Scope: "p7"}, `binding/b: scope: there is no scope "p7"`},
		{"no scope", &vitrine.Binding{ID: "b", Role: "owner", Principal: "alice"}, `binding/b: scope: scope is missing`},
		{"ends before it begins", &vitrine.Binding{ID: "b", Role: "owner", Principal: "alice", Scope: "p0", From: noon, Until: noon.Add(-1)}, `binding/b: until: this binding ends before it begins`},
		{"ends as it begins", &vitrine.Binding{ID: "b", Role: "owner", Principal: "alice", Scope: "p0", From: noon, Until: noon}, `binding/b: until: this binding ends before it begins`},
		{"included role", &vitrine.Role{ID: "r", Includes: []vitrine.ID{"owner", "none"}}, `role/r: includes[1]: there is no role "none"`},
		{"role that includes itself", &vitrine.Role{ID: "r", Includes: []vitrine.ID{"r"}}, `role/r: includes[0]: roles include each other in a circle: r → r`},
		{"group that holds itself", &vitrine.Principal{ID: "g", Kind: vitrine.Group, Members: []vitrine.ID{"alice", "g"}}, `principal/g: members[1]: groups hold each other in a circle: g → g`},
		{"unknown permission", &vitrine.Role{ID: "r", Grants: []vitrine.Grant{{Permissions: []vitrine.Permission{vitrine.UsageView, "usage.steal"}}}}, `role/r: grants[0].permissions[1]: unknown permission "usage.steal"`},
		{"unknown category", &vitrine.Role{ID: "r", Grants: []vitrine.Grant{{Permissions: []vitrine.Permission{vitrine.ImageView}, Categories: []vitrine.Category{99}}}}, `role/r: grants[0].categories[0]: unknown category`},
		{"unknown tier", &vitrine.Role{ID: "r", Grants: []vitrine.Grant{{Permissions: []vitrine.Permission{vitrine.ImageView}, Tiers: []vitrine.Tier{0}}}}, `role/r: grants[0].tiers[0]: unknown tier`},
		{"empty grant", &vitrine.Role{ID: "r", Grants: []vitrine.Grant{{}}}, `role/r: grants[0]: a grant without permissions grants nothing`},
		{"environment", &vitrine.Project{ID: "p", Environment: "prod"}, `project/p: environment: unknown word "prod"`},
		{"project of a dataset", &vitrine.Dataset{ID: "d", Project: "p7", Category: vitrine.Generated}, `dataset/d: project: there is no project "p7"`},
		{"category of a dataset", &vitrine.Dataset{ID: "d", Project: "p0"}, `dataset/d: category: category is missing`},
		{"scopes with one id", &vitrine.Dataset{ID: "p1", Project: "p0", Category: vitrine.Generated}, `dataset/p1: there is a project with this id; scopes share one space of ids`},
		{"second organization", &vitrine.Organization{ID: "org2"}, `organization/org2: there is one organization at most`},
		{"id of a deployment", &vitrine.Deployment{ID: "p0/a/b", Project: "p0", Model: "a/b", Provider: "studio"}, `deployment/p0/a/b: "p0/a/b" is not the id of model "a/b" in project "p0"`},
		{"provider of a deployment", &vitrine.Deployment{ID: "p0/a%2Fb", Project: "p0", Model: "a/b", Provider: "none"}, `deployment/p0/a%2Fb: provider: there is no provider "none"`},
		{"credential", &vitrine.Credential{ID: "c", Provider: "studio", Projects: []vitrine.ID{"p0", "p7"}}, `credential/c: projects[1]: there is no project "p7"`},
		{"role of a credential", &vitrine.Credential{ID: "c", Provider: "studio", Roles: []vitrine.ID{"none"}}, `credential/c: roles[0]: there is no role "none"`},
		{"key of nobody", &vitrine.Key{ID: "k", Principal: "zoe"}, `key/k: principal: there is no principal "zoe"`},
		{"scope of a key", &vitrine.Key{ID: "k", Principal: "alice", Scope: "p7"}, `key/k: scope: there is no scope "p7"`},
		{"role of a key", &vitrine.Key{ID: "k", Principal: "alice", Roles: []vitrine.ID{"none"}}, `key/k: roles[0]: there is no role "none"`},
		{"network of a key", &vitrine.Key{ID: "k", Principal: "alice", CIDRs: []string{"10.0.0.0/8", "home"}}, `key/k: cidrs[1]: "home" is no network`},
		{"whom a deny is for", &vitrine.Deny{ID: "d", Permissions: []vitrine.Permission{vitrine.ImageView}, Principals: []vitrine.ID{"*", "zoe"}, Scope: "p0"}, `deny/d: principals[1]: there is no principal "zoe"`},
		{"whom a deny spares", &vitrine.Deny{ID: "d", Permissions: []vitrine.Permission{vitrine.ImageView}, Principals: []vitrine.ID{"*"}, Except: []vitrine.ID{"zoe"}, Scope: "p0"}, `deny/d: except[0]: there is no principal "zoe"`},
		{"deny of nothing", &vitrine.Deny{ID: "d", Principals: []vitrine.ID{"*"}, Scope: "p0"}, `deny/d: permissions: permissions is missing`},
		{"kind of a constraint", &vitrine.Constraint{ID: "c", Kind: "hope"}, `constraint/c: kind: unknown word "hope"`},
		{"separation of one", &vitrine.Constraint{ID: "c", Kind: vitrine.StaticSoD, Max: 2, Sets: []vitrine.RoleSet{{Roles: []vitrine.ID{"owner"}}}}, `constraint/c: max: max is how many of the 1 sets are too many: from 2 to 1`},
		{"role of a set", &vitrine.Constraint{ID: "c", Kind: vitrine.DynamicSoD, Max: 2, Sets: []vitrine.RoleSet{{Roles: []vitrine.ID{"owner"}}, {Roles: []vitrine.ID{"none"}}}}, `constraint/c: sets[1].roles[0]: there is no role "none"`},
		{"too many sets", &vitrine.Constraint{ID: "c", Kind: vitrine.DynamicSoD, Max: 2, Sets: slices.Repeat([]vitrine.RoleSet{{Roles: []vitrine.ID{"owner"}}}, 65)}, `constraint/c: sets: all dynamic separations of duty together have at most 64 sets`},
		{"mfa for nothing", &vitrine.Constraint{ID: "c", Kind: vitrine.MFA, MaxAge: vitrine.Duration(time.Minute)}, `constraint/c: permissions: permissions or role is missing: what this holds for`},
		{"mfa of no age", &vitrine.Constraint{ID: "c", Kind: vitrine.MFA, Role: "owner"}, `constraint/c: max_age: max_age is missing`},
		{"budget of nobody", &vitrine.Budget{ID: "b", Kind: vitrine.BudgetProject, Subject: "p7", Window: vitrine.Daily}, `budget/b: subject: there is no project "p7"`},
		{"budget of a group that is none", &vitrine.Budget{ID: "b", Kind: vitrine.BudgetGroup, Subject: "alice", Window: vitrine.Daily}, `budget/b: subject: "alice" is no group`},
		{"kind of a budget", &vitrine.Budget{ID: "b", Kind: "moon", Window: vitrine.Daily}, `budget/b: kind: unknown word "moon"`},
		{"birth tier", &vitrine.Dataset{ID: "d", Project: "p0", Category: vitrine.Generated, BirthTier: 9}, `dataset/d: birth_tier: unknown tier`},
		{"price below zero", &vitrine.Deployment{ID: "p0/m", Project: "p0", Model: "m", Provider: "studio", Price: &vitrine.Price{Image: -1}}, `deployment/p0/m: price: a price is not below zero`},
		{"price rule below zero", &vitrine.Deployment{ID: "p0/m", Project: "p0", Model: "m", Provider: "studio", Price: &vitrine.Price{Rules: []vitrine.PriceRule{{}, {Image: -1}}}}, `deployment/p0/m: price.rules[1]: a price is not below zero`},
		{"limit below zero", &vitrine.Deployment{ID: "p0/m", Project: "p0", Model: "m", Provider: "studio", Limits: vitrine.Limits{MaxN: -1}}, `deployment/p0/m: limits: a limit is not below zero`},
		{"limit of a grant below zero", &vitrine.Role{ID: "r", Grants: []vitrine.Grant{{Permissions: []vitrine.Permission{vitrine.ModelGenerate}, MaxN: -1}}}, `role/r: grants[0]: a limit is not below zero`},
		{"acting for an organization", &vitrine.Key{ID: "k", Principal: "alice", For: "org"}, `key/k: for: there is no principal "org"`},
		{"holders of no role", &vitrine.Constraint{ID: "c", Kind: vitrine.Holders, Min: 3, Max: 2}, "constraint/c: role: role is missing\nconstraint/c: max: min is above max"},
		{"formats of nothing", &vitrine.Constraint{ID: "c", Kind: vitrine.Formats, Scope: "p7"}, "constraint/c: scope: there is no scope \"p7\"\nconstraint/c: response_formats: response_formats is missing"},
		{"end users of nobody", &vitrine.Budget{ID: "b", Kind: vitrine.BudgetEndUser, Window: "year", Limit: -1}, "budget/b: window: unknown word \"year\"\nbudget/b: limit: a limit is not below zero\nbudget/b: subject: subject is missing"},
		{"two with one id", user("alice"), `principal/alice: there are two with this id`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := rbac.Compile(1, append(frame(), tt.o))
			if p != nil || err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
			if !errors.Is(err, vitrine.ErrInvalid) {
				t.Error("not an ErrInvalid")
			}
		})
	}
}

func TestCompileRefusesUnsafeConditions(t *testing.T) {
	for _, text := range []string{"tier <=", "true || file('x')", "owner.matches('(')"} {
		b := bind("owner", "alice", "p0")
		b.Condition = text
		_, err := rbac.Compile(1, append(frame(), b))
		var all rbac.Problems
		if !errors.As(err, &all) || len(all) != 1 || all[0].Field != "condition" || all[0].Ref != b.Ref() || !strings.Contains(all[0].Text, "cannot be used") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestCompileListsEverything(t *testing.T) {
	_, err := rbac.Compile(1, []vitrine.Object{
		nil,
		&vitrine.Role{ID: "a", Includes: []vitrine.ID{"b"}}, &vitrine.Role{ID: "b", Includes: []vitrine.ID{"c"}}, &vitrine.Role{ID: "c", Includes: []vitrine.ID{"a", "x"}},
		&vitrine.Principal{ID: "g", Kind: vitrine.Group, Members: []vitrine.ID{"h"}}, &vitrine.Principal{ID: "h", Kind: vitrine.Group, Members: []vitrine.ID{"g"}},
		&vitrine.Project{ID: "p", Environment: vitrine.Staging},
	})
	want := []string{
		`/: this is no object of a policy`,
		`role/c: includes[0]: roles include each other in a circle: a → b → c → a`,
		`principal/h: members[0]: groups hold each other in a circle: g → h → g`,
		`project/p: there is no organization that it could lie in`,
		`role/c: includes[1]: there is no role "x"`,
	}
	if err == nil {
		t.Fatal("no error")
	}
	if diff := cmp.Diff(want, strings.Split(err.Error(), "\n")); diff != "" {
		t.Error(diff)
	}
}

// Only people are acted for, and only those who can act have keys.
func TestKeysOfWhom(t *testing.T) {
	robot := &vitrine.Principal{ID: "robot", Kind: vitrine.Service, Service: vitrine.Agent, Owner: "robot"}
	team := &vitrine.Principal{ID: "team", Kind: vitrine.Group}
	_, err := rbac.Compile(1, append(frame(), robot, team, &vitrine.Key{ID: "k", Principal: "team", For: "robot"}))
	want := "principal/robot: owner: \"robot\" is no person\nkey/k: principal: \"team\" is a group\nkey/k: for: \"robot\" is no person"
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

// Nothing is a policy too: that of a store before init. It allows nothing.
func TestCompileNothing(t *testing.T) {
	p, err := rbac.Compile(0, nil)
	if err != nil {
		t.Fatal(err)
	}
	if p.Organization() != nil || p.Enrolled() || len(p.Objects(vitrine.KindRole)) != 0 || p.Revision() != 0 {
		t.Errorf("got %+v", p)
	}
	if d := p.Decide(by("ann", vitrine.ImageOpen, picture(vitrine.Public))); d.Allow || d.Code != vitrine.CodeInactive {
		t.Errorf("got %+v", d)
	}
	s := rbac.Subject{Principal: "ann"}
	if f := p.Filter(&s, vitrine.ImageOpen, noon); len(f.Sets) != 0 || f.Allows(picture(vitrine.Public)) {
		t.Errorf("got %+v", f)
	}
	if ids := p.Visible(&s, vitrine.RoleView, vitrine.KindRole, noon); len(ids) != 0 {
		t.Errorf("sees %v", ids)
	}
	if all := p.Who(vitrine.ImageOpen, picture(vitrine.Public), noon); len(all) != 0 {
		t.Errorf("holders %v", all)
	}
}

func TestAccessors(t *testing.T) {
	objects := append(frame(),
		&vitrine.Principal{ID: "team", Kind: vitrine.Group, Members: []vitrine.ID{"alice"}},
		&vitrine.Principal{ID: "all", Kind: vitrine.Group, Members: []vitrine.ID{"team", "adam"}},
		&vitrine.Key{ID: "k", Principal: "alice"})
	p, err := rbac.CompileAt(9, objects, map[vitrine.Ref]int64{{Kind: vitrine.KindProject, ID: "p0"}: 3})
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Groups("alice"); !slices.Equal(got, []vitrine.ID{"all", "team"}) {
		t.Errorf("alice is in %v", got)
	}
	if got := p.Groups("nobody"); got != nil {
		t.Errorf("nobody is in %v", got)
	}
	if at := p.ChangedAt(vitrine.Ref{Kind: vitrine.KindProject, ID: "p0"}); at != 3 {
		t.Errorf("p0 changed at %d", at)
	}
	if at := p.ChangedAt(vitrine.Ref{Kind: vitrine.KindProject, ID: "p1"}); at != 9 {
		t.Errorf("p1 changed at %d", at)
	}
	if at := p.ChangedAt(vitrine.Ref{Kind: vitrine.KindImage, ID: "p1"}); at != 0 {
		t.Errorf("an image changed at %d", at)
	}
	_, okP := p.Project("p0")
	_, okD := p.Dataset("d0")
	_, okM := p.Deployment("p0/flux")
	_, okK := p.Key("k")
	_, okW := p.Principal("team")
	_, none := p.Dataset("p0")
	if !okP || !okD || !okM || !okK || !okW || none {
		t.Error("something is not found, or something else")
	}
	var ids []string
	for _, o := range p.Objects(vitrine.KindDataset) {
		ids = append(ids, string(o.Ref().ID))
	}
	if fmt.Sprint(ids) != "[d0 d1 d2 d3]" {
		t.Errorf("datasets %v", ids)
	}
}

package rbac_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/rbac"
)

// gallery is a policy in which ann holds one binding of every fate.
func gallery(t *testing.T) *rbac.Policy {
	b := func(id, role, principal, scope vitrine.ID) *vitrine.Binding {
		return &vitrine.Binding{ID: id, Role: role, Principal: principal, Scope: scope}
	}
	ended, begins, odd, false_ := b("ended", "open", "ann", "p0"), b("begins", "open", "ann", "p0"), b("odd", "open", "ann", "p0"), b("false", "open", "ann", "p0")
	ended.Until, begins.From = noon, noon.Add(time.Hour)
	odd.Condition, false_.Condition = `mfa_age < duration("1h")`, `tier == public`
	return house(t, user("ann"), user("bob"),
		&vitrine.Principal{ID: "inner", Kind: vitrine.Group, Members: []vitrine.ID{"ann"}},
		&vitrine.Principal{ID: "outer", Kind: vitrine.Group, Members: []vitrine.ID{"inner"}},
		&vitrine.Role{ID: "open", Grants: []vitrine.Grant{grant(vitrine.Internal, vitrine.ImageOpen)}},
		&vitrine.Role{ID: "public", Grants: []vitrine.Grant{grant(vitrine.Public, vitrine.ImageOpen)}},
		&vitrine.Role{ID: "trainer", Grants: []vitrine.Grant{{Permissions: []vitrine.Permission{vitrine.ImageOpen}, Categories: []vitrine.Category{vitrine.Training}, Tiers: vitrine.Tiers}}},
		&vitrine.Role{ID: "usage", Grants: []vitrine.Grant{{Permissions: []vitrine.Permission{vitrine.UsageView}}}},
		&vitrine.Role{ID: "closed", Disabled: true},
		&vitrine.Deny{ID: "no", Permissions: []vitrine.Permission{vitrine.ImageOpen}, Principals: []vitrine.ID{"outer"}, Scope: "p0"},
		ended, begins, odd, false_, b("far", "open", "ann", "p1"), b("closed", "closed", "ann", "p0"), b("low", "public", "ann", "p0"),
		b("other", "trainer", "ann", "d0"), b("else", "usage", "ann", "org"), b("good", "open", "outer", "d0"), b("bobs", "open", "bob", "d0"),
	)
}

func TestExplain(t *testing.T) {
	x := gallery(t).Explain(by("ann", vitrine.ImageOpen, picture(vitrine.Internal)))
	ann := []vitrine.ID{"ann"}
	want := rbac.Explanation{
		Denies: []vitrine.ID{"no"},
		Bindings: []rbac.Considered{
			{Binding: "good", Role: "open", Scope: "d0", Path: []vitrine.ID{"ann", "inner", "outer"}, Code: vitrine.CodeAllowed},
			{Binding: "low", Role: "public", Scope: "p0", Path: ann, Code: vitrine.CodeTier, Failed: vitrine.FailedPermission,
				Detail: "the role grants image.open on generated up to public, not internal"},
			{Binding: "other", Role: "trainer", Scope: "d0", Path: ann, Code: vitrine.CodeCategory, Failed: vitrine.FailedPermission,
				Detail: "the role does not grant image.open on generated"},
			{Binding: "else", Role: "usage", Scope: "org", Path: ann, Code: vitrine.CodePermission, Failed: vitrine.FailedPermission,
				Detail: "the role does not grant image.open"},
			{Binding: "odd", Role: "open", Scope: "p0", Path: ann, Code: vitrine.CodeCondError, Failed: vitrine.FailedAuthorized,
				Detail: `evaluate condition: no second factor was shown: mfa_age < duration("1h")`},
			{Binding: "false", Role: "open", Scope: "p0", Path: ann, Code: vitrine.CodeCondition, Failed: vitrine.FailedAuthorized, Detail: "false: tier == public"},
			{Binding: "closed", Role: "closed", Scope: "p0", Path: ann, Code: vitrine.CodeRoleOff, Failed: vitrine.FailedAuthorized, Detail: "the role is disabled"},
			{Binding: "begins", Role: "open", Scope: "p0", Path: ann, Code: vitrine.CodeOutOfTime, Failed: vitrine.FailedAuthorized, Detail: "it begins at 2027-01-15T13:00:00Z"},
			{Binding: "ended", Role: "open", Scope: "p0", Path: ann, Code: vitrine.CodeOutOfTime, Failed: vitrine.FailedAuthorized, Detail: "it ended at 2027-01-15T12:00:00Z"},
			{Binding: "far", Role: "open", Scope: "p1", Path: ann, Code: vitrine.CodeNoRole, Failed: vitrine.FailedAssigned, Detail: "it hangs on project p1"},
		},
	}
	if d := x.Decision; d.Code != vitrine.CodeDenyRule || d.Deny != "no" || d.Hidden || d.Erred != "odd" {
		t.Errorf("decided %+v", d)
	}
	x.Decision = vitrine.Decision{}
	if diff := cmp.Diff(want, x); diff != "" {
		t.Error(diff)
	}
}

// Of the agent and of the person both, so that one sees whose right is missing.
func TestExplainAnAgent(t *testing.T) {
	p := house(t, user("ann"), &vitrine.Principal{ID: "helper", Kind: vitrine.Service, Service: vitrine.Agent},
		&vitrine.Key{ID: "k", Principal: "helper", For: "ann"},
		&vitrine.Role{ID: "open", Grants: []vitrine.Grant{grant(vitrine.Internal, vitrine.ImageOpen)}},
		bind("open", "helper", "p0"), bind("open", "ann", "p1"))
	q := by("helper", vitrine.ImageOpen, picture(vitrine.Internal))
	q.Subject.Credential, q.Subject.Key = "k", true
	x := p.Explain(q)
	if x.Decision.Allow || x.Decision.Code != vitrine.CodeNoRole || len(x.Bindings) != 2 ||
		x.Bindings[0].Code != vitrine.CodeAllowed || x.Bindings[1].Path[0] != "ann" || x.Bindings[1].Code != vitrine.CodeNoRole {
		t.Errorf("got %+v", x)
	}
}

func TestWho(t *testing.T) {
	p := gallery(t)
	conditional := func(h rbac.Holder) rbac.Holder { h.Conditional = true; return h }
	bob := rbac.Holder{Principal: "bob", Kind: vitrine.User, Binding: "bobs", Role: "open", Path: []vitrine.ID{"bob"}}
	ann := rbac.Holder{Principal: "ann", Kind: vitrine.User, Binding: "false", Role: "open", Path: []vitrine.ID{"ann"}}
	other := picture(vitrine.Internal)
	other.Scope = "d1"
	view := rbac.Holder{Principal: "ann", Kind: vitrine.User, Binding: "good", Role: "open", Path: []vitrine.ID{"ann", "inner", "outer"}}
	tests := []struct {
		name string
		perm vitrine.Permission
		r    vitrine.Resource
		want []rbac.Holder
	}{
		{"without the denied", vitrine.ImageOpen, picture(vitrine.Internal), []rbac.Holder{bob}},
		{"unconditional before conditional", vitrine.ImageView, picture(vitrine.Internal), []rbac.Holder{view, bob}},
		{"conditional", vitrine.ImageView, other, []rbac.Holder{conditional(ann)}},
		{"unknown scope", vitrine.ImageView, vitrine.Resource{Kind: vitrine.KindImage, Scope: "gone"}, nil},
		{"absent", vitrine.ImageView, vitrine.Resource{}, nil},
		{"unknown permission", "image.steal", picture(vitrine.Internal), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, p.Who(tt.perm, tt.r, noon)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

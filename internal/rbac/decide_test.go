package rbac_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/rbac"
	"vitrine.dev/vitrine/internal/rbac/reference"
)

// The decision tables in testdata say most of what the engine does. Here stands
// what they cannot say: the fields of a decision, and what no policy file holds.

// grant is a grant of permissions on generated images up to a tier.
func grant(top vitrine.Tier, permissions ...vitrine.Permission) vitrine.Grant {
	return vitrine.Grant{Permissions: permissions, Categories: []vitrine.Category{vitrine.Generated}, Tiers: vitrine.TiersUpTo(top)}
}

// house is a policy that has what every policy has, and more objects.
func house(t testing.TB, more ...vitrine.Object) *rbac.Policy {
	t.Helper()
	return compile(t, append(frame(), more...))
}

func user(id vitrine.ID) *vitrine.Principal { return &vitrine.Principal{ID: id, Kind: vitrine.User} }

func bind(role, principal, scope vitrine.ID) *vitrine.Binding {
	id := strings.ReplaceAll(string(role+"-"+principal+"-"+scope), "/", "-")
	return &vitrine.Binding{ID: vitrine.ID(id), Role: role, Principal: principal, Scope: scope}
}

// picture is a generated image in a dataset of p0.
func picture(tier vitrine.Tier) vitrine.Resource {
	return vitrine.Resource{Kind: vitrine.KindImage, ID: "i", Scope: "d0", Category: vitrine.Generated, Tier: tier}
}

func by(principal vitrine.ID, perm vitrine.Permission, r vitrine.Resource) *rbac.Question {
	return &rbac.Question{Subject: rbac.Subject{Principal: principal}, Permission: perm, Resource: r, At: noon}
}

func TestDecisionIsWhole(t *testing.T) {
	p := house(t, user("ann"), bind("seer", "ann", "p0"),
		&vitrine.Role{ID: "seer", Grants: []vitrine.Grant{grant(vitrine.Confidential, vitrine.ImageView), grant(vitrine.Internal, vitrine.ImageOpen)}},
		&vitrine.Role{ID: "huge", Name: "Huge", Grants: []vitrine.Grant{grant(vitrine.Restricted, vitrine.ImageExport, vitrine.ImageDelete)}},
		&vitrine.Role{ID: "steward", Name: "Data Steward", Grants: []vitrine.Grant{grant(vitrine.Confidential, vitrine.ImageOpen)}},
		&vitrine.Role{ID: "closed", Disabled: true, Grants: []vitrine.Grant{grant(vitrine.Confidential, vitrine.ImageOpen)}},
	)
	tests := []struct {
		name string
		q    *rbac.Question
		want vitrine.Decision
	}{
		{"original", by("ann", vitrine.ImageOpen, picture(vitrine.Internal)), vitrine.Decision{
			Allow: true, Code: vitrine.CodeAllowed, Binding: "seer-ann-p0", Role: "seer"}},
		{"masked", by("ann", vitrine.ImageView, picture(vitrine.Internal)), vitrine.Decision{
			Allow: true, Code: vitrine.CodeAllowed, Binding: "seer-ann-p0", Role: "seer", Obligation: vitrine.Obligation{Rendition: vitrine.Masked}}},
		{"denied, with the nearest miss", by("ann", vitrine.ImageOpen, picture(vitrine.Confidential)), vitrine.Decision{
			Code: vitrine.CodeTier, Failed: vitrine.FailedPermission, Binding: "seer-ann-p0", Role: "seer", Nearest: vitrine.Nearest{
				Role: "steward", RoleName: "Data Steward", Scope: "p0", ScopeKind: vitrine.KindProject, Permission: vitrine.ImageOpen,
				Tier: vitrine.Internal, WantTier: vitrine.Confidential}}},
		{"denied what no role grants", by("ann", vitrine.ImageMove, picture(vitrine.Internal)), vitrine.Decision{
			Code: vitrine.CodePermission, Failed: vitrine.FailedPermission, Binding: "seer-ann-p0", Role: "seer", Nearest: vitrine.Nearest{
				Scope: "p0", ScopeKind: vitrine.KindProject, Permission: vitrine.ImageMove, WantTier: vitrine.Internal}}},
		{"hidden, without", by("ann", vitrine.ImageOpen, picture(vitrine.TierUnknown)), vitrine.Decision{
			Code: vitrine.CodeTier, Failed: vitrine.FailedPermission, Hidden: true, Binding: "seer-ann-p0", Role: "seer"}},
		{"unknown permission", by("ann", "image.steal", picture(vitrine.Internal)), vitrine.Decision{
			Code: vitrine.CodePermission, Failed: vitrine.FailedPermission, Binding: "seer-ann-p0", Role: "seer"}},
		{"unknown category", by("ann", vitrine.ImageOpen, vitrine.Resource{Kind: vitrine.KindImage, Scope: "d0", Tier: vitrine.Public}), vitrine.Decision{
			Code: vitrine.CodeCategory, Failed: vitrine.FailedPermission, Hidden: true, Binding: "seer-ann-p0", Role: "seer"}},
		{"unknown scope", by("ann", vitrine.ImageOpen, vitrine.Resource{Kind: vitrine.KindImage, Scope: "gone", Category: vitrine.Generated, Tier: vitrine.Public}),
			vitrine.Decision{Code: vitrine.CodeNoRole, Failed: vitrine.FailedAssigned, Hidden: true}},
		{"absent", by("ann", vitrine.ImageOpen, vitrine.Resource{}), vitrine.Decision{
			Code: vitrine.CodeAbsent, Failed: vitrine.FailedAssigned, Hidden: true}},
		{"unknown principal", by("zoe", vitrine.ImageOpen, picture(vitrine.Internal)), vitrine.Decision{
			Code: vitrine.CodeInactive, Failed: vitrine.FailedAuthorized, Hidden: true}},
		{"nobody", by("", vitrine.ImageOpen, picture(vitrine.Internal)), vitrine.Decision{
			Code: vitrine.CodeNoCaller, Failed: vitrine.FailedAssigned, Hidden: true}},
		{"the system", &rbac.Question{Subject: rbac.Subject{System: true}, Permission: vitrine.ImageOpen, Resource: picture(vitrine.Internal), At: noon},
			vitrine.Decision{Code: vitrine.CodeNoCaller, Failed: vitrine.FailedAssigned, Hidden: true}},
		{"the zero question", &rbac.Question{}, vitrine.Decision{Code: vitrine.CodeNoCaller, Failed: vitrine.FailedAssigned, Hidden: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.want.Permission, tt.want.Revision, tt.want.At = tt.q.Permission, 7, tt.q.At
			if diff := cmp.Diff(tt.want, p.Decide(tt.q)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What a masked view shows is what any of the allowing grants shows; for an
// agent, what both may see.
func TestFindingsShown(t *testing.T) {
	faces, texts := grant(vitrine.Internal, vitrine.ImageView), grant(vitrine.Public, vitrine.ImageOpen)
	faces.Findings, texts.Findings = []string{"face"}, []string{"text", "name"}
	p := house(t, user("ann"), user("bob"), &vitrine.Principal{ID: "helper", Kind: vitrine.Service, Service: vitrine.Agent},
		&vitrine.Role{ID: "faces", Grants: []vitrine.Grant{faces}},
		&vitrine.Role{ID: "texts", Grants: []vitrine.Grant{texts}},
		&vitrine.Role{ID: "both", Includes: []vitrine.ID{"faces", "texts"}},
		&vitrine.Key{ID: "k", Principal: "helper", For: "ann"},
		bind("faces", "ann", "p0"), bind("texts", "ann", "org"), bind("texts", "helper", "org"), bind("both", "bob", "p0"),
	)
	tests := []struct {
		name string
		s    rbac.Subject
		tier vitrine.Tier
		want []string
	}{
		{"one grant", rbac.Subject{Principal: "ann"}, vitrine.Internal, []string{"face"}},
		{"two bindings", rbac.Subject{Principal: "ann"}, vitrine.Public, []string{"face", "name", "text"}},
		{"included roles", rbac.Subject{Principal: "bob"}, vitrine.Public, []string{"face", "name", "text"}},
		{"of which one is active", rbac.Subject{Principal: "bob", Roles: []vitrine.ID{"texts"}}, vitrine.Public, []string{"name", "text"}},
		{"an agent", rbac.Subject{Principal: "helper", Credential: "k", Key: true}, vitrine.Public, []string{"name", "text"}},
	}
	for _, tt := range tests {
		d := p.Decide(&rbac.Question{Subject: tt.s, Permission: vitrine.ImageView, Resource: picture(tt.tier), At: noon})
		if !d.Allow || d.Obligation.Rendition != vitrine.Masked || !slices.Equal(d.Obligation.Show, tt.want) {
			t.Errorf("%s: got %+v, want %q", tt.name, d, tt.want)
		}
	}
}

// Who is denied the lesser may not do the greater, which would show the same.
func TestDenyReachesWhatIncludesIt(t *testing.T) {
	role := &vitrine.Role{ID: "all", Grants: []vitrine.Grant{grant(vitrine.Internal, vitrine.ImageExport)}}
	perms := []vitrine.Permission{vitrine.ImageView, vitrine.ImageOpen, vitrine.ImageExport}
	tests := []struct {
		denied vitrine.Permission
		allow  []bool // of perms
		hidden bool   // what is withheld
	}{
		{vitrine.ImageView, []bool{false, false, false}, true},
		{vitrine.ImageOpen, []bool{true, false, false}, false},
		{vitrine.ImageExport, []bool{true, true, false}, false},
		{vitrine.ImageCreate, []bool{true, true, true}, false},
	}
	for _, tt := range tests {
		p := house(t, user("ann"), role, bind("all", "ann", "p0"),
			&vitrine.Deny{ID: "no", Permissions: []vitrine.Permission{tt.denied}, Principals: []vitrine.ID{vitrine.Everyone}, Scope: "p0"})
		for i, perm := range perms {
			d := p.Decide(by("ann", perm, picture(vitrine.Internal)))
			if d.Allow != tt.allow[i] || !d.Allow && (d.Deny != "no" || d.Failed != vitrine.FailedDeny || d.Hidden != tt.hidden) {
				t.Errorf("denied %s: %s is %+v", tt.denied, perm, d)
			}
		}
	}
}

// A second factor that is demanded for the lesser is demanded for the greater,
// and one that is not fresh does not hide.
func TestFreshSecondFactor(t *testing.T) {
	p := house(t, user("ann"), bind("all", "ann", "p0"),
		&vitrine.Role{ID: "all", Grants: []vitrine.Grant{grant(vitrine.Confidential, vitrine.ImageExport)}},
		&vitrine.Constraint{ID: "fresh", Kind: vitrine.MFA, Permissions: []vitrine.Permission{vitrine.ImageOpen},
			Tiers: []vitrine.Tier{vitrine.Confidential}, MaxAge: vitrine.Duration(15 * time.Minute)})
	tests := []struct {
		name string
		perm vitrine.Permission
		tier vitrine.Tier
		age  time.Duration // 0: never shown
		want vitrine.Code
	}{
		{"fresh", vitrine.ImageOpen, vitrine.Confidential, 15 * time.Minute, vitrine.CodeAllowed},
		{"old", vitrine.ImageOpen, vitrine.Confidential, 15*time.Minute + 1, vitrine.CodeNeedsMFA},
		{"never", vitrine.ImageOpen, vitrine.Confidential, 0, vitrine.CodeNeedsMFA},
		{"by another node's clock", vitrine.ImageOpen, vitrine.Confidential, -time.Second, vitrine.CodeAllowed},
		{"of tomorrow", vitrine.ImageOpen, vitrine.Confidential, -24 * time.Hour, vitrine.CodeNeedsMFA},
		{"export includes open", vitrine.ImageExport, vitrine.Confidential, 0, vitrine.CodeNeedsMFA},
		{"a view needs none", vitrine.ImageView, vitrine.Confidential, 0, vitrine.CodeAllowed},
		{"at another tier", vitrine.ImageOpen, vitrine.Internal, 0, vitrine.CodeAllowed},
	}
	for _, tt := range tests {
		q := by("ann", tt.perm, picture(tt.tier))
		if tt.age != 0 {
			q.Subject.MFA = noon.Add(-tt.age)
		}
		if d := p.Decide(q); d.Code != tt.want || d.Hidden {
			t.Errorf("%s: got %+v, want %s", tt.name, d, tt.want)
		}
	}
}

// A service account works in its environment.
func TestServiceStaysInItsEnvironment(t *testing.T) {
	p := house(t, &vitrine.Principal{ID: "pipe", Kind: vitrine.Service, Environment: vitrine.Staging},
		&vitrine.Role{ID: "r", Grants: []vitrine.Grant{grant(vitrine.Internal, vitrine.ImageOpen), {Permissions: []vitrine.Permission{vitrine.UsageView}}}},
		bind("r", "pipe", "org"))
	staged := picture(vitrine.Internal)
	staged.Scope = "d3"
	tests := []struct {
		name string
		perm vitrine.Permission
		r    vitrine.Resource
		want vitrine.Code
	}{
		{"its own", vitrine.ImageOpen, staged, vitrine.CodeAllowed},
		{"production", vitrine.ImageOpen, picture(vitrine.Internal), vitrine.CodeOutOfScope},
		{"of no environment", vitrine.UsageView, vitrine.Resource{Kind: vitrine.KindUsage, Scope: "org"}, vitrine.CodeAllowed},
	}
	for _, tt := range tests {
		if d := p.Decide(by("pipe", tt.perm, tt.r)); d.Code != tt.want {
			t.Errorf("%s: got %+v, want %s", tt.name, d, tt.want)
		}
	}
}

// All limits must be met by one grant: two that each meet half do not add up.
func TestLimitsOfOneGrant(t *testing.T) {
	p := house(t, user("ann"), bind("r", "ann", "p0"), &vitrine.Role{ID: "r", Grants: []vitrine.Grant{
		{Permissions: []vitrine.Permission{vitrine.ModelGenerate}, Models: []string{"hidream"}, MaxWidth: 1024, MaxHeight: 1024, MaxN: 1},
		{Permissions: []vitrine.Permission{vitrine.ModelGenerate}, Models: []string{"hidream"}, MaxWidth: 512, MaxHeight: 512, MaxN: 4, Formats: []string{"png"}},
	}})
	tests := []struct {
		name string
		r    vitrine.Resource
		want vitrine.Code
		hint string
	}{
		{"one large", vitrine.Resource{Width: 1024, Height: 1024, N: 1}, vitrine.CodeAllowed, ""},
		{"four small", vitrine.Resource{Width: 512, Height: 512, N: 4}, vitrine.CodeAllowed, ""},
		{"four large", vitrine.Resource{Width: 1024, Height: 1024, N: 4}, vitrine.CodeN, "needs model.generate at project p0, or n ≤ 4"},
		{"five small", vitrine.Resource{Width: 512, Height: 512, N: 5}, vitrine.CodeN, "needs model.generate at project p0, or n ≤ 4"},
		{"too large", vitrine.Resource{Width: 2048, Height: 512}, vitrine.CodeSize, "needs model.generate at project p0, or a size ≤ 1024x1024"},
		{"two jpegs", vitrine.Resource{Format: "jpeg", N: 2}, vitrine.CodeN, "needs model.generate at project p0, or n ≤ 4"},
		{"nothing asked", vitrine.Resource{}, vitrine.CodeAllowed, ""},
	}
	for _, tt := range tests {
		r := tt.r
		r.Kind, r.Scope = vitrine.KindDeployment, "p0/hidream"
		if d := p.Decide(by("ann", vitrine.ModelGenerate, r)); d.Code != tt.want || d.Nearest.Text() != tt.hint || d.Hidden {
			t.Errorf("%s: got %+v, want %s %q", tt.name, d, tt.want, tt.hint)
		}
	}
	// Whatever model the question names, the deployment's counts.
	r := vitrine.Resource{Kind: vitrine.KindDeployment, Scope: "p0/flux", Model: "hidream"}
	if d := p.Decide(by("ann", vitrine.ModelGenerate, r)); d.Code != vitrine.CodeModel || d.Hidden {
		t.Errorf("another model: %+v", d)
	}
}

// Deployments are no secret to whoever may generate with any in the project.
func TestSiblingDeploymentsAreKnown(t *testing.T) {
	p := house(t, user("ann"), user("bob"), user("eve"), bind("draw", "ann", "p0/hidream"), bind("look", "bob", "p0/hidream"),
		bind("draw", "eve", "p0/hidream"),
		&vitrine.Deny{ID: "not-eve", Permissions: []vitrine.Permission{vitrine.ModelGenerate}, Principals: []vitrine.ID{"eve"}, Scope: "p0"},
		&vitrine.Role{ID: "draw", Grants: []vitrine.Grant{{Permissions: []vitrine.Permission{vitrine.ModelGenerate}}}},
		&vitrine.Role{ID: "look", Grants: []vitrine.Grant{{Permissions: []vitrine.Permission{vitrine.ModelView}}}})
	tests := []struct {
		who, scope vitrine.ID
		hidden     bool
	}{
		{"ann", "p0/flux", false}, {"ann", "p1/hidream", true}, {"bob", "p0/flux", true}, {"eve", "p0/flux", true},
	}
	for _, tt := range tests {
		r := vitrine.Resource{Kind: vitrine.KindDeployment, ID: tt.scope, Scope: tt.scope}
		if d := p.Decide(by(tt.who, vitrine.ModelGenerate, r)); d.Allow || d.Hidden != tt.hidden {
			t.Errorf("%s at %s: %+v, want hidden %v", tt.who, tt.scope, d, tt.hidden)
		}
	}
}

// A condition that errs is as if its binding were not there, and is named,
// whether something else allows or not.
func TestErringConditionIsNamed(t *testing.T) {
	odd := bind("r", "ann", "p0")
	odd.ID, odd.Condition = "a-odd", `mfa_age < duration("1h")`
	good := bind("r", "ann", "org")
	objects := []vitrine.Object{user("ann"), odd, &vitrine.Role{ID: "r", Grants: []vitrine.Grant{grant(vitrine.Internal, vitrine.ImageOpen)}}}
	q := by("ann", vitrine.ImageOpen, picture(vitrine.Internal))
	if d := house(t, objects...).Decide(q); d.Code != vitrine.CodeCondError || !d.Hidden || d.Erred != "a-odd" {
		t.Errorf("alone: %+v", d)
	}
	if d := house(t, append(objects, good)...).Decide(q); !d.Allow || d.Binding != good.ID || d.Erred != "a-odd" {
		t.Errorf("with another: %+v", d)
	}
	q.Subject.MFA = noon
	if d := house(t, objects...).Decide(q); !d.Allow || d.Erred != "" {
		t.Errorf("with its fact: %+v", d)
	}
}

// FuzzDecide: no question about any policy crashes, contradicts itself or allows
// what the model does not.
func FuzzDecide(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(seed, "d0", "image.open", "u0", uint8(3), uint8(2))
	}
	f.Add(uint64(1), "", "", "", uint8(255), uint8(255))
	f.Fuzz(func(t *testing.T, seed uint64, scope, perm, who string, category, tier uint8) {
		r := reference.NewRandom(seed)
		objects := r.Objects(rbac.Predefined())
		p, w := compile(t, objects), reference.New(objects)
		question := r.Question(w)
		question.Caller.Principal, question.Permission = vitrine.ID(who), vitrine.Permission(perm)
		question.Resource.Scope, question.Resource.Category, question.Resource.Tier = vitrine.ID(scope), vitrine.Category(category), vitrine.Tier(tier)
		q := *asked(question)
		d := p.Decide(&q)
		if wrong := decides(question)(told{p, w}); wrong != "" {
			t.Error(wrong)
		}
		if x := p.Explain(&q); !cmp.Equal(x.Decision, d) {
			t.Errorf("%+v\nexplained as %+v", q, x.Decision)
		}
		p.Who(q.Permission, q.Resource, q.At)
	})
}

package policyfile_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/policyfile"
)

// TestPrintIsTheInverse makes random policies, prints them and reads them back.
var hour = vitrine.Duration(time.Hour)

func TestPrintIsTheInverse(t *testing.T) {
	for seed := range uint64(300) {
		m := &maker{rand.New(rand.NewPCG(seed, 1))}
		want := m.objects()
		if len(want) == 0 {
			continue
		}
		files := policyfile.Print(want)
		got, err := policyfile.Parse(asFS(files))
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, dump(files))
		}
		policyfile.Sort(want)
		if a, b := lines(t, want), lines(t, got); a != b {
			t.Fatalf("seed %d: got\n%s\nwant\n%s\nfrom\n%s", seed, b, a, dump(files))
		}
		again := policyfile.Print(got)
		if dump(again) != dump(files) {
			t.Fatalf("seed %d: printed twice differs", seed)
		}
	}
}

func asFS(files map[string]string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return fsys
}

func dump(files map[string]string) string {
	var b strings.Builder
	for _, name := range []string{"projects.yaml", "providers.yaml", "roles.yaml", "principals.yaml", "bindings.yaml", "rules.yaml", "budgets.yaml"} {
		fmt.Fprintf(&b, "--- %s\n%s", name, files[name])
	}
	return b.String()
}

func lines(t *testing.T, objects []vitrine.Object) string {
	t.Helper()
	var b strings.Builder
	for _, o := range objects {
		text, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s %s\n", o.Ref(), text)
	}
	return b.String()
}

// maker makes objects that a policy may hold.
type maker struct{ *rand.Rand }

func (m *maker) objects() []vitrine.Object {
	var all []vitrine.Object
	seen := map[vitrine.Ref]bool{}
	add := func(o vitrine.Object) {
		if !seen[o.Ref()] {
			seen[o.Ref()] = true
			all = append(all, o)
		}
	}
	if m.maybe() {
		add(&vitrine.Organization{ID: policyfile.OrganizationID, Name: m.text(), Solo: m.maybe()})
	}
	for range m.IntN(6) {
		p := &vitrine.Project{ID: m.id(), Name: m.text(), Environment: pick(m, vitrine.Experimental, vitrine.Staging, vitrine.Production)}
		if m.maybe() {
			add(p)
		}
		add(&vitrine.Dataset{ID: m.id(), Project: p.ID, Name: m.text(), Category: pick(m, vitrine.Categories...), BirthTier: vitrine.Tier(m.IntN(5)), Owner: m.id(),
			Retention: pick(m, 0, vitrine.Duration(90*24*time.Hour), vitrine.Duration(90*time.Minute)), KeepAtLeast: pick(m, 0, vitrine.Duration(time.Hour)),
			RestoreWindow: pick(m, nil, new(vitrine.Duration), &hour)})
		add(m.deployment(p.ID))
		add(m.role())
		add(m.binding())
		add(m.principal())
		add(m.constraint())
		add(&vitrine.Provider{ID: m.id(), Kind: vitrine.OpenAI, Name: m.text(), BaseURL: "https://example.com/v1", Hosts: m.texts()})
		add(&vitrine.Provider{ID: m.id(), Kind: vitrine.Studio})
		add(&vitrine.Credential{ID: m.id(), Provider: m.id(), Projects: m.ids(), Roles: m.ids()})
		add(&vitrine.Deny{ID: m.id(), Permissions: m.permissions(), Principals: pick(m, []vitrine.ID{vitrine.Everyone}, []vitrine.ID{m.id()}), Except: m.ids(), Scope: m.scope(), Reason: m.text()})
		add(&vitrine.Budget{ID: m.id(), Kind: vitrine.BudgetEndUser, Subject: pick(m, string(vitrine.Everyone), "each", m.word()), Window: pick(m, vitrine.Daily, vitrine.Total), Limit: m.money()})
	}
	return all
}

func (m *maker) deployment(project vitrine.ID) *vitrine.Deployment {
	d := &vitrine.Deployment{Project: project, Model: m.word(), Provider: m.id(), Upstream: m.text(), Edits: m.maybe(), Disabled: m.maybe()}
	d.ID = vitrine.DeploymentID(d.Project, d.Model)
	if strings.TrimSpace(d.Upstream) == "" {
		d.Upstream = ""
	}
	if m.maybe() {
		d.Price = &vitrine.Price{Image: m.money()}
		for range m.IntN(3) {
			d.Price.Rules = append(d.Price.Rules, vitrine.PriceRule{Size: pick(m, "", "1024x1024"), Quality: pick(m, "", "hd"), Image: m.money()})
		}
	}
	d.Limits = vitrine.Limits{MaxN: m.IntN(3), Prompt: m.IntN(2) * 500, PerMinute: m.IntN(2)}
	if m.maybe() {
		d.Limits.Sizes, d.Limits.Formats = []string{"512x512", "65535x1"}, []string{"png", "webp"}
	}
	return d
}

func (m *maker) role() *vitrine.Role {
	r := &vitrine.Role{ID: m.id(), Name: m.text(), Description: m.text(), Includes: m.ids(), Disabled: m.maybe()}
	for range m.IntN(4) {
		g := vitrine.Grant{Permissions: m.permissions(), Models: m.texts(), MaxWidth: m.IntN(2) * 1024, MaxHeight: m.IntN(2) * 70000, MaxN: m.IntN(3), Findings: m.texts()}
		for _, c := range vitrine.Categories {
			if m.maybe() {
				g.Categories = append(g.Categories, c)
			}
		}
		g.Tiers = pick(m, vitrine.Tiers, vitrine.TiersUpTo(vitrine.Internal), []vitrine.Tier{vitrine.Restricted}, []vitrine.Tier{vitrine.Public}, nil)
		g.Formats, g.ResponseFormats = pick(m, nil, []string{"png"}), pick(m, nil, []string{"b64_json", "url"})
		g.Give = m.maybe()
		g.NoUse = g.Give && m.maybe()
		r.Grants = append(r.Grants, g)
	}
	return r
}

func (m *maker) binding() *vitrine.Binding {
	b := &vitrine.Binding{Role: m.id(), Principal: m.id(), Scope: m.scope(), Reason: m.text()}
	b.ID = pick(m, m.id(), policyfile.BindingID(b.Role, b.Principal, b.Scope))
	if m.maybe() {
		b.From = time.UnixMicro(m.Int64N(1e15)).UTC()
		b.Until = b.From.Add(time.Hour)
	}
	return b
}

func (m *maker) principal() *vitrine.Principal {
	p := &vitrine.Principal{ID: m.id(), Name: m.text(), Kind: pick(m, vitrine.User, vitrine.Service, vitrine.Group)}
	switch p.Kind {
	case vitrine.User:
		p.Email = pick(m, "", "ann@example.com", "o'brien+x@example.org")
	case vitrine.Service:
		p.Service, p.Owner, p.Purpose, p.Environment = pick(m, vitrine.Pipeline, vitrine.Agent), m.id(), m.text(), pick(m, "", vitrine.Staging)
	case vitrine.Group:
		p.Members = []vitrine.ID{"a" + m.id(), "b" + m.id()}
	}
	return p
}

func (m *maker) constraint() *vitrine.Constraint {
	c := &vitrine.Constraint{ID: m.id(), Reason: m.text(), Scope: pick(m, "", m.scope())}
	switch c.Kind = pick(m, vitrine.StaticSoD, vitrine.Holders, vitrine.MFA, vitrine.Formats); c.Kind {
	case vitrine.StaticSoD:
		c.Max = 2
		c.Sets = []vitrine.RoleSet{{Name: m.text(), Roles: []vitrine.ID{m.id()}}, {Permissions: m.permissions(), Categories: pick(m, nil, vitrine.Categories, vitrine.Categories[:2])}}
	case vitrine.Holders:
		c.Role, c.Min, c.Max = m.id(), 2, 3
	case vitrine.MFA:
		c.MaxAge, c.Permissions = vitrine.Duration(15*time.Minute), m.permissions()
	case vitrine.Formats:
		c.ResponseFormats, c.Tiers = []string{"url"}, pick(m, nil, vitrine.Tiers, []vitrine.Tier{vitrine.Restricted})
	}
	return c
}

func pick[T any](m *maker, from ...T) T { return from[m.IntN(len(from))] }

func (m *maker) maybe() bool { return m.IntN(2) == 0 }

func (m *maker) id() vitrine.ID {
	return vitrine.ID(pick(m, "true", "null", "123", "0x1F", "1e9", "2026-01-01", "no", "a.b-c_d", "1_000", "0o17", "1.5") + pick(m, "", fmt.Sprint("-", m.IntN(20))))
}

func (m *maker) ids() []vitrine.ID {
	var all []vitrine.ID
	for i := range m.IntN(3) {
		all = append(all, vitrine.ID(fmt.Sprint("x", i)))
	}
	return all
}

func (m *maker) scope() vitrine.ID {
	return pick(m, "org", m.id(), vitrine.DeploymentID(m.id(), m.word()))
}

func (m *maker) permissions() []vitrine.Permission {
	return pick(m, []vitrine.Permission{vitrine.ImageOpen, vitrine.RoleBind}, []vitrine.Permission{vitrine.UsageView})
}

func (m *maker) money() vitrine.Micros { return vitrine.Micros(m.Int64N(3) * m.Int64N(1e12)) }

// word is text that is not blank.
func (m *maker) word() string {
	return pick(m, "hidream", "black-forest/flux.1:dev@2", "~", "a: b", "- x", "#c", "'q'", `"q"`, "{x}", "x #y", "*", "&a", "!t", "%d", "a\nb", "1.0", "0.5", "é↔日", "<<", "?", "a\\b", "\tx", "x ", "👩‍🎨")
}

func (m *maker) text() string {
	return pick(m, "", " ", "Plain words", "true", "null", "\u2028", "\u0085x", "line\n\n  two\n", "\r\n", "\x01", m.word(), m.word()+m.word())
}

func (m *maker) texts() []string {
	return pick(m, nil, []string{m.word()}, []string{m.word(), m.word()})
}

// A grant neither to use nor to give stands in no file: it grants nothing, and
// files that say so are refused.
func TestPrintLeavesOutWhatGrantsNothing(t *testing.T) {
	role := &vitrine.Role{ID: "r", Grants: []vitrine.Grant{
		{Permissions: []vitrine.Permission{vitrine.UsageView}, NoUse: true},
		{Permissions: []vitrine.Permission{vitrine.BudgetView}, NoUse: true, Give: true},
	}}
	files := fstest.MapFS{}
	for name, text := range policyfile.Print([]vitrine.Object{role}) {
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	got, err := policyfile.Parse(files)
	if err != nil {
		t.Fatal(err)
	}
	want := []vitrine.Object{&vitrine.Role{ID: "r", Grants: role.Grants[1:]}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got) %s", diff)
	}
}

package policyfile

import (
	"fmt"
	"slices"

	"vitrine.dev/vitrine"
)

// Print writes objects as files (path → text), such that Parse gives the same
// back. What does not stand in files is left out: keys, the origins of
// credentials, of principals whether they are disabled, their epoch and when
// they enrolled, and grants neither to use nor to give, which grant nothing. Objects of one kind come in the order of their ids, so
// that two exports can be compared line by line.
func Print(objects []vitrine.Object) map[string]string {
	sorted := slices.Clone(objects)
	Sort(sorted)
	p := &printer{objects: sorted}
	files := make(map[string]string)
	for _, f := range []struct {
		name  string
		write func(*writer)
	}{
		{"projects.yaml", p.projects}, {"providers.yaml", p.providers}, {"roles.yaml", p.roles},
		{"principals.yaml", p.principals}, {"bindings.yaml", p.bindings}, {"rules.yaml", p.rules}, {"budgets.yaml", p.budgets},
	} {
		w := new(writer)
		f.write(w)
		if len(w.lines) > 0 {
			files[f.name] = w.String()
		}
	}
	return files
}

type printer struct{ objects []vitrine.Object }

// all calls fn with every object of a type, in order.
func all[T vitrine.Object](p *printer, fn func(T)) {
	for _, o := range p.objects {
		if x, ok := o.(T); ok {
			fn(x)
		}
	}
}

func (p *printer) projects(w *writer) {
	all(p, func(o *vitrine.Organization) {
		w.open("organization")
		w.text("name", o.Name)
		w.flag("solo", o.Solo)
		if o.Name == "" && !o.Solo {
			w.line("{}")
		}
		w.close()
	})
	here := make(map[vitrine.ID]bool)
	w.section("projects", func() {
		all(p, func(o *vitrine.Project) {
			here[o.ID] = true
			w.open(string(o.ID))
			w.text("name", o.Name)
			w.text("environment", string(o.Environment))
			w.section("datasets", func() {
				all(p, func(s *vitrine.Dataset) { w.dataset(s, s.Project == o.ID, false) })
			})
			w.section("deployments", func() {
				all(p, func(m *vitrine.Deployment) { w.deployment(m, m.Project == o.ID, m.Model) })
			})
			w.close()
		})
	})
	w.section("datasets", func() {
		all(p, func(s *vitrine.Dataset) { w.dataset(s, !here[s.Project], true) })
	})
	w.section("deployments", func() {
		all(p, func(m *vitrine.Deployment) { w.deployment(m, !here[m.Project], string(m.Project)+"/"+m.Model) })
	})
}

func (w *writer) dataset(s *vitrine.Dataset, here, project bool) {
	if !here {
		return
	}
	w.open(string(s.ID))
	if project {
		w.text("project", string(s.Project))
	}
	w.text("name", s.Name)
	w.text("category", s.Category.String())
	w.text("birth_tier", s.BirthTier.String())
	w.text("owner", string(s.Owner))
	w.duration("retention", s.Retention)
	w.duration("keep_at_least", s.KeepAtLeast)
	if s.RestoreWindow != nil {
		w.text("restore_window", s.RestoreWindow.String())
	}
	w.close()
}

func (w *writer) duration(key string, d vitrine.Duration) {
	if d != 0 {
		w.text(key, d.String())
	}
}

func (w *writer) deployment(m *vitrine.Deployment, here bool, key string) {
	if !here {
		return
	}
	w.open(key)
	w.text("provider", string(m.Provider))
	w.text("upstream", m.Upstream)
	w.price(m.Price)
	w.section("limits", func() {
		w.list("sizes", m.Limits.Sizes)
		w.list("formats", m.Limits.Formats)
		w.count("max_n", m.Limits.MaxN)
		w.count("prompt", m.Limits.Prompt)
		w.count("per_minute", m.Limits.PerMinute)
	})
	w.flag("edits", m.Edits)
	w.flag("disabled", m.Disabled)
	w.close()
}

func (w *writer) price(p *vitrine.Price) {
	switch {
	case p == nil:
	case len(p.Rules) == 0:
		w.text("price", p.Image.String())
	default:
		w.open("price")
		w.text("image", p.Image.String())
		w.open("rules")
		for _, r := range p.Rules {
			w.item(func() {
				w.text("size", r.Size)
				w.text("quality", r.Quality)
				w.text("image", r.Image.String())
			})
		}
		w.close()
		w.close()
	}
}

func (p *printer) providers(w *writer) {
	w.section("providers", func() {
		all(p, func(o *vitrine.Provider) {
			w.open(string(o.ID))
			w.text("kind", string(o.Kind))
			w.text("name", o.Name)
			w.text("base_url", o.BaseURL)
			w.list("hosts", o.Hosts)
			w.close()
		})
	})
	w.section("credentials", func() {
		all(p, func(c *vitrine.Credential) {
			w.open(string(c.ID))
			w.text("provider", string(c.Provider))
			w.list("projects", strs(c.Projects))
			w.list("roles", strs(c.Roles))
			w.close()
		})
	})
}

func (p *printer) principals(w *writer) {
	for _, s := range []struct {
		name string
		kind vitrine.PrincipalKind
	}{{"people", vitrine.User}, {"services", vitrine.Service}, {"groups", vitrine.Group}} {
		w.section(s.name, func() {
			all(p, func(o *vitrine.Principal) {
				if o.Kind == s.kind {
					w.principal(o)
				}
			})
		})
	}
}

func (w *writer) principal(o *vitrine.Principal) {
	w.open(string(o.ID))
	w.text("name", o.Name)
	switch o.Kind {
	case vitrine.User:
		w.text("email", o.Email)
	case vitrine.Service:
		w.text("kind", string(o.Service))
		w.text("owner", string(o.Owner))
		w.text("purpose", o.Purpose)
		w.text("environment", string(o.Environment))
	case vitrine.Group:
		w.list("members", strs(o.Members))
	}
	w.close()
}

func (p *printer) roles(w *writer) {
	w.section("roles", func() {
		all(p, func(r *vitrine.Role) {
			w.open(string(r.ID))
			w.text("name", r.Name)
			w.text("description", r.Description)
			w.list("includes", strs(r.Includes))
			w.section("grants", func() {
				for _, g := range r.Grants {
					if !g.NoUse || g.Give {
						w.item(func() { w.grant(&g) })
					}
				}
			})
			w.flag("disabled", r.Disabled)
			w.close()
		})
	})
}

func (w *writer) grant(g *vitrine.Grant) {
	w.list("permissions", strs(g.Permissions))
	if slices.ContainsFunc(g.Permissions, dataBearing) || len(g.Categories) > 0 {
		w.categories(g.Categories, true)
	}
	if slices.ContainsFunc(g.Permissions, dataBearing) || len(g.Tiers) > 0 {
		w.tiers(g.Tiers, true)
	}
	w.list("models", g.Models)
	w.list("formats", g.Formats)
	w.list("response_formats", g.ResponseFormats)
	if g.MaxWidth > 0 && g.MaxHeight > 0 && g.MaxWidth <= 65535 && g.MaxHeight <= 65535 {
		w.text("max_size", fmt.Sprintf("%dx%d", g.MaxWidth, g.MaxHeight))
	} else {
		w.count("max_width", g.MaxWidth)
		w.count("max_height", g.MaxHeight)
	}
	w.count("max_n", g.MaxN)
	w.list("findings", g.Findings)
	if g.NoUse {
		w.line("use: false")
	}
	w.flag("give", g.Give)
}

func (w *writer) categories(c []vitrine.Category, always bool) {
	if slices.Equal(c, vitrine.Categories) {
		w.line("categories: all")
	} else if always || len(c) > 0 {
		w.flow("categories", names(c))
	}
}

func (w *writer) tiers(t []vitrine.Tier, always bool) {
	switch {
	case slices.Equal(t, vitrine.Tiers):
		w.line("tiers: all")
	case len(t) > 1 && slices.Equal(t, vitrine.TiersUpTo(t[len(t)-1])):
		w.line("tiers: <= " + t[len(t)-1].String())
	case always || len(t) > 0:
		w.flow("tiers", names(t))
	}
}

func (p *printer) bindings(w *writer) {
	w.section("bindings", func() {
		all(p, func(b *vitrine.Binding) {
			w.item(func() {
				if b.ID != BindingID(b.Role, b.Principal, b.Scope) {
					w.text("id", string(b.ID))
				}
				w.text("role", string(b.Role))
				w.text("principal", string(b.Principal))
				w.scope(b.Scope)
				w.time("from", b.From)
				w.time("until", b.Until)
				w.text("condition", b.Condition)
				w.text("reason", b.Reason)
			})
		})
	})
}

func (p *printer) rules(w *writer) {
	w.section("denies", func() {
		all(p, func(x *vitrine.Deny) {
			w.open(string(x.ID))
			w.list("permissions", strs(x.Permissions))
			if slices.Equal(x.Principals, []vitrine.ID{vitrine.Everyone}) {
				w.line("principals: everyone")
			} else {
				w.list("principals", strs(x.Principals))
			}
			w.list("except", strs(x.Except))
			w.scope(x.Scope)
			w.text("reason", x.Reason)
			w.close()
		})
	})
	w.section("constraints", func() { all(p, w.constraint) })
}

func (w *writer) constraint(c *vitrine.Constraint) {
	w.open(string(c.ID))
	w.text("kind", string(c.Kind))
	w.text("reason", c.Reason)
	w.section("sets", func() {
		for _, s := range c.Sets {
			w.item(func() {
				w.text("name", s.Name)
				w.list("roles", strs(s.Roles))
				w.list("permissions", strs(s.Permissions))
				w.categories(s.Categories, false)
			})
		}
	})
	w.count("max", c.Max)
	w.count("min", c.Min)
	w.text("role", string(c.Role))
	w.scope(c.Scope)
	w.list("permissions", strs(c.Permissions))
	w.tiers(c.Tiers, false)
	w.list("response_formats", c.ResponseFormats)
	w.duration("max_age", c.MaxAge)
	w.close()
}

func (p *printer) budgets(w *writer) {
	w.section("budgets", func() {
		all(p, func(b *vitrine.Budget) {
			w.open(string(b.ID))
			w.text("kind", string(b.Kind))
			if b.Subject == string(vitrine.Everyone) {
				w.line("each: true")
			} else {
				w.text("subject", b.Subject)
			}
			w.text("window", string(b.Window))
			w.text("limit", b.Limit.String())
			w.close()
		})
	})
}

func strs[T ~string](in []T) []string {
	out := make([]string, len(in))
	for i, s := range in {
		out[i] = string(s)
	}
	return out
}

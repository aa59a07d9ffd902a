package second

import (
	"fmt"
	"strings"

	"vitrine.dev/vitrine"
)

// text is all of a policy as Cedar's policies: one for each grant of each role
// that a binding gives, one for each deny, and the rules that always hold.
func (m *Mapping) text() string {
	var b strings.Builder
	b.WriteString(always)
	for _, o := range m.all {
		switch o := o.(type) {
		case *vitrine.Binding:
			m.binding(&b, o)
		case *vitrine.Deny:
			m.deny(&b, o)
		}
	}
	return b.String()
}

const always = `
forbid (principal, action, resource) unless { principal has active && principal.active };
forbid (principal, action, resource) when { context.people } unless { principal has human && principal.human };
forbid (principal, action, resource) when {
	principal has environment && principal.environment != "" && resource.environment != "" && principal.environment != resource.environment
};
`

func (m *Mapping) binding(b *strings.Builder, x *vitrine.Binding) {
	role, _ := m.objects[vitrine.Ref{Kind: vitrine.KindRole, ID: x.Role}].(*vitrine.Role)
	if role.Disabled {
		return
	}
	for _, r := range m.with(role) {
		for i := range r.Grants {
			if g := &r.Grants[i]; !g.NoUse {
				note := "@binding"
				if r != role {
					note = "@included"
				}
				fmt.Fprintf(b, "%s(%q)\npermit (%s, action in %s, resource in Scope::%q)%s%s;\n",
					note, string(x.ID), m.bearer(x.Principal), set("Holds", g.Permissions), string(x.Scope), times(x), limits(g))
			}
		}
	}
}

// with is a role and all that it includes. What is disabled brings nothing, and
// nothing through it.
func (m *Mapping) with(role *vitrine.Role) []*vitrine.Role {
	all := []*vitrine.Role{role}
	for i := 0; i < len(all); i++ {
		for _, id := range all[i].Includes {
			r, _ := m.objects[vitrine.Ref{Kind: vitrine.KindRole, ID: id}].(*vitrine.Role)
			if !r.Disabled {
				all = append(all, r)
			}
		}
	}
	return all
}

// bearer is whom a binding reaches, as a policy's head says it.
func (m *Mapping) bearer(id vitrine.ID) string {
	if m.group(id) {
		return fmt.Sprintf("principal in Bears::%q", string(id))
	}
	return fmt.Sprintf("principal == Principal::%q", string(id))
}

func (m *Mapping) group(id vitrine.ID) bool {
	p, ok := m.objects[vitrine.Ref{Kind: vitrine.KindPrincipal, ID: id}].(*vitrine.Principal)
	return ok && p.Kind == vitrine.Group
}

func set(kind string, all []vitrine.Permission) string {
	var b []string
	for _, p := range all {
		b = append(b, fmt.Sprintf("%s::%q", kind, string(p)))
	}
	return "[" + strings.Join(b, ", ") + "]"
}

func times(x *vitrine.Binding) string {
	var b strings.Builder
	if !x.From.IsZero() {
		fmt.Fprintf(&b, " when { context.now >= %d }", instant(x.From))
	}
	if !x.Until.IsZero() {
		fmt.Fprintf(&b, " when { context.now < %d }", instant(x.Until))
	}
	return b.String()
}

// limits are what a grant demands of the thing and of what is asked of a model.
func limits(g *vitrine.Grant) string {
	var b strings.Builder
	fmt.Fprintf(&b, " when { !context.data || %s.contains(resource.category) && %s.contains(resource.tier) }", words(g.Categories), tiers(g.Tiers))
	model := func(format string, args ...any) {
		fmt.Fprintf(&b, " when { !context.deployment || "+format+" }", args...)
	}
	if len(g.Models) > 0 {
		model("%s.contains(context.model)", quoted(g.Models))
	}
	if len(g.Formats) > 0 {
		model(`context.format == "" || %s.contains(context.format)`, quoted(g.Formats))
	}
	if len(g.ResponseFormats) > 0 {
		model(`context.response == "" || %s.contains(context.response)`, quoted(g.ResponseFormats))
	}
	if g.MaxWidth > 0 {
		model("context.width <= %d", g.MaxWidth)
	}
	if g.MaxHeight > 0 {
		model("context.height <= %d", g.MaxHeight)
	}
	if g.MaxN > 0 {
		model("context.n <= %d", g.MaxN)
	}
	return b.String()
}

func words(all []vitrine.Category) string {
	var b []string
	for _, c := range all {
		b = append(b, c.String())
	}
	return quoted(b)
}

// tiers are the numbers of tiers; whoever reaches restricted reaches the
// unknown, which is 0.
func tiers(all []vitrine.Tier) string {
	var b []string
	unknown := ""
	for _, t := range all {
		b = append(b, fmt.Sprint(int(t)))
		if t == vitrine.Restricted {
			unknown = ", 0"
		}
	}
	return "[" + strings.Join(b, ", ") + unknown + "]"
}

func (m *Mapping) deny(b *strings.Builder, d *vitrine.Deny) {
	fmt.Fprintf(b, "@deny(%q)\nforbid (principal, action in %s, resource in Scope::%q)", string(d.ID), set("Withheld", d.Permissions), string(d.Scope))
	var whom, spared []string
	for _, id := range d.Principals {
		switch {
		case id == vitrine.Everyone:
			whom = append(whom, "true")
		case m.group(id):
			whom = append(whom, fmt.Sprintf("principal in In::%q", string(id)))
		default:
			whom = append(whom, fmt.Sprintf("principal == Principal::%q", string(id)))
		}
	}
	for _, id := range d.Except {
		spared = append(spared, m.bearer(id))
	}
	fmt.Fprintf(b, " when { %s }", strings.Join(whom, " || "))
	if len(spared) > 0 {
		fmt.Fprintf(b, " unless { %s }", strings.Join(spared, " || "))
	}
	b.WriteString(";\n")
}

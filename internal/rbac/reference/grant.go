package reference

import (
	"slices"

	"vitrine.dev/vitrine"
)

// granted is how near the nearest grant of a role comes to what is asked.
func (w *World) granted(q *Question, role vitrine.ID) vitrine.Code {
	best := vitrine.CodePermission
	for _, id := range w.enabled(role) {
		for i := range w.role(id).Grants {
			if code := w.covers(&w.role(id).Grants[i], q); nearness(code) > nearness(best) {
				best = code
			}
		}
	}
	return best
}

// covers is whether one grant holds all that is asked, or what it lacks.
func (w *World) covers(g *vitrine.Grant, q *Question) vitrine.Code {
	info, _ := q.Permission.Info()
	r := &q.Resource
	if g.NoUse || !slices.ContainsFunc(g.Permissions, func(p vitrine.Permission) bool { return contains(p, q.Permission) }) {
		return vitrine.CodePermission
	}
	if info.Data && (len(g.Categories) == 0 || len(g.Tiers) == 0) {
		return vitrine.CodePermission // it covers nothing
	}
	if info.Data && !slices.Contains(g.Categories, r.Category) {
		return vitrine.CodeCategory
	}
	if info.Data && !slices.Contains(g.Tiers, r.Tier.Effective()) {
		return vitrine.CodeTier
	}
	if info.Kind == vitrine.KindDeployment {
		return w.limited(g, r)
	}
	return vitrine.CodeAllowed
}

// limited is whether what is asked of a model is within a grant's limits.
func (w *World) limited(g *vitrine.Grant, r *vitrine.Resource) vitrine.Code {
	model := r.Model
	if d, ok := find[*vitrine.Deployment](w, vitrine.KindDeployment, r.Scope); ok {
		model = d.Model
	}
	within := func(list []string, x string) bool { return len(list) == 0 || slices.Contains(list, x) }
	switch {
	case !within(g.Models, model):
		return vitrine.CodeModel
	case r.Format != "" && !within(g.Formats, r.Format):
		return vitrine.CodeFormat
	case r.ResponseFormat != "" && !within(g.ResponseFormats, r.ResponseFormat):
		return vitrine.CodeRespFormat
	case g.MaxWidth > 0 && r.Width > g.MaxWidth || g.MaxHeight > 0 && r.Height > g.MaxHeight:
		return vitrine.CodeSize
	case g.MaxN > 0 && r.N > g.MaxN:
		return vitrine.CodeN
	}
	return vitrine.CodeAllowed
}

// contains reports whether holding one permission is holding another.
func contains(p, q vitrine.Permission) bool {
	info, ok := p.Info()
	return ok && (p == q || slices.Contains(info.Implies, q))
}

// withholds reports whether withholding some permissions withholds another:
// one of them, or what contains one of them.
func withholds(some []vitrine.Permission, p vitrine.Permission) bool {
	return slices.ContainsFunc(some, func(q vitrine.Permission) bool { return contains(p, q) })
}

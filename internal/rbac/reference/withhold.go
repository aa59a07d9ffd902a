package reference

import (
	"slices"
	"time"

	"vitrine.dev/vitrine"
)

// gated is which constraint stands before the use of a role for this, or allowed.
func (w *World) gated(q *Question, s seat, role vitrine.ID) vitrine.Code {
	if w.conflicts(q, s, role) {
		return vitrine.CodeSession
	}
	code := vitrine.CodeAllowed
	for _, c := range w.constraints {
		if c.Kind != vitrine.MFA && c.Kind != vitrine.Keys || !w.constrains(c, q, role) {
			continue
		}
		if c.Kind == vitrine.Keys && s.keyed {
			return vitrine.CodeKeyRefused
		}
		if c.Kind == vitrine.MFA && !s.assume && !fresh(q, time.Duration(c.MaxAge)) {
			code = vitrine.CodeNeedsMFA
		}
	}
	return code
}

// fresh reports whether a second factor was shown at most so long ago, or by a
// clock that is ahead by no more.
func fresh(q *Question, most time.Duration) bool {
	return !q.Caller.MFA.IsZero() && q.At.Sub(q.Caller.MFA) <= most && q.Caller.MFA.Sub(q.At) <= most
}

// constrains reports whether a constraint speaks of the use of a role for this.
func (w *World) constrains(c *vitrine.Constraint, q *Question, role vitrine.ID) bool {
	return w.under(q.Resource.Scope, c.Scope) && ofTier(c, q) &&
		(c.Role == "" || slices.Contains(w.closure(role), c.Role)) &&
		(len(c.Permissions) == 0 || withholds(c.Permissions, q.Permission))
}

func ofTier(c *vitrine.Constraint, q *Question) bool {
	return len(c.Tiers) == 0 || slices.Contains(c.Tiers, q.Resource.Tier.Effective())
}

// formatForbidden reports whether a constraint forbids the response format there.
func (w *World) formatForbidden(q *Question) bool {
	return slices.ContainsFunc(w.constraints, func(c *vitrine.Constraint) bool {
		return c.Kind == vitrine.Formats && w.under(q.Resource.Scope, c.Scope) && ofTier(c, q) && slices.Contains(c.ResponseFormats, q.Resource.ResponseFormat)
	})
}

// denying lists the denies that withhold a permission from somebody somewhere.
// They reach through groups that are disabled too; those do not spare.
func (w *World) denying(p vitrine.Permission, scope, who vitrine.ID) []vitrine.ID {
	names := func(list []vitrine.ID, all bool) bool {
		return slices.Contains(list, who) || slices.ContainsFunc(w.groups(who, all), func(g vitrine.ID) bool { return slices.Contains(list, g) })
	}
	var found []vitrine.ID
	for _, d := range w.denies {
		if withholds(d.Permissions, p) && w.within(scope, d.Scope) && !names(d.Except, false) &&
			(slices.Contains(d.Principals, vitrine.Everyone) || names(d.Principals, true)) {
			found = append(found, d.ID)
		}
	}
	return found
}

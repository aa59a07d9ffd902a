package reference

import (
	"regexp"
	"slices"

	"vitrine.dev/vitrine"
)

// mayLift: all that some permissions withhold may be given, on all data.
func (a *admission) mayLift(some []vitrine.Permission, place vitrine.ID) vitrine.Code {
	all := vitrine.Grant{Categories: vitrine.Categories, Tiers: vitrine.Tiers}
	for _, info := range vitrine.Catalogue {
		if withholds(some, info.Permission) {
			all.Permissions = append(all.Permissions, info.Permission)
		}
	}
	return a.mayGiveAll([]vitrine.Grant{all}, place)
}

// givesDeny: to lift a deny is to give what it withheld, to whom it was withheld
// who could use it.
func (a *admission) givesDeny(was, now *vitrine.Deny) []vitrine.Code {
	if was == nil || now != nil && a.stillWithholds(was, now) {
		return nil
	}
	if code := a.mayLift(was.Permissions, was.Scope); code != "" {
		return only(code)
	}
	for _, w := range []*World{a.before, a.after} {
		for _, p := range w.principals {
			if a.hit(was, p.ID) && a.couldUse(p.ID, was) {
				a.to(p.ID)
			}
		}
	}
	return nil
}

func (a *admission) stillWithholds(was, now *vitrine.Deny) bool {
	gone := slices.DeleteFunc(minus(was.Principals, now.Principals), a.ends)
	for _, info := range vitrine.Catalogue {
		if withholds(was.Permissions, info.Permission) && !withholds(now.Permissions, info.Permission) {
			return false
		}
	}
	return a.after.within(was.Scope, now.Scope) && (len(gone) == 0 || slices.Contains(now.Principals, vitrine.Everyone)) && subset(now.Except, was.Except)
}

// hit reports whether a deny was about somebody.
func (a *admission) hit(d *vitrine.Deny, id vitrine.ID) bool {
	they := append(slices.Clone(a.before.groups(id, true)), id)
	return (slices.Contains(d.Principals, vitrine.Everyone) || !disjoint(d.Principals, they)) && disjoint(d.Except, they)
}

// couldUse reports whether some binding would let somebody use what a deny
// withholds, where it does.
func (a *admission) couldUse(id vitrine.ID, d *vitrine.Deny) bool {
	for _, b := range a.reaching(id) {
		for _, g := range a.after.everything(b.Role) {
			if a.after.overlap(b.Scope, d.Scope) && !g.NoUse && letsAny(&g, d.Permissions) {
				return true
			}
		}
	}
	return false
}

// letsAny reports whether a grant holds what withholding some would withhold.
func letsAny(g *vitrine.Grant, some []vitrine.Permission) bool {
	return slices.ContainsFunc(vitrine.Catalogue, func(i vitrine.PermissionInfo) bool {
		return withholds(some, i.Permission) && slices.ContainsFunc(g.Permissions, func(p vitrine.Permission) bool { return contains(p, i.Permission) })
	})
}

// ofResource finds facts about the resource in a condition.
var ofResource = regexp.MustCompile(`\b(scope|category|tier|environment|owner)\b`)

var text = regexp.MustCompile(`"[^"]*"`)

// movesUnder: a project in another environment is another place to conditions
// and to service accounts that work in one.
func (a *admission) movesUnder(project vitrine.ID) {
	for _, p := range a.before.principals {
		for _, b := range a.before.bindings {
			reaches := b.Principal == p.ID || slices.Contains(a.before.groups(p.ID, true), b.Principal)
			looks := ofResource.MatchString(text.ReplaceAllString(b.Condition, ""))
			if reaches && a.before.overlap(b.Scope, project) && (looks || p.Environment != "") {
				a.to(p.ID)
			}
		}
	}
}

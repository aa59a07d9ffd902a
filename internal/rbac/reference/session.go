package reference

import (
	"slices"

	"vitrine.dev/vitrine"
)

// ownSession reports whether somebody starts a session with a key of theirs, or
// changes one with that key or from within.
func (a *admission) ownSession(was, now *vitrine.Key) bool {
	if now == nil || !now.Session() || now.Principal != a.by.Principal {
		return false
	}
	return a.by.Credential == now.Parent || was != nil && was.Session() && a.by.Credential == was.ID
}

// givesSession: a session is its key's, no wider, and ends no later; roles are
// activated in it that its holder has and that are not to be apart.
func (a *admission) givesSession(was, now *vitrine.Key) vitrine.Code {
	with := a.before.key(now.Parent)
	active, like := []vitrine.ID(nil), with
	if was != nil {
		active, like = was.Roles, was
	} else if with == nil || now.Parent != a.by.Credential || with.Session() || with.First {
		return vitrine.CodeMayNotGive
	}
	x := *now
	x.Roles, x.Expires = like.Roles, like.Expires
	if was == nil {
		x.ID, x.Parent, x.Name, x.Hash, x.IssuedBy, x.Created, x.Project, x.Dataset = like.ID, like.Parent, like.Name, like.Hash, like.IssuedBy, like.Created, like.Project, like.Dataset
		x.Revoked = like.Revoked
	}
	late := now.Expires.IsZero() || !like.Expires.IsZero() && now.Expires.After(like.Expires)
	if !alike(like, &x) || late {
		return "session"
	}
	more := minus(now.Roles, active)
	for _, role := range more {
		switch {
		case !a.ownSession(was, now):
			return vitrine.CodeMayNotGive
		case with == nil || len(with.Roles) > 0 && !slices.Contains(with.Roles, role), !a.has(now.Principal, role):
			return vitrine.CodeRoleOff
		}
	}
	if len(more) > 0 && a.tears(now) {
		return vitrine.CodeSession
	}
	return ""
}

// has reports whether somebody is bound to a role, or to one that includes it,
// in whatever way.
func (a *admission) has(id, role vitrine.ID) bool {
	return slices.ContainsFunc(a.after.bindings, func(b *vitrine.Binding) bool {
		return (b.Principal == id || slices.Contains(a.after.groups(id, true), b.Principal)) && slices.Contains(a.after.closure(b.Role), role)
	})
}

// tears reports whether the roles that a session has active break a dynamic
// separation of duty somewhere.
func (a *admission) tears(k *vitrine.Key) bool {
	c := &Caller{Principal: k.Principal, Credential: k.ID, Key: true, For: k.For}
	if !a.after.live(c, a.at) {
		return false
	}
	q := &Question{Caller: *c, At: a.at}
	return slices.ContainsFunc(a.after.constraints, func(d *vitrine.Constraint) bool {
		active := 0
		for i := range d.Sets {
			if d.Kind == vitrine.DynamicSoD && a.after.activates(d, &d.Sets[i], q, a.after.seat(c)) {
				active++
			}
		}
		return d.Kind == vitrine.DynamicSoD && active >= d.Max
	})
}

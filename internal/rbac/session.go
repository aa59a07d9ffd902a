package rbac

import (
	"math/bits"
	"slices"
	"time"

	"vitrine.dev/vitrine"
)

// A session is a key that was started with another one and dies with it. It
// has a set of active roles, which grows and shrinks while it lives, as ANSI
// INCITS 359 has it (CreateSession, AddActiveRole, DropActiveRole): a role may
// be activated that its holder is authorized for, and that breaks no dynamic
// separation of duty together with the roles that are active already. What
// becomes broken later, by a binding given to the holder of a live session, is
// found in every decision (see ask.weigh).

// KeyOf is the key behind a credential: that which a session was started with,
// and of anything else itself. Budgets and conditions of a key hold for its
// sessions.
func (p *Policy) KeyOf(credential vitrine.ID) vitrine.ID {
	if k := p.key(credential); k != nil && k.object.Session() {
		return k.object.Parent
	}
	return credential
}

// parentLives reports whether the key that a session was started with still is
// one of the same holder.
func (p *Policy) parentLives(session *key, at time.Time) bool {
	k := p.key(session.object.Parent)
	return k != nil && !k.object.Session() && k.principal == session.principal && k.person == session.person && k.live(p.who.at(k.principal), at)
}

// ownSession reports whether a change starts or changes a session of by's own:
// with the key that it belongs to, or in itself.
func (a *admission) ownSession(was, now *vitrine.Key) bool {
	if now == nil || !now.Session() || now.Principal != a.by.Principal {
		return false
	}
	with := a.by.Credential
	return with == now.Parent || was != nil && was.Session() && with == was.ID
}

// givesSession: a session is its key's, no wider, for its life; only its roles
// change.
func (a *admission) givesSession(at vitrine.Ref, was, now *vitrine.Key) error {
	var active []vitrine.ID
	if was == nil {
		if err := a.startsSession(at, now); err != nil {
			return err
		}
	} else {
		if err := keepsSession(at, was, now); err != nil {
			return err
		}
		active = was.Roles
	}
	more := lacking(now.Roles, active)
	for _, id := range more {
		if err := a.activates(at, was, now, id); err != nil {
			return err
		}
	}
	if len(more) == 0 {
		return nil // to drop one is never too early
	}
	return a.after.together(at, now, a.at)
}

// activates checks one role that becomes active.
func (a *admission) activates(at vitrine.Ref, was, now *vitrine.Key, id vitrine.ID) error {
	k, ok := a.before.Key(now.Parent)
	switch {
	case !a.ownSession(was, now):
		return refused(vitrine.CodeMayNotGive, at, "Only whose session it is activates roles in it.")
	case !ok || len(k.Roles) > 0 && !slices.Contains(k.Roles, id):
		return refused(vitrine.CodeRoleOff, at, "The key of this session is narrowed to other roles than %s.", id)
	case !a.after.Holds(now.Principal, id):
		return refused(vitrine.CodeRoleOff, at, "The role %s is not assigned to %s, so no session can activate it.", id, now.Principal)
	}
	return nil
}

// startsSession holds a new session to the key that it is started with.
func (a *admission) startsSession(at vitrine.Ref, now *vitrine.Key) error {
	k, ok := a.before.Key(now.Parent)
	switch {
	case !ok || now.Parent != a.by.Credential || k.Session() || k.First:
		return refused(vitrine.CodeMayNotGive, at, "A session is started with one's own key: neither with a session nor with a first key.")
	case now.Principal != k.Principal || now.For != k.For || now.ForEpoch != k.ForEpoch || now.Epoch != k.Epoch ||
		now.Scope != k.Scope || !slices.Equal(now.CIDRs, k.CIDRs):
		return vitrine.Invalid(at.String(), "session", "A session is its key's: the same holder, scope and networks.")
	case now.Expires.IsZero() || !k.Expires.IsZero() && now.Expires.After(k.Expires):
		return vitrine.Invalid(at.String(), "session", "A session ends, and not after its key.")
	}
	return nil
}

// keepsSession: of a session nothing changes but its roles, and its end to an
// earlier one.
func keepsSession(at vitrine.Ref, was, now *vitrine.Key) error {
	n := *now
	n.Roles, n.Expires = was.Roles, was.Expires
	if !sameJSON(was, &n) || now.Expires.After(was.Expires) || now.Expires.IsZero() {
		return vitrine.Invalid(at.String(), "session", "Of a session only its active roles change.")
	}
	return nil
}

// together refuses active roles that break a dynamic separation of duty
// somewhere.
func (p *Policy) together(at vitrine.Ref, session *vitrine.Key, when time.Time) error {
	s := Subject{Principal: session.Principal, Credential: session.ID, Key: true, For: session.For}
	var q ask
	if !q.identify(p, &s, when) {
		return nil // dead: it may do nothing
	}
	q.narrow()
	for i := range p.rules.duties {
		d := &p.rules.duties[i]
		if bits.OnesCount64(q.sides(d.scope)&d.sides) >= d.max {
			return refused(vitrine.CodeSession, at, "Separation of duty: these roles may not be active together in one session (%s). Drop one first.", d.why)
		}
	}
	return nil
}

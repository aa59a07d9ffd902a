package rbac

import "vitrine.dev/vitrine"

// needsOfKey: people issue and rotate keys for themselves, for service accounts
// that they own and, acting for them, for agents; for others it takes key.issue.
// Whoever answers for a key may end it; others need key.revoke.
func (a *admission) needsOfKey(c vitrine.Change, was vitrine.Object) ([]need, error) {
	w, _ := was.(*vitrine.Key)
	n, _ := c.Object.(*vitrine.Key)
	own := (w == nil || a.answers(w)) && (n == nil || a.answers(n))
	ends := n == nil || revokes(w, n)
	by, _ := a.before.Principal(a.by.Principal)
	switch {
	case a.ownSession(w, n):
		return nil, nil
	case own && !ends && !by.Human():
		return nil, refused(vitrine.CodePeopleOnly, c.Ref, "Only people issue keys; a machine's are issued by who owns it.")
	case own:
		return nil, nil
	}
	perm := vitrine.KeyIssue
	if ends {
		perm = vitrine.KeyRevoke
	}
	return []need{{perm, vitrine.Resource{Kind: vitrine.KindKey, ID: c.Ref.ID, Scope: a.root()}}}, nil
}

// revokes reports whether a key is revoked and otherwise as it was.
func revokes(was, now *vitrine.Key) bool {
	if was == nil || !was.Revoked.IsZero() || now.Revoked.IsZero() {
		return false
	}
	n := *now
	n.Revoked = was.Revoked
	return sameJSON(was, &n)
}

// actsFor is the person for whom by acts, or "".
func (a *admission) actsFor() vitrine.ID {
	if k, ok := a.before.Key(a.by.Credential); ok && k.For != "" {
		return k.For
	}
	return a.by.For
}

// answers reports whether by answers for a key: its own, its service account's,
// or one that acts for it. An agent that acts for a person answers for what both
// do: anybody may let an agent act for her, and that makes none of its other keys
// hers.
func (a *admission) answers(k *vitrine.Key) bool {
	if person := a.actsFor(); person != "" {
		return k.Principal == a.by.Principal && k.For == person
	}
	if k.Principal == a.by.Principal || k.For == a.by.Principal {
		return true
	}
	owner := vitrine.ID("")
	if who, ok := a.before.Principal(k.Principal); ok {
		owner = who.Owner
	} else if who, ok := a.put[vitrine.Ref{Kind: vitrine.KindPrincipal, ID: k.Principal}].(*vitrine.Principal); ok {
		owner = who.Owner
	}
	return owner == a.by.Principal
}

// givesKey: whoever has a key of somebody else can do what they can.
func (a *admission) givesKey(at vitrine.Ref, was, now *vitrine.Key) error {
	if now == nil || revokes(was, now) {
		return a.endsKey(at, was)
	}
	switch {
	case was != nil && (was.Principal != now.Principal || was.For != now.For):
		return vitrine.Invalid(at.String(), "key", "A key stays the key of whom it was issued for.")
	case was != nil && !was.Revoked.IsZero():
		return &vitrine.Error{Kind: vitrine.ErrConflict, Code: "revoked_key", Param: at.String(), Public: "This key is revoked, for ever. Issue a new one."}
	case was != nil && was.Parent != now.Parent:
		return vitrine.Invalid(at.String(), "key", "A key is no session, and never becomes one.")
	case now.Session():
		return a.givesSession(at, was, now)
	case now.For != "" && now.For != a.by.Principal:
		return refused(vitrine.CodeMayNotGive, at, "A key that acts for a person is issued by that person alone.")
	case a.answers(now) && (now.Principal == a.by.Principal || now.For != ""):
		return nil
	case a.answers(now):
		return a.noMoreThanOneself(at, now.Principal)
	case a.before.mayOwn(now.Principal, a.at):
		return refused(vitrine.CodeMayNotGive, at, "An owner's keys are issued by that owner alone.")
	}
	for _, b := range a.after.reaching(now.Principal) {
		if b.ended(a.at) {
			continue
		}
		if err := a.mayGive(at, a.after.roleID(b.role), a.after.scopes.id(b.scope)); err != nil {
			return err
		}
	}
	return nil
}

// noMoreThanOneself: whoever owns a service account answers for it and gains no
// right by it. She issues its keys as long as it may do nothing there that she
// may not do herself, or give.
func (a *admission) noMoreThanOneself(at vitrine.Ref, account vitrine.ID) error {
	for _, b := range a.after.reaching(account) {
		role, scope := a.after.roleID(b.role), a.after.scopes.id(b.scope)
		if b.ended(a.at) || a.mayGive(at, role, scope) == nil {
			continue
		}
		grants := everything(a.after, role)
		for i := range grants {
			if grants[i].NoUse {
				continue
			}
			if what := a.usage(scope).lacks(&grants[i]); what != "" {
				return refused(vitrine.CodeMayNotGive, at, "%s may use %s at %s, and you may not: owning it gives you no right. Ask somebody with key.issue for its key.", account, what, scope)
			}
		}
	}
	return nil
}

func (a *admission) endsKey(at vitrine.Ref, was *vitrine.Key) error {
	if was == nil || a.answers(was) || a.owner() || !a.before.mayOwn(was.Principal, a.at) {
		return nil
	}
	return refused(vitrine.CodeMayNotGive, at, "An owner's keys are ended by owners alone.")
}

package reference

import (
	"net/netip"
	"slices"

	"vitrine.dev/vitrine"
)

// fromNetwork reports whether a key is used from one of its networks. An address
// that nobody knows was judged at the door.
func (w *World) fromNetwork(c *Caller) bool {
	k := w.credential(c)
	return k == nil || len(k.CIDRs) == 0 || !c.Address.IsValid() ||
		slices.ContainsFunc(k.CIDRs, func(n string) bool { return netip.MustParsePrefix(n).Contains(c.Address.Unmap()) })
}

// needsOfKey: people issue keys for themselves, for service accounts that they
// own and for agents that act for them; whoever answers for a key may end it; for
// others it takes key.issue, or key.revoke.
func (a *admission) needsOfKey(c vitrine.Change, was vitrine.Object) vitrine.Code {
	w, _ := was.(*vitrine.Key)
	n, _ := c.Object.(*vitrine.Key)
	ends := n == nil || revokes(w, n)
	if a.ownSession(w, n) {
		return ""
	}
	if (w == nil || a.answers(w)) && (n == nil || a.answers(n)) {
		if !ends && a.before.principal(a.by.Principal).Kind != vitrine.User {
			return vitrine.CodePeopleOnly
		}
		return ""
	}
	perm := vitrine.KeyIssue
	if ends {
		perm = vitrine.KeyRevoke
	}
	return a.may(perm, vitrine.Resource{Kind: vitrine.KindKey, ID: c.Ref.ID, Scope: a.before.org.ID})
}

// revokes reports whether a key is revoked and otherwise as it was.
func revokes(was, now *vitrine.Key) bool {
	if was == nil || !was.Revoked.IsZero() || now.Revoked.IsZero() {
		return false
	}
	x := *now
	x.Revoked = was.Revoked
	return alike(was, &x)
}

// answers reports whether whoever asks answers for a key: its own, a service
// account's of its own, or one that acts for it. An agent answers for no more
// than the keys with which it acts for the same person.
func (a *admission) answers(k *vitrine.Key) bool {
	if person := a.before.ActsFor(a.by); person != "" {
		return k.Principal == a.by.Principal && k.For == person
	}
	if k.Principal == a.by.Principal || k.For == a.by.Principal {
		return true
	}
	who := a.before.principal(k.Principal)
	for _, c := range a.changes {
		if p, ok := c.Object.(*vitrine.Principal); ok && who == nil && p.ID == k.Principal {
			who = p
		}
	}
	return who != nil && who.Owner == a.by.Principal
}

// givesKey: whoever has a key of somebody can do what they can.
func (a *admission) givesKey(was, now *vitrine.Key) []vitrine.Code {
	if now == nil || revokes(was, now) {
		if was != nil && !a.answers(was) && !a.owner() && a.before.couldOwn(was.Principal, a.at) {
			return only(vitrine.CodeMayNotGive)
		}
		return nil
	}
	switch {
	case was != nil && (was.Principal != now.Principal || was.For != now.For):
		return only("key")
	case was != nil && !was.Revoked.IsZero():
		return only("revoked_key")
	case was != nil && was.Parent != now.Parent:
		return only("key")
	case now.Session():
		return only(a.givesSession(was, now))
	case now.For != "" && now.For != a.by.Principal:
		return only(vitrine.CodeMayNotGive)
	case a.answers(now) && (now.Principal == a.by.Principal || now.For != ""):
		return nil
	case !a.answers(now) && a.before.couldOwn(now.Principal, a.at):
		return only(vitrine.CodeMayNotGive)
	}
	for _, b := range a.reaching(now.Principal) {
		if a.mayGive(b.Role, b.Scope) != "" && !(a.answers(now) && a.mayUse(b)) {
			return only(vitrine.CodeMayNotGive)
		}
	}
	return nil
}

// mayUse reports whether whoever asks may do all that a binding lets do.
func (a *admission) mayUse(b *vitrine.Binding) bool {
	held, _ := a.hold(b.Scope, used)
	return !slices.ContainsFunc(a.after.everything(b.Role), func(g vitrine.Grant) bool { return !g.NoUse && !within(&g, held) })
}

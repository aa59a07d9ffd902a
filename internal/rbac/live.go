package rbac

import (
	"cmp"
	"net/netip"
	"time"

	"vitrine.dev/vitrine"
)

// key is a compiled key.
type key struct {
	object    *vitrine.Key
	principal int32
	person    int32   // acted for, or none
	roles     []int32 // only these are active; nil is all
	scope     int32   // only there and below; none is everywhere
	networks  []netip.Prefix
}

// newKey compiles a key whose references there are, which check keeps.
func (p *Policy) newKey(k *vitrine.Key) *key {
	c := &key{object: k, person: none, scope: none}
	c.principal, _ = p.who.find(k.Principal)
	if k.For != "" {
		c.person, _ = p.who.find(k.For)
	}
	if k.Scope != "" {
		c.scope, _ = p.scopes.find(k.Scope)
	}
	for _, id := range k.Roles {
		i, _ := p.roleNumber(id)
		c.roles = append(c.roles, i)
	}
	for _, text := range k.CIDRs {
		if n, err := netip.ParsePrefix(text); err == nil {
			c.networks = append(c.networks, n.Masked())
		}
	}
	return c
}

// buildKeys compiles all keys anew.
func (p *Policy) buildKeys() {
	kind := kindNumber(vitrine.KindKey)
	p.keys = tableOf[*key](int(p.kinds[kind].n))
	p.each(kind, func(o vitrine.Object) {
		k, _ := o.(*vitrine.Key)
		*p.keys.edit(p.keys.add(k.ID)) = p.newKey(k)
	})
}

// key is the compiled key, or nil.
func (p *Policy) key(id vitrine.ID) *key {
	if _, k := p.keys.find(id); k != nil {
		return *k
	}
	return nil
}

// inside reports whether an address lies in the key's networks. An address that
// is not known was judged when the caller was authenticated.
func (k *key) inside(a netip.Addr) bool {
	if len(k.object.CIDRs) == 0 || !a.IsValid() {
		return true
	}
	a = a.Unmap().WithZone("")
	for _, n := range k.networks {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

// Live reports whether principal and credential are known, enabled, of the
// current epoch, not revoked nor expired at the instant, the key is used from
// one of its networks, and the person acted for is active too. Otherwise it
// answers why not: nobody asks, or whoever asks is inactive.
func (p *Policy) Live(s *Subject, at time.Time) (vitrine.Code, bool) {
	if s.Principal == "" {
		return vitrine.CodeNoCaller, false
	}
	var a ask
	if !a.identify(p, s, at) || a.key != nil && !a.key.inside(s.Address) {
		return vitrine.CodeInactive, false
	}
	return vitrine.CodeAllowed, true
}

// identify finds who asks, with what and for whom. It is false where one of
// them may not ask any more.
func (a *ask) identify(p *Policy, s *Subject, at time.Time) bool {
	a.p, a.subject, a.at, a.person = p, s, at, none
	i, w := p.who.find(s.Principal)
	if !w.active() {
		return false
	}
	a.who = w
	person := s.For
	a.keyed = s.Key
	if s.Key || s.Credential != "" {
		if k := p.key(s.Credential); k != nil {
			if k.principal != i || !k.live(a.who, at) || k.object.Session() && !p.parentLives(k, at) {
				return false
			}
			a.key, a.keyed = k, true
			if person != "" && k.person != none && person != k.object.For {
				return false
			}
			person = cmp.Or(k.object.For, person)
		} else if s.Key {
			return false
		}
	}
	if person == "" {
		return true
	}
	a.person, w = p.who.find(person)
	return w.active() && (a.key == nil || a.key.given(w))
}

// given reports whether a key that acts for a person was given in her present
// epoch.
func (k *key) given(w *principal) bool {
	return k.object.For == "" || k.object.ForEpoch >= w.object.Epoch
}

// live reports whether a key of a principal is of the current epoch, not revoked
// and not expired.
func (k *key) live(w *principal, at time.Time) bool {
	o := k.object
	return o.Revoked.IsZero() && o.Epoch >= w.object.Epoch && (o.Expires.IsZero() || at.Before(o.Expires))
}

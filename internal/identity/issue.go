package identity

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/policy"
	"vitrine.dev/vitrine/internal/rbac"
)

// How long keys live.
const (
	defaultLife = 90 * 24 * time.Hour
	longestLife = 366 * 24 * time.Hour
	firstLife   = 72 * time.Hour
	maxOverlap  = 30 * 24 * time.Hour
)

// Bounds on what a key says about itself.
const (
	maxName  = 200
	maxCIDRs = 64
	maxRoles = 64
)

// NewKey is what issuing a key asks; zero fields are defaults (90 days).
type NewKey struct {
	Principal vitrine.ID   `json:"principal"` // "" is oneself
	Name      string       `json:"name,omitempty"`
	Roles     []vitrine.ID `json:"roles,omitempty"`
	Scope     vitrine.ID   `json:"scope,omitempty"`
	Project   vitrine.ID   `json:"project,omitempty"`
	Dataset   vitrine.ID   `json:"dataset,omitempty"`
	CIDRs     []string     `json:"cidrs,omitempty"`
	For       bool         `json:"for_me,omitempty"` // an agent's key that acts for the issuer
	Expires   time.Time    `json:"expires,omitzero"`
	NoExpiry  bool         `json:"no_expiry,omitempty"`
}

// Issued is a new key, or a new secret for one.
type Issued struct {
	Key      vitrine.Key
	Secret   vitrine.Secret // shown once
	Revision int64
}

// IssueKey makes a key. People may for themselves and for service accounts
// that they own; for others it takes key.issue, and raises an alert where the
// other is a person. A key that is itself narrowed issues none that is wider.
func (d *Directory) IssueKey(ctx context.Context, by access.Caller, n NewKey) (Issued, error) {
	n.Principal = cmp.Or(n.Principal, by.Principal)
	id := newID("")
	a := access.Act{Permission: vitrine.KeyIssue, Op: "issue", Resource: vitrine.Resource{Kind: vitrine.KindKey, ID: id, Owner: n.Principal}}
	var out Issued
	o := policy.Options{Issuing: true}
	if n.Principal != by.Principal {
		if now, err := d.guard.Policy(by); err == nil {
			if p, ok := now.Principal(n.Principal); ok && p.Human() {
				o.Alert = "key_for_another"
			}
		}
	}
	applied, err := d.change(ctx, by, a, o, func(now *rbac.Policy) (*vitrine.ChangeSet, error) {
		k, err := d.newKey(now, &by, n)
		if err != nil {
			return nil, err
		}
		k.ID = id
		who, _ := now.Principal(k.Principal)
		out.Secret = newKeyText(kindOf(k, who), id)
		k.Hash = hash(out.Secret)
		out.Key = *k
		return &vitrine.ChangeSet{Reason: "key issued", Changes: []vitrine.Change{vitrine.Put(k)}}, nil
	})
	return out.done(applied, err)
}

// done is the answer, without hashes.
func (i Issued) done(a policy.Applied, err error) (Issued, error) {
	if err != nil {
		return Issued{}, err
	}
	i.Key.Hash, i.Key.Previous, i.Revision = "", "", a.Revision
	return i, nil
}

// newKey is the key that was asked for, without a secret yet.
func (d *Directory) newKey(now *rbac.Policy, by *access.Caller, n NewKey) (*vitrine.Key, error) {
	who, ok := now.Principal(n.Principal)
	if !ok {
		return nil, missing(vitrine.Ref{Kind: vitrine.KindPrincipal, ID: n.Principal})
	}
	if who.Kind == vitrine.Group {
		return nil, vitrine.Invalid("principal", "no_keys", "Groups have no keys; their members do.")
	}
	at := d.now().UTC().Truncate(time.Microsecond)
	k := &vitrine.Key{
		Principal: who.ID, Name: n.Name, Roles: n.Roles, Scope: n.Scope, Project: n.Project, Dataset: n.Dataset,
		IssuedBy: by.Principal, Created: at, Epoch: who.Epoch,
	}
	if len(n.Name) > maxName || len(n.Roles) > maxRoles {
		return nil, vitrine.Invalid("name", "too_long", fmt.Sprintf("At most %d bytes of name and %d roles.", maxName, maxRoles))
	}
	if n.For {
		if who.Kind != vitrine.Service || by.Kind != vitrine.User || by.For != "" {
			return nil, vitrine.Invalid("for_me", "not_an_agent", "A person can let a service account act for herself, nobody else.")
		}
		k.For = by.Principal
		if person, ok := now.Principal(by.Principal); ok {
			k.ForEpoch = person.Epoch
		}
	}
	if err := expiry(k, who, n, at); err != nil {
		return nil, err
	}
	if err := networks(k, n.CIDRs); err != nil {
		return nil, err
	}
	if err := known(now, by, k); err != nil {
		return nil, err
	}
	if err := defaults(now, k); err != nil {
		return nil, err
	}
	if with, ok := now.Key(by.Credential); ok && answers(now, by, k) && len(k.CIDRs) == 0 {
		k.CIDRs = slices.Clone(with.CIDRs)
	}
	return k, narrower(now, by, k)
}

// known refuses a key for a place or a role of which neither who issues it nor
// whose it is may know, as if there were none: one's own keys are for everybody
// to issue, and must not be a way to find out what there is.
func known(now *rbac.Policy, by *access.Caller, k *vitrine.Key) error {
	holder := rbac.Subject{Principal: k.Principal}
	for _, at := range []struct {
		param string
		scope vitrine.ID
	}{{"scope", k.Scope}, {"project", k.Project}, {"dataset", k.Dataset}} {
		if at.scope != "" && !now.Reaches(&by.Subject, at.scope, k.Created) && !now.Reaches(&holder, at.scope, k.Created) {
			return outside(at.param)
		}
	}
	for _, id := range k.Roles {
		if now.Holds(k.Principal, id) || now.Holds(by.Principal, id) {
			continue
		}
		o, ok := now.Object(vitrine.Ref{Kind: vitrine.KindRole, ID: id})
		if !ok || !now.Decide(&rbac.Question{Subject: by.Subject, Permission: vitrine.RoleView, Resource: now.Resource(o), At: k.Created}).Allow {
			return vitrine.Invalid("roles", "unknown_role", "There is no such role, or you may not know of it.")
		}
	}
	return nil
}

func outside(param string) error {
	return vitrine.Invalid(param, "outside_scope", fmt.Sprintf("There is no such %s in the key's scope, or you may not know of it.", param))
}

func expiry(k *vitrine.Key, who *vitrine.Principal, n NewKey, at time.Time) error {
	k.Expires = n.Expires.UTC().Truncate(time.Microsecond)
	switch {
	case n.NoExpiry && who.Human():
		return vitrine.Invalid("no_expiry", "no_expiry", "Only keys of service accounts may live without end.")
	case n.NoExpiry && !n.Expires.IsZero():
		return vitrine.Invalid("expires", "no_expiry", "Either an end or none.")
	case n.NoExpiry:
		k.Expires = time.Time{}
	case n.Expires.IsZero():
		k.Expires = at.Add(defaultLife)
	case !n.Expires.After(at):
		return vitrine.Invalid("expires", "in_the_past", "This end has passed already.")
	case n.Expires.After(at.Add(longestLife)):
		return vitrine.Invalid("expires", "too_long", "A key lives a year at most.")
	}
	return nil
}

// networks reads the address ranges and writes them in their one form.
func networks(k *vitrine.Key, cidrs []string) error {
	if len(cidrs) > maxCIDRs {
		return vitrine.Invalid("cidrs", "too_many", fmt.Sprintf("At most %d networks.", maxCIDRs))
	}
	for _, c := range cidrs {
		n, err := netip.ParsePrefix(c)
		if err != nil {
			a, aerr := netip.ParseAddr(c)
			if aerr != nil || a.Zone() != "" {
				return vitrine.Invalid("cidrs", "bad_network", "A network is written as 192.0.2.0/24 or 2001:db8::/32.")
			}
			n = netip.PrefixFrom(a, a.BitLen())
		}
		if n.Addr().Is4In6() {
			return vitrine.Invalid("cidrs", "bad_network", "Write IPv4 networks as 192.0.2.0/24.")
		}
		k.CIDRs = append(k.CIDRs, n.Masked().String())
	}
	return nil
}

// defaults completes the default project and dataset, and refuses ones outside
// the key's scope.
func defaults(now *rbac.Policy, k *vitrine.Key) error {
	if set, ok := now.Dataset(k.Scope); ok && k.Dataset == "" {
		k.Dataset = set.ID
	}
	if set, ok := now.Dataset(k.Dataset); ok && k.Project == "" {
		k.Project = set.Project
	}
	if _, ok := now.Project(k.Scope); ok && k.Project == "" {
		k.Project = k.Scope
	}
	if m, ok := now.Deployment(k.Scope); ok && k.Project == "" {
		k.Project = m.Project
	}
	if k.Project != "" && !within(now, k.Scope, vitrine.Ref{Kind: vitrine.KindProject, ID: k.Project}) {
		return outside("project")
	}
	if k.Dataset == "" {
		return nil
	}
	if !within(now, k.Scope, vitrine.Ref{Kind: vitrine.KindDataset, ID: k.Dataset}) {
		return outside("dataset")
	}
	if set, ok := now.Dataset(k.Dataset); ok && set.Project != k.Project {
		return vitrine.Invalid("dataset", "outside_project", "This dataset lies in another project.")
	}
	return nil
}

// narrower refuses what would widen: a key that was narrowed, and then stolen
// or handed to a script, must not be a way to one that is not - neither to a new
// one nor to a new secret of one that there is, of oneself, of a service account
// of one's own or of an agent that acts for one.
func narrower(now *rbac.Policy, by *access.Caller, k *vitrine.Key) error {
	with, ok := now.Key(by.Credential)
	if !ok || !answers(now, by, k) {
		return nil // for others key.issue itself is asked under the narrowing
	}
	wider := func(param string) error {
		return &vitrine.Error{Kind: vitrine.ErrDenied, Code: "wider_key", Param: param,
			Public: "The key that you use is narrowed; a key issued with it cannot be wider."}
	}
	// A key that acts for a person rests on all her roles, so one that is
	// narrowed to some gives none away.
	if (len(with.Roles) > 0 || with.Session()) && (k.For != "" || len(k.Roles) == 0 || !subset(k.Roles, with.Roles)) {
		return wider("roles")
	}
	if with.Scope != "" && k.Scope != with.Scope && !below(now, k.Scope, with.Scope) {
		return wider("scope")
	}
	if len(with.CIDRs) > 0 && len(k.CIDRs) == 0 {
		return wider("cidrs")
	}
	for _, c := range k.CIDRs {
		if !covered(c, with.CIDRs) {
			return wider("cidrs")
		}
	}
	return nil
}

func subset(some, all []vitrine.ID) bool {
	for _, id := range some {
		if !slices.Contains(all, id) {
			return false
		}
	}
	return true
}

// below reports whether a scope lies in another.
func below(now *rbac.Policy, scope, top vitrine.ID) bool {
	if org := now.Organization(); org != nil && top == org.ID {
		return scope != ""
	}
	if set, ok := now.Dataset(scope); ok {
		return set.Project == top
	}
	m, ok := now.Deployment(scope)
	return ok && m.Project == top
}

func covered(cidr string, by []string) bool {
	n, err := netip.ParsePrefix(cidr)
	if err != nil {
		return false
	}
	for _, c := range by {
		if o, err := netip.ParsePrefix(c); err == nil && o.Bits() <= n.Bits() && o.Contains(n.Addr()) {
			return true
		}
	}
	return len(by) == 0
}

// RotateKey gives a key a new secret and a new life as long as the default.
// The old secret works until the overlap ends; used later it raises an alert.
// With a key that is itself narrowed no wider one is rotated.
func (d *Directory) RotateKey(ctx context.Context, by access.Caller, id vitrine.ID, overlap time.Duration) (Issued, error) {
	a := access.Act{Permission: vitrine.KeyIssue, Op: "rotate", Resource: vitrine.Resource{Kind: vitrine.KindKey, ID: id}}
	var out Issued
	applied, err := d.change(ctx, by, a, policy.Options{Issuing: true}, func(now *rbac.Policy) (*vitrine.ChangeSet, error) {
		was, ok := now.Key(id)
		if !ok {
			return nil, missing(refOf(a))
		}
		k, err := d.rotated(was, overlap)
		if err == nil {
			err = narrower(now, &by, k)
		}
		if err != nil {
			return nil, err
		}
		who, ok := now.Principal(k.Principal)
		if !ok {
			return nil, missing(vitrine.Ref{Kind: vitrine.KindPrincipal, ID: k.Principal})
		}
		out.Secret = newKeyText(kindOf(k, who), id)
		k.Hash = hash(out.Secret)
		out.Key = *k
		return &vitrine.ChangeSet{Reason: "key rotated", Changes: append([]vitrine.Change{vitrine.Put(k)}, overtakes(now, k)...)}, nil
	})
	return out.done(applied, err)
}

func (d *Directory) rotated(was *vitrine.Key, overlap time.Duration) (*vitrine.Key, error) {
	at := d.now().UTC().Truncate(time.Microsecond)
	switch {
	case overlap < 0 || overlap > maxOverlap:
		return nil, vitrine.Invalid("overlap", "out_of_bounds", "The old secret may work for 30 days more at most.")
	case was.First:
		return nil, vitrine.Invalid("key", "first_key", "A first key cannot be rotated. Issue an ordinary one.")
	case was.Session():
		return nil, vitrine.Invalid("key", "session", "A session has no new secret. End it and start another.")
	case !was.Revoked.IsZero():
		return nil, &vitrine.Error{Kind: vitrine.ErrConflict, Code: "revoked_key", Public: "This key is revoked. Issue a new one."}
	case !was.Expires.IsZero() && !at.Before(was.Expires):
		return nil, &vitrine.Error{Kind: vitrine.ErrConflict, Code: "expired_key", Public: "This key has expired. Issue a new one."}
	}
	k := *was
	k.Previous, k.PreviousUntil = was.Hash, at.Add(overlap)
	if !k.Expires.IsZero() {
		k.Expires = at.Add(defaultLife)
	}
	return &k, nil
}

// RevokeKey ends a key for the next request. The key's principal, the owner of
// its service account, the person it acts for and holders of key.revoke may.
// A key that is revoked already stays as it is.
func (d *Directory) RevokeKey(ctx context.Context, by access.Caller, id vitrine.ID) (int64, error) {
	a := access.Act{Permission: vitrine.KeyRevoke, Op: "revoke", Resource: vitrine.Resource{Kind: vitrine.KindKey, ID: id}}
	o := policy.Options{Issuing: true, Act: string(vitrine.KeyRevoke)}
	applied, err := d.change(ctx, by, a, o, func(now *rbac.Policy) (*vitrine.ChangeSet, error) {
		was, ok := now.Key(id)
		if !ok {
			return nil, missing(refOf(a))
		}
		if !was.Revoked.IsZero() {
			return &vitrine.ChangeSet{}, nil
		}
		k := *was
		k.Revoked = d.now().UTC().Truncate(time.Microsecond)
		return &vitrine.ChangeSet{Reason: "key revoked", Changes: []vitrine.Change{vitrine.Put(&k)}}, nil
	})
	return applied.Revision, err
}

// KeyInfo is a key as it is shown: without hashes, with its last use.
type KeyInfo struct {
	vitrine.Key
	LastUsed    time.Time `json:"last_used,omitzero"`
	LastAddress string    `json:"last_address,omitempty"`
}

// Keys lists the keys of a principal that by may see, ordered by id: "" is
// oneself, vitrine.Everyone is all. One's own and those of service accounts
// that one owns need no permission.
func (d *Directory) Keys(ctx context.Context, by access.Caller, principal vitrine.ID) ([]KeyInfo, error) {
	principal = cmp.Or(principal, by.Principal)
	views := []access.View{{Kind: vitrine.KindKey, Permission: vitrine.KeyView}}
	now, seen, t, err := d.guard.Views(ctx, by, views, "list keys")
	if err != nil {
		return nil, err
	}
	e := t.Entry()
	e.Act, e.Kind = string(vitrine.KeyView), vitrine.KindKey
	slices.Sort(seen[vitrine.KindKey])
	var all []KeyInfo
	for _, o := range now.Objects(vitrine.KindKey) {
		k, ok := o.(*vitrine.Key)
		if !ok || principal != vitrine.Everyone && k.Principal != principal {
			continue
		}
		if _, visible := slices.BinarySearch(seen[vitrine.KindKey], k.ID); !visible && !answers(now, &by, k) {
			continue
		}
		info, err := d.info(ctx, k)
		if err != nil {
			return nil, t.Refuse(ctx, "failed", err)
		}
		all = append(all, info)
	}
	e.Count = int64(len(all))
	if _, err := t.Record(ctx); err != nil {
		return nil, err
	}
	return all, nil
}

// answers reports whether a caller answers for a key: its own, its service
// account's, or one that acts for it. Of an agent that acts for a person only the
// keys count that this person gave it.
func answers(now *rbac.Policy, by *access.Caller, k *vitrine.Key) bool {
	switch {
	case by.For != "":
		return k.Principal == by.Principal && k.For == by.For
	case k.Principal == by.Principal || k.For == by.Principal:
		return true
	}
	who, ok := now.Principal(k.Principal)
	return ok && who.Owner == by.Principal
}

func (d *Directory) info(ctx context.Context, k *vitrine.Key) (KeyInfo, error) {
	info := KeyInfo{Key: *k}
	info.Hash, info.Previous = "", ""
	saved, err := d.store.KeyUse(ctx, k.ID)
	if err != nil && !errors.Is(err, vitrine.ErrNotFound) {
		return info, fmt.Errorf("last use of key %s: %w", k.ID, err)
	}
	info.LastUsed, info.LastAddress = saved.Last, saved.Address
	if u, ok := d.uses.of(k.ID); ok && u.at.After(info.LastUsed) {
		info.LastUsed, info.LastAddress = u.at, address(u.from)
	}
	return info, nil
}

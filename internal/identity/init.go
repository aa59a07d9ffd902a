package identity

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/policy"
	"vitrine.dev/vitrine/internal/rbac"
)

// OrganizationID is the id of the organization of every installation, so that
// policy files fit any.
const OrganizationID vitrine.ID = "org"

// Owner is one owner of a new installation.
type Owner struct {
	ID     vitrine.ID
	Email  string
	Secret vitrine.Secret // her first key; shown once
}

// system is the caller of what the system does by itself.
func system(op string) access.Caller {
	return access.Caller{Subject: rbac.Subject{System: true}, Request: op}
}

// Init makes, as one change set, what a new installation starts with: the
// organization, the predefined roles, the shipped constraints, two or three
// owners - with solo one - and for each a first key of 72 hours. organization
// is its display name. ErrConflict, and no harm, when there is one already.
func (d *Directory) Init(ctx context.Context, organization string, emails []string, solo bool) (vitrine.ID, []Owner, error) {
	if err := checkOwners(emails, solo); err != nil {
		return "", nil, err
	}
	if len(organization) > maxName {
		return "", nil, vitrine.Invalid("organization", "too_long", fmt.Sprintf("At most %d bytes.", maxName))
	}
	set := &vitrine.ChangeSet{Reason: "init"}
	put := func(o vitrine.Object) { set.Changes = append(set.Changes, vitrine.Put(o)) }
	put(&vitrine.Organization{ID: OrganizationID, Name: organization, Solo: solo})
	for _, r := range rbac.Predefined() {
		put(r)
	}
	owners := make([]Owner, len(emails))
	for i, email := range emails {
		owners[i] = Owner{ID: newID(prefixes[vitrine.User]), Email: email}
		put(&vitrine.Principal{ID: owners[i].ID, Kind: vitrine.User, Email: email})
		k, secret := d.firstKey(owners[i].ID, 0)
		owners[i].Secret = secret
		put(k)
		put(&vitrine.Binding{ID: "owner-" + owners[i].ID, Role: rbac.OwnerRole, Principal: owners[i].ID, Scope: OrganizationID, Reason: "init"})
	}
	for _, c := range rbac.Shipped(OrganizationID, solo) {
		put(c)
	}
	by := system("init")
	now, err := d.guard.Snapshot(ctx, by)
	if err == nil {
		err = uninitialized(now)
	}
	if err != nil {
		return "", nil, d.guard.Reject(ctx, by, access.Act{Permission: vitrine.SystemEdit, Op: by.Request}, err)
	}
	o := policy.Options{Op: by.Request, Issuing: true, Check: uninitialized}
	if _, err := d.policies.ApplyAs(ctx, by, set, o); err != nil {
		return "", nil, err
	}
	return OrganizationID, owners, nil
}

// uninitialized refuses to begin where somebody has begun already.
func uninitialized(now *rbac.Policy) error {
	if now.Organization() != nil || now.Revision() != 0 {
		return &vitrine.Error{Kind: vitrine.ErrConflict, Code: "initialized", Public: "This installation has its organization and owners already."}
	}
	return nil
}

func checkOwners(emails []string, solo bool) error {
	switch {
	case solo && len(emails) != 1:
		return vitrine.Invalid("owner-email", "owners", "A solo installation has one owner.")
	case !solo && (len(emails) < 2 || len(emails) > 3):
		return vitrine.Invalid("owner-email", "owners", "Name two owners, or three: one alone could lock everybody out.")
	}
	for i, e := range emails {
		if !isAddress(e) {
			return vitrine.Invalid("owner-email", "email", "An owner has an address such as ann@example.com.")
		}
		if slices.ContainsFunc(emails[:i], func(o string) bool { return strings.EqualFold(o, e) }) {
			return vitrine.Invalid("owner-email", "email", "Owners are different people.")
		}
	}
	return nil
}

// firstKey makes an owner's first key.
func (d *Directory) firstKey(owner vitrine.ID, epoch int64) (*vitrine.Key, vitrine.Secret) {
	at := d.now().UTC().Truncate(time.Microsecond)
	k := &vitrine.Key{
		ID: newID(""), Principal: owner, Name: "first key", First: true, IssuedBy: access.SystemActor,
		Created: at, Expires: at.Add(firstLife), Epoch: epoch,
	}
	secret := newKeyText(kindFirst, k.ID)
	k.Hash = hash(secret)
	return k, secret
}

// Recover issues another first key to an owner, named by id or address, and
// revokes her earlier ones. It is for whoever holds the machine, offline; it is
// recorded and raises an alert.
func (d *Directory) Recover(ctx context.Context, owner string) (Owner, error) {
	var out Owner
	by := system("recover")
	a := access.Act{Permission: vitrine.KeyIssue, Op: "recover"}
	o := policy.Options{Act: "recover", Alert: "recovered", Issuing: true}
	_, err := d.change(ctx, by, a, o, func(now *rbac.Policy) (*vitrine.ChangeSet, error) {
		who := findOwner(now, owner)
		if who == nil {
			return nil, vitrine.Invalid("owner", "not_an_owner", "No active owner has this id or address.")
		}
		k, secret := d.firstKey(who.ID, who.Epoch)
		out = Owner{ID: who.ID, Email: who.Email, Secret: secret}
		set := &vitrine.ChangeSet{Reason: "recover", Changes: []vitrine.Change{vitrine.Put(k)}}
		for _, o := range now.Objects(vitrine.KindKey) {
			if old, ok := o.(*vitrine.Key); ok && old.Principal == who.ID && old.First && old.Revoked.IsZero() {
				c := *old
				c.Revoked = k.Created
				set.Changes = append(set.Changes, vitrine.Put(&c))
			}
		}
		return set, nil
	})
	if err != nil {
		return Owner{}, fmt.Errorf("recover %q: %w", owner, err)
	}
	return out, nil
}

// findOwner is the active person with this id or address that holds the owner
// role, or nil.
func findOwner(now *rbac.Policy, name string) *vitrine.Principal {
	for _, o := range now.Objects(vitrine.KindPrincipal) {
		p, ok := o.(*vitrine.Principal)
		if !ok || !p.Human() || p.Disabled || string(p.ID) != name && !strings.EqualFold(p.Email, name) {
			continue
		}
		if holds(now, p.ID, rbac.OwnerRole) {
			return p
		}
	}
	return nil
}

func holds(now *rbac.Policy, id, role vitrine.ID) bool {
	groups := now.Groups(id)
	for _, o := range now.Objects(vitrine.KindBinding) {
		if b, ok := o.(*vitrine.Binding); ok && b.Role == role && (b.Principal == id || slices.Contains(groups, b.Principal)) {
			return true
		}
	}
	return false
}

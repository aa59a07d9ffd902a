package policy

import (
	"errors"
	"slices"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/provider"
	"vitrine.dev/vitrine/internal/rbac"
	"vitrine.dev/vitrine/internal/store"
)

// forgetting is a change set with what a provider loses by it that moves to
// another origin, whoever moves it and how: the secrets of its credentials. So
// nobody can have them sent elsewhere by moving it, nor get them back by moving
// it home.
type forgetting struct {
	set     *vitrine.ChangeSet
	secrets []vitrine.ID // credentials whose secrets go
}

func forget(now *rbac.Policy, set *vitrine.ChangeSet) forgetting {
	f := forgetting{set: set}
	for _, c := range set.Changes {
		p, ok := c.Object.(*vitrine.Provider)
		if !ok || !Moves(now, p) {
			continue
		}
		for _, o := range now.Objects(vitrine.KindCredential) {
			if cred, ok := o.(*vitrine.Credential); ok && cred.Provider == p.ID {
				f.bare(cred)
			}
		}
	}
	return f
}

// bare takes the origin of a credential, unless the set says itself what becomes
// of it.
func (f *forgetting) bare(c *vitrine.Credential) {
	f.secrets = append(f.secrets, c.ID)
	if slices.ContainsFunc(f.set.Changes, func(o vitrine.Change) bool { return o.Ref == c.Ref() }) || c.Origin == "" {
		return
	}
	without := *c
	without.Origin, without.PreviousUntil = "", time.Time{}
	wider := *f.set
	wider.Changes = append(slices.Clone(f.set.Changes), vitrine.Put(&without))
	f.set = &wider
}

// Moves reports whether a provider gets another origin than it has now.
func Moves(now *rbac.Policy, p *vitrine.Provider) bool {
	old, _ := now.Object(p.Ref())
	was, ok := old.(*vitrine.Provider)
	if !ok || was.Kind == vitrine.Studio {
		return ok && p.Kind != was.Kind
	}
	before, errBefore := provider.Origin(was.BaseURL)
	after, errAfter := provider.Origin(p.BaseURL)
	return errors.Join(errBefore, errAfter) != nil || before != after
}

// secretsGo deletes what is forgotten.
func (f *forgetting) secretsGo(tx *store.Tx) error {
	for _, id := range f.secrets {
		if err := tx.DeleteCredentialSecret(id); err != nil {
			return err
		}
	}
	return nil
}

package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/policy"
	"vitrine.dev/vitrine/internal/provider"
	"vitrine.dev/vitrine/internal/rbac"
	"vitrine.dev/vitrine/internal/store"
)

// maxOverlap is how long an earlier secret may help out, as a key's may.
const maxOverlap = 30 * 24 * time.Hour

// Rotated is what became of a rotation.
type Rotated struct {
	Revision int64
	Until    time.Time // the earlier secret helps out until then; zero is that it is gone
}

// RotateCredential gives a provider's credential a new secret, which calls use
// at once; those under way finish with the earlier one. Until the overlap ends
// the earlier one helps out where the provider answers 401 to the new one, which
// raises an alert; then it is deleted. With an overlap of 0 it goes at once. It
// needs provider.edit and is a change set like any other. The secret is in none
// and in no entry.
//
// Errors: ErrInvalid for a secret that no header may hold and for an overlap
// beyond 30 days; ErrConflict where the credential has no secret to rotate.
func (g *Gateway) RotateCredential(ctx context.Context, by access.Caller, id vitrine.ID, secret vitrine.Secret, overlap time.Duration) (Rotated, error) {
	a := access.Act{Permission: vitrine.ProviderEdit, Op: "rotate credential", Resource: vitrine.Resource{ID: id}}
	for try := 1; ; try++ {
		now, err := g.snapshot(ctx, by, a)
		if err != nil {
			return Rotated{}, err
		}
		done, err := g.rotate(ctx, by, a, now, secret, overlap)
		if err == nil || by.IfVersion != 0 || try == tries || !overtaken(err) {
			return done, err
		}
	}
}

// rotate is one attempt, on what a policy says.
func (g *Gateway) rotate(ctx context.Context, by access.Caller, a access.Act, now *rbac.Policy, secret vitrine.Secret, overlap time.Duration) (Rotated, error) {
	ref := vitrine.Ref{Kind: vitrine.KindCredential, ID: a.Resource.ID}
	o, _ := now.Object(ref)
	was, ok := o.(*vitrine.Credential)
	if !ok {
		_, err := g.guard.Check(ctx, by, a) // which says so, if to the caller at all
		return Rotated{}, err
	}
	origin, err := g.rotates(now, was, secret, overlap)
	if err != nil {
		a.Resource = now.Resource(o)
		t, denied := g.guard.Check(ctx, by, a)
		if denied != nil {
			return Rotated{}, denied // what is wrong with it tells that it is there
		}
		return Rotated{}, refuse(ctx, t, err)
	}
	next := *was
	next.Origin, next.PreviousUntil = origin, time.Time{}
	if overlap > 0 {
		next.PreviousUntil = g.now().UTC().Truncate(time.Microsecond).Add(overlap)
	}
	put := vitrine.Put(&next)
	if put.IfRevision = now.ChangedAt(ref); by.IfVersion != 0 {
		put.IfRevision = by.IfVersion
	}
	set := &vitrine.ChangeSet{Reason: "credential rotated", Changes: []vitrine.Change{put}}
	done, err := g.policies.ApplyAs(ctx, by, set, policy.Options{Op: a.Op, With: func(tx *store.Tx) error {
		if overlap == 0 && was.Origin != "" {
			return tx.PutCredentialSecret(ref.ID, origin, secret)
		}
		return tx.RotateCredentialSecret(ref.ID, origin, secret, next.PreviousUntil)
	}})
	return Rotated{done.Revision, next.PreviousUntil}, err
}

// rotates is where a credential's new secret may be sent, or what is wrong with
// it.
func (g *Gateway) rotates(now *rbac.Policy, c *vitrine.Credential, secret vitrine.Secret, overlap time.Duration) (origin string, err error) {
	switch {
	case secret == "":
		return "", vitrine.Invalid("secret", "missing_secret", "A rotation needs the new secret.")
	case overlap < 0 || overlap > maxOverlap:
		return "", vitrine.Invalid("overlap", "out_of_bounds", "The earlier secret may help out for 30 days at most.")
	}
	p, err := g.providerOf(now, c.Provider)
	if err != nil {
		return "", err
	}
	if _, err := provider.New(g.configOf(p, secret)); err != nil {
		return "", err
	}
	return provider.Origin(p.BaseURL)
}

// line is a service with what it was made of.
type line struct {
	provider.Provider
	of         *vitrine.Provider
	credential *vitrine.Credential // nil where none is used
}

// refused reports whether a provider does not know its credential, and did
// nothing.
func refused(err error) bool {
	var up *provider.Error
	return errors.As(err, &up) && up.Status == http.StatusUnauthorized && up.Charged == provider.ChargedNo
}

// fallBack is the same service with what the credential's secret was before it
// was rotated; nil where that does not help out, or its help cannot be recorded.
// Whoever rotated it has to hear of it: the new one does not work, and when the
// overlap ends nothing will.
func (g *Gateway) fallBack(ctx context.Context, m *generation) provider.Provider {
	c := m.service.credential
	if c == nil {
		return nil
	}
	for _, d := range m.drafts {
		if d != nil {
			return nil // it knew the credential a moment ago
		}
	}
	was, err := g.store.RetiredSecret(ctx, c.ID, g.now()) // the row and not the policy, which may be a moment older
	if err != nil || was.Origin != c.Origin {
		return nil
	}
	s, err := provider.New(g.configOf(m.service.of, was.Secret))
	if err != nil {
		return nil
	}
	e := &vitrine.Entry{Outcome: vitrine.Broken, Op: "credential refused", Code: "credential_refused", Alert: "credential_refused",
		Kind: vitrine.KindCredential, Resource: c.ID,
		Detail: fmt.Sprintf("the provider %s refuses the new secret; the earlier one helps out until %s", c.Provider, was.Until.UTC().Format(time.RFC3339))}
	if err := g.guard.Finish(ctx, m.receipt, e, nil); err != nil {
		return nil
	}
	return s
}

// retire deletes the retired secrets that have had their time.
func (g *Gateway) retire(ctx context.Context) error {
	for {
		ids, err := g.store.RetiredSecrets(ctx, g.now(), sweepBatch)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if err := g.endRetired(ctx, id); err != nil {
				return err
			}
		}
		if len(ids) < sweepBatch {
			return nil
		}
	}
}

func (g *Gateway) endRetired(ctx context.Context, id vitrine.ID) error {
	by := access.Caller{Subject: rbac.Subject{System: true}}
	t, err := g.guard.Self(ctx, by, access.Act{Permission: vitrine.ProviderEdit, Op: "end retired secret", Resource: vitrine.Resource{Kind: vitrine.KindCredential, ID: id}})
	if err != nil {
		return fmt.Errorf("end the retired secret of %s: %w", id, err)
	}
	_, err = t.Spend(ctx, func(tx *store.Tx) error { return tx.DeleteRetiredSecret(id, g.now()) })
	if errors.Is(err, vitrine.ErrNotFound) {
		return nil // another node was faster
	}
	return err
}

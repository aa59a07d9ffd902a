package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/policy"
	"vitrine.dev/vitrine/internal/provider"
	"vitrine.dev/vitrine/internal/rbac"
	"vitrine.dev/vitrine/internal/store"
)

// tries is how often a change is built anew on what a faster one left.
const tries = 8

// PutProvider makes or changes a provider and, where c is given, one of its
// credentials; secret, where not "", becomes that credential's, sealed and
// bound to the base URL's origin. A provider that moves to another origin loses
// the secrets of all its credentials, so that nobody can have them sent
// elsewhere by moving it. It is a change set like any other and answers its
// revision; the secret is in no change set and no entry.
func (g *Gateway) PutProvider(ctx context.Context, by access.Caller, p *vitrine.Provider, c *vitrine.Credential, secret vitrine.Secret) (int64, error) {
	a := access.Act{Permission: vitrine.ProviderEdit, Op: "put provider", Resource: vitrine.Resource{Kind: vitrine.KindProvider, ID: p.ID}}
	move := move{provider: p, secret: secret}
	if c != nil && c.ID != "" {
		named := *c
		named.Provider = p.ID
		move.credential = &named
	}
	if err := g.sound(&move); err != nil {
		return 0, g.guard.Reject(ctx, by, a, err)
	}
	for try := 1; ; try++ {
		now, err := g.snapshot(ctx, by, a)
		if err != nil {
			return 0, err
		}
		set, with := move.change(now)
		if by.IfVersion != 0 {
			set.Changes[0].IfRevision = by.IfVersion // of the provider
		}
		done, err := g.policies.ApplyAs(ctx, by, set, policy.Options{Op: a.Op, With: with})
		if err == nil || by.IfVersion != 0 || try == tries || !overtaken(err) {
			return done.Revision, err
		}
	}
}

func overtaken(err error) bool {
	var e *vitrine.Error
	return errors.As(err, &e) && errors.Is(e.Kind, vitrine.ErrConflict) && e.Code == "revision"
}

// move is what becomes of a provider.
type move struct {
	provider   *vitrine.Provider
	credential *vitrine.Credential // nil where none is touched
	secret     vitrine.Secret
	origin     string
}

// sound is what cannot be right for anybody.
func (g *Gateway) sound(m *move) error {
	p := m.provider
	if !p.ID.Valid() {
		return vitrine.Invalid("provider.id", "id", "This is no id.")
	}
	if m.credential != nil && !m.credential.ID.Valid() {
		return vitrine.Invalid("credential.id", "id", "This is no id.")
	}
	if m.secret != "" && m.credential == nil {
		return vitrine.Invalid("credential", "missing_credential", "Say which credential the secret is of.")
	}
	if p.Kind == vitrine.Studio && m.credential != nil {
		return vitrine.Invalid("credential", "no_credential", "studio is built in and takes no credential.")
	}
	_, err := provider.New(provider.Config{Kind: p.Kind, BaseURL: p.BaseURL, Hosts: p.Hosts, Secret: m.secret, AllowPrivate: g.private})
	if err != nil || p.Kind == vitrine.Studio {
		return err
	}
	m.origin, err = provider.Origin(p.BaseURL)
	return err
}

// change is the change set and what goes with it in the same transaction. What
// it replaces must still be what it was built on.
func (m *move) change(now *rbac.Policy) (*vitrine.ChangeSet, func(*store.Tx) error) {
	set := &vitrine.ChangeSet{}
	put := func(o vitrine.Object) {
		c := vitrine.Put(o)
		c.IfRevision = now.ChangedAt(c.Ref)
		set.Changes = append(set.Changes, c)
	}
	put(m.provider)
	moved := policy.Moves(now, m.provider)
	var foreign, bare bool
	if m.credential != nil {
		c := *m.credential
		old, _ := now.Object(vitrine.Ref{Kind: vitrine.KindCredential, ID: c.ID})
		was, there := old.(*vitrine.Credential)
		foreign = there && was.Provider != c.Provider
		switch {
		case m.secret != "":
			c.Origin = m.origin
		case there && !moved:
			c.Origin, c.PreviousUntil = was.Origin, was.PreviousUntil
		default:
			c.Origin, bare = "", !there
		}
		put(&c)
	}
	return set, func(tx *store.Tx) error {
		// These are told only now that the caller is known to be allowed.
		if foreign {
			return &vitrine.Error{Kind: vitrine.ErrConflict, Code: "credential_of_another", Param: "credential.id", Public: "Another provider has a credential with this id."}
		}
		if bare {
			return vitrine.Invalid("secret", "missing_secret", "A new credential needs its secret.")
		}
		if m.secret == "" {
			return nil
		}
		return tx.PutCredentialSecret(m.credential.ID, m.origin, m.secret)
	}
}

// testTime bounds asking a provider for its models.
const testTime = 30 * time.Second

// TestProvider asks a provider for its models, with the credential of the
// caller's project or else the one that serves the rest, and answers them with
// the prices that it tells. They bind nobody: what a deployment costs is policy.
// It needs provider.edit; the attempt is recorded before the service is asked,
// and how it ended after. ErrUpstream where the service does not answer.
func (g *Gateway) TestProvider(ctx context.Context, by access.Caller, id vitrine.ID) ([]vitrine.Offered, error) {
	a := access.Act{Permission: vitrine.ProviderEdit, Op: "test provider", Resource: vitrine.Resource{ID: id}}
	now, err := g.snapshot(ctx, by, a)
	if err != nil {
		return nil, err
	}
	o, ok := now.Object(vitrine.Ref{Kind: vitrine.KindProvider, ID: id})
	if ok {
		a.Resource = now.Resource(o)
	}
	t, err := g.guard.Check(ctx, by, a)
	if err != nil {
		return nil, err
	}
	p, err := g.providerOf(now, id)
	if err != nil {
		return nil, refuse(ctx, t, err)
	}
	service, err := g.connect(ctx, now, p, by.Project, func() map[vitrine.ID]bool { return nil })
	if err != nil {
		return nil, refuse(ctx, t, err)
	}
	receipt, err := t.Record(ctx)
	if err != nil {
		return nil, err
	}
	timed, cancel := context.WithTimeout(ctx, testTime)
	defer cancel()
	models, err := service.Models(timed)
	e := &vitrine.Entry{Detail: fmt.Sprintf("%d models", len(models))}
	if err != nil {
		err = g.upstream(err)
		e = &vitrine.Entry{Outcome: vitrine.Broken, Code: codeOf(err)}
	}
	if ferr := g.guard.Finish(ctx, receipt, e, nil); ferr != nil {
		return nil, errors.Join(ferr, err)
	}
	all := make([]vitrine.Offered, len(models))
	for i, m := range models {
		all[i] = vitrine.Offered{Model: m.ID, Price: m.Price}
	}
	return all, err
}

package gateway

import (
	"context"
	"sync"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/rbac"
)

// secrets remembers the secrets of credentials under one revision of the policy.
// A secret changes only together with a revision, so whoever decides by a
// revision finds what belongs to it, or something newer.
type secrets struct {
	mu       sync.Mutex
	revision int64
	known    map[vitrine.ID]boundSecret
}

// boundSecret is a secret and the origin that it may be sent to.
type boundSecret struct {
	secret vitrine.Secret
	origin string
}

// secretOf answers the secret of a credential, as store.CredentialSecret does.
func (g *Gateway) secretOf(ctx context.Context, now *rbac.Policy, id vitrine.ID) (boundSecret, error) {
	if b, ok := g.secrets.find(now.Revision(), id); ok {
		return b, nil
	}
	secret, origin, err := g.store.CredentialSecret(ctx, id)
	b := boundSecret{secret, origin}
	if err == nil {
		g.secrets.remember(now.Revision(), id, b)
	}
	return b, err
}

func (s *secrets) find(revision int64, id vitrine.ID) (boundSecret, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.known[id]
	return b, ok && revision == s.revision
}

func (s *secrets) remember(revision int64, id vitrine.ID, b boundSecret) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case revision < s.revision:
		return
	case revision > s.revision, s.known == nil:
		s.revision, s.known = revision, map[vitrine.ID]boundSecret{}
	}
	s.known[id] = b
}

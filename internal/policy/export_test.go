package policy

import (
	"context"
	"time"

	"vitrine.dev/vitrine/internal/store"
)

// SmallGap is for tests on both sides of it.
const SmallGap = smallGap

// OpenShared is Open on a store that other nodes write to as well.
func OpenShared(ctx context.Context, st *store.Store, now func() time.Time) (*Source, error) {
	s, err := Open(ctx, st, now)
	if err == nil {
		s.embedded = false
	}
	return s, err
}

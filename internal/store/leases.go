package store

import (
	"context"
	"fmt"
	"time"
)

const qTakeLease = `INSERT INTO leases (name, node, until) VALUES ($1, $2, $3)
	ON CONFLICT (name) DO UPDATE SET node = excluded.node, until = excluded.until
	WHERE leases.node = excluded.node OR leases.until <= $4`

// Lease lets one node at a time do what is named, for a length of time; whoever
// has it may lengthen it. It answers whether node has it now. Nodes whose clocks
// differ may both have it for as long, so what is done under it must bear that.
func (s *Store) Lease(ctx context.Context, name, node string, length time.Duration) (bool, error) {
	now := s.now()
	var n int64
	err := s.Maintain(ctx, func(t *Tx) (err error) {
		n, err = t.c.exec(qTakeLease, name, node, micros(now.Add(length)), micros(now))
		return err
	})
	if err != nil {
		return false, fmt.Errorf("lease %s: %w", name, err)
	}
	return n == 1, nil
}

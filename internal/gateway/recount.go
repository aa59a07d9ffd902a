package gateway

import (
	"context"
	"fmt"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/store"
)

// Spend is what a log says was spent, and on what.
type Spend struct {
	At      time.Time
	By      access.Caller
	Project vitrine.ID
	Model   string
	Cost    vitrine.Micros
	Request string
}

// Recount counts what the log of an installation says was spent after the backup
// that it was restored from, in every budget that it would count in, whatever
// that budget's limit. Money that was set aside for it in the backup is settled
// by it. It is for a restore, and recorded.
func (g *Gateway) Recount(ctx context.Context, s Spend) error {
	now, err := g.guard.Snapshot(ctx, access.Caller{})
	if err != nil {
		return err
	}
	e := &vitrine.Entry{
		Time: g.now(), Act: string(vitrine.ModelGenerate), Op: "replay", Outcome: vitrine.Allowed, Code: string(vitrine.CodeAllowed),
		Actor: access.SystemActor, Kind: vitrine.KindDeployment, Resource: vitrine.DeploymentID(s.Project, s.Model), Scope: s.Project,
		Model: s.Model, Cost: s.Cost, Request: s.Request, Detail: "spent after the backup",
	}
	u := &store.UsageRow{Time: s.At, Principal: s.By.Principal, Project: s.Project, Model: s.Model, EndUser: s.By.EndUser, Cost: s.Cost, Request: s.Request}
	if s.By.Key {
		u.Key = s.By.Credential
	}
	_, err = g.store.Commit(ctx, e, func(tx *store.Tx) error {
		aside, err := tx.ReservationsOf(reservationPrefix(s.Request))
		if err != nil {
			return err
		}
		for _, id := range aside {
			_, err = tx.Settle(id, s.Cost)
		}
		if len(aside) == 0 {
			err = tx.Count(s.Cost, charges(allowances(now, s.By, s.Project), s.At))
		}
		if err != nil {
			return err
		}
		return tx.PutUsage(u)
	})
	if err != nil {
		return fmt.Errorf("count what request %s has spent: %w", s.Request, err)
	}
	return nil
}

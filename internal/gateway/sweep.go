package gateway

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/rbac"
	"vitrine.dev/vitrine/internal/store"
)

const (
	sweepEvery = 30 * time.Second
	sweepBatch = 100
	lastChance = 5 * time.Second // for what is still not kept when Run ends

	// Between attempts to keep late; each that fails may leave an entry.
	lateSoonest, lateLatest = 5 * time.Second, 5 * time.Minute
)

// Run sweeps until ctx is done: reservations that nobody settled count as
// spent, retired secrets end, old replies are forgotten. It also keeps what Generate could not.
func (g *Gateway) Run(ctx context.Context) error {
	pause := lateSoonest
	sweep, late := time.NewTicker(sweepEvery), time.NewTimer(pause)
	defer sweep.Stop()
	defer late.Stop()
	// What cannot be swept or kept now is tried again; the store's own failure
	// shows in readiness.
	_ = g.sweep(ctx)
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastChance)
			defer cancel()
			return g.keepLate(last)
		case <-sweep.C:
			_ = g.sweep(ctx)
		case <-late.C:
			if pause = min(2*pause, lateLatest); g.keepLate(ctx) == nil {
				pause = lateSoonest
			}
			late.Reset(pause)
		}
	}
}

// keepLate tries once more to keep what was paid for. What still cannot be
// kept stays, and with it the place that it takes among the calls.
func (g *Gateway) keepLate(ctx context.Context) error {
	for range len(g.late) {
		m := <-g.late
		if err := g.keepOnce(ctx, m); err != nil {
			g.late <- m
			return err
		}
		if err := m.answer.Close(); err != nil {
			return err
		}
		<-g.calls
	}
	return nil
}

// sweep forfeits reservations past their time, ends retired secrets and forgets
// old replies.
func (g *Gateway) sweep(ctx context.Context) error {
	for {
		ids, err := g.store.ExpiredReservations(ctx, g.now(), sweepBatch)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if err := g.forfeit(ctx, id); err != nil {
				return err
			}
		}
		if len(ids) < sweepBatch {
			break
		}
	}
	if err := g.retire(ctx); err != nil {
		return err
	}
	before := g.now().Add(-keepReplies)
	return g.store.Maintain(ctx, func(tx *store.Tx) error { return tx.SweepReplies(before) })
}

// forfeit counts a reservation as spent whose process died before it could say
// what became of it. The entry leads to the request that made it.
func (g *Gateway) forfeit(ctx context.Context, id string) error {
	request, _, _ := strings.Cut(id, "/")
	by := access.Caller{Subject: rbac.Subject{System: true}, Request: request}
	t, err := g.guard.Self(ctx, by, access.Act{Permission: vitrine.ModelGenerate, Op: "sweep", Resource: vitrine.Resource{Kind: vitrine.KindDeployment}})
	if err != nil {
		return fmt.Errorf("sweep reservation %s: %w", id, err)
	}
	used, err := g.unknownUse(ctx, request)
	if err != nil {
		return refuse(ctx, t, err)
	}
	e := t.Entry()
	e.Outcome, e.Code, e.Alert = vitrine.Broken, "outcome_unknown", "outcome_unknown"
	note(e, "the outcome of this request is not known; what was reserved counts as spent")
	_, err = t.Spend(ctx, func(tx *store.Tx) error {
		settled, err := tx.Forfeit(id)
		if err != nil {
			return err
		}
		alarm(e, settled.Alerts, 0)
		if used == nil {
			return nil
		}
		e.Cost, e.Model = used.Cost, used.Model
		return tx.PutUsage(used)
	})
	if errors.Is(err, vitrine.ErrNotFound) {
		return nil // another node was faster
	}
	return err
}

// unknownUse is the use of a request of which nobody knows what came, from the
// entry that it began with: no images, and all that was set aside. nil where the
// log has no such entry.
func (g *Gateway) unknownUse(ctx context.Context, request string) (*store.UsageRow, error) {
	entries, err := g.store.Entries(ctx, store.EntryQuery{After: -1, Request: request})
	if err != nil {
		return nil, fmt.Errorf("entries of request %s: %w", request, err)
	}
	for _, e := range entries {
		project, model, ok := vitrine.SplitDeployment(e.Resource)
		if ok && e.Kind == vitrine.KindDeployment && e.Outcome == vitrine.Allowed && e.Cost > 0 {
			return &store.UsageRow{Time: e.Time, Principal: e.Actor, Project: project, Key: e.Credential, Model: model,
				EndUser: e.Personal.EndUser, Cost: e.Cost, Request: request}, nil
		}
	}
	return nil, nil
}

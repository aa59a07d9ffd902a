package vault

import (
	"context"
	"errors"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/rbac"
	"vitrine.dev/vitrine/internal/store"
)

// HoldQuery says which legal holds to list.
type HoldQuery struct {
	On     vitrine.Ref // only on this; the zero Ref is any
	Lifted bool        // lifted ones too
	After  string      // Next of the page before
	Limit  int         // 0 is 50; at most 1000
}

// HoldPage is a page of holds, the newest first; where Next is not "" there may
// be more.
type HoldPage struct {
	Holds []vitrine.Hold `json:"holds"`
	Next  string         `json:"next,omitempty"`
}

// Hold places a legal hold on an image, also a deleted one that may be restored,
// or on all images of a dataset or a project, those too that come later. While
// it is in force nobody deletes them, retention passes them over, and no key is
// destroyed. It needs image.hold: on an image as it is; on a dataset or project
// for restricted data, of all categories that lie there.
func (v *Vault) Hold(ctx context.Context, by access.Caller, on vitrine.Ref, reason string) (*vitrine.Hold, error) {
	t, err := v.askHold(ctx, by, on, "hold")
	if err != nil {
		return nil, err
	}
	reason, err = wantReason(reason, "Say why it is held: the case, or who asked for it.")
	if err != nil {
		return nil, refuse(ctx, t, err)
	}
	h := &vitrine.Hold{ID: newID("hold-", v.now()), On: on, Reason: reason, Placed: t.Entry().Time, By: by.Actor()}
	t.Entry().Detail = string(h.ID) + ": " + reason
	if _, err := t.Spend(ctx, func(tx *store.Tx) error { return tx.PutHold(h) }); err != nil {
		return nil, err
	}
	return h, nil
}

// Lift ends a hold, with a reason. It needs what placing it did. What was held
// is deleted by another person than who lifted the hold, for 30 days. ErrConflict
// where it was lifted before.
func (v *Vault) Lift(ctx context.Context, by access.Caller, id vitrine.ID, reason string) (*vitrine.Hold, error) {
	h, err := v.oneHold(ctx, id)
	if err != nil {
		return nil, v.guard.Reject(ctx, by, access.Act{Permission: vitrine.ImageHold, Op: "lift hold"}, err)
	}
	t, err := v.askHold(ctx, by, h.On, "lift hold")
	if err != nil {
		return nil, err
	}
	if reason, err = wantReason(reason, "Say why the hold is lifted."); err != nil {
		return nil, refuse(ctx, t, err)
	}
	h.Lifted, h.LiftedBy, h.LiftReason = t.Entry().Time, by.Actor(), reason
	t.Entry().Detail = string(h.ID) + ": " + reason
	if _, err := t.Spend(ctx, func(tx *store.Tx) error { return tx.LiftHold(h) }); err != nil {
		return nil, err
	}
	return h, nil
}

func wantReason(reason, ask string) (string, error) {
	reason, err := cleanText("reason", reason, maxReason)
	if err == nil && reason == "" {
		err = vitrine.Invalid("reason", "reason_needed", ask)
	}
	return reason, err
}

// oneHold answers a hold; of one that is not there, a hold on nothing.
func (v *Vault) oneHold(ctx context.Context, id vitrine.ID) (*vitrine.Hold, error) {
	if !id.Valid() {
		return new(vitrine.Hold), nil
	}
	h, err := v.store.Hold(ctx, id)
	if errors.Is(err, vitrine.ErrNotFound) {
		return new(vitrine.Hold), nil
	}
	return h, err
}

// askHold decides on placing or lifting a hold.
func (v *Vault) askHold(ctx context.Context, by access.Caller, on vitrine.Ref, op string) (*access.Ticket, error) {
	a := access.Act{Permission: vitrine.ImageHold, Op: op, Resource: vitrine.Resource{ID: on.ID}}
	p, err := v.guard.Snapshot(ctx, by)
	if err != nil {
		return nil, v.guard.Reject(ctx, by, a, err)
	}
	all, deleted, err := v.heldBy(ctx, p, on)
	if err != nil {
		return nil, v.guard.Reject(ctx, by, a, err)
	}
	if len(all) > 0 {
		a.Resource = all[0]
		for _, r := range all[1:] {
			a.More = append(a.More, access.Question{Permission: vitrine.ImageHold, Resource: r})
		}
	}
	t, err := v.guard.Check(ctx, by, a)
	if err != nil && deleted {
		err = hideDeleted(err)
	}
	return t, err
}

// heldBy is what a hold on something keeps, as resources to decide on; none
// where there is no such thing. deleted is that it is an image that may only be
// restored.
func (v *Vault) heldBy(ctx context.Context, p *rbac.Policy, on vitrine.Ref) (all []vitrine.Resource, deleted bool, err error) {
	r := vitrine.Resource{Kind: on.Kind, ID: on.ID, Scope: on.ID, Tier: vitrine.Restricted}
	switch on.Kind {
	case vitrine.KindImage:
		m, err := v.find(ctx, on.ID, v.kept)
		if m == nil {
			return nil, false, err
		}
		return []vitrine.Resource{m.Resource()}, m.Deleted != nil, nil // of a damaged one too: it is evidence
	case vitrine.KindDataset:
		if d, ok := p.Dataset(on.ID); ok {
			r.Category = d.Category
			all = append(all, r)
		}
		return all, false, nil
	case vitrine.KindProject:
		if _, ok := p.Object(on); ok {
			for _, r.Category = range vitrine.Categories {
				all = append(all, r)
			}
		}
		return all, false, nil
	case "":
		return nil, false, nil
	}
	return nil, false, vitrine.Invalid("on", "kind", "A hold is on an image, a dataset or a project.")
}

// maxHoldScan bounds how many holds are looked at for one page.
const maxHoldScan = 5000

// Holds lists exactly the holds that the caller could place and lift. A page may
// end early.
func (v *Vault) Holds(ctx context.Context, by access.Caller, q HoldQuery) (*HoldPage, error) {
	_, t, err := v.guard.Filter(ctx, by, vitrine.ImageHold, "list holds")
	if err != nil {
		return nil, err
	}
	p, err := v.guard.Snapshot(ctx, by)
	var page *HoldPage
	if err == nil {
		page, err = v.holdPage(ctx, &by, p, &q, t.Entry().Time)
	}
	if err != nil {
		return nil, refuse(ctx, t, err)
	}
	if _, err := t.Record(ctx); err != nil {
		return nil, err
	}
	return page, nil
}

func (v *Vault) holdPage(ctx context.Context, by *access.Caller, p *rbac.Policy, q *HoldQuery, at time.Time) (*HoldPage, error) {
	within := "holds\x00" + string(by.Principal) + "\x00" + q.On.String()
	after, err := v.openCursor(q.After, within)
	if err != nil {
		return nil, err
	}
	limit := min(q.Limit, maxPage)
	if limit <= 0 {
		limit = defaultPage
	}
	page := &HoldPage{Holds: []vitrine.Hold{}}
	for seen := 0; ; {
		all, err := v.store.Holds(ctx, store.HoldQuery{On: q.On, Lifted: q.Lifted, After: after, Limit: limit})
		if err != nil {
			return nil, err
		}
		for i := range all {
			if len(page.Holds) == limit {
				page.Next = v.sealCursor(after, within)
				return page, nil
			}
			after = store.Cursor{Created: all[i].Placed, ID: all[i].ID}
			may, err := v.mayHold(ctx, by, p, all[i].On, at)
			if err != nil {
				return nil, err
			}
			if may {
				page.Holds = append(page.Holds, all[i])
			}
		}
		if seen += len(all); len(all) < limit {
			return page, nil
		}
		if seen >= maxHoldScan {
			page.Next = v.sealCursor(after, within)
			return page, nil
		}
	}
}

func (v *Vault) mayHold(ctx context.Context, by *access.Caller, p *rbac.Policy, on vitrine.Ref, at time.Time) (bool, error) {
	all, _, err := v.heldBy(ctx, p, on)
	for _, r := range all {
		if !p.Decide(&rbac.Question{Subject: by.Subject, Permission: vitrine.ImageHold, Resource: r, At: at}).Allow {
			return false, err
		}
	}
	return len(all) > 0, err
}

// stay completes what is told of an image by how long it stays.
func (v *Vault) stay(ctx context.Context, by access.Caller, at time.Time, info *Info) error {
	p, err := v.guard.Snapshot(ctx, by)
	if err != nil {
		return err
	}
	info.Expires = v.rulesOf(p, info.Dataset).end(&info.Image)
	may := func(perm vitrine.Permission) bool { return p.Decide(question(by, perm, &info.Image, at)).Allow }
	if may(vitrine.ImageDelete) || may(vitrine.ImageHold) {
		info.Hold, err = v.store.ImageHold(ctx, info.ID)
	}
	return err
}

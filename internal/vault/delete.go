package vault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/rbac"
	"vitrine.dev/vitrine/internal/store"
)

// DefaultWindow is for how long a deleted image may be restored where neither
// installation nor dataset say.
const DefaultWindow = 7 * 24 * time.Hour

// coolOff is for how long whoever lifted a hold may not delete what it kept.
const coolOff = 30 * 24 * time.Hour

// Deleting says how an image is deleted.
type Deleting struct {
	Now    bool   // destroy its key at once, without a time to be restored in
	Reason string // stands in the log; needed with Now
}

// Deleted is what became of an image.
type Deleted struct {
	ID        vitrine.ID `json:"id"`
	Destroyed bool       `json:"destroyed"`      // its key is; nothing brings it back
	Until     time.Time  `json:"until,omitzero"` // it may be restored until then
}

// Delete makes an image vanish for everybody, in the transaction of its entry:
// nobody finds it, its links are dead for good, views of it that are open on
// this node end. Until the restore window of its dataset has passed it may be
// restored; then, or at once where the window is 0 or how.Now is given, its key
// is destroyed. Files in the bucket follow; of one that cannot be removed now
// nothing can be read any more, and the sweep removes it.
//
// It needs image.delete, and to go past the window dataset.edit too, with which
// the window could be taken away. how.Now also destroys what is deleted already,
// and what is damaged. ErrConflict when the image changed meanwhile, is under
// legal hold or is kept longer; ErrDenied for who lifted its hold lately.
func (v *Vault) Delete(ctx context.Context, by access.Caller, id vitrine.ID, how Deleting) (*Deleted, error) {
	a := access.Act{Permission: vitrine.ImageDelete, Op: "delete"}
	look := v.store.Image
	if how.Now {
		a.Op, look = "destroy", v.kept
	}
	m, found := v.find(ctx, id, look)
	if how.Now && m != nil && errors.Is(found, vitrine.ErrDamaged) {
		found = nil
	}
	m, t, err := v.askOf(ctx, by, id, m, found, a, func(r vitrine.Resource) []access.Question {
		if !how.Now || r.Kind == "" {
			return nil
		}
		return []access.Question{{Permission: vitrine.DatasetEdit, Resource: r}} // where it lies
	})
	if err != nil {
		return nil, err
	}
	p, err := v.guard.Snapshot(ctx, by)
	if err == nil {
		how.Reason, err = cleanText("reason", how.Reason, maxReason)
	}
	now := t.Entry().Time
	rule := v.rulesOf(p, m.Dataset)
	switch {
	case err != nil:
	case how.Now && how.Reason == "":
		err = vitrine.Invalid("reason", "reason_needed", "Say why it is destroyed before its time to be restored has passed.")
	case m.Deleted == nil:
		err = rule.keeps(m, now)
	}
	if err != nil {
		return nil, refuse(ctx, t, err)
	}
	window := rule.window
	if how.Now {
		window = 0
	}
	return v.gone(ctx, t, m, persons(p, &by), vitrine.Deletion{At: now, By: by.Actor(), Until: now.Add(window)}, how.Reason)
}

// gone deletes an image until d.Until, or destroys it where that is d.At.
func (v *Vault) gone(ctx context.Context, t *access.Ticket, m *store.ImageRow, who []vitrine.ID, d vitrine.Deletion, why string) (*Deleted, error) {
	out := &Deleted{ID: m.ID, Destroyed: !d.Until.After(d.At)}
	t.Entry().Detail = "its key is destroyed"
	if !out.Destroyed {
		out.Until = d.Until.UTC().Truncate(time.Microsecond)
		t.Entry().Detail = "it may be restored until " + out.Until.Format(time.RFC3339)
	}
	if why != "" {
		t.Entry().Detail += ": " + why
	}
	var files []string
	_, err := t.Spend(ctx, func(tx *store.Tx) (err error) {
		if err := notByLifter(tx, m.ID, who, d.At); err != nil {
			return err
		}
		if !out.Destroyed {
			return tx.DeleteImage(m, d)
		}
		files, err = tx.DestroyImage(m.ID, m.Version)
		return err
	})
	if err != nil {
		return nil, err
	}
	v.views.end(m.ID)
	for _, name := range files {
		_ = v.bucket.Delete(context.WithoutCancel(ctx), name) // the sweep is behind it
	}
	return out, nil
}

// kept answers an image that is there or may be restored.
func (v *Vault) kept(ctx context.Context, id vitrine.ID) (*store.ImageRow, error) {
	m, err := v.store.Image(ctx, id)
	if errors.Is(err, vitrine.ErrNotFound) {
		return v.store.DeletedImage(ctx, id)
	}
	return m, err
}

// persons are a caller and whoever stands behind it: the person it acts for, the
// owner of a service account. Alone on an installation nobody could be another.
func persons(p *rbac.Policy, by *access.Caller) []vitrine.ID {
	if org := p.Organization(); org != nil && org.Solo {
		return nil
	}
	all := []vitrine.ID{by.Principal}
	if by.For != "" {
		all = append(all, by.For)
	}
	if who, ok := p.Principal(by.Principal); ok && who.Owner != "" {
		all = append(all, who.Owner)
	}
	return all
}

// notByLifter refuses to let go what one of who lifted the hold of not long ago:
// lifting a hold is no way to a deletion of one's own.
func notByLifter(tx *store.Tx, image vitrine.ID, who []vitrine.ID, now time.Time) error {
	for _, id := range who {
		hold, err := tx.LiftedBy(id, image, now.Add(-coolOff))
		if err != nil {
			return err
		}
		if hold != "" {
			return &vitrine.Error{Kind: vitrine.ErrDenied, Code: "lifted_by_you",
				Public: fmt.Sprintf("You lifted a legal hold on this image (%s) within 30 days. Another person must delete it.", hold)}
		}
	}
	return nil
}

// Restore brings back an image that was deleted, while it may be: who may delete
// it may. Its links stay dead. ErrNotFound where its time has passed, ErrConflict
// where the retention of its dataset would delete it again at once. The answer
// is as Update's.
func (v *Vault) Restore(ctx context.Context, by access.Caller, id vitrine.ID) (*vitrine.Image, error) {
	m, found := v.find(ctx, id, v.store.DeletedImage)
	m, t, err := v.askOf(ctx, by, id, m, found, access.Act{Permission: vitrine.ImageDelete, Op: "restore"}, nil)
	if err != nil {
		return nil, err
	}
	p, err := v.guard.Snapshot(ctx, by)
	var hold vitrine.ID
	if err == nil {
		hold, err = v.store.ImageHold(ctx, id)
	}
	now := t.Entry().Time
	if err == nil && hold == "" {
		err = restorable(m, v.rulesOf(p, m.Dataset), now)
	}
	if err != nil {
		return nil, refuse(ctx, t, err)
	}
	t.Entry().Detail = "it was deleted at " + m.Deleted.At.Format(time.RFC3339)
	_, err = t.Spend(ctx, func(tx *store.Tx) error {
		if gone, err := tx.Deleted(vitrine.Ref{Kind: vitrine.KindDataset, ID: m.Dataset}); err != nil || gone {
			return errors.Join(err, datasetChanged(gone))
		}
		return tx.RestoreImage(m)
	})
	if err != nil {
		return nil, err
	}
	opens := p.Decide(question(by, vitrine.ImageOpen, &m.Image, now))
	told := tell(m.Image, opens.Allow && !masked(opens)).Image
	return &told, nil
}

// restorable refuses what is to be destroyed already, and what would be deleted
// again at once. Neither counts while a hold keeps it.
func restorable(m *store.ImageRow, r rules, now time.Time) error {
	if !now.Before(m.Deleted.Until) {
		return access.NotFound()
	}
	if end := r.end(&m.Image); !end.IsZero() && !now.Before(end) {
		return &vitrine.Error{Kind: vitrine.ErrConflict, Code: "past_retention", Public: fmt.Sprintf(
			"Dataset %s keeps its images %s, so this one would be deleted again at once. Lengthen its retention, or put the image under legal hold, first.", m.Dataset, vitrine.Duration(r.retention))}
	}
	return nil
}

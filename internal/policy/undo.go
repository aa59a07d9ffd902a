package policy

import (
	"context"
	"fmt"
	"slices"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/rbac"
	"vitrine.dev/vitrine/internal/store"
)

// Undo applies the inverse of a revision as a new change set; what was deleted
// comes back as it was. It is a conflict if something that it changed has been
// changed since. Secrets and proofs do not run backwards: a key that it issued
// is revoked, what it did to keys otherwise stays done, and epochs and
// enrolments stay as they are.
func (p *Policies) Undo(ctx context.Context, by access.Caller, revision int64) (Applied, error) {
	set, err := p.undoing(ctx, by, revision, "undo")
	if err != nil {
		return Applied{}, err
	}
	return p.ApplyAs(ctx, by, set, Options{Op: "undo", Issuing: true})
}

// PlanUndo answers the change set that Undo would apply, without the hashes of
// keys, and changes nothing.
func (p *Policies) PlanUndo(ctx context.Context, by access.Caller, revision int64) (*vitrine.ChangeSet, error) {
	set, err := p.undoing(ctx, by, revision, "plan")
	if err != nil {
		return nil, err
	}
	set.Changes = redactAll(set.Changes)
	return set, nil
}

// undoing is the inverse of a revision for whoever may ask for it; op is what
// the log says it was asked for.
func (p *Policies) undoing(ctx context.Context, by access.Caller, revision int64, op string) (*vitrine.ChangeSet, error) {
	t, err := p.checkWhole(ctx, by, op)
	if err != nil {
		return nil, err
	}
	set, err := p.inverse(ctx, by, revision)
	if err != nil {
		return nil, t.Refuse(ctx, "undo", err)
	}
	if _, err := t.Record(ctx); err != nil {
		return nil, err
	}
	return set, nil
}

func (p *Policies) inverse(ctx context.Context, by access.Caller, revision int64) (*vitrine.ChangeSet, error) {
	sets, err := p.store.ChangeSets(ctx, revision-1, 1)
	if err != nil {
		return nil, fmt.Errorf("undo revision %d: %w", revision, err)
	}
	if len(sets) != 1 || sets[0].Revision != revision {
		return nil, &vitrine.Error{Kind: vitrine.ErrNotFound, Code: "no_revision", Public: fmt.Sprintf("There is no revision %d.", revision)}
	}
	now, err := p.guard.Snapshot(ctx, by)
	if err != nil {
		return nil, err
	}
	return invert(now, &sets[0], p.source.now().UTC().Truncate(time.Microsecond))
}

func invert(now *rbac.Policy, was *store.AppliedSet, at time.Time) (*vitrine.ChangeSet, error) {
	set := &vitrine.ChangeSet{Reason: fmt.Sprintf("undo revision %d", was.Revision)}
	for i, c := range slices.Backward(was.Changes) {
		var before vitrine.Object
		if i < len(was.Before) {
			before = was.Before[i]
		}
		back, err := invertOne(now, was.Revision, c, before, at)
		if err != nil {
			return nil, err
		}
		if back.Ref.ID != "" {
			set.Changes = append(set.Changes, back)
		}
	}
	if len(set.Changes) == 0 {
		return nil, &vitrine.Error{Kind: vitrine.ErrConflict, Code: "nothing_to_undo", Public: "Nothing of this revision is left to undo."}
	}
	return set, nil
}

// invertOne is the inverse of one change; a zero change is nothing to undo.
func invertOne(now *rbac.Policy, revision int64, c vitrine.Change, before vitrine.Object, at time.Time) (vitrine.Change, error) {
	if c.Ref.Kind == vitrine.KindKey {
		return invertKey(now, c, before, at), nil
	}
	_, there := now.Object(c.Ref)
	changed := there && now.ChangedAt(c.Ref) != revision || there && c.Object == nil
	switch {
	case changed:
		return vitrine.Change{}, &vitrine.Error{Kind: vitrine.ErrConflict, Code: "changed_since", Param: string(c.Ref.ID),
			Public: fmt.Sprintf("%s was changed again after revision %d.", c.Ref, revision)}
	case !there && c.Object != nil:
		return vitrine.Change{}, nil // what it put is gone already
	case !there && before == nil:
		return vitrine.Change{}, nil
	case !there:
		return vitrine.Put(before), nil
	case before == nil:
		return vitrine.Change{Ref: c.Ref, IfRevision: revision}, nil
	}
	if p, ok := before.(*vitrine.Principal); ok {
		before = keepSystemFields(now, p)
	}
	return vitrine.Change{Ref: c.Ref, Object: before, IfRevision: revision}, nil
}

// invertKey revokes a key that was issued.
func invertKey(now *rbac.Policy, c vitrine.Change, before vitrine.Object, at time.Time) vitrine.Change {
	k, ok := now.Key(c.Ref.ID)
	if !ok || c.Object == nil || before != nil || !k.Revoked.IsZero() {
		return vitrine.Change{}
	}
	dead := *k
	dead.Revoked = at
	return vitrine.Put(&dead)
}

func keepSystemFields(now *rbac.Policy, before *vitrine.Principal) *vitrine.Principal {
	c := *before
	if is, ok := now.Principal(c.ID); ok {
		if c.Epoch, c.Enrolled = is.Epoch, is.Enrolled; c.Disabled && !is.Disabled {
			c.Epoch++ // disabled again, with all that she had since
		}
	}
	return &c
}

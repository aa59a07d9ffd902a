package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"vitrine.dev/vitrine"
)

// HoldQuery asks for a page of holds, the newest first.
type HoldQuery struct {
	On     vitrine.Ref // only of this; the zero Ref is any
	Lifted bool        // lifted ones too
	After  Cursor      // of the page before; Created is when the hold was placed
	Limit  int         // 0 is 100; at most 1000
}

const (
	// holdsImage is that hold h is in force and keeps image i.
	holdsImage = `h.lifted = 0 AND h.target IN (i.id, i.dataset, i.project)
		AND (h.kind = 'image' AND h.target = i.id OR h.kind = 'dataset' AND h.target = i.dataset OR h.kind = 'project' AND h.target = i.project)`

	holdColumns = `id, kind, target, placed, placed_by, lifted, lifted_by, sealed`

	qImageHold = `SELECT h.id FROM images i JOIN holds h ON ` + holdsImage + ` WHERE i.id = $1 ORDER BY h.id LIMIT 1`
	// A dataset is held with its project, and neither may go while an image in it
	// is held that may only be restored.
	qScopeHold = `SELECT id FROM holds WHERE lifted = 0 AND (kind = $1 AND target = $2 OR kind = 'project' AND target = $3)
		UNION ALL SELECT h.id FROM images i JOIN holds h ON h.lifted = 0 AND h.kind = 'image' AND h.target = i.id
		WHERE i.deleted = 2 AND i.dataset = $2 LIMIT 1`
	qLifted = `SELECT h.id FROM images i JOIN holds h ON h.lifted >= $1 AND h.lifted_by = $2 AND h.target IN (i.id, i.dataset, i.project)
		AND (h.kind = 'image' AND h.target = i.id OR h.kind = 'dataset' AND h.target = i.dataset OR h.kind = 'project' AND h.target = i.project)
		WHERE i.id = $3 ORDER BY h.id LIMIT 1`

	qHold     = `SELECT ` + holdColumns + ` FROM holds WHERE id = $1`
	qPutHold  = `INSERT INTO holds (` + holdColumns + `) VALUES ($1, $2, $3, $4, $5, 0, '', $6) ON CONFLICT (id) DO NOTHING`
	qLiftHold = `UPDATE holds SET lifted = $1, lifted_by = $2, sealed = $3 WHERE id = $4 AND lifted = 0`
	qHolds    = `SELECT ` + holdColumns + ` FROM holds WHERE ($1 = '' OR kind = $1 AND target = $2) AND (lifted = 0 OR $3 = 1)
		AND ((placed, id) < ($4, $5) OR $4 = 0) ORDER BY placed DESC, id DESC LIMIT $6`
	qHeldScopes = `SELECT kind, target FROM holds WHERE lifted = 0 AND kind <> 'image' ORDER BY kind, target`
)

// held is the refusal to let something go that is held.
func held(what string, hold vitrine.ID) error {
	return &vitrine.Error{Kind: vitrine.ErrConflict, Code: "legal_hold",
		Public: fmt.Sprintf("%s is under legal hold (%s): it stays until somebody who may lift the hold does.", what, hold)}
}

// imageHeld refuses where a hold keeps an image, by itself, with its dataset or
// with its project. Nothing stands between this look and the commit.
func (t *Tx) imageHeld(id vitrine.ID) error {
	hold, err := t.oneHold(qImageHold, string(id))
	if err == nil && hold != "" {
		err = held("The image", hold)
	}
	return err
}

// scopeHeld refuses where a hold keeps a dataset, or a project.
func (t *Tx) scopeHeld(ref vitrine.Ref, project vitrine.ID) error {
	hold, err := t.oneHold(qScopeHold, string(ref.Kind), string(ref.ID), string(project))
	if err == nil && hold != "" {
		err = held(ref.String(), hold)
	}
	return err
}

// LiftedBy answers a hold on an image that somebody lifted since a time, or "".
func (t *Tx) LiftedBy(who, image vitrine.ID, since time.Time) (vitrine.ID, error) {
	return t.oneHold(qLifted, max(1, micros(since)), string(who), string(image))
}

// datasetHeld refuses where a hold keeps a dataset whose document is given.
func (t *Tx) datasetHeld(doc []byte) error {
	var d vitrine.Dataset
	if err := json.Unmarshal(doc, &d); err != nil {
		return fmt.Errorf("is the dataset held: %w", err)
	}
	return t.scopeHeld(d.Ref(), d.Project)
}

func (t *Tx) oneHold(query string, args ...any) (vitrine.ID, error) {
	var id vitrine.ID
	err := t.c.row(query, args...).Scan(&id)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("is it held: %w", err)
	}
	return id, nil
}

// holdReasons is what of a hold is sealed.
type holdReasons struct{ Reason, LiftReason string }

func holdName(h *vitrine.Hold) string {
	return fmt.Sprintf("hold %q %q %q", h.ID, h.On.Kind, h.On.ID)
}

// PutHold places a hold on what is there, or was deleted and may be restored.
// ErrNotFound where it is not, ErrConflict where the id is or was in use.
func (t *Tx) PutHold(h *vitrine.Hold) error {
	if err := t.holdable(h.On); err != nil {
		return err
	}
	h.Placed = h.Placed.UTC().Truncate(time.Microsecond)
	sealed, err := t.s.sealJSON(holdReasons{Reason: h.Reason}, holdName(h))
	if err != nil {
		return fmt.Errorf("put hold %s: %w", h.ID, err)
	}
	n, err := t.c.exec(qPutHold, string(h.ID), string(h.On.Kind), string(h.On.ID), micros(h.Placed), string(h.By), sealed)
	if err != nil {
		return fmt.Errorf("put hold %s: %w", h.ID, err)
	}
	if n == 0 {
		return conflict("id_used", "There is or was a hold with this id.")
	}
	return nil
}

func (t *Tx) holdable(on vitrine.Ref) error {
	if on.Kind == vitrine.KindImage {
		err := t.whyNot(qAnyVersion, on.ID)
		if errors.Is(err, vitrine.ErrConflict) { // it is there, with some version
			return nil
		}
		return err
	}
	var doc string
	var deleted, at int64
	err := t.c.row(qObject, string(on.Kind), string(on.ID)).Scan(&doc, &deleted, &at)
	if errors.Is(err, sql.ErrNoRows) || err == nil && deleted != 0 {
		return notFound(string(on.Kind))
	}
	return err
}

// LiftHold ends a hold that was read before. ErrConflict where it was lifted
// meanwhile.
func (t *Tx) LiftHold(h *vitrine.Hold) error {
	sealed, err := t.s.sealJSON(holdReasons{h.Reason, h.LiftReason}, holdName(h))
	if err != nil {
		return fmt.Errorf("lift hold %s: %w", h.ID, err)
	}
	h.Lifted = h.Lifted.UTC().Truncate(time.Microsecond)
	n, err := t.c.exec(qLiftHold, micros(h.Lifted), string(h.LiftedBy), sealed, string(h.ID))
	if err != nil {
		return fmt.Errorf("lift hold %s: %w", h.ID, err)
	}
	if n == 0 {
		return conflict("lifted", "The hold has been lifted already.")
	}
	return nil
}

// Hold answers a hold, a lifted one too; ErrNotFound where there is none.
func (s *Store) Hold(ctx context.Context, id vitrine.ID) (*vitrine.Hold, error) {
	h, err := s.scanHold(s.read.row(ctx, qHold, string(id)))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, notFound("hold")
	}
	if err != nil {
		return nil, fmt.Errorf("hold %s: %w", id, err)
	}
	return &h, nil
}

func (s *Store) scanHold(r row) (vitrine.Hold, error) {
	var h vitrine.Hold
	var placed, lifted int64
	var sealed []byte
	if err := r.Scan(&h.ID, &h.On.Kind, &h.On.ID, &placed, &h.By, &lifted, &h.LiftedBy, &sealed); err != nil {
		return h, err
	}
	h.Placed, h.Lifted = fromMicros(placed), fromMicros(lifted)
	var why holdReasons
	if err := s.openJSON(sealed, holdName(&h), &why); err != nil {
		return h, fmt.Errorf("hold %s was %w: %w", h.ID, ErrDamaged, err)
	}
	h.Reason, h.LiftReason = why.Reason, why.LiftReason
	return h, nil
}

// Holds answers a page of holds, the newest first.
func (s *Store) Holds(ctx context.Context, q HoldQuery) ([]vitrine.Hold, error) {
	if q.Limit <= 0 {
		q.Limit = 100
	}
	lifted := int64(0)
	if q.Lifted {
		lifted = 1
	}
	rows, err := s.read.rows(ctx, qHolds, string(q.On.Kind), string(q.On.ID), lifted, micros(q.After.Created), string(q.After.ID), min(q.Limit, 1000))
	all, err := collect(rows, err, s.scanHold)
	if err != nil {
		return nil, fmt.Errorf("list holds: %w", err)
	}
	return all, nil
}

// HeldScopes answers the datasets and projects that are held.
func (s *Store) HeldScopes(ctx context.Context) (map[vitrine.Ref]bool, error) {
	rows, err := s.read.rows(ctx, qHeldScopes)
	all, err := collect(rows, err, func(r row) (ref vitrine.Ref, err error) { return ref, r.Scan(&ref.Kind, &ref.ID) })
	if err != nil {
		return nil, fmt.Errorf("what is held: %w", err)
	}
	held := make(map[vitrine.Ref]bool, len(all))
	for _, ref := range all {
		held[ref] = true
	}
	return held, nil
}

// ImageHold answers a hold that keeps an image, or "".
func (s *Store) ImageHold(ctx context.Context, id vitrine.ID) (vitrine.ID, error) {
	var hold vitrine.ID
	err := s.read.row(ctx, qImageHold, string(id)).Scan(&hold)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("is image %s held: %w", id, err)
	}
	return hold, nil
}

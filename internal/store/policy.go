package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"vitrine.dev/vitrine"
)

// AppliedSet is a change set that was applied.
type AppliedSet struct {
	Revision int64
	Time     time.Time
	Actor    vitrine.ID
	Reason   string
	Changes  []vitrine.Change
	Before   []vitrine.Object // what each change replaced (nil: nothing), for undo
}

const (
	qRevision      = `SELECT revision FROM policy_head WHERE id = 1`
	qRaiseRevision = `UPDATE policy_head SET revision = $1 WHERE id = 1 AND revision = $2`
	qObjects       = `SELECT kind, id, doc, revision FROM objects WHERE deleted = 0 ORDER BY kind, id`
	qObject        = `SELECT doc, deleted, revision FROM objects WHERE kind = $1 AND id = $2`
	qPutObject     = `INSERT INTO objects (kind, id, doc, deleted, revision) VALUES ($1, $2, $3, 0, $4)
		ON CONFLICT (kind, id) DO UPDATE SET doc = excluded.doc, deleted = 0, revision = excluded.revision`
	qDeleteObject = `UPDATE objects SET deleted = 1, revision = $3 WHERE kind = $1 AND id = $2`
	qPutSet       = `INSERT INTO change_sets (revision, time, actor, reason, changes) VALUES ($1, $2, $3, $4, $5)`
	qSetsAfter    = `SELECT revision, time, actor, reason, changes FROM change_sets WHERE revision > $1 ORDER BY revision LIMIT $2`
	qSetsBack     = `SELECT revision, time, actor, reason, changes FROM change_sets WHERE revision > $1 ORDER BY revision DESC`
)

// Revision is the number of the policy in force.
func (s *Store) Revision(ctx context.Context) (int64, error) {
	var rev int64
	if err := s.read.row(ctx, qRevision).Scan(&rev); err != nil {
		return 0, fmt.Errorf("revision of the policy: %w", err)
	}
	return rev, nil
}

// Policy reads the revision and all objects in one snapshot, kinds in the order
// of vitrine.PolicyKinds and ids by bytes; changedAt is the revision at which
// each last changed.
func (s *Store) Policy(ctx context.Context) (rev int64, objects []vitrine.Object, changedAt map[vitrine.Ref]int64, err error) {
	err = s.snapshot(ctx, func(q queryer) error {
		rev, objects, changedAt, err = readPolicy(ctx, q)
		return err
	})
	if err != nil {
		return 0, nil, nil, fmt.Errorf("read the policy: %w", err)
	}
	return rev, objects, changedAt, nil
}

func readPolicy(ctx context.Context, q queryer) (int64, []vitrine.Object, map[vitrine.Ref]int64, error) {
	rows, err := q.rows(ctx, qRevision)
	revs, err := collect(rows, err, func(r row) (rev int64, err error) { return rev, r.Scan(&rev) })
	if err != nil {
		return 0, nil, nil, err
	}
	if len(revs) != 1 {
		return 0, nil, nil, errors.New("there is no revision")
	}
	changedAt := map[vitrine.Ref]int64{}
	rows, err = q.rows(ctx, qObjects)
	objects, err := collect(rows, err, func(r row) (vitrine.Object, error) {
		var ref vitrine.Ref
		var doc string
		var rev int64
		if err := r.Scan(&ref.Kind, &ref.ID, &doc, &rev); err != nil {
			return nil, err
		}
		changedAt[ref] = rev
		return decodeObject(ref, []byte(doc))
	})
	if err != nil {
		return 0, nil, nil, err
	}
	sortObjects(objects)
	return revs[0], objects, changedAt, nil
}

// kindOrder is the place of each kind in vitrine.PolicyKinds.
var kindOrder = func() map[vitrine.Kind]int {
	m := map[vitrine.Kind]int{}
	for i, k := range vitrine.PolicyKinds {
		m[k] = i
	}
	return m
}()

func sortObjects(objects []vitrine.Object) {
	slices.SortFunc(objects, func(a, b vitrine.Object) int {
		x, y := a.Ref(), b.Ref()
		if x.Kind != y.Kind {
			return cmp.Compare(kindOrder[x.Kind], kindOrder[y.Kind])
		}
		return cmp.Compare(x.ID, y.ID)
	})
}

func decodeObject(ref vitrine.Ref, doc []byte) (vitrine.Object, error) {
	o := vitrine.NewObject(ref.Kind)
	if o == nil {
		return nil, fmt.Errorf("%s: this kind does not stand in the policy", ref)
	}
	if err := json.Unmarshal(doc, o); err != nil {
		return nil, fmt.Errorf("%s: %w", ref, err)
	}
	if o.Ref() != ref {
		return nil, fmt.Errorf("%s: the document is of %s", ref, o.Ref())
	}
	return o, nil
}

// PolicyAt rebuilds the objects as they were at a past revision, by undoing
// what came after it. ErrNotFound for a revision that is not there yet.
func (s *Store) PolicyAt(ctx context.Context, rev int64) ([]vitrine.Object, error) {
	var objects []vitrine.Object
	err := s.snapshot(ctx, func(q queryer) error {
		now, current, _, err := readPolicy(ctx, q)
		if err != nil {
			return err
		}
		if rev < 0 || rev > now {
			return notFound("revision")
		}
		rows, err := q.rows(ctx, qSetsBack, rev)
		sets, err := collect(rows, err, scanSet)
		if err != nil {
			return err
		}
		objects = undo(current, sets)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("policy at revision %d: %w", rev, err)
	}
	return objects, nil
}

// undo takes sets, the newest first, back from objects.
func undo(objects []vitrine.Object, sets []AppliedSet) []vitrine.Object {
	m := make(map[vitrine.Ref]vitrine.Object, len(objects))
	for _, o := range objects {
		m[o.Ref()] = o
	}
	for _, set := range sets {
		for i, c := range slices.Backward(set.Changes) {
			if before := set.Before[i]; before != nil {
				m[c.Ref] = before
			} else {
				delete(m, c.Ref)
			}
		}
	}
	past := make([]vitrine.Object, 0, len(m))
	for _, o := range m {
		past = append(past, o)
	}
	sortObjects(past)
	return past
}

// ChangeSets lists applied sets after a revision, at most limit: 0 is 100, and
// 1000 the most.
func (s *Store) ChangeSets(ctx context.Context, after int64, limit int) ([]AppliedSet, error) {
	if limit <= 0 {
		limit = 100
	}
	limit = min(limit, 1000)
	rows, err := s.read.rows(ctx, qSetsAfter, after, limit)
	sets, err := collect(rows, err, scanSet)
	if err != nil {
		return nil, fmt.Errorf("change sets after %d: %w", after, err)
	}
	return sets, nil
}

// appliedChange is one change as it is stored.
type appliedChange struct {
	Change vitrine.Change  `json:"change"`
	Before json.RawMessage `json:"before,omitempty"`
}

func scanSet(r row) (AppliedSet, error) {
	var set AppliedSet
	var us int64
	var text string
	if err := r.Scan(&set.Revision, &us, &set.Actor, &set.Reason, &text); err != nil {
		return set, err
	}
	set.Time = fromMicros(us)
	var changes []appliedChange
	if err := json.Unmarshal([]byte(text), &changes); err != nil {
		return set, fmt.Errorf("change set %d: %w", set.Revision, err)
	}
	for _, c := range changes {
		var before vitrine.Object
		if len(c.Before) > 0 {
			var err error
			if before, err = decodeObject(c.Change.Ref, c.Before); err != nil {
				return set, fmt.Errorf("change set %d: %w", set.Revision, err)
			}
		}
		set.Changes, set.Before = append(set.Changes, c.Change), append(set.Before, before)
	}
	return set, nil
}

// ApplyChanges compares the revision with from, raises it by one and writes the
// objects. A set without changes leaves the revision as it is.
//
// ErrConflict when another was faster, a change's IfRevision does not hold, or
// it would use the id of something deleted for anything else than the very
// same object again, or delete a dataset that holds images or is under legal
// hold, or a held project. Images that may only be restored do not keep a
// dataset: they are destroyed in their time. ErrNotFound for
// deleting what is not there. Deleting a key or a provider's credential also
// deletes its use or its secret.
func (t *Tx) ApplyChanges(from int64, actor vitrine.ID, set *vitrine.ChangeSet) (revision int64, err error) {
	if set.IfRevision != 0 && set.IfRevision != from {
		return 0, errStale
	}
	revision = from
	if len(set.Changes) > 0 {
		revision++
	}
	n, err := t.c.exec(qRaiseRevision, revision, from)
	if err != nil {
		return 0, fmt.Errorf("raise the revision: %w", err)
	}
	if n != 1 {
		return 0, errStale
	}
	if revision == from {
		return from, nil
	}
	changes := make([]appliedChange, 0, len(set.Changes))
	for _, c := range set.Changes {
		before, err := t.change(c, revision)
		if err != nil {
			return 0, fmt.Errorf("change %s: %w", c.Ref, err)
		}
		changes = append(changes, appliedChange{c, before})
	}
	text, err := json.Marshal(changes)
	if err != nil {
		return 0, fmt.Errorf("change set %d: %w", revision, err)
	}
	if _, err := t.c.exec(qPutSet, revision, micros(t.now), string(actor), set.Reason, string(text)); err != nil {
		return 0, fmt.Errorf("change set %d: %w", revision, err)
	}
	if t.s.d.notify != "" {
		if _, err := t.c.exec(t.s.d.notify); err != nil {
			return 0, fmt.Errorf("tell other nodes: %w", err)
		}
	}
	return revision, nil
}

var (
	errStale  = conflict("revision", "The policy has changed since this was prepared. Look at it again and repeat.")
	errIDUsed = conflict("id_used", "This id was used by something that was deleted; ids are never used again. Choose another.")
)

// change writes one object and answers the document that it replaced.
func (t *Tx) change(c vitrine.Change, revision int64) (before json.RawMessage, err error) {
	if vitrine.NewObject(c.Ref.Kind) == nil || c.Ref.ID == "" || c.Object != nil && c.Object.Ref() != c.Ref {
		return nil, vitrine.Invalid("changes", "bad_change", "A change names what does not stand in the policy.")
	}
	kind, id := string(c.Ref.Kind), string(c.Ref.ID)
	var doc string
	var deleted, at int64
	err = t.c.row(qObject, kind, id).Scan(&doc, &deleted, &at)
	known := err == nil
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, err
	}
	there := known && deleted == 0
	if c.IfRevision != 0 && (!there || c.IfRevision != at) {
		return nil, errStale
	}
	if there {
		before = json.RawMessage(doc)
	}
	if c.Object == nil {
		if !there {
			return nil, notFound(kind)
		}
		return before, t.deleteObject(c.Ref, before, revision)
	}
	put, err := json.Marshal(c.Object)
	if err != nil {
		return nil, err
	}
	if known && !there && doc != string(put) {
		return nil, errIDUsed
	}
	_, err = t.c.exec(qPutObject, kind, id, string(put), revision)
	return before, err
}

func (t *Tx) deleteObject(ref vitrine.Ref, before json.RawMessage, revision int64) error {
	if _, err := t.c.exec(qDeleteObject, string(ref.Kind), string(ref.ID), revision); err != nil {
		return err
	}
	switch ref.Kind {
	case vitrine.KindDataset:
		if err := t.holdsNone(ref); err != nil {
			return err
		}
		return t.datasetHeld(before)
	case vitrine.KindProject:
		return t.scopeHeld(ref, "")
	case vitrine.KindKey:
		_, err := t.c.exec(qDeleteKeyUse, string(ref.ID))
		return err
	case vitrine.KindCredential:
		return t.DeleteCredentialSecret(ref.ID)
	}
	return nil
}

// holdsNone refuses where a dataset holds images, also damaged ones: their keys
// would stay where nobody can reach them any more.
func (t *Tx) holdsNone(dataset vitrine.Ref) error {
	var image string
	switch err := t.c.row(qImageIn, string(dataset.ID)).Scan(&image); {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return err
	}
	return &vitrine.Error{Kind: vitrine.ErrConflict, Code: "dataset_not_empty", Param: string(dataset.ID),
		Public: fmt.Sprintf("%s still holds images. Delete or move them first.", dataset)}
}

// Deleted reports whether an object was in the policy and was deleted.
func (t *Tx) Deleted(ref vitrine.Ref) (bool, error) {
	var doc string
	var deleted, at int64
	err := t.c.row(qObject, string(ref.Kind), string(ref.ID)).Scan(&doc, &deleted, &at)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return false, fmt.Errorf("was %s deleted: %w", ref, err)
	}
	return err == nil && deleted != 0, nil
}

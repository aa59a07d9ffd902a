package policy

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/rbac"
)

// Plan answers the change set that would make the policy as desired, on the
// revision that it was made on. Only what desired declares is touched. With
// prune also what by may see and desired neither declares nor refers to is
// deleted, but never what init made (predefined roles, shipped constraints,
// owners and their bindings). What files cannot hold, keys and credentials, goes
// along with what it belongs to and stays otherwise.
func (p *Policies) Plan(ctx context.Context, by access.Caller, desired []vitrine.Object, prune bool) (*vitrine.ChangeSet, error) {
	now, seen, t, err := p.guard.Views(ctx, by, views, "plan")
	if err != nil {
		return nil, err
	}
	set, err := plan(now, seen, desired, prune)
	if err != nil {
		return nil, t.Refuse(ctx, "invalid", err)
	}
	if _, err := t.Record(ctx); err != nil {
		return nil, err
	}
	return set, nil
}

func plan(now *rbac.Policy, seen map[vitrine.Kind][]vitrine.ID, desired []vitrine.Object, pruning bool) (*vitrine.ChangeSet, error) {
	set := &vitrine.ChangeSet{IfRevision: now.Revision()}
	declared := make(map[vitrine.Ref]vitrine.Object, len(desired))
	for _, o := range desired {
		if _, twice := declared[o.Ref()]; twice {
			return nil, vitrine.Invalid(o.Ref().String(), "duplicate", fmt.Sprintf("%s is declared twice.", o.Ref()))
		}
		declared[o.Ref()] = o
	}
	visible := func(ref vitrine.Ref) bool {
		_, ok := slices.BinarySearch(seen[ref.Kind], ref.ID)
		return ok
	}
	for _, k := range vitrine.PolicyKinds {
		slices.Sort(seen[k])
	}
	for _, o := range desired {
		var was vitrine.Object
		if visible(o.Ref()) {
			was, _ = now.Object(o.Ref())
		}
		merged, err := merge(was, o)
		if err != nil {
			return nil, err
		}
		if was == nil || !same(was, merged) {
			set.Changes = append(set.Changes, vitrine.Put(merged))
		}
	}
	slices.SortStableFunc(set.Changes, func(a, b vitrine.Change) int {
		return slices.Index(vitrine.PolicyKinds, a.Ref.Kind) - slices.Index(vitrine.PolicyKinds, b.Ref.Kind)
	})
	if pruning {
		set.Changes = append(set.Changes, prune(now, seen, declared)...)
	}
	return set, nil
}

// merge is the declared object with what files do not own taken from the
// object that is there.
func merge(was, declared vitrine.Object) (vitrine.Object, error) {
	switch d := declared.(type) {
	case *vitrine.Key:
		return nil, vitrine.Invalid(d.Ref().String(), "not_in_files", "Keys are issued, not declared.")
	case *vitrine.Principal:
		m := *d
		m.Epoch, m.Enrolled, m.Disabled = 0, time.Time{}, false
		if w, ok := was.(*vitrine.Principal); ok {
			m.Epoch, m.Enrolled, m.Disabled = w.Epoch, w.Enrolled, w.Disabled
		}
		return &m, nil
	case *vitrine.Credential:
		w, ok := was.(*vitrine.Credential)
		if !ok {
			return nil, vitrine.Invalid(d.Ref().String(), "not_in_files",
				"A credential's secret cannot stand in a file. Add it with vitrine provider add first.")
		}
		m := *d
		m.Origin, m.PreviousUntil = w.Origin, w.PreviousUntil
		return &m, nil
	case *vitrine.Organization:
		m := *d
		if w, ok := was.(*vitrine.Organization); ok {
			m.Solo = w.Solo
		}
		return &m, nil
	}
	return declared, nil
}

// same compares objects as they are written.
func same(a, b vitrine.Object) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

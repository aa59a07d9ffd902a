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
// prune also what by may see and desired does not declare is deleted, but never
// what files do not hold (the organization, keys, credentials) nor what init
// made (predefined roles, shipped constraints, owners and their bindings).
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

func plan(now *rbac.Policy, seen map[vitrine.Kind][]vitrine.ID, desired []vitrine.Object, prune bool) (*vitrine.ChangeSet, error) {
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
	if prune {
		set.Changes = append(set.Changes, pruned(now, seen, declared)...)
	}
	return set, nil
}

// pruned deletes what is not declared, dependents first. The keys of who goes
// go along.
func pruned(now *rbac.Policy, seen map[vitrine.Kind][]vitrine.ID, declared map[vitrine.Ref]vitrine.Object) []vitrine.Change {
	var gone []vitrine.Change
	keep := madeByInit(now)
	goes := func(ref vitrine.Ref) bool {
		_, stands := declared[ref]
		_, visible := slices.BinarySearch(seen[ref.Kind], ref.ID)
		return visible && !stands && !keep[ref] && inFiles(ref.Kind)
	}
	for _, k := range slices.Backward(vitrine.PolicyKinds) {
		for _, id := range seen[k] {
			ref := vitrine.Ref{Kind: k, ID: id}
			if key, ok := now.Key(id); k == vitrine.KindKey && ok {
				ref = vitrine.Ref{Kind: vitrine.KindPrincipal, ID: key.Principal}
			}
			if goes(ref) {
				gone = append(gone, vitrine.Delete(vitrine.Ref{Kind: k, ID: id}))
			}
		}
	}
	return gone
}

// inFiles reports whether files may be all there is of a kind.
func inFiles(k vitrine.Kind) bool {
	return k != vitrine.KindOrganization && k != vitrine.KindKey && k != vitrine.KindCredential
}

// madeByInit names what a new installation has before any file: deleting it
// because a file does not mention it would lock everybody out.
func madeByInit(now *rbac.Policy) map[vitrine.Ref]bool {
	keep := make(map[vitrine.Ref]bool)
	for _, r := range rbac.Predefined() {
		keep[r.Ref()] = true
	}
	if org := now.Organization(); org != nil {
		for _, c := range rbac.Shipped(org.ID, org.Solo) {
			keep[c.Ref()] = true
		}
	}
	for _, o := range now.Objects(vitrine.KindBinding) {
		if b, ok := o.(*vitrine.Binding); ok && b.Role == rbac.OwnerRole {
			keep[b.Ref()] = true
			keep[vitrine.Ref{Kind: vitrine.KindPrincipal, ID: b.Principal}] = true
		}
	}
	return keep
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
		m.Origin = w.Origin
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

package backup

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/identity"
	"vitrine.dev/vitrine/internal/policy"
	"vitrine.dev/vitrine/internal/rbac"
	"vitrine.dev/vitrine/internal/store"
)

// named is a change to the policy as the log names it: by id, without what was
// put.
type named struct {
	ref    vitrine.Ref
	delete bool
}

var listOfChanges = regexp.MustCompile(`(?:^|; )(\d+) changes(?:: ([^;]*))?(?:;|$)`)

// clipped is how long an id in the log is that may have been cut.
const clipped = 64

// changesIn reads which changes an entry names. ok is false for an entry of
// anything else; all is false where it names not all that it counts.
func changesIn(e *vitrine.Entry) (list []named, all, ok bool) {
	m := listOfChanges.FindStringSubmatch(e.Detail)
	if m == nil {
		return nil, false, false
	}
	total, err := strconv.Atoi(m[1])
	if err != nil {
		return nil, false, true
	}
	for _, text := range strings.Split(m[2], ", ") {
		verb, rest, _ := strings.Cut(text, " ")
		kind, id, good := strings.Cut(rest, "/")
		if !good || len(id) >= clipped || verb != "put" && verb != "delete" {
			continue
		}
		list = append(list, named{vitrine.Ref{Kind: vitrine.Kind(kind), ID: vitrine.ID(id)}, verb == "delete"})
	}
	// The last one may have been cut where the text was too long.
	return list, len(list) == total && len(e.Detail) < 1000, true
}

// changes replays what an entry says was changed in the policy.
func (r *resuming) changes(ctx context.Context, e *vitrine.Entry) error {
	list, all, ok := changesIn(e)
	if !ok || strings.HasPrefix(e.Op, "session") { // every session has ended
		return nil
	}
	now, err := r.guard.Snapshot(ctx, r.by)
	if err != nil {
		return err
	}
	if done, err := r.known(ctx, now, e); done || err != nil {
		return err
	}
	if !all {
		r.unsure = true
		r.look("", "a change set was applied that the log does not name in full: compare the policy with its files")
	}
	for _, c := range list {
		now, err := r.guard.Snapshot(ctx, r.by)
		if err != nil {
			return err
		}
		o, _ := now.Object(c.ref)
		if err := r.change(ctx, now, e, c, o); err != nil {
			return err
		}
	}
	return nil
}

// known replays the acts of which the log tells all there is to know. done is
// false for others.
func (r *resuming) known(ctx context.Context, now *rbac.Policy, e *vitrine.Entry) (done bool, err error) {
	p, isPrincipal := now.Principal(e.Resource)
	k, isKey := now.Key(e.Resource)
	switch {
	case e.Kind == vitrine.KindKey && e.Act == string(vitrine.KeyRevoke):
		if isKey && k.Revoked.IsZero() {
			return true, r.again(ctx, r.lock(now, k), policy.Options{})
		}
		return true, nil
	case e.Kind != vitrine.KindPrincipal:
		return false, nil
	}
	switch e.Op {
	case "enrol":
		if isPrincipal && p.Enrolled.IsZero() {
			c := *p
			c.Enrolled = e.Time
			err = r.again(ctx, []vitrine.Change{vitrine.Put(&c)}, policy.Options{})
		}
	case "disable":
		if isPrincipal && !p.Disabled {
			err = r.again(ctx, disabled(p), policy.Options{})
		}
	case "enable":
		if isPrincipal && p.Disabled && !r.locked[p.Ref()] {
			c := *p
			c.Disabled = false
			err = r.again(ctx, []vitrine.Change{vitrine.Put(&c)}, policy.Options{})
		}
	case "remove member":
		member := identity.MemberOf(e.Detail)
		if member == "" {
			return false, nil
		}
		if isPrincipal {
			_, err = r.Directory.SetMember(ctx, r.by, p.ID, member, false)
			r.counted(err)
		}
	case "add member":
		r.look(p0(e), "somebody was put into this group ("+e.Detail+"): put them in again if they should be")
	case "delete":
		if isPrincipal {
			_, err = r.Directory.DeletePrincipal(ctx, r.by, p.ID)
			r.counted(err)
		}
	default:
		return false, nil
	}
	if err != nil && refusedBy(err) {
		return false, nil // it is locked instead
	}
	return true, err
}

func p0(e *vitrine.Entry) string { return string(e.Kind) + "/" + string(e.Resource) }

func (r *resuming) counted(err error) {
	if err == nil {
		r.out.Revoked++
	}
}

// again applies what the log tells.
func (r *resuming) again(ctx context.Context, changes []vitrine.Change, o policy.Options) error {
	err := r.apply(ctx, &vitrine.ChangeSet{Changes: changes}, o)
	r.counted(err)
	return err
}

// refusedBy reports whether the policy itself does not admit a change, as where
// too few owners would remain.
func refusedBy(err error) bool {
	return errors.Is(err, vitrine.ErrConflict) || errors.Is(err, vitrine.ErrInvalid) || errors.Is(err, vitrine.ErrDenied) || errors.Is(err, vitrine.ErrNotFound)
}

// change replays one change that the log names; o is what the backup has there.
func (r *resuming) change(ctx context.Context, now *rbac.Policy, e *vitrine.Entry, c named, o vitrine.Object) error {
	switch {
	case c.delete:
		return r.remove(ctx, now, c.ref, o)
	case mayRestrict(c.ref.Kind, o != nil):
		r.unsure = true
		r.note(c.ref, "it was put after the backup and what it says is not known, so everybody waits: put it again, then delete the rule that holds them")
		return nil
	case o == nil:
		r.look(c.ref.String(), "it was made after the backup and is not in it: make it again if it should be")
		return nil
	case e.Op == "put" && isUser(o):
		r.look(c.ref.String(), "its name or address was changed after the backup")
		return nil
	}
	return r.close(ctx, now, o)
}

// mayRestrict reports whether putting something of a kind may have taken away
// from others what nothing but itself could tell. A budget that is there can be
// closed instead.
func mayRestrict(k vitrine.Kind, there bool) bool {
	switch k {
	case vitrine.KindDeny, vitrine.KindConstraint:
		return true
	case vitrine.KindBudget:
		return !there
	case vitrine.KindOrganization, vitrine.KindProject:
		return there
	}
	return false
}

func isUser(o vitrine.Object) bool {
	p, ok := o.(*vitrine.Principal)
	return ok && p.Human()
}

// remove deletes what was deleted. What restricts others stays: that it was
// lifted a person should say again.
func (r *resuming) remove(ctx context.Context, now *rbac.Policy, ref vitrine.Ref, o vitrine.Object) error {
	if o == nil {
		return nil
	}
	switch ref.Kind {
	case vitrine.KindDeny, vitrine.KindConstraint, vitrine.KindBudget:
		r.look(ref.String(), "it was deleted after the backup and is there again: delete it again if it should not be")
		return nil
	}
	err := r.again(ctx, []vitrine.Change{vitrine.Delete(ref)}, policy.Options{})
	if err != nil && refusedBy(err) {
		return r.close(ctx, now, o)
	}
	return err
}

// close locks an object that was changed in a way that is not known. Where the
// policy does not admit that, everybody waits.
func (r *resuming) close(ctx context.Context, now *rbac.Policy, o vitrine.Object) error {
	if r.locked[o.Ref()] {
		return nil
	}
	r.locked[o.Ref()] = true
	changes := r.lock(now, o)
	if len(changes) == 0 {
		return nil // as closed as can be
	}
	var secrets []vitrine.ID
	for _, c := range changes {
		if c.Ref.Kind == vitrine.KindCredential {
			secrets = append(secrets, c.Ref.ID)
		}
	}
	err := r.apply(ctx, &vitrine.ChangeSet{Changes: changes}, policy.Options{With: func(tx *store.Tx) error {
		for _, id := range secrets {
			if err := tx.DeleteCredentialSecret(id); err != nil {
				return err
			}
		}
		return nil
	}})
	switch {
	case err == nil:
		r.note(o.Ref(), closed[o.Ref().Kind])
		return nil
	case refusedBy(err):
		r.unsure = true
		r.note(o.Ref(), fmt.Sprintf("it was changed after the backup, and cannot be locked (%v): so everybody waits", err))
		return nil
	}
	return err
}

func (r *resuming) note(ref vitrine.Ref, text string) {
	if len(r.out.Locked) < maxNotes {
		r.out.Locked = append(r.out.Locked, Note{r.seq, ref.String(), text})
	}
}

// closed says what was done to what was changed in a way that is not known.
var closed = map[vitrine.Kind]string{
	vitrine.KindDataset:    "it was changed after the backup: what is born in it is restricted until you put its birth tier",
	vitrine.KindProvider:   "it was changed after the backup: its credentials are forgotten; look at its address and give them again",
	vitrine.KindCredential: "it was changed after the backup: its secret is forgotten; give it again",
	vitrine.KindDeployment: "it was changed after the backup: it is switched off until you put it again",
	vitrine.KindRole:       "it was changed after the backup: it is disabled until you put it again",
	vitrine.KindPrincipal:  "it was changed after the backup: it is disabled until you look and enable it",
	vitrine.KindKey:        "it was changed after the backup, perhaps rotated: it is revoked; issue another",
	vitrine.KindBinding:    "it was changed after the backup: it has ended until you put it again",
	vitrine.KindBudget:     "it was changed after the backup: it pays nothing until you put its limit",
}

// lock are the changes that take away what an object gives.
func (r *resuming) lock(now *rbac.Policy, o vitrine.Object) []vitrine.Change {
	put := func(o vitrine.Object) []vitrine.Change { return []vitrine.Change{vitrine.Put(o)} }
	switch o := o.(type) {
	case *vitrine.Key:
		c := *o
		if c.Revoked.IsZero() {
			c.Revoked = r.at()
			return put(&c)
		}
	case *vitrine.Principal:
		if !o.Disabled {
			return disabled(o)
		}
	case *vitrine.Binding:
		if !o.From.IsZero() && !o.From.Before(r.at()) {
			return []vitrine.Change{vitrine.Delete(o.Ref())}
		}
		c := *o
		if c.Until.IsZero() || c.Until.After(r.at()) {
			c.Until = r.at()
			return put(&c)
		}
	case *vitrine.Role:
		c := *o
		c.Disabled = true
		return put(&c)
	case *vitrine.Deployment:
		c := *o
		c.Disabled = true
		return put(&c)
	case *vitrine.Dataset:
		c := *o
		c.BirthTier = vitrine.Restricted
		return put(&c)
	case *vitrine.Budget:
		c := *o
		c.Limit = 0
		return put(&c)
	case *vitrine.Credential:
		return put(bare(o))
	case *vitrine.Provider:
		var all []vitrine.Change
		for _, other := range now.Objects(vitrine.KindCredential) {
			if cred, ok := other.(*vitrine.Credential); ok && cred.Provider == o.ID {
				all = append(all, vitrine.Put(bare(cred)))
			}
		}
		return all
	}
	return nil
}

func bare(o *vitrine.Credential) *vitrine.Credential {
	c := *o
	c.Origin = ""
	return &c
}

// disabled ends a principal's keys too.
func disabled(p *vitrine.Principal) []vitrine.Change {
	c := *p
	c.Disabled = true
	c.Epoch++
	return []vitrine.Change{vitrine.Put(&c)}
}

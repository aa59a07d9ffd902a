package identity

import (
	"context"
	"fmt"
	"net/mail"
	"slices"
	"strings"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/policy"
	"vitrine.dev/vitrine/internal/rbac"
)

// PutPrincipal makes or changes a principal and answers the revision. Without
// an id it gets one, which p then holds. Epoch, enrolment and whether it is
// disabled stay as they are; the id of somebody deleted is never used again.
// ifRevision, where not zero, is the revision at which it must last have
// changed.
func (d *Directory) PutPrincipal(ctx context.Context, by access.Caller, p *vitrine.Principal, ifRevision int64) (int64, error) {
	if p.ID == "" {
		p.ID = newID(prefixes[p.Kind])
	}
	a := onPrincipal(p.ID, "put")
	applied, err := d.change(ctx, by, a, policy.Options{}, func(now *rbac.Policy) (*vitrine.ChangeSet, error) {
		if err := sound(now, p); err != nil {
			return nil, err
		}
		c := *p
		c.Epoch, c.Disabled = 0, false
		c.Enrolled = vitrine.Principal{}.Enrolled
		if was, ok := now.Principal(p.ID); ok {
			if was.Kind != p.Kind {
				return nil, vitrine.Invalid("kind", "kind", "A principal stays what it is.")
			}
			c.Epoch, c.Enrolled, c.Disabled = was.Epoch, was.Enrolled, was.Disabled
		}
		return &vitrine.ChangeSet{Changes: []vitrine.Change{{Ref: c.Ref(), Object: &c, IfRevision: ifRevision}}}, nil
	})
	return applied.Revision, err
}

var prefixes = map[vitrine.PrincipalKind]string{vitrine.User: "usr-", vitrine.Service: "svc-", vitrine.Group: "grp-"}

func onPrincipal(id vitrine.ID, op string) access.Act {
	return access.Act{Permission: vitrine.PrincipalEdit, Op: op, Resource: vitrine.Resource{Kind: vitrine.KindPrincipal, ID: id}}
}

// sound refuses what cannot be right for anybody; the rest is rbac's.
func sound(now *rbac.Policy, p *vitrine.Principal) error {
	if prefixes[p.Kind] == "" {
		return vitrine.Invalid("kind", "kind", "A principal is a user, a service or a group.")
	}
	if p.Email == "" {
		return nil
	}
	if p.Kind != vitrine.User || !isAddress(p.Email) {
		return vitrine.Invalid("email", "email", "People have an address such as ann@example.com.")
	}
	for _, o := range now.Objects(vitrine.KindPrincipal) {
		if other, ok := o.(*vitrine.Principal); ok && other.ID != p.ID && strings.EqualFold(other.Email, p.Email) {
			return &vitrine.Error{Kind: vitrine.ErrConflict, Code: "email_taken", Param: "email", Public: "Somebody else has this address."}
		}
	}
	return nil
}

const maxAddress = 254

// isAddress reports whether s is a bare mail address.
func isAddress(s string) bool {
	a, err := mail.ParseAddress(s)
	return err == nil && a.Address == s && a.Name == "" && len(s) <= maxAddress && !strings.ContainsAny(s, " \"<>")
}

// SetDisabled disables or enables a principal and answers the revision.
// Disabling raises the epoch: keys and sessions of before are dead, and stay so
// when the principal is enabled again.
func (d *Directory) SetDisabled(ctx context.Context, by access.Caller, id vitrine.ID, disabled bool) (int64, error) {
	a := onPrincipal(id, "enable")
	if disabled {
		a.Op = "disable"
	}
	applied, err := d.change(ctx, by, a, policy.Options{}, func(now *rbac.Policy) (*vitrine.ChangeSet, error) {
		was, ok := now.Principal(id)
		if !ok {
			return nil, missing(refOf(a))
		}
		if was.Disabled == disabled {
			return &vitrine.ChangeSet{}, nil
		}
		c := *was
		c.Disabled = disabled
		if disabled {
			c.Epoch++
		}
		return &vitrine.ChangeSet{Reason: a.Op, Changes: []vitrine.Change{vitrine.Put(&c)}}, nil
	})
	return applied.Revision, err
}

// DeletePrincipal deletes a principal with its keys, bindings and budgets, and
// takes it out of groups and deny rules. Whoever still answers for service
// accounts or datasets cannot be deleted: somebody must. Disabling is the way to
// end access at once.
func (d *Directory) DeletePrincipal(ctx context.Context, by access.Caller, id vitrine.ID) (int64, error) {
	a := onPrincipal(id, "delete")
	applied, err := d.change(ctx, by, a, policy.Options{Issuing: true}, func(now *rbac.Policy) (*vitrine.ChangeSet, error) {
		if _, ok := now.Principal(id); !ok {
			return nil, missing(refOf(a))
		}
		set := &vitrine.ChangeSet{Reason: a.Op, Changes: []vitrine.Change{vitrine.Delete(refOf(a))}}
		for _, k := range []vitrine.Kind{vitrine.KindPrincipal, vitrine.KindDataset, vitrine.KindKey, vitrine.KindBinding, vitrine.KindDeny, vitrine.KindBudget} {
			for _, o := range now.Objects(k) {
				c, err := without(o, id)
				if err != nil {
					return nil, err
				}
				if c.Ref.ID != "" && c.Ref != refOf(a) {
					set.Changes = append(set.Changes, c)
				}
			}
		}
		return set, nil
	})
	return applied.Revision, err
}

// without is the change that takes a principal out of an object; a zero change
// where it is not in it.
func without(o vitrine.Object, id vitrine.ID) (vitrine.Change, error) {
	is := func(p vitrine.ID) bool { return p == id }
	switch o := o.(type) {
	case *vitrine.Principal:
		if o.Owner == id {
			return vitrine.Change{}, owes(o)
		}
		if slices.Contains(o.Members, id) {
			c := *o
			c.Members = slices.DeleteFunc(slices.Clone(o.Members), is)
			return vitrine.Put(&c), nil
		}
	case *vitrine.Dataset:
		if o.Owner == id {
			return vitrine.Change{}, owes(o)
		}
	case *vitrine.Key:
		if o.Principal == id || o.For == id {
			return vitrine.Delete(o.Ref()), nil
		}
	case *vitrine.Binding:
		if o.Principal == id {
			return vitrine.Delete(o.Ref()), nil
		}
	case *vitrine.Deny:
		return withoutDeny(o, id), nil
	case *vitrine.Budget:
		if vitrine.ID(o.Subject) == id && (o.Kind == vitrine.BudgetPrincipal || o.Kind == vitrine.BudgetGroup) {
			return vitrine.Delete(o.Ref()), nil
		}
	}
	return vitrine.Change{}, nil
}

func withoutDeny(o *vitrine.Deny, id vitrine.ID) vitrine.Change {
	if !slices.Contains(o.Principals, id) && !slices.Contains(o.Except, id) {
		return vitrine.Change{}
	}
	is := func(p vitrine.ID) bool { return p == id }
	c := *o
	c.Principals = slices.DeleteFunc(slices.Clone(o.Principals), is)
	c.Except = slices.DeleteFunc(slices.Clone(o.Except), is)
	if len(c.Principals) == 0 {
		return vitrine.Delete(o.Ref())
	}
	return vitrine.Put(&c)
}

func owes(o vitrine.Object) error {
	return &vitrine.Error{Kind: vitrine.ErrConflict, Code: "answers_for", Param: string(o.Ref().ID),
		Public: fmt.Sprintf("This principal answers for %s. Give that to somebody else first.", o.Ref())}
}

// memberDetail stands before the member's id in the entry of SetMember.
const memberDetail = "member "

// MemberDetail says in the log whom SetMember put in or took out.
func MemberDetail(member vitrine.ID) string {
	if !member.Valid() {
		return ""
	}
	return memberDetail + string(member)
}

// MemberOf reads what MemberDetail wrote, from the detail of an entry.
func MemberOf(detail string) vitrine.ID {
	rest, ok := strings.CutPrefix(detail, memberDetail)
	if !ok {
		return ""
	}
	id, _, _ := strings.Cut(rest, ";")
	return vitrine.ID(id)
}

// SetMember puts a principal into a group or takes it out, and answers the
// revision.
func (d *Directory) SetMember(ctx context.Context, by access.Caller, group, member vitrine.ID, in bool) (int64, error) {
	a := onPrincipal(group, "remove member")
	if in {
		a.Op = "add member"
	}
	applied, err := d.change(ctx, by, a, policy.Options{Detail: MemberDetail(member)}, func(now *rbac.Policy) (*vitrine.ChangeSet, error) {
		g, ok := now.Principal(group)
		if !ok {
			return nil, missing(refOf(a))
		}
		if g.Kind != vitrine.Group {
			return nil, vitrine.Invalid("group", "not_a_group", "This is no group.")
		}
		if slices.Contains(g.Members, member) == in {
			return &vitrine.ChangeSet{}, nil
		}
		c := *g
		if in {
			c.Members = append(slices.Clone(g.Members), member)
		} else {
			c.Members = slices.DeleteFunc(slices.Clone(g.Members), func(p vitrine.ID) bool { return p == member })
		}
		return &vitrine.ChangeSet{Reason: a.Op, Changes: []vitrine.Change{vitrine.Put(&c)}}, nil
	})
	return applied.Revision, err
}

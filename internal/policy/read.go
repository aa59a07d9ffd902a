package policy

import (
	"context"
	"slices"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/rbac"
	"vitrine.dev/vitrine/internal/store"
)

// views is the permission with which each kind is seen.
var views = []access.View{
	{Kind: vitrine.KindOrganization, Permission: vitrine.ProjectView},
	{Kind: vitrine.KindProject, Permission: vitrine.ProjectView},
	{Kind: vitrine.KindDataset, Permission: vitrine.DatasetView},
	{Kind: vitrine.KindProvider, Permission: vitrine.ProviderView},
	{Kind: vitrine.KindCredential, Permission: vitrine.ProviderView},
	{Kind: vitrine.KindDeployment, Permission: vitrine.ModelView},
	{Kind: vitrine.KindRole, Permission: vitrine.RoleView},
	{Kind: vitrine.KindPrincipal, Permission: vitrine.PrincipalView},
	{Kind: vitrine.KindKey, Permission: vitrine.KeyView},
	{Kind: vitrine.KindBinding, Permission: vitrine.RoleView},
	{Kind: vitrine.KindDeny, Permission: vitrine.RoleView},
	{Kind: vitrine.KindConstraint, Permission: vitrine.RoleView},
	{Kind: vitrine.KindBudget, Permission: vitrine.BudgetView},
}

func viewOf(k vitrine.Kind) (vitrine.Permission, bool) {
	i := slices.IndexFunc(views, func(v access.View) bool { return v.Kind == k })
	if i < 0 {
		return "", false
	}
	return views[i].Permission, true
}

// Export answers the revision and the objects that by may see, kinds in the
// order of PolicyKinds, each ordered by id; keys without their hashes. What it
// answers is shared and must not be changed.
func (p *Policies) Export(ctx context.Context, by access.Caller) (int64, []vitrine.Object, error) {
	now, seen, t, err := p.guard.Views(ctx, by, views, "export")
	if err != nil {
		return 0, nil, err
	}
	var all []vitrine.Object
	for _, k := range vitrine.PolicyKinds {
		all = append(all, pick(now, k, seen[k])...)
	}
	t.Entry().Count = int64(len(all))
	if _, err := t.Record(ctx); err != nil {
		return 0, nil, err
	}
	return now.Revision(), all, nil
}

// Objects lists the objects of a kind that by may see, ordered by id.
func (p *Policies) Objects(ctx context.Context, by access.Caller, k vitrine.Kind) ([]vitrine.Object, error) {
	perm, ok := viewOf(k)
	if !ok {
		return nil, p.guard.Reject(ctx, by, access.Act{Permission: vitrine.RoleView, Op: "list"}, errKind)
	}
	now, seen, t, err := p.guard.Views(ctx, by, []access.View{{Kind: k, Permission: perm}}, "list")
	if err != nil {
		return nil, err
	}
	e := t.Entry()
	e.Act, e.Kind = string(perm), k
	all := pick(now, k, seen[k])
	e.Count = int64(len(all))
	if _, err := t.Record(ctx); err != nil {
		return nil, err
	}
	return all, nil
}

var errKind = vitrine.Invalid("kind", "unknown_kind", "This kind does not stand in the policy.")

// snapshot is the policy to build a question from. That there is none is
// recorded, as far as that is possible.
func (p *Policies) snapshot(ctx context.Context, by access.Caller, perm vitrine.Permission, op string) (*rbac.Policy, error) {
	now, err := p.guard.Snapshot(ctx, by)
	if err != nil {
		return nil, p.guard.Reject(ctx, by, access.Act{Permission: perm, Op: op}, err)
	}
	return now, nil
}

// pick answers the objects with these ids, ordered by id, without secrets.
func pick(now *rbac.Policy, k vitrine.Kind, ids []vitrine.ID) []vitrine.Object {
	ids = slices.Sorted(slices.Values(ids))
	all := make([]vitrine.Object, 0, len(ids))
	for _, id := range ids {
		if o, ok := now.Object(vitrine.Ref{Kind: k, ID: id}); ok {
			all = append(all, redact(o))
		}
	}
	return all
}

// redact takes away what nobody is shown: hashes of keys.
func redact(o vitrine.Object) vitrine.Object {
	k, ok := o.(*vitrine.Key)
	if !ok {
		return o
	}
	c := *k
	c.Hash, c.Previous = "", ""
	return &c
}

func redactAll(changes []vitrine.Change) []vitrine.Change {
	all := slices.Clone(changes)
	for i := range all {
		if all[i].Object != nil {
			all[i].Object = redact(all[i].Object)
		}
	}
	return all
}

// Object answers one object and the revision at which it last changed.
func (p *Policies) Object(ctx context.Context, by access.Caller, ref vitrine.Ref) (vitrine.Object, int64, error) {
	perm, ok := viewOf(ref.Kind)
	if !ok {
		return nil, 0, p.guard.Reject(ctx, by, access.Act{Permission: vitrine.RoleView, Op: "read"}, errKind)
	}
	now, err := p.snapshot(ctx, by, perm, "read")
	if err != nil {
		return nil, 0, err
	}
	// A zero resource, but for the id, is what is absent.
	r := vitrine.Resource{ID: ref.ID}
	o, ok := now.Object(ref)
	if ok {
		r = now.Resource(o)
	}
	t, err := p.guard.Check(ctx, by, access.Act{Permission: perm, Op: "read", Resource: r})
	if err != nil {
		return nil, 0, err
	}
	if _, err := t.Record(ctx); err != nil {
		return nil, 0, err
	}
	return redact(o), now.ChangedAt(ref), nil
}

// maxHistory bounds a page of the history.
const maxHistory = 200

// History lists the change sets after a revision, oldest first. It takes
// seeing roles and people in the whole organization.
func (p *Policies) History(ctx context.Context, by access.Caller, after int64, limit int) ([]store.AppliedSet, error) {
	t, err := p.checkWhole(ctx, by, "history")
	if err != nil {
		return nil, err
	}
	if limit <= 0 || limit > maxHistory {
		limit = maxHistory
	}
	sets, err := p.store.ChangeSets(ctx, after, limit)
	if err != nil {
		return nil, t.Refuse(ctx, "failed", err)
	}
	if _, err := t.Record(ctx); err != nil {
		return nil, err
	}
	for i := range sets {
		sets[i].Changes = redactAll(sets[i].Changes)
		for j, o := range sets[i].Before {
			if o != nil {
				sets[i].Before[j] = redact(o)
			}
		}
	}
	return sets, nil
}

// checkWhole asks for seeing the policy of the whole organization.
func (p *Policies) checkWhole(ctx context.Context, by access.Caller, op string) (*access.Ticket, error) {
	now, err := p.snapshot(ctx, by, vitrine.RoleView, op)
	if err != nil {
		return nil, err
	}
	r := system(now)
	people := r
	people.Kind, people.ID = vitrine.KindPrincipal, ""
	return p.guard.Check(ctx, by, access.Act{Permission: vitrine.RoleView, Op: op, Resource: r,
		More: []access.Question{{Permission: vitrine.PrincipalView, Resource: people}}})
}

// system is the policy itself as a resource.
func system(now *rbac.Policy) vitrine.Resource {
	org := now.Organization()
	if org == nil {
		return vitrine.Resource{}
	}
	return vitrine.Resource{Kind: vitrine.KindSystem, ID: org.ID, Scope: org.ID}
}

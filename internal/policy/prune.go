package policy

import (
	"slices"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/rbac"
)

// pruning finds what goes because files do not declare it.
type pruning struct {
	now      *rbac.Policy
	seen     map[vitrine.Kind][]vitrine.ID
	declared map[vitrine.Ref]vitrine.Object
	keep     map[vitrine.Ref]bool
}

// prune deletes what is not declared, dependents first.
func prune(now *rbac.Policy, seen map[vitrine.Kind][]vitrine.ID, declared map[vitrine.Ref]vitrine.Object) []vitrine.Change {
	p := &pruning{now, seen, declared, madeByInit(now)}
	for ref := range p.keep {
		if o, ok := now.Object(ref); ok {
			p.counted(o)
		}
	}
	for _, o := range declared {
		p.counted(o)
	}
	var gone []vitrine.Change
	for _, k := range slices.Backward(vitrine.PolicyKinds) {
		for _, id := range seen[k] {
			if c, ok := p.fate(vitrine.Ref{Kind: k, ID: id}); ok {
				gone = append(gone, c)
			}
		}
	}
	return gone
}

// counted keeps what o refers to, and what that refers to: who declares an
// object counts on these, wherever they were made. So a part of a policy can
// stand in files.
func (p *pruning) counted(o vitrine.Object) {
	for _, ref := range refersTo(o) {
		if p.keep[ref] || p.declared[ref] != nil {
			continue
		}
		p.keep[ref] = true
		if next, ok := p.now.Object(ref); ok {
			p.counted(next)
		}
	}
}

// goes reports whether what files may hold is deleted.
func (p *pruning) goes(ref vitrine.Ref) bool {
	_, visible := slices.BinarySearch(p.seen[ref.Kind], ref.ID)
	return visible && p.declared[ref] == nil && !p.keep[ref] && inFiles(ref.Kind)
}

// fate is what becomes of an object; ok is false where it stays as it is.
func (p *pruning) fate(ref vitrine.Ref) (c vitrine.Change, ok bool) {
	if inFiles(ref.Kind) {
		return vitrine.Delete(ref), p.goes(ref)
	}
	o, _ := p.now.Object(ref)
	switch o := o.(type) {
	case *vitrine.Key:
		// A key that was narrowed to what is gone must not become wider: it ends.
		return vitrine.Delete(ref), !p.keep[ref] && slices.ContainsFunc(refersTo(o), p.goes)
	case *vitrine.Credential:
		if p.declared[ref] != nil {
			return c, false
		}
		left := *o
		left.Projects = p.left(vitrine.KindProject, o.Projects)
		left.Roles = p.left(vitrine.KindRole, o.Roles)
		switch {
		case p.goes(vitrine.Ref{Kind: vitrine.KindProvider, ID: o.Provider}),
			len(left.Projects) == 0 && len(o.Projects) > 0, len(left.Roles) == 0 && len(o.Roles) > 0: // it would be used for all
			return vitrine.Delete(ref), true
		case len(left.Projects) < len(o.Projects), len(left.Roles) < len(o.Roles):
			return vitrine.Put(&left), true
		}
	}
	return c, false
}

// left are the ids that stay.
func (p *pruning) left(k vitrine.Kind, ids []vitrine.ID) []vitrine.ID {
	return slices.DeleteFunc(slices.Clone(ids), func(id vitrine.ID) bool { return p.goes(vitrine.Ref{Kind: k, ID: id}) })
}

// refersTo names the objects without which o cannot stand.
func refersTo(o vitrine.Object) []vitrine.Ref {
	var all []vitrine.Ref
	add := func(k vitrine.Kind, ids ...vitrine.ID) {
		for _, id := range ids {
			if id != "" && id != vitrine.Everyone {
				all = append(all, vitrine.Ref{Kind: k, ID: id})
			}
		}
	}
	scope := func(id vitrine.ID) {
		if _, _, ok := vitrine.SplitDeployment(id); ok {
			add(vitrine.KindDeployment, id)
			return
		}
		add(vitrine.KindProject, id)
		add(vitrine.KindDataset, id)
	}
	switch o := o.(type) {
	case *vitrine.Dataset:
		add(vitrine.KindProject, o.Project)
		add(vitrine.KindPrincipal, o.Owner)
	case *vitrine.Deployment:
		add(vitrine.KindProject, o.Project)
		add(vitrine.KindProvider, o.Provider)
	case *vitrine.Credential:
		add(vitrine.KindProvider, o.Provider)
		add(vitrine.KindProject, o.Projects...)
		add(vitrine.KindRole, o.Roles...)
	case *vitrine.Role:
		add(vitrine.KindRole, o.Includes...)
	case *vitrine.Principal:
		add(vitrine.KindPrincipal, append(slices.Clone(o.Members), o.Owner)...)
	case *vitrine.Key:
		add(vitrine.KindPrincipal, o.Principal, o.For)
		add(vitrine.KindRole, o.Roles...)
		add(vitrine.KindProject, o.Project)
		add(vitrine.KindDataset, o.Dataset)
		scope(o.Scope)
	case *vitrine.Binding:
		add(vitrine.KindRole, o.Role)
		add(vitrine.KindPrincipal, o.Principal)
		scope(o.Scope)
	case *vitrine.Deny:
		add(vitrine.KindPrincipal, append(slices.Clone(o.Principals), o.Except...)...)
		scope(o.Scope)
	case *vitrine.Constraint:
		add(vitrine.KindRole, o.Role)
		for _, s := range o.Sets {
			add(vitrine.KindRole, s.Roles...)
		}
		scope(o.Scope)
	case *vitrine.Budget:
		subjects(o, add)
	}
	return all
}

func subjects(b *vitrine.Budget, add func(vitrine.Kind, ...vitrine.ID)) {
	switch b.Kind {
	case vitrine.BudgetProject:
		add(vitrine.KindProject, vitrine.ID(b.Subject))
	case vitrine.BudgetGroup, vitrine.BudgetPrincipal:
		add(vitrine.KindPrincipal, vitrine.ID(b.Subject))
	case vitrine.BudgetKey:
		add(vitrine.KindKey, vitrine.ID(b.Subject))
	}
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

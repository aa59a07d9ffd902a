package rbac

import (
	"slices"

	"vitrine.dev/vitrine"
)

// Decide answers a question. It never fails: whatever is unknown refuses.
func (p *Policy) Decide(q *Question) (d vitrine.Decision) {
	d.Permission, d.Revision, d.At = q.Permission, p.revision, q.At
	var a ask
	if !a.begin(p, q, &d) {
		return d
	}
	a.decide(&d)
	if a.person != none {
		a.both(&d)
	}
	return d
}

// begin finds out who asks about what. It is false where that alone decides.
func (a *ask) begin(p *Policy, q *Question, d *vitrine.Decision) bool {
	d.Hidden = true
	if q.Subject.Principal == "" {
		d.Code, d.Failed = vitrine.CodeNoCaller, vitrine.FailedAssigned
		return false
	}
	if !a.identify(p, &q.Subject, q.At) {
		d.Code, d.Failed = vitrine.CodeInactive, vitrine.FailedAuthorized
		return false
	}
	a.narrow()
	a.about(number(q.Permission), &q.Resource)
	if q.Resource.Kind == "" {
		d.Code, d.Failed = vitrine.CodeAbsent, vitrine.FailedAssigned
		return false
	}
	return true
}

// decide answers for one principal.
func (a *ask) decide(d *vitrine.Decision) {
	b, r := a.find()
	d.Erred = a.erred
	if b == nil {
		a.refuse(d)
		return
	}
	d.Binding, d.Role = b.id, r.object.ID
	if code, failed, deny := a.withhold(); code != "" {
		d.Code, d.Failed, d.Deny = code, failed, deny
		d.Hidden = code == vitrine.CodeDenyRule && !a.knows()
		return
	}
	d.Allow, d.Code, d.Hidden = true, vitrine.CodeAllowed, false
	if a.perm == imageView {
		d.Obligation.Rendition = vitrine.Masked
		a.reveal(&d.Obligation)
		d.Erred = a.erred
	}
}

// find is the first binding that grants what is asked: the caller's own before
// those of its groups by id, nearer scopes before those above, then by id.
func (a *ask) find() (*bound, *role) {
	if a.place == nil {
		return nil, nil
	}
	if b, r := a.findOf(a.who); b != nil {
		return b, r
	}
	for _, g := range a.who.groups.bears {
		if b, r := a.findOf(a.p.who.at(g)); b != nil {
			return b, r
		}
	}
	return nil, nil
}

// findOf is find among what one holder holds itself.
func (a *ask) findOf(w *principal) (*bound, *role) {
	if w.marks&a.place.marks == 0 {
		return nil, nil
	}
	for _, s := range a.place.above() {
		if w.marks&mark(s) == 0 {
			continue
		}
		list := w.held.at(s)
		for i := range list {
			if v, r := a.judge(&list[i], false); v == granted {
				return &list[i], r
			}
		}
	}
	return nil, nil
}

// reveal adds to the obligation of a view what all bindings that grant it show.
func (a *ask) reveal(o *vitrine.Obligation) {
	add := func(r *role) {
		if r.show != nil && r.use[a.cell].has(imageView) {
			o.Show = union(o.Show, r.show[a.cell])
		}
	}
	a.each(func(b *bound) {
		switch r := a.p.roles[b.role]; {
		case !r.on:
		case a.narrowed:
			for _, n := range a.active {
				if o := a.p.roles[n]; r.activates(n) && a.judgeAs(b, n, o, false) == granted {
					add(o)
				}
			}
		case a.judgeAs(b, b.role, r, false) == granted:
			add(r)
		}
	})
}

// withhold is why what a binding grants is refused all the same; "" is not.
func (a *ask) withhold() (vitrine.Code, vitrine.Failed, vitrine.ID) {
	if len(a.p.rules.denied) > 0 {
		if _, deny := a.denied(1 << a.perm); deny != "" {
			return vitrine.CodeDenyRule, vitrine.FailedDeny, deny
		}
	}
	switch {
	case peoplePermissions.has(a.perm) && !a.who.object.Human():
		return vitrine.CodePeopleOnly, vitrine.FailedAuthorized, ""
	case a.p.settingUp && !setupPermissions.has(a.perm):
		return vitrine.CodeNotEnrolled, vitrine.FailedAuthorized, ""
	case a.resource.ResponseFormat != "" && a.forbidden():
		return vitrine.CodeRespFormat, vitrine.FailedPermission, ""
	}
	return "", "", ""
}

// denied are which of some permissions deny rules withhold, and one rule that
// does: of the nearest scope the first by id.
func (a *ask) denied(some set) (withheld set, by vitrine.ID) {
	if len(a.p.rules.denied) == 0 {
		return 0, ""
	}
	for _, s := range a.place.above() {
		rules := a.p.denies(s)
		for i := range rules {
			if hit := rules[i].permissions & some; hit != 0 && rules[i].hits(a.who) {
				if withheld |= hit; by == "" {
					by = rules[i].id
				}
			}
		}
	}
	return withheld, by
}

// forbidden reports whether a constraint forbids the response format.
func (a *ask) forbidden() bool {
	for i := range a.p.rules.formats {
		f := &a.p.rules.formats[i]
		if f.tiers>>a.tier&1 != 0 && a.place.in(f.scope) && slices.Contains(f.formats, a.resource.ResponseFormat) {
			return true
		}
	}
	return false
}

// principal is the question for the person acted for: of all her roles, wherever
// the credential that was given to the agent may be used.
func (a *ask) principal() ask {
	return ask{p: a.p, subject: a.subject, at: a.at, who: a.p.who.at(a.person), person: none, keyed: a.keyed, assume: a.assume}
}

// both joins the answer for an agent with that for the person it acts for: what
// both may, and no more; known of is what both know of.
func (a *ask) both(d *vitrine.Decision) {
	o := a.principal()
	o.about(a.perm, a.resource)
	other := vitrine.Decision{Permission: d.Permission, Revision: d.Revision, At: d.At, Hidden: true}
	o.decide(&other)
	hidden := d.Hidden || other.Hidden
	switch {
	case d.Allow && !other.Allow:
		erred := d.Erred
		*d = other
		if d.Erred == "" {
			d.Erred = erred
		}
	case d.Allow:
		d.Obligation.Show = slices.DeleteFunc(slices.Clone(d.Obligation.Show), func(s string) bool {
			return !slices.Contains(other.Obligation.Show, s)
		})
	}
	if d.Erred == "" {
		d.Erred = other.Erred
	}
	if !d.Allow && hidden {
		d.Hidden, d.Nearest = true, vitrine.Nearest{}
	}
}

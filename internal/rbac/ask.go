package rbac

import (
	"math/bits"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/cond"
)

// verdict is what one binding, or one role, comes to for a question. A greater
// one is nearer to an allow.
type verdict uint8

// The verdicts.
const (
	unassigned verdict = iota
	outOfTime          // role_authorized
	roleOff
	elsewhere
	conditionFalse
	conditionErred
	lacksPermission // permission
	lacksCategory
	lacksTier
	lacksModel
	lacksFormat
	lacksResponseFormat
	lacksSize
	lacksN
	sessionBroken // role_authorized, by a rule that the caller can do something about
	keyRefused
	needsMFA
	granted
)

var verdicts = [...]struct {
	code   vitrine.Code
	failed vitrine.Failed
}{
	unassigned:          {vitrine.CodeNoRole, vitrine.FailedAssigned},
	outOfTime:           {vitrine.CodeOutOfTime, vitrine.FailedAuthorized},
	roleOff:             {vitrine.CodeRoleOff, vitrine.FailedAuthorized},
	elsewhere:           {vitrine.CodeOutOfScope, vitrine.FailedAuthorized},
	conditionFalse:      {vitrine.CodeCondition, vitrine.FailedAuthorized},
	conditionErred:      {vitrine.CodeCondError, vitrine.FailedAuthorized},
	lacksPermission:     {vitrine.CodePermission, vitrine.FailedPermission},
	lacksCategory:       {vitrine.CodeCategory, vitrine.FailedPermission},
	lacksTier:           {vitrine.CodeTier, vitrine.FailedPermission},
	lacksModel:          {vitrine.CodeModel, vitrine.FailedPermission},
	lacksFormat:         {vitrine.CodeFormat, vitrine.FailedPermission},
	lacksResponseFormat: {vitrine.CodeRespFormat, vitrine.FailedPermission},
	lacksSize:           {vitrine.CodeSize, vitrine.FailedPermission},
	lacksN:              {vitrine.CodeN, vitrine.FailedPermission},
	sessionBroken:       {vitrine.CodeSession, vitrine.FailedAuthorized},
	keyRefused:          {vitrine.CodeKeyRefused, vitrine.FailedAuthorized},
	needsMFA:            {vitrine.CodeNeedsMFA, vitrine.FailedAuthorized},
	granted:             {vitrine.CodeAllowed, ""},
}

// authorized reports whether the binding itself is in force.
func (v verdict) authorized() bool { return v >= lacksPermission && v != sessionBroken }

// ask is one question being answered for one principal. It lives on the stack.
type ask struct {
	p       *Policy
	subject *Subject
	at      time.Time
	who     *principal
	key     *key  // nil: none that narrows
	keyed   bool  // by key, not by session
	person  int32 // acted for, or none

	narrowed bool // only active roles count
	active   []int32

	perm     int
	resource *vitrine.Resource
	tier     vitrine.Tier // its, or the one that is asked about instead
	model    string
	place    *scope // nil: nowhere
	cell     int
	outside  bool   // of the key's scope, or of the environment that the service works in
	broken   uint64 // sides of dynamic separations of duty that are broken there

	assume assumption // for Who
	owned  bool       // a condition looked at the owner
	erred  vitrine.ID // a binding whose condition did
}

// assumption is what a question leaves open.
type assumption struct {
	on   bool // conditions hold and the second factor is fresh
	used bool // and that mattered
}

// narrow sets which roles are active: those of the key and of the session.
func (a *ask) narrow() {
	if k := a.key; k != nil && (len(k.roles) > 0 || k.object.Session()) {
		a.narrowed, a.active = true, k.roles
	}
	if a.subject.Roles == nil {
		return
	}
	var both []int32
	for _, id := range a.subject.Roles {
		i, ok := a.p.roleNumber(id)
		if ok && a.p.roles[i] != nil && (!a.narrowed || contains(a.active, i)) {
			both = append(both, i)
		}
	}
	a.narrowed, a.active = true, both
}

func contains(all []int32, x int32) bool {
	for _, y := range all {
		if x == y {
			return true
		}
	}
	return false
}

// about sets what is asked about.
func (a *ask) about(perm int, r *vitrine.Resource) {
	a.perm, a.resource, a.tier, a.cell = perm, r, r.Tier.Effective(), anywhere
	if dataPermissions.has(perm) {
		a.cell = cellNumber(r.Category, r.Tier)
	}
	a.place, a.model = nil, r.Model
	if _, s := a.p.scopes.find(r.Scope); s != nil && s.depth > 0 {
		a.stand(s)
	}
}

// stand sets where it is asked.
func (a *ask) stand(s *scope) {
	a.place = s
	if s.is(vitrine.KindDeployment) {
		a.model = s.site.model
	}
	a.outside = a.key != nil && a.key.scope != none && !s.in(a.key.scope)
	if w := a.who.object; w.Environment != "" && w.Kind == vitrine.Service {
		e := a.p.environment(s)
		a.outside = a.outside || e != "" && e != w.Environment
	}
	a.broken = 0
	if len(a.p.rules.duties) > 0 {
		a.weigh()
	}
}

// weigh finds the dynamic separations of duty that are broken where it is asked.
// Conditions are not looked at: a role under one may become active any time.
func (a *ask) weigh() {
	could := a.who.held.stands()
	for _, g := range a.who.groups.reach {
		could |= a.p.who.at(g).held.stands()
	}
	for i := range a.p.rules.duties {
		d := &a.p.rules.duties[i]
		if bits.OnesCount64(could&d.sides) < d.max || !a.place.in(d.scope) {
			continue
		}
		if sides := a.sides(d.scope) & d.sides; bits.OnesCount64(sides) >= d.max {
			a.broken |= sides
		}
	}
}

// sides are the sides of duties on which the roles stand that are active in a
// scope, above or below it.
func (a *ask) sides(at int32) uint64 {
	var sides uint64
	a.p.anyBorne(a.who, func(b *bound) bool {
		if b.inTime(a.at) && a.p.overlaps(b.scope, at) &&
			(a.key == nil || a.key.scope == none || a.p.overlaps(b.scope, a.key.scope)) {
			a.roles(b, func(n int32, r *role) {
				if r.on {
					sides |= a.p.rules.sides[n]
				}
			})
		}
		return false
	})
	return sides
}

// roles calls fn with the roles that are active under a binding: its own, or
// those of the active ones that it includes. It is false where there is none.
func (a *ask) roles(b *bound, fn func(int32, *role)) (some bool) {
	r := a.p.roles[b.role]
	if !r.on {
		return false
	}
	if !a.narrowed {
		fn(b.role, r)
		return true
	}
	for _, n := range a.active {
		if r.activates(n) {
			some = true
			fn(n, a.p.roles[n])
		}
	}
	return some
}

// judge is the verdict on one binding. With whole it is exact; without, a
// binding that does not grant what is asked is not looked at any closer.
func (a *ask) judge(b *bound, whole bool) (verdict, *role) {
	r := a.p.roles[b.role]
	if !r.on {
		return roleOff, r
	}
	if !a.narrowed {
		return a.judgeAs(b, b.role, r, whole), r
	}
	best, by := unassigned, r
	for _, n := range a.active {
		if !r.activates(n) {
			continue
		}
		if v := a.judgeAs(b, n, a.p.roles[n], whole); v > best {
			best, by = v, a.p.roles[n]
		}
	}
	if best == unassigned {
		return roleOff, r
	}
	return best, by
}

func (a *ask) judgeAs(b *bound, n int32, r *role, whole bool) verdict {
	if !r.on {
		return roleOff
	}
	goes := r.goes(a.perm, a.cell, a.resource, a.model)
	if goes < granted && !whole {
		return goes
	}
	if !b.inTime(a.at) {
		return outOfTime
	}
	if a.outside {
		return elsewhere
	}
	if b.program() != nil {
		if v := a.holds(b); v != granted {
			return v
		}
	}
	if goes < granted {
		return goes
	}
	return a.restrained(n, r)
}

// restrained is which constraint stands before the use of a role that is in
// force.
func (a *ask) restrained(n int32, r *role) verdict {
	if a.broken != 0 && a.p.rules.sides[n]&a.broken != 0 {
		return sessionBroken
	}
	if len(a.p.rules.gates) > 0 {
		return a.pass(r)
	}
	return granted
}

// pass asks the constraints on how a permission is used.
func (a *ask) pass(r *role) verdict {
	v := granted
	for i := range a.p.rules.gates {
		g := &a.p.rules.gates[i]
		if !g.permissions.has(a.perm) || !a.reaches(g, r) || g.tiers>>a.tier&1 == 0 {
			continue
		}
		switch {
		case g.keys && a.keyed:
			v = min(v, keyRefused)
		case !g.keys && !a.fresh(g.maxAge):
			v = min(v, needsMFA)
		}
	}
	return v
}

// reaches reports whether a gate stands where it is asked, before a role.
func (a *ask) reaches(g *gate, r *role) bool {
	return (g.role == none || r.includes(g.role)) && a.place.in(g.scope)
}

// fresh reports whether the second factor is at most so old. One shown a little
// in the future was shown to another node.
func (a *ask) fresh(most time.Duration) bool {
	if !a.subject.MFA.IsZero() {
		if age := a.at.Sub(a.subject.MFA); age <= most && age >= -most {
			return true
		}
	}
	if a.assume.on {
		a.assume.used = true
	}
	return a.assume.on
}

// holds evaluates a binding's condition.
func (a *ask) holds(b *bound) verdict {
	if a.assume.on {
		a.assume.used = true
		return granted
	}
	if b.program().UsesOwner() {
		a.owned = true
	}
	ok, err := b.program().Eval(a.facts())
	switch {
	case err != nil:
		if a.erred == "" {
			a.erred = b.id
		}
		return conditionErred
	case !ok:
		return conditionFalse
	}
	return granted
}

// facts are what a condition may look at.
func (a *ask) facts() *cond.Facts {
	f := &cond.Facts{
		Now: a.at, MFA: a.subject.MFA, Address: a.subject.Address, EndUser: a.subject.EndUser,
		Principal: a.who.object.ID,
		Scope:     a.resource.Scope, Category: a.resource.Category, Tier: a.tier,
		Environment: a.p.environment(a.place), Owner: a.resource.Owner,
	}
	if a.keyed {
		f.Key = a.p.KeyOf(a.subject.Credential)
	}
	return f
}

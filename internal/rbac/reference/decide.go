package reference

import (
	"slices"
	"time"

	"vitrine.dev/vitrine"
)

// Answer is what the model says to a question.
type Answer struct {
	Allow  bool
	Failed vitrine.Failed
	Code   vitrine.Code
	Hidden bool

	// On allow: what is given of an image, and the findings that a masked view
	// shows.
	Rendition vitrine.Rendition
	Show      []string

	Bindings []vitrine.ID // that got as far as the answer says: on allow those that allow it
	Denies   []vitrine.ID // that match
	Erred    []vitrine.ID // bindings whose condition erred

	// Fates is how far each binding got that hangs at the place or above it.
	Fates map[vitrine.ID]vitrine.Code
}

// seat is one who must be allowed: the caller, or the person acted for.
type seat struct {
	who    vitrine.ID
	key    *vitrine.Key // narrows it
	active []vitrine.ID // roles of the session; nil is all
	keyed  bool         // it is asked with a key
	assume bool         // that conditions hold, and that a second factor is fresh
}

// Decide answers a question.
func (w *World) Decide(q *Question) Answer {
	if q.Caller.Principal == "" {
		return refuse(vitrine.CodeNoCaller, true)
	}
	if !w.live(&q.Caller, q.At) {
		return refuse(vitrine.CodeInactive, true)
	}
	if q.Resource.Kind == "" {
		return refuse(vitrine.CodeAbsent, true)
	}
	s := w.seat(&q.Caller)
	own := w.ask(q, s)
	person := w.ActsFor(&q.Caller)
	if person == "" {
		return own
	}
	return both(own, w.ask(q, seat{who: person, keyed: s.keyed}))
}

// both is what an agent may do: what it and the person both may.
func both(own, hers Answer) Answer {
	a := own
	if own.Allow {
		a = hers
	}
	a.Allow = own.Allow && hers.Allow
	a.Hidden = !a.Allow && (own.Hidden || hers.Hidden)
	a.Show = slices.DeleteFunc(slices.Clone(own.Show), func(f string) bool { return !slices.Contains(hers.Show, f) })
	if !a.Allow {
		a.Rendition, a.Show = "", nil
	} else {
		a.Bindings = own.Bindings
	}
	a.Erred = append(slices.Clone(own.Erred), hers.Erred...)
	return a
}

func (w *World) seat(c *Caller) seat {
	k := w.credential(c)
	return seat{who: c.Principal, key: k, active: c.Roles, keyed: k != nil || c.Key}
}

// credential is the key that a caller shows, or nil.
func (w *World) credential(c *Caller) *vitrine.Key { return w.key(c.Credential) }

// ActsFor is the person whom the caller acts for, as its key says.
func (w *World) ActsFor(c *Caller) vitrine.ID {
	if k := w.credential(c); k != nil && k.For != "" {
		return k.For
	}
	return c.For
}

// live reports whether the caller is who it says, and still active.
func (w *World) live(c *Caller, at time.Time) bool {
	if !w.active(c.Principal) {
		return false
	}
	k := w.credential(c)
	if c.Key && k == nil || k != nil && !w.opens(k, c, at) {
		return false
	}
	person := w.ActsFor(c)
	return person == "" || w.active(person) && (c.For == "" || c.For == person)
}

// opens reports whether a key is good for this caller at that instant: a session
// only together with the key that it was started with.
func (w *World) opens(k *vitrine.Key, c *Caller, at time.Time) bool {
	if k.Principal != c.Principal || !w.good(k, at) {
		return false
	}
	if person := w.principal(k.For); person != nil && k.ForEpoch < person.Epoch {
		return false
	}
	if !k.Session() {
		return true
	}
	parent := w.key(k.Parent)
	return parent != nil && !parent.Session() && parent.Principal == k.Principal && parent.For == k.For && w.good(parent, at)
}

// good reports whether a key is not revoked, has not ended, and is of its
// holder's present epoch.
func (w *World) good(k *vitrine.Key, at time.Time) bool {
	return k.Revoked.IsZero() && (k.Expires.IsZero() || at.Before(k.Expires)) && k.Epoch >= w.principal(k.Principal).Epoch
}

// ask answers for one seat alone: the three conditions, then denies, then what
// is withheld from whoever has the role.
func (w *World) ask(q *Question, s seat) Answer {
	a := w.three(q, s)
	if !a.Allow {
		a.Hidden = !w.knows(q, s)
		return a
	}
	if a.Denies = w.denying(q.Permission, q.Resource.Scope, s.who); len(a.Denies) > 0 {
		a.Allow, a.Code, a.Failed, a.Hidden = false, vitrine.CodeDenyRule, vitrine.FailedDeny, !w.knows(q, s)
		return a
	}
	if code := w.withheld(q, s); code != "" {
		a.Allow, a.Code, a.Failed = false, code, failed(code)
		return a
	}
	if q.Permission == vitrine.ImageView {
		a.Rendition, a.Show = vitrine.Masked, w.shown(q, s)
	}
	return a
}

// withheld is why somebody may not do this although a role lets them, or "".
func (w *World) withheld(q *Question, s seat) vitrine.Code {
	info, _ := q.Permission.Info()
	switch {
	case info.People && w.principal(s.who).Kind != vitrine.User:
		return vitrine.CodePeopleOnly
	case !info.Setup && w.settingUp:
		return vitrine.CodeNotEnrolled
	case w.formatForbidden(q):
		return vitrine.CodeRespFormat
	}
	return ""
}

// outside reports whether a place lies outside what the key is narrowed to, or
// in another environment than the service account works in.
func (w *World) outside(place vitrine.ID, s seat) bool {
	if s.key != nil && s.key.Scope != "" && !w.within(place, s.key.Scope) {
		return true
	}
	p, project := w.principal(s.who), w.projectOf(place)
	return p.Kind == vitrine.Service && p.Environment != "" && project != nil && project.Environment != p.Environment
}

// three holds the three conditions against every binding.
func (w *World) three(q *Question, s seat) Answer {
	a := Answer{Code: vitrine.CodeNoRole, Fates: map[vitrine.ID]vitrine.Code{}}
	for _, b := range w.bindings {
		if !w.reaches(b, s.who) || !w.within(q.Resource.Scope, b.Scope) {
			continue
		}
		code := w.fate(q, s, b)
		a.Fates[b.ID] = code
		if code == vitrine.CodeCondError {
			a.Erred = append(a.Erred, b.ID)
		}
		if how := nearness(code); how > nearness(a.Code) {
			a.Code, a.Bindings = code, nil
		}
		if code == a.Code {
			a.Bindings = append(a.Bindings, b.ID)
		}
	}
	a.Allow, a.Failed = a.Code == vitrine.CodeAllowed, failed(a.Code)
	return a
}

// reaches reports whether a binding is somebody's, directly or through groups
// that are enabled.
func (w *World) reaches(b *vitrine.Binding, who vitrine.ID) bool {
	return b.Principal == who || slices.Contains(w.groups(who, false), b.Principal)
}

// nearest orders the codes of bindings: the later, the nearer to an allow.
var nearest = []vitrine.Code{
	vitrine.CodeNoRole,
	vitrine.CodeOutOfTime, vitrine.CodeRoleOff, vitrine.CodeOutOfScope, vitrine.CodeCondition, vitrine.CodeCondError,
	vitrine.CodePermission, vitrine.CodeCategory, vitrine.CodeTier,
	vitrine.CodeModel, vitrine.CodeFormat, vitrine.CodeRespFormat, vitrine.CodeSize, vitrine.CodeN,
	vitrine.CodeSession, vitrine.CodeKeyRefused, vitrine.CodeNeedsMFA,
	vitrine.CodeAllowed,
}

func nearness(c vitrine.Code) int { return slices.Index(nearest, c) }

// failed is the condition that a code speaks of.
func failed(c vitrine.Code) vitrine.Failed {
	switch c {
	case vitrine.CodeAllowed:
		return ""
	case vitrine.CodeNoRole, vitrine.CodeNoCaller, vitrine.CodeAbsent:
		return vitrine.FailedAssigned
	case vitrine.CodePermission, vitrine.CodeCategory, vitrine.CodeTier, vitrine.CodeModel, vitrine.CodeFormat, vitrine.CodeRespFormat, vitrine.CodeSize, vitrine.CodeN:
		return vitrine.FailedPermission
	}
	return vitrine.FailedAuthorized
}

func refuse(c vitrine.Code, hidden bool) Answer {
	return Answer{Code: c, Failed: failed(c), Hidden: hidden}
}

// fate is how far one binding gets: as the nearest of the roles that it makes
// active.
func (w *World) fate(q *Question, s seat, b *vitrine.Binding) vitrine.Code {
	best := vitrine.CodeRoleOff
	for i, r := range w.activeRoles(b, s) {
		if code := w.fateAs(q, s, b, r); i == 0 || nearness(code) > nearness(best) {
			best = code
		}
	}
	return best
}

func (w *World) fateAs(q *Question, s seat, b *vitrine.Binding, role vitrine.ID) vitrine.Code {
	if !inTime(b, q.At) {
		return vitrine.CodeOutOfTime
	}
	if w.outside(q.Resource.Scope, s) {
		return vitrine.CodeOutOfScope
	}
	if ok, err := w.holds(b, q, s); err != nil {
		return vitrine.CodeCondError
	} else if !ok {
		return vitrine.CodeCondition
	}
	if code := w.granted(q, role); code != vitrine.CodeAllowed {
		return code
	}
	return w.gated(q, s, role)
}

// inTime reports whether a binding is inside its times.
func inTime(b *vitrine.Binding, at time.Time) bool {
	return !at.Before(b.From) && (b.Until.IsZero() || at.Before(b.Until))
}

// activeRoles are those that count under a binding: its role, or, where the
// session or key is narrowed, those of it and what it includes that are named
// there. Those that are disabled do not.
func (w *World) activeRoles(b *vitrine.Binding, s seat) []vitrine.ID {
	if w.role(b.Role).Disabled {
		return nil
	}
	byKey := s.key != nil && (len(s.key.Roles) > 0 || s.key.Session())
	if s.active == nil && !byKey {
		return []vitrine.ID{b.Role}
	}
	return slices.DeleteFunc(slices.Clone(w.enabled(b.Role)), func(r vitrine.ID) bool {
		return s.active != nil && !slices.Contains(s.active, r) || byKey && !slices.Contains(s.key.Roles, r)
	})
}

// shown lists the kinds of finding that a masked view shows: what any grant
// shows that lets see it.
func (w *World) shown(q *Question, s seat) []string {
	var show []string
	for _, b := range w.bindings {
		if !w.reaches(b, s.who) || !w.within(q.Resource.Scope, b.Scope) || w.fate(q, s, b) != vitrine.CodeAllowed {
			continue
		}
		for _, r := range w.activeRoles(b, s) {
			if w.granted(q, r) != vitrine.CodeAllowed || w.gated(q, s, r) != vitrine.CodeAllowed {
				continue
			}
			for _, id := range w.enabled(r) {
				for i := range w.role(id).Grants {
					if g := &w.role(id).Grants[i]; w.covers(g, q) == vitrine.CodeAllowed {
						show = append(show, g.Findings...)
					}
				}
			}
		}
	}
	slices.Sort(show)
	return slices.Compact(show)
}

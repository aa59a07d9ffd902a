package rbac_test

import (
	"fmt"
	"slices"
	"testing"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/rbac"
	"vitrine.dev/vitrine/internal/rbac/reference"
)

// lessening is a way to take something away, and what may come of it all the
// same: the codes of bindings that withheld before what they allow now.
type lessening struct {
	name   string
	less   func(r reference.Random, now told) vitrine.Change
	except []vitrine.Code
	frees  bool // of a deny: it is about a group that somebody left
}

// Who has less active breaks a dynamic separation of duty less, and who has a
// role no more is no more held by what is demanded of those who have it. A deny
// about a group withholds from its members.
var lessenings = []lessening{
	{"a binding removed", func(r reference.Random, now told) vitrine.Change {
		return vitrine.Delete(one[*vitrine.Binding](r, now).Ref())
	}, []vitrine.Code{vitrine.CodeSession}, false},
	{"a binding ended", func(r reference.Random, now told) vitrine.Change {
		c := *one[*vitrine.Binding](r, now)
		if c.From.Before(noon) {
			c.Until = noon
		}
		return vitrine.Put(&c)
	}, []vitrine.Code{vitrine.CodeSession}, false},
	{"a role's grant removed", func(r reference.Random, now told) vitrine.Change {
		c := *one[*vitrine.Role](r, now)
		c.Grants = fewer(r, c.Grants)
		return vitrine.Put(&c)
	}, []vitrine.Code{vitrine.CodeSession}, false},
	{"a role included no more", func(r reference.Random, now told) vitrine.Change {
		c := *one[*vitrine.Role](r, now)
		c.Includes = fewer(r, c.Includes)
		return vitrine.Put(&c)
	}, []vitrine.Code{vitrine.CodeSession, vitrine.CodeNeedsMFA, vitrine.CodeKeyRefused}, false},
	{"a role disabled", func(r reference.Random, now told) vitrine.Change {
		c := *one[*vitrine.Role](r, now)
		c.Disabled = true
		return vitrine.Put(&c)
	}, []vitrine.Code{vitrine.CodeSession}, false},
	{"a group left", func(r reference.Random, now told) vitrine.Change {
		c := *one[*vitrine.Principal](r, now)
		c.Members = fewer(r, c.Members)
		return vitrine.Put(&c)
	}, []vitrine.Code{vitrine.CodeSession}, true},
	{"somebody disabled", func(r reference.Random, now told) vitrine.Change {
		c := *one[*vitrine.Principal](r, now)
		c.Disabled = true
		return vitrine.Put(&c)
	}, []vitrine.Code{vitrine.CodeSession}, false},
	{"a deny added", func(r reference.Random, now told) vitrine.Change { return vitrine.Put(r.Deny("more")) }, nil, false},
	{"a constraint added", func(r reference.Random, now told) vitrine.Change {
		return vitrine.Put(r.Constraint("more", vitrine.MFA, vitrine.Keys, vitrine.Formats, vitrine.DynamicSoD, vitrine.StaticSoD, vitrine.Holders))
	}, nil, false},
	{"a key narrowed to roles", func(r reference.Random, now told) vitrine.Change {
		c := *one[*vitrine.Key](r, now)
		switch {
		case c.Session() && len(c.Roles) < 2: // none is none
		case len(c.Roles) == 0:
			c.Roles = []vitrine.ID{"r0", "r1", "r2"}
		default:
			c.Roles = c.Roles[:1]
		}
		return vitrine.Put(&c)
	}, []vitrine.Code{vitrine.CodeSession, vitrine.CodeNeedsMFA, vitrine.CodeKeyRefused}, false},
	{"a key narrowed to a place", func(r reference.Random, now told) vitrine.Change {
		c := *one[*vitrine.Key](r, now)
		if c.Scope == "" || c.Scope == "org" {
			c.Scope = reference.Pick(r, "p0", vitrine.ID("d0"))
		}
		return vitrine.Put(&c)
	}, []vitrine.Code{vitrine.CodeSession}, false},
	{"a key revoked", func(r reference.Random, now told) vitrine.Change {
		c := *one[*vitrine.Key](r, now)
		c.Revoked = noon
		return vitrine.Put(&c)
	}, nil, false},
}

// one is an object of a type, never an owner's role or binding.
func one[T vitrine.Object](r reference.Random, now told) T {
	var all []T
	for _, o := range now.world.Objects() {
		if t, ok := o.(T); ok && o.Ref().ID != rbac.OwnerRole && o.Ref().ID != "owner-alice" && o.Ref().ID != "owner-adam" {
			all = append(all, t)
		}
	}
	return reference.Pick(r, all...)
}

// fewer is a list without one of its items.
func fewer[T any](r reference.Random, list []T) []T {
	if len(list) == 0 {
		return nil
	}
	i := r.IntN(len(list))
	return slices.Delete(slices.Clone(list), i, i+1)
}

// Taking away never turns a refusal into an allow, but for the exceptions that
// stand beside each way to take away.
func TestLessNeverAllowsMore(t *testing.T) {
	for _, way := range lessenings {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			lost, gained := 0, map[vitrine.Code]int{}
			each(t, func(t *testing.T, r reference.Random, now told) {
				for range 4 {
					change := way.less(r, now)
					next, err := now.policy.Apply(8, []vitrine.Change{change})
					if err != nil {
						t.Fatal(err)
					}
					for range 25 {
						q := asked(r.Question(now.world))
						q.At = noon
						was, is := now.policy.Decide(q), next.Decide(q)
						switch {
						case was.Allow && !is.Allow:
							lost++
						case is.Allow && !was.Allow:
							code, why := way.excuse(now.policy, next, q)
							if gained[code]++; why != "" {
								t.Errorf("%s\n%s: %+v\nasked %+v\nbefore %+v\nafter %+v", why, change.Ref, change.Object, q, was, is)
								return
							}
						}
					}
				}
			})
			if lost == 0 && way.name != "a role included no more" {
				t.Error("nothing was ever lost")
			}
			t.Logf("lost %d; gained by way of %v", lost, gained)
		})
	}
}

// excuse is the exception by which something is allowed now, or what is wrong.
func (l *lessening) excuse(before, after *rbac.Policy, q *rbac.Question) (vitrine.Code, string) {
	x, y := before.Explain(q), after.Explain(q)
	if len(x.Denies) > 0 {
		if l.frees {
			return vitrine.CodeDenyRule, ""
		}
		return vitrine.CodeDenyRule, "a deny withholds no more"
	}
	for _, c := range y.Bindings {
		if c.Code != vitrine.CodeAllowed {
			continue
		}
		for _, b := range x.Bindings {
			if b.Binding == c.Binding && slices.Contains(l.except, b.Code) {
				return b.Code, ""
			}
		}
	}
	return "", fmt.Sprintf("none of %v held this back", l.except)
}

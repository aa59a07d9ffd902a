package rbac

import "time"

// Enrolled reports whether set-up is finished: two owners have enrolled, or with
// solo one. Until then only set-up permissions work.
func (p *Policy) Enrolled() bool {
	if p.org == nil {
		return false
	}
	enrolled := 0
	for _, who := range p.sure(OwnerRole, p.org.ID, forever) {
		if !who.Enrolled.IsZero() {
			enrolled++
		}
	}
	return enrolled >= owners(p.org.ID, p.org.Solo).Min
}

// forever is an instant at which every binding has begun: whether set-up is
// finished does not depend on the clock.
var forever = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

package rbac

import "vitrine.dev/vitrine"

// Level is a cell of the access control matrix: how far a role goes with data of
// a category and tier.
type Level string

// The levels, each including those before it but for the last: whoever changes
// images need not see them.
const (
	Nothing      Level = "nothing"
	SeesMasked   Level = "masked"
	SeesOriginal Level = "original"
	Changes      Level = "change" // re-labels, moves, re-tiers or deletes what is there
)

// MatrixRow is what one role may do with each category and tier.
type MatrixRow struct {
	Role  vitrine.ID                                  `json:"role"`
	Name  string                                      `json:"name"`
	Cells map[vitrine.Category]map[vitrine.Tier]Level `json:"cells"`
}

// Matrix is the access control matrix: a row for each role, ordered by id, with
// what the role and those that it includes let use. A disabled role lets use
// nothing. Creating is not in it: what somebody puts into a dataset she need not
// see again.
func (p *Policy) Matrix() []MatrixRow {
	var rows []MatrixRow
	for _, o := range p.Objects(vitrine.KindRole) {
		r := p.role(o.Ref().ID)
		row := MatrixRow{Role: r.object.ID, Name: r.object.Name, Cells: make(map[vitrine.Category]map[vitrine.Tier]Level)}
		for i := range cellCount {
			c, t := cellAt(i)
			if row.Cells[c] == nil {
				row.Cells[c] = make(map[vitrine.Tier]Level)
			}
			row.Cells[c][t] = r.level(i)
		}
		rows = append(rows, row)
	}
	return rows
}

// changing is what alters an image that is there.
var changing = setOf([]vitrine.Permission{vitrine.ImageUpdate, vitrine.ImageMove, vitrine.ImageClassify, vitrine.ImageDelete}, exactly)

func (r *role) level(cell int) Level {
	use := r.use[cell]
	switch {
	case !r.on:
		return Nothing
	case use&changing != 0:
		return Changes
	case use.has(number(vitrine.ImageOpen)):
		return SeesOriginal
	case use.has(imageView):
		return SeesMasked
	}
	return Nothing
}

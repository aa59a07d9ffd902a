package rbac

import "vitrine.dev/vitrine"

// Cells is a set of category × tier.
type Cells uint32

// Cell is the set of one category and tier, in the layout that package store
// stores: bit (category-1)·4 + tier-1. An unknown tier is restricted; an unknown
// category is in no set.
func Cell(c vitrine.Category, t vitrine.Tier) Cells {
	i := cellNumber(c, t)
	if i == nowhere {
		return 0
	}
	return 1 << i
}

const (
	cellCount = 24
	// anywhere is the cell of what is not data-bearing, nowhere that of data
	// of which nobody knows the category.
	anywhere = cellCount
	nowhere  = cellCount + 1
)

func cellNumber(c vitrine.Category, t vitrine.Tier) int {
	if c == vitrine.CategoryUnknown || c > vitrine.Configuration {
		return nowhere
	}
	return (int(c)-1)*len(vitrine.Tiers) + int(t.Effective()) - 1
}

// cellsOf is categories × tiers.
func cellsOf(categories []vitrine.Category, tiers []vitrine.Tier) Cells {
	var cells Cells
	for _, c := range categories {
		for _, t := range tiers {
			if t != vitrine.TierUnknown {
				cells |= Cell(c, t)
			}
		}
	}
	return cells
}

// tierCells is the cells of some tiers, in every category; of none it is all.
func tierCells(tiers []vitrine.Tier) Cells {
	if len(tiers) == 0 {
		return 1<<cellCount - 1
	}
	return cellsOf(vitrine.Categories, tiers)
}

// at is the category and tier of a cell.
func cellAt(i int) (vitrine.Category, vitrine.Tier) {
	return vitrine.Category(i/len(vitrine.Tiers) + 1), vitrine.Tiers[i%len(vitrine.Tiers)]
}

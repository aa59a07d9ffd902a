package storetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/store"
)

// testCells has an image of every category and tier in each of two datasets,
// and asks for each cell, and for all but each, alone and in both.
func testCells(t *testing.T, s *store.Store) {
	type place struct {
		dataset vitrine.ID
		cell    int
	}
	ids := map[place][]vitrine.ID{}
	var images []*store.ImageRow
	for _, d := range []vitrine.ID{"d-1", "D-1"} {
		for c := vitrine.CategoryUnknown; c <= vitrine.Configuration+1; c++ {
			for tier := vitrine.TierUnknown; tier <= vitrine.Restricted+1; tier++ {
				m := image(vitrine.ID(fmt.Sprintf("%s-%d-%d", d, c, tier)), len(images))
				m.Dataset, m.Category, m.Tier = d, c, tier
				images = append(images, m)
				cell := store.Cell(c, tier)
				known := c >= vitrine.Training && c <= vitrine.Configuration
				if known != (cell < 24) || cell < 0 || known && cell%4 != int(tier.Effective())-1 {
					t.Errorf("the cell of %v, %v is %d", c, tier, cell)
				}
				if known { // what nobody knows, no set has
					ids[place{d, cell}] = append(ids[place{d, cell}], m.ID)
				}
			}
		}
	}
	putImages(t, s, images...)
	collect := func(datasets []vitrine.ID, cells uint32) []vitrine.ID {
		want := []vitrine.ID{}
		for _, d := range datasets {
			for cell := range 32 {
				if cells&(1<<cell) != 0 {
					want = append(want, ids[place{d, cell}]...)
				}
			}
		}
		slices.Sort(want)
		return want
	}
	listed := func(sets ...store.ImageSet) []vitrine.ID {
		got := list(t, s, sets, 7)
		slices.Sort(got)
		return got
	}
	both := []vitrine.ID{"d-1", "D-1"}
	for cell := range 32 {
		one, others := uint32(1)<<cell, ^(uint32(1) << cell)
		equal(t, fmt.Sprintf("cell %d", cell), listed(store.ImageSet{Datasets: both[:1], Cells: one}), collect(both[:1], one))
		equal(t, fmt.Sprintf("all but cell %d", cell), listed(store.ImageSet{Datasets: both, Cells: others}), collect(both, others))
		equal(t, fmt.Sprintf("sets that overlap at cell %d", cell),
			listed(store.ImageSet{Datasets: both[1:], Cells: one}, store.ImageSet{Datasets: both[1:], Cells: 1}, store.ImageSet{Datasets: []vitrine.ID{"none"}, Cells: allCells}),
			collect(both[1:], one|1))
	}
	equal(t, "no sets", listed(), []vitrine.ID{})
	equal(t, "no cells", listed(store.ImageSet{Datasets: both}), []vitrine.ID{})
	equal(t, "no datasets", listed(store.ImageSet{Cells: allCells}), []vitrine.ID{})
}

// testImagePages pages through images while others come and change their
// tier: what was there all the time comes exactly once, and in order.
func testImagePages(t *testing.T, s *store.Store) {
	const n = 300
	var images []*store.ImageRow
	for i := range n {
		images = append(images, image(vitrine.ID(fmt.Sprintf("img-%03d", i)), i/3)) // three at an instant
	}
	putImages(t, s, images...)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 600 {
			select {
			case <-stop:
				return
			default:
			}
			m := image(vitrine.ID(fmt.Sprintf("later-%04d", i)), i%(n/3))
			if err := try(t, s, func(tx *store.Tx) error { return tx.PutImage(m) }); err != nil {
				t.Errorf("put: %v", err)
			}
		}
	})
	for _, limit := range []int{1, 7, 100} {
		var got []vitrine.ID
		for _, id := range list(t, s, []store.ImageSet{{Datasets: []vitrine.ID{"d"}, Cells: allCells}}, limit) {
			if id[0] == 'i' {
				got = append(got, id)
			}
		}
		want := make([]vitrine.ID, n)
		for i := range n {
			want[i] = images[n-1-i].ID
		}
		equal(t, fmt.Sprintf("in pages of %d", limit), got, want)
	}
	close(stop)
	wg.Wait()
	page, err := s.Images(t.Context(), store.ImageQuery{Sets: []store.ImageSet{{Datasets: []vitrine.ID{"d"}, Cells: allCells}}})
	if err != nil || len(page.Rows) != 50 {
		t.Errorf("a page has %+v, %v; want 50 images", page, err)
	}
}

// testManyDatasets asks for so many datasets that one scan, and then one
// statement, is not enough.
func testManyDatasets(t *testing.T, s *store.Store) {
	const n = 12_000
	datasets := make([]vitrine.ID, n)
	for i := range datasets {
		datasets[i] = vitrine.ID(fmt.Sprintf("d-%05d", i))
	}
	var images []*store.ImageRow
	var all []vitrine.ID
	for i := range 40 {
		m := image(vitrine.ID(fmt.Sprintf("img-%02d", i)), i)
		m.Dataset = datasets[i*(n/40)]
		if i == 5 {
			m.Tier = vitrine.Restricted
		}
		if i == 6 {
			m.Dataset = "elsewhere"
		}
		images = append(images, m)
		if i != 5 && i != 6 {
			all = append(all, m.ID)
		}
	}
	putImages(t, s, images...)
	slices.Reverse(all)
	internal := uint32(1) << store.Cell(vitrine.Generated, vitrine.Internal)
	for _, count := range []int{60, 300, n} {
		var sets []store.ImageSet
		for i, d := range datasets {
			if i%(n/count) == 0 {
				sets = append(sets, store.ImageSet{Datasets: []vitrine.ID{d}, Cells: internal | uint32(i%2)})
			}
		}
		var want []vitrine.ID
		for _, id := range all {
			m := images[slices.IndexFunc(images, func(m *store.ImageRow) bool { return m.ID == id })]
			if slices.ContainsFunc(sets, func(set store.ImageSet) bool { return set.Datasets[0] == m.Dataset }) {
				want = append(want, id)
			}
		}
		for _, limit := range []int{3, 100} {
			equal(t, fmt.Sprintf("%d datasets in pages of %d", count, limit), list(t, s, sets, limit), want)
		}
	}
}

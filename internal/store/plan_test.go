package store

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/seal"
)

// A page must not cost what the datasets hold: its ids come in order out of an
// index, and only they are sorted again.
func TestPagesWalkAnIndex(t *testing.T) {
	s, err := Open(t.Context(), Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "vitrine.db"), Seal: seal.Key{1}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var many []vitrine.ID
	for i := range 10 * fewDatasets {
		many = append(many, vitrine.ID(fmt.Sprintf("d-%d", i)))
	}
	for _, test := range []struct {
		name  string
		sets  []ImageSet
		index string
		sorts int // the page itself, and where few are merged
	}{
		{"one dataset", []ImageSet{{many[:1], 3}}, "images_dataset", 1},
		{"one group of many", []ImageSet{{many, 3}}, "images_created", 1},
		{"groups of many", []ImageSet{{many[:100], 3}, {many[90:], 4}}, "images_created", 1},
		{"few datasets", []ImageSet{{many[:2], 3}}, "images_dataset", 3},
	} {
		for i, after := range []Cursor{{}, {Created: time.Now(), ID: "x"}, {}} {
			deleted := i == 2
			if deleted {
				test.index = strings.Replace(test.index, "images_", "images_deleted_", 1)
			}
			text, args := pageQuery(s.d, merge(test.sets), &ImageQuery{After: after, Limit: 50, Deleted: deleted})
			rows, err := s.read.once(t.Context(), "EXPLAIN QUERY PLAN "+text, args...)
			steps, err := collect(rows, err, func(r row) (step string, err error) {
				var skip int
				return step, r.Scan(&skip, &skip, &skip, &step)
			})
			if err != nil {
				t.Fatal(err)
			}
			plan := strings.Join(steps, "\n")
			if !strings.Contains(plan, "USING COVERING INDEX "+test.index) || strings.Count(plan, "USE TEMP B-TREE") != test.sorts {
				t.Errorf("%s: want %s and %d sorts, got\n%s", test.name, test.index, test.sorts, plan)
			}
		}
	}
}

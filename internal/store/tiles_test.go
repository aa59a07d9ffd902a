package store

import (
	"path/filepath"
	"strings"
	"testing"

	"vitrine.dev/vitrine/internal/seal"
)

// A proof reads a few rows by their names, however long the log is.
func TestTilesAreFoundByName(t *testing.T) {
	s, err := Open(t.Context(), Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "vitrine.db"), Seal: seal.Key{1}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	args := make([]any, 2*tilesAtOnce)
	for i := range args {
		args[i] = int64(i)
	}
	rows, err := s.read.once(t.Context(), "EXPLAIN QUERY PLAN "+qLogTiles, args...)
	steps, err := collect(rows, err, func(r row) (step string, err error) {
		var skip int
		return step, r.Scan(&skip, &skip, &skip, &step)
	})
	if err != nil {
		t.Fatal(err)
	}
	if plan := strings.Join(steps, "\n"); strings.Count(plan, "(level=? AND idx=?)") != tilesAtOnce || strings.Contains(plan, "SCAN") {
		t.Errorf("tiles are not found by their names:\n%s", plan)
	}
}

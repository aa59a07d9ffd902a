package store_test

import (
	"database/sql"
	"net/url"
	"os"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"

	"vitrine.dev/vitrine/internal/store/storetest"
)

func TestSQLite(t *testing.T) { storetest.Run(t, storetest.SQLite) }

func TestPostgres(t *testing.T) {
	base := os.Getenv("VITRINE_TEST_POSTGRES")
	if base == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("VITRINE_TEST_POSTGRES must name a database in CI")
		}
		t.Skip("VITRINE_TEST_POSTGRES names no database")
	}
	storetest.Run(t, func(t testing.TB) string { return storetest.Schema(t, base) })
}

// raw opens a database beside the store, to do to it what only others do.
func raw(t testing.TB, base string) *sql.DB {
	t.Helper()
	driver, name := "pgx", base
	if path, lite := strings.CutPrefix(base, "sqlite:"); lite {
		driver, name = "sqlite", (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath()}).String()+"?_pragma=busy_timeout(10000)"
	}
	db, err := sql.Open(driver, name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func execute(t testing.TB, url, text string, args ...any) {
	t.Helper()
	if _, err := raw(t, url).ExecContext(t.Context(), text, args...); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

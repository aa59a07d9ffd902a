package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
)

// Migrations are numbered, only go forward, and leave a database that the
// previous version of the program can still use.
//
//go:embed schema/*.sql
var schema embed.FS

// migrations reads them in the words of an engine.
func migrations(d *dialect) ([]*goose.Migration, error) {
	files, err := schema.ReadDir("schema")
	if err != nil {
		return nil, err
	}
	var all []*goose.Migration
	for _, f := range files {
		number, _, _ := strings.Cut(f.Name(), "_")
		version, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("migration %s: %w", f.Name(), err)
		}
		text, err := schema.ReadFile(path.Join("schema", f.Name()))
		if err != nil {
			return nil, err
		}
		all = append(all, goose.NewGoMigration(version, &goose.GoFunc{RunTx: run(d.words.Replace(string(text)))}, nil))
	}
	return all, nil
}

func run(text string) func(context.Context, *sql.Tx) error {
	return func(ctx context.Context, tx *sql.Tx) error {
		for stmt := range strings.SplitSeq(text, ";\n") {
			if strings.TrimSpace(stmt) == "" {
				continue
			}
			if _, err := tx.ExecContext(ctx, stmt); err != nil {
				return fmt.Errorf("%s: %w", strings.TrimSpace(stmt), err)
			}
		}
		return nil
	}
}

// migrate brings the database to this program's version. Nodes that start
// together take turns. A database of a newer program is refused and left as it
// is: it may mean by a column what this one does not know.
func (s *Store) migrate(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	turn, err := s.turn(ctx)
	if err != nil {
		return fmt.Errorf("wait for other nodes: %w", err)
	}
	defer turn()
	if s.d == postgresDialect {
		if err := makeSchema(ctx, s.write); err != nil {
			return fmt.Errorf("make the schema: %w", err)
		}
	}
	all, err := migrations(s.d)
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(s.d.goose, s.write, nil, goose.WithGoMigrations(all...), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	current, target, err := p.GetVersions(ctx)
	if err != nil {
		return err
	}
	if current > target {
		return fmt.Errorf("the database has version %d, this program knows %d: use a newer program", current, target)
	}
	_, err = p.Up(ctx)
	return err
}

// turn waits until no other node prepares the database. The lock ends with its
// connection, which is given up.
func (s *Store) turn(ctx context.Context) (end func(), err error) {
	if s.d.alone == "" {
		return func() {}, nil
	}
	sc, err := s.read.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	c := newConn(ctx, sc, s.d)
	if err := c.control(s.d.alone); err != nil {
		c.discard()
		return nil, err
	}
	return c.discard, nil
}

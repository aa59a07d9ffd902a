package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/pressly/goose/v3"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/entry"
)

// Restoring stands in meta while a restore is under way. A database that holds
// it is not to be used: it may lack what was revoked.
const Restoring = "restoring"

// Loader fills an empty database from a backup.
type Loader struct {
	d       *dialect
	db      *sql.DB
	read    *sql.DB
	columns map[string][]Column
}

// ErrNotEmpty says that a database already holds an installation.
var ErrNotEmpty error = &vitrine.Error{Kind: vitrine.ErrConflict, Code: "not_empty",
	Public: "There is an installation already. A restore needs an empty place."}

// Load begins to fill the database at url, which must be empty, with tables of
// the version that the backup has. What an earlier restore left unfinished is
// thrown away. From now on the database is marked with Restoring, which Finish
// leaves to the caller to take away. ErrNotEmpty where it holds an installation.
func Load(ctx context.Context, url string, schema int64) (_ *Loader, err error) {
	d, write, read, err := connect(url)
	if err != nil {
		return nil, err
	}
	l := &Loader{d: d, db: write, read: read}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.Close())
		}
	}()
	if d == postgresDialect {
		if err := makeSchema(ctx, write); err != nil {
			return nil, fmt.Errorf("make the schema: %w", err)
		}
	}
	if err := l.empty(ctx); err != nil {
		return nil, err
	}
	if err := l.migrate(ctx, schema); err != nil {
		return nil, fmt.Errorf("make the tables of version %d: %w", schema, err)
	}
	if _, err := write.ExecContext(ctx, qSetMeta, Restoring, "1"); err != nil {
		return nil, fmt.Errorf("mark the database: %w", err)
	}
	err = l.inTransaction(ctx, func(tx *sql.Tx) (err error) {
		l.columns, err = catalogue(ctx, snapshotTx{tx, d}, d)
		return err
	})
	return l, err
}

// empty refuses a database that holds anything but what an unfinished restore
// left, and takes that away.
func (l *Loader) empty(ctx context.Context) error {
	var one int
	err := l.db.QueryRowContext(ctx, l.d.table, "meta").Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("is the database empty: %w", err)
	}
	var marked, all int
	err = l.db.QueryRowContext(ctx, `SELECT COUNT(*), COALESCE(SUM(CASE name WHEN $1 THEN 1 ELSE 0 END), 0) FROM meta`, Restoring).Scan(&all, &marked)
	switch {
	case err != nil:
		return fmt.Errorf("is the database empty: %w", err)
	case all > 0 && marked == 0:
		return ErrNotEmpty
	}
	return l.Discard(ctx)
}

// Discard takes the tables away again.
func (l *Loader) Discard(ctx context.Context) error {
	for _, t := range slices.Backward(tables) {
		if strings.HasPrefix(t.name, "sqlite_") {
			continue
		}
		if _, err := l.db.ExecContext(ctx, `DROP TABLE IF EXISTS `+t.name); err != nil {
			return fmt.Errorf("take away the table %s: %w", t.name, err)
		}
	}
	return nil
}

// Close lets go of the database.
func (l *Loader) Close() error { return errors.Join(l.db.Close(), l.read.Close()) }

// migrate brings the tables to a version; 0 is this program's.
func (l *Loader) migrate(ctx context.Context, version int64) error {
	all, err := migrations(l.d)
	if err != nil {
		return err
	}
	newest := all[len(all)-1].Version
	if version > newest {
		return fmt.Errorf("this program knows version %d: use a newer program", newest)
	}
	p, err := goose.NewProvider(l.d.goose, l.db, nil, goose.WithGoMigrations(all...), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	if version == 0 {
		version = newest
	}
	_, err = p.UpTo(ctx, version)
	return err
}

func (l *Loader) inTransaction(ctx context.Context, fn func(*sql.Tx) error) error {
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := fn(tx); err != nil {
		return errors.Join(err, ignoreDone(tx.Rollback()))
	}
	return tx.Commit()
}

// Begin makes the tables ready for the rows of these, which must be all that
// this version keeps.
func (l *Loader) Begin(ctx context.Context, all []Table) error {
	for _, t := range tables {
		there := slices.ContainsFunc(all, func(o Table) bool { return o.Name == t.name })
		if t.part == kept && l.columns[t.name] != nil && !there {
			return fmt.Errorf("the backup has no table %s", t.name)
		}
	}
	return l.inTransaction(ctx, func(tx *sql.Tx) error {
		for _, t := range slices.Backward(all) {
			if err := l.fits(&t); err != nil {
				return err
			}
			keep := ""
			if t.Name == "meta" {
				keep = ` WHERE name <> '` + Restoring + `'`
			}
			if _, err := tx.ExecContext(ctx, `DELETE FROM `+t.Name+keep); err != nil {
				return fmt.Errorf("empty %s: %w", t.Name, err)
			}
		}
		return nil
	})
}

// Rows puts rows into a table, all in one transaction.
func (l *Loader) Rows(ctx context.Context, t *Table, rows iter.Seq2[[]any, error]) error {
	err := l.inTransaction(ctx, func(tx *sql.Tx) error { return insertRows(ctx, tx, l.d, t, rows) })
	if err != nil {
		return fmt.Errorf("fill %s: %w", t.Name, err)
	}
	return nil
}

// File is a blob in the bucket that a row names.
type File struct {
	Name string
	Size int64 // bytes
}

// Files lists the blobs in the bucket that the rows name, in the order of names.
func (l *Loader) Files(ctx context.Context) iter.Seq2[File, error] {
	return func(yield func(File, error) bool) {
		rows, err := l.read.QueryContext(ctx, qFiles)
		if err != nil {
			yield(File{}, fmt.Errorf("read the names of blobs: %w", err))
			return
		}
		defer rows.Close() // only read
		for rows.Next() {
			var f File
			if err = rows.Scan(&f.Name, &f.Size); err != nil || !yield(f, nil) {
				break
			}
		}
		if err = errors.Join(err, rows.Err()); err != nil {
			yield(File{}, fmt.Errorf("read the names of blobs: %w", err))
		}
	}
}

// fits refuses a table that is not one of ours, since its name and its columns'
// become part of statements.
func (l *Loader) fits(t *Table) error {
	if partOf(t.Name) != kept || len(t.Columns) == 0 {
		return fmt.Errorf("a backup has no table %q", t.Name)
	}
	for _, c := range t.Columns {
		if !slices.ContainsFunc(l.columns[t.Name], func(o Column) bool { return o.Name == c.Name && o.Type == c.Type }) {
			return fmt.Errorf("the table %s has no column %q of type %s", t.Name, c.Name, c.Type)
		}
	}
	return nil
}

// together is how many rows one statement inserts.
const together = 32

func insertRows(ctx context.Context, tx *sql.Tx, d *dialect, t *Table, rows iter.Seq2[[]any, error]) error {
	many, err := tx.PrepareContext(ctx, insertInto(t, together))
	if err != nil {
		return err
	}
	defer many.Close()
	var args []any
	n := 0
	for values, err := range rows {
		if err != nil {
			return err
		}
		if len(values) != len(t.Columns) {
			return fmt.Errorf("a row has %d values, not %d", len(values), len(t.Columns))
		}
		args = append(args, values...)
		if n++; n < together {
			continue
		}
		if err := d.ready(args); err != nil {
			return err
		}
		if _, err := many.ExecContext(ctx, args...); err != nil {
			return err
		}
		args, n = args[:0], 0
	}
	if n == 0 {
		return nil
	}
	if err := d.ready(args); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, insertInto(t, n), args...)
	return err
}

func insertInto(t *Table, rows int) string {
	var b strings.Builder
	b.WriteString(`INSERT INTO ` + t.Name + ` (` + t.names() + `) VALUES `)
	for i := range rows {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(placeholders(i*len(t.Columns)+1, len(t.Columns)))
	}
	return b.String()
}

// Finish brings the tables to this program's version and puts meta beside what
// was loaded. The database can be opened then; it is still marked.
func (l *Loader) Finish(ctx context.Context, meta map[string]string) error {
	if err := l.migrate(ctx, 0); err != nil {
		return fmt.Errorf("bring the database to this version: %w", err)
	}
	return l.inTransaction(ctx, func(tx *sql.Tx) error {
		for name, value := range meta {
			if _, err := tx.ExecContext(ctx, qSetMeta, name, value); err != nil {
				return fmt.Errorf("set %s: %w", name, err)
			}
		}
		return nil
	})
}

const (
	qDropMeta = `DELETE FROM meta WHERE name = $1`
	qCount    = `UPDATE balances SET spent = spent + $1 WHERE budget = $2 AND who = $3 AND start = $4`
	qReserved = `SELECT id FROM reservations WHERE id >= $1 AND id < $2 ORDER BY id`
)

// DropMeta takes away what stands under key.
func (t *Tx) DropMeta(key string) error {
	if _, err := t.c.exec(qDropMeta, key); err != nil {
		return fmt.Errorf("drop %s: %w", key, err)
	}
	return nil
}

// Count adds what was spent to every charge, whatever its limit: it happened.
func (t *Tx) Count(amount vitrine.Micros, charges []Charge) error {
	if amount < 0 || amount > maxAmount {
		return vitrine.Invalid("amount", "bad_amount", "This amount cannot be counted.")
	}
	for _, c := range charges {
		budget, who, start := string(c.Budget), t.s.who(c.Subject), micros(c.Start)
		if _, err := t.c.exec(qNewBalance, budget, who, start); err != nil {
			return fmt.Errorf("count for %s: %w", c.Budget, err)
		}
		if _, err := t.c.exec(qCount, int64(amount), budget, who, start); err != nil {
			return fmt.Errorf("count for %s: %w", c.Budget, err)
		}
	}
	return nil
}

// ReservationsOf lists the reservations whose id begins with prefix.
func (t *Tx) ReservationsOf(prefix string) ([]string, error) {
	if prefix == "" {
		return nil, errors.New("reservations: no prefix")
	}
	end := prefix[:len(prefix)-1] + string(prefix[len(prefix)-1]+1)
	rows, err := t.c.rows(t.c.ctx, qReserved, prefix, end)
	ids, err := collect(rows, err, func(r row) (id string, err error) { return id, r.Scan(&id) })
	if err != nil {
		return nil, fmt.Errorf("reservations of %s: %w", prefix, err)
	}
	return ids, nil
}

// OpenParts fills in what is personal in an entry that was exported, where the
// persons' keys are here.
func (s *Store) OpenParts(ctx context.Context, e *vitrine.Entry, parts []entry.Part) error {
	open, err := s.opener(ctx, [][]entry.Part{parts})
	if err != nil {
		return err
	}
	return entry.Open(e, parts, open)
}

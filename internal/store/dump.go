package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"vitrine.dev/vitrine/internal/merkle"
)

// part is what becomes of a table in a backup.
type part int

const (
	kept    part = iota + 1 // its rows are in it
	derived                 // made again from what is in it
	ended                   // true of this installation alone, and ends with it
)

// tables says of every table what becomes of it in a backup; a test fails on one
// of which nobody has said so. Those that refer to others stand behind them.
var tables = []struct {
	name   string
	part   part
	serial string // a column that the database numbers by itself, and nothing refers to
}{
	{"meta", kept, ""},
	{"log_head", kept, ""},
	{"log", kept, ""},
	{"log_tiles", kept, ""}, // of the same hashes, whatever the log is called
	{"log_filters", kept, ""},
	{"person_keys", kept, ""},
	{"policy_head", kept, ""},
	{"objects", kept, ""},
	{"change_sets", kept, ""},
	{"credential_secrets", kept, ""},
	{"retired_secrets", ended, ""}, // on their way out; a copy would outlive them
	{"key_uses", kept, ""},
	{"images", kept, ""},
	{"blobs", kept, ""},
	{"balances", kept, ""},
	{"reservations", kept, ""},
	{"spending", kept, "id"},
	{"end_users", kept, ""},
	{"replies", kept, ""},
	{"jobs", kept, "id"},
	{"holds", kept, ""},
	{"leases", ended, ""},
	{"links", ended, ""},       // bearers' secrets; whoever needs one makes another
	{"checkpoints", ended, ""}, // signed by a key that ends with the log
	{"goose_db_version", derived, ""},
	{"sqlite_sequence", derived, ""},
}

// partOf is what becomes of a table; 0 where nobody has said it.
func partOf(name string) part {
	for _, t := range tables {
		if t.name == name {
			return t.part
		}
	}
	return 0
}

// ColumnType is how a column's values are kept.
type ColumnType string

// The types of columns, on both engines.
const (
	Integer ColumnType = "integer" // int64
	Text    ColumnType = "text"    // string
	Bytes   ColumnType = "bytes"   // []byte
)

// Column is a column of a table.
type Column struct {
	Name string     `json:"name"`
	Type ColumnType `json:"type"`
	Null bool       `json:"null,omitempty"` // it may hold nothing
}

// Table is a table as a backup holds it.
type Table struct {
	Name    string   `json:"name"`
	Columns []Column `json:"columns"`
}

// Snapshot is one state of the database.
type Snapshot struct {
	Schema     int64 // version of the tables
	Revision   int64 // of the policy
	Size       int64 // entries of the log
	Root       merkle.Hash
	At         time.Time // of the last entry
	Checkpoint string    // the last that was signed; "" is none
	Tables     []Table   // those whose rows follow, in their order
}

// Dumper takes what Dump reads. An error of a function ends it.
type Dumper struct {
	Begin func(Snapshot) error
	Row   func(t *Table, values []any) error // int64, string, []byte or nil; not to be kept
	Blob  func(name string, size int64) error
}

// Dump reads everything that a backup holds as it stands at one moment, while
// others write: Begin is told once, then every row in the order of tables, then
// every blob that lies in the bucket, in the order of names. What writing costs
// grows while it runs, since the database keeps what was changed meanwhile, so
// the functions should not wait for anybody.
func (s *Store) Dump(ctx context.Context, d Dumper) (err error) {
	tx, err := s.read.db.BeginTx(ctx, s.d.snapshot)
	if err != nil {
		return fmt.Errorf("begin a snapshot: %w", err)
	}
	defer func() { err = errors.Join(err, ignoreDone(tx.Rollback())) }() // only read
	if s.d.patient != "" {
		if _, err := tx.ExecContext(ctx, s.d.patient); err != nil {
			return fmt.Errorf("begin a snapshot: %w", err)
		}
	}
	q := snapshotTx{tx, s.d}
	snap, err := q.look(ctx)
	if err != nil {
		return fmt.Errorf("look at the database: %w", err)
	}
	if err := d.Begin(snap); err != nil {
		return err
	}
	for i := range snap.Tables {
		if err := q.each(ctx, &snap.Tables[i], d.Row); err != nil {
			return fmt.Errorf("read %s: %w", snap.Tables[i].Name, err)
		}
	}
	if err := q.eachBlob(ctx, d.Blob); err != nil {
		return fmt.Errorf("read the names of blobs: %w", err)
	}
	return nil
}

func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) { // its context ended, and it with it
		return nil
	}
	return err
}

const (
	qDumpHead = `SELECT h.size, h.root, h.at, p.revision FROM log_head h, policy_head p WHERE h.id = 1 AND p.id = 1`
	qSchema   = `SELECT MAX(version_id) FROM goose_db_version`
	qFiles    = `SELECT name, size FROM blobs WHERE inline IS NULL ORDER BY name`
)

// look reads what a snapshot says before its rows.
func (q snapshotTx) look(ctx context.Context) (s Snapshot, err error) {
	var root []byte
	var at int64
	if err := q.QueryRowContext(ctx, qDumpHead).Scan(&s.Size, &root, &at, &s.Revision); err != nil {
		return s, err
	}
	if len(root) != len(s.Root) {
		return s, fmt.Errorf("the root of the log has %d bytes", len(root))
	}
	s.Root, s.At = merkle.Hash(root), fromMicros(at)
	if err := q.QueryRowContext(ctx, qSchema).Scan(&s.Schema); err != nil {
		return s, err
	}
	var size int64
	err = q.QueryRowContext(ctx, qLatestCheckpoint).Scan(&size, &s.Checkpoint)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return s, err
	}
	columns, err := catalogue(ctx, q, q.d)
	if err != nil {
		return s, err
	}
	s.Tables, err = classified(columns)
	return s, err
}

// catalogue lists the columns of every table.
func catalogue(ctx context.Context, q queryer, d *dialect) (map[string][]Column, error) {
	rows, err := q.rows(ctx, d.catalogue)
	all := map[string][]Column{}
	_, err = collect(rows, err, func(r row) (none struct{}, err error) {
		var table, kind string
		var c Column
		var needed int
		if err := r.Scan(&table, &c.Name, &kind, &needed); err != nil {
			return none, err
		}
		c.Type, c.Null = columnTypes[strings.ToLower(kind)], needed == 0
		all[table] = append(all[table], c)
		return none, nil
	})
	return all, err
}

var columnTypes = map[string]ColumnType{
	"integer": Integer, "bigint": Integer, "text": Text, "blob": Bytes, "bytea": Bytes,
}

// classified are the tables to be kept, with the columns that they have.
func classified(columns map[string][]Column) ([]Table, error) {
	var all []Table
	for _, t := range tables {
		found := columns[t.name]
		if t.part != kept || found == nil { // an older database may not have it
			continue
		}
		found = slices.DeleteFunc(found, func(c Column) bool { return c.Name == t.serial })
		for _, c := range found {
			if c.Type == "" {
				return nil, fmt.Errorf("the column %s of %s is of a type that no backup holds", c.Name, t.name)
			}
		}
		all = append(all, Table{t.name, found})
	}
	return all, nil
}

// names are the columns of a table, as in a statement.
func (t *Table) names() string {
	all := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		all[i] = c.Name
	}
	return strings.Join(all, ", ")
}

func (q snapshotTx) each(ctx context.Context, t *Table, fn func(*Table, []any) error) error {
	rows, err := q.QueryContext(ctx, `SELECT `+t.names()+` FROM `+t.Name+order(t.Name))
	if err != nil {
		return err
	}
	defer rows.Close()
	values, dest := make([]any, len(t.Columns)), make([]any, len(t.Columns))
	for i := range values {
		dest[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		for i, c := range t.Columns {
			if values[i] == nil && !c.Null && c.Type == Bytes { // one driver's empty bytes
				values[i] = []byte{}
			}
		}
		if err := fn(t, values); err != nil {
			return err
		}
	}
	return rows.Err()
}

// order keeps the order of what the database numbers by itself.
func order(table string) string {
	for _, t := range tables {
		if t.name == table && t.serial != "" {
			return ` ORDER BY ` + t.serial
		}
	}
	return ""
}

func (q snapshotTx) eachBlob(ctx context.Context, fn func(string, int64) error) error {
	rows, err := q.QueryContext(ctx, qFiles)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var size int64
		if err := rows.Scan(&name, &size); err != nil {
			return err
		}
		if err := fn(name, size); err != nil {
			return err
		}
	}
	return rows.Err()
}

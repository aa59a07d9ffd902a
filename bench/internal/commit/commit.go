// Package commit is one durable commit with nothing around it: the floor under
// everything that must be recorded before it is answered.
//
// It inserts a row as long as an entry of the log into a table with nothing
// else, over one connection that is kept, with the settings that make it
// durable: on SQLite a write-ahead log synced at every commit, on PostgreSQL
// its defaults.
package commit

import (
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"
)

// Bare commits rows one by one. It is used by one goroutine.
type Bare struct {
	db                 *sql.DB
	insert, many, read *sql.Stmt
	drop               string
	row                []byte
	rows               []any // as many as many inserts
}

// length of a row, about that of an entry with what is sealed of it.
const length = 800

// SQLite opens a new database in a directory.
func SQLite(dir string) (*Bare, error) {
	name := "file:" + filepath.Join(dir, "bare.db") + "?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)"
	return open("sqlite", name, "CREATE TABLE bare (seq INTEGER PRIMARY KEY, row BLOB)", "")
}

// Postgres opens a table in the schema that the URL names. Close drops it.
func Postgres(url string) (*Bare, error) {
	return open("pgx", url, "CREATE TABLE bare (seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, row BYTEA)", "DROP TABLE bare")
}

func open(driver, name, create, drop string) (*Bare, error) {
	db, err := sql.Open(driver, name)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	b := &Bare{db: db, drop: drop, row: make([]byte, length)}
	places := make([]string, Chunk)
	for i := range places {
		places[i] = fmt.Sprintf("($%d)", i+1)
		b.rows = append(b.rows, b.row)
	}
	if _, err := db.Exec(create); err != nil {
		return nil, fmt.Errorf("make a bare table: %w", err)
	}
	if b.insert, err = db.Prepare("INSERT INTO bare (row) VALUES ($1)"); err != nil {
		return nil, err
	}
	if b.many, err = db.Prepare("INSERT INTO bare (row) VALUES " + strings.Join(places, ", ")); err != nil {
		return nil, err
	}
	b.read, err = db.Prepare("SELECT row FROM bare WHERE seq = $1")
	return b, err
}

// Schema is the URL of a schema of its own in a PostgreSQL database, which is made
// with the first store that opens it. drop removes it with all that is in it.
func Schema(base string) (at string, drop func() error, err error) {
	u, err := url.Parse(base)
	if err != nil {
		return "", nil, err
	}
	var b [6]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", nil, err
	}
	name := "bench" + hex.EncodeToString(b[:])
	q := u.Query()
	q.Set("search_path", name)
	u.RawQuery = q.Encode()
	return u.String(), func() error {
		db, err := sql.Open("pgx", base)
		if err != nil {
			return err
		}
		_, err = db.Exec("DROP SCHEMA IF EXISTS " + name + " CASCADE")
		return errors.Join(err, db.Close())
	}, nil
}

// Commit makes one row durable.
func (b *Bare) Commit() error {
	b.row[0]++
	_, err := b.insert.Exec(b.row)
	return err
}

// Chunk is how many rows one statement of a batch inserts.
const Chunk = 128

// Batch makes so many times Chunk rows durable with one commit.
func (b *Bare) Batch(chunks int) error {
	tx, err := b.db.Begin()
	if err != nil {
		return err
	}
	insert := tx.Stmt(b.many)
	for range chunks {
		if _, err := insert.Exec(b.rows...); err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	return tx.Commit()
}

// Read reads the first row by its key.
func (b *Bare) Read() error {
	var row []byte
	return b.read.QueryRow(1).Scan(&row)
}

// Close closes it, and removes what a server keeps.
func (b *Bare) Close() error {
	if b.drop != "" {
		if _, err := b.db.Exec(b.drop); err != nil {
			return err
		}
	}
	return b.db.Close()
}

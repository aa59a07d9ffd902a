package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"vitrine.dev/vitrine"
)

// dialect is where the two engines differ. The SQL itself is one text.
type dialect struct {
	goose    goose.Dialect
	words    *strings.Replacer  // of migrations
	embedded bool               // a connection holds its locks until its statements are closed
	begin    string             // starts a transaction that will write
	lock     string             // ends a SELECT whose rows will be written
	skip     string             // the same, passing over what others hold
	notify   string             // tells other nodes that the policy changed; "" where there are none
	snapshot *sql.TxOptions     // a transaction that reads one state
	among    string             // ends a condition: is in the list that is argument %d
	list     func([]string) any // a list as an argument
	walk     string             // before a column: do not use its index
	alone    string             // waits until no other session prepares this database; "" where none can
	engine   engine             // begins and ends batches
	table    string             // finds a table by name
	spare    string             // lets a connection take as little space as it can
	unsafe   string             // why a commit would not be durable; "" where it is

	catalogue string // columns of every table: table, name, type, 1 where it cannot be null
	patient   string // lets a transaction wait for whoever reads it
}

var sqliteDialect = &dialect{
	goose:    goose.DialectSQLite3,
	words:    strings.NewReplacer("IDTEXT", "TEXT", "BYTES", "BLOB", "BIGINT", "INTEGER", "SERIALID", "INTEGER PRIMARY KEY AUTOINCREMENT"),
	embedded: true,
	begin:    "BEGIN IMMEDIATE",
	snapshot: &sql.TxOptions{ReadOnly: true},
	among:    " IN (SELECT value FROM json_each($%d))",
	list:     jsonList,
	walk:     "+", // without statistics it would sort all that the index finds
	engine:   near{},
	table:    `SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = $1`,
	spare:    `PRAGMA wal_autocheckpoint = 256`,
	unsafe: `SELECT CASE journal_mode WHEN 'wal' THEN '' ELSE 'its file system keeps no write-ahead log' END
		FROM pragma_journal_mode`,
	catalogue: `SELECT t.name, c.name, c.type, c."notnull" FROM sqlite_schema t JOIN pragma_table_info(t.name) c
		WHERE t.type = 'table' ORDER BY t.name, c.cid`,
}

var postgresDialect = &dialect{
	goose: goose.DialectPostgres,
	words: strings.NewReplacer("IDTEXT", `TEXT COLLATE "C"`, "BYTES", "BYTEA",
		"SERIALID", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", ") STRICT;", ");"),
	begin:    "BEGIN",
	lock:     " FOR UPDATE",
	skip:     " FOR UPDATE SKIP LOCKED",
	notify:   "SELECT pg_notify('" + policyChannel + "', '')",
	snapshot: &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead},
	among:    " = ANY($%d)",
	list:     func(l []string) any { return l },
	alone:    `SELECT pg_advisory_lock(hashtext('vitrine ' || current_setting('search_path')))`,
	engine:   far{},
	table:    `SELECT 1 WHERE to_regclass($1) IS NOT NULL`,
	unsafe: `SELECT CASE current_setting('synchronous_commit') WHEN 'off'
		THEN 'its synchronous_commit is off, so it answers before it has written' ELSE '' END`,
	catalogue: `SELECT table_name, column_name, data_type, CASE is_nullable WHEN 'NO' THEN 1 ELSE 0 END
		FROM information_schema.columns WHERE table_schema = current_schema() ORDER BY table_name, ordinal_position`,
	patient: `SET LOCAL idle_in_transaction_session_timeout = 0`,
}

// list is an argument that holds any number of texts. One argument for each
// would take SQLite time that grows with their square.
type list []string

func listOf[T ~string](all []T) list {
	l := make(list, len(all))
	for i, s := range all {
		l[i] = string(s)
	}
	return l
}

func jsonList(l []string) any {
	b, err := json.Marshal(l)
	if err != nil {
		panic(err) // of strings there is always JSON
	}
	return string(b)
}

// in is the end of a condition: is in the list that is argument n.
func (d *dialect) in(n int) string { return fmt.Sprintf(d.among, n) }

// placeholders is "($from,...,$from+n-1)".
func placeholders(from, n int) string {
	var b strings.Builder
	b.WriteByte('(')
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "$%d", from+i)
	}
	b.WriteByte(')')
	return b.String()
}

var errBadText = vitrine.Invalid("", "bad_text", "A text holds a NUL or is not UTF-8.")

// ready makes args what the engine takes, in place, and refuses for both what
// only one of them would hold.
func (d *dialect) ready(args []any) error {
	for i, a := range args {
		switch a := a.(type) {
		case string:
			if badText(a) {
				return errBadText
			}
		case list:
			if slices.ContainsFunc(a, badText) {
				return errBadText
			}
			args[i] = d.list(a)
		}
	}
	return nil
}

func badText(s string) bool { return strings.IndexByte(s, 0) >= 0 || !utf8.ValidString(s) }

// full reports whether err is of an embedded database that finds no room.
func (d *dialect) full(err error) bool {
	const sqliteFull = 13
	var e interface{ Code() int }
	return d.embedded && errors.As(err, &e) && e.Code()&0xff == sqliteFull
}

const policyChannel = "vitrine_policy"

// connect opens the writer, which has one connection, and the readers.
func connect(raw string) (d *dialect, write, read *sql.DB, err error) {
	if path, ok := strings.CutPrefix(raw, "sqlite:"); ok {
		write, read, err = connectSQLite(path)
		return sqliteDialect, write, read, err
	}
	if !strings.HasPrefix(raw, "postgres://") && !strings.HasPrefix(raw, "postgresql://") {
		return nil, nil, nil, errors.New("database: want sqlite:/path/vitrine.db or postgres://user@host/name")
	}
	write, read, err = connectPostgres(raw)
	return postgresDialect, write, read, err
}

// connectPostgres bounds how long a node that hangs may hold the log: its lock
// stops all others.
func connectPostgres(raw string) (write, read *sql.DB, err error) {
	cfg, err := pgx.ParseConfig(raw)
	if err != nil {
		return nil, nil, fmt.Errorf("database: %w", err) // pgx leaves the password out
	}
	const idle = "idle_in_transaction_session_timeout"
	if cfg.RuntimeParams[idle] == "" {
		cfg.RuntimeParams[idle] = "15s"
	}
	write, read = stdlib.OpenDB(*cfg), stdlib.OpenDB(*cfg)
	write.SetMaxOpenConns(1)
	n := 4 * runtime.GOMAXPROCS(0)
	read.SetMaxOpenConns(n)
	read.SetMaxIdleConns(n)
	return write, read, nil
}

// connectSQLite opens one file twice. Deleted content is overwritten, because a
// destroyed key must not linger in a free page; see wipe. The writer's cache is small, because a commit that splits
// a page out of order walks all of its buckets.
func connectSQLite(path string) (write, read *sql.DB, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("database: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, nil, fmt.Errorf("database: %w", err)
	}
	name := "file:" + (&url.URL{Path: path}).EscapedPath() + "?_pragma=busy_timeout(" + strconv.FormatInt(turnTime.Milliseconds(), 10) + ")" +
		"&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=fullfsync(1)&_pragma=foreign_keys(1)&_pragma=secure_delete(1)" +
		"&_pragma=journal_size_limit(67108864)&_pragma=temp_store(MEMORY)"
	write, err = sql.Open("sqlite", name+"&_pragma=cache_size(-16384)&_pragma=wal_autocheckpoint(4000)")
	if err != nil {
		return nil, nil, fmt.Errorf("database: %w", err)
	}
	read, err = sql.Open("sqlite", name+"&_pragma=cache_size(-8192)&_pragma=query_only(1)")
	if err != nil {
		return nil, nil, fmt.Errorf("database: %w", err)
	}
	write.SetMaxOpenConns(1)
	n := max(4, 2*runtime.GOMAXPROCS(0))
	read.SetMaxOpenConns(n)
	read.SetMaxIdleConns(n)
	return write, read, nil
}

var plainName = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)

// makeSchema makes the schema that the URL's search_path names, where there is
// none yet: tests, and installations that share a database, have one each.
func makeSchema(ctx context.Context, db *sql.DB) error {
	var path string
	var there bool
	err := db.QueryRowContext(ctx, `SELECT current_setting('search_path'), current_schema() IS NOT NULL`).Scan(&path, &there)
	if err != nil || there {
		return err
	}
	if !plainName.MatchString(path) {
		return fmt.Errorf("there is no schema %s", path)
	}
	_, err = db.ExecContext(ctx, `CREATE SCHEMA `+path)
	return err
}

// listen calls signal whenever another node may have changed the policy, until
// the connection or ctx ends.
func listen(ctx context.Context, db *sql.DB, signal func()) error {
	c, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Raw(func(dc any) error {
		conn := dc.(*stdlib.Conn).Conn()
		if _, err := conn.Exec(ctx, "LISTEN "+policyChannel); err != nil {
			return errors.Join(driver.ErrBadConn, err)
		}
		signal() // whatever was missed before
		for {
			// A connection that listened does not go back to the readers.
			if _, err := conn.WaitForNotification(ctx); err != nil {
				return errors.Join(driver.ErrBadConn, err)
			}
			signal()
		}
	})
}

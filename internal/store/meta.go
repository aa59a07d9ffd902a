package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

const (
	qMeta    = `SELECT value FROM meta WHERE name = $1`
	qSetMeta = `INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value`
)

// Meta answers what stands under a key about the installation itself, and
// whether anything does.
func (s *Store) Meta(ctx context.Context, key string) (string, bool, error) {
	return scanMeta(key, s.read.row(ctx, qMeta, key))
}

// ReadMeta is Store.Meta without the installation key, for what must be known
// before there is one. It neither makes nor changes a database: where there is
// none, nothing stands under any key.
func ReadMeta(ctx context.Context, url, key string) (value string, ok bool, err error) {
	if path, lite := strings.CutPrefix(url, "sqlite:"); lite {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return "", false, nil
		}
	}
	d, write, read, err := connect(url)
	if err != nil {
		return "", false, err
	}
	defer func() { err = errors.Join(err, write.Close(), read.Close()) }()
	var one int
	err = read.QueryRowContext(ctx, d.table, "meta").Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("read %s: %w", key, err)
	}
	return scanMeta(key, read.QueryRowContext(ctx, qMeta, key))
}

// SetMeta puts value under key. What is secret the caller seals.
func (t *Tx) SetMeta(key, value string) error {
	if _, err := t.c.exec(qSetMeta, key, value); err != nil {
		return fmt.Errorf("set %s: %w", key, err)
	}
	return nil
}

// Meta is Store.Meta as this transaction sees it.
func (t *Tx) Meta(key string) (string, bool, error) { return meta(t.c, key) }

func meta(c *conn, key string) (string, bool, error) { return scanMeta(key, c.row(qMeta, key)) }

func scanMeta(key string, r row) (string, bool, error) {
	var value string
	err := r.Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("read %s: %w", key, err)
	}
	return value, true, nil
}

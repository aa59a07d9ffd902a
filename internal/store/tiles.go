package store

import (
	"context"
	"fmt"
	"strings"

	"vitrine.dev/vitrine/internal/merkle"
)

// Tiles are read some at a time, in one statement: pairs that are not needed
// name a tile that no log has.
const tilesAtOnce = 8

var qLogTiles = `SELECT level, idx, hashes FROM log_tiles WHERE ` +
	strings.Join(pairs(tilesAtOnce), " OR ")

func pairs(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("level = $%d AND idx = $%d", 2*i+1, 2*i+2)
	}
	return all
}

const (
	qLogHashes = `SELECT hash FROM log WHERE seq >= $1 AND seq < $2 ORDER BY seq`
	// A row never shrinks; one that is as long and says something else was
	// changed, and is put right.
	qPutLogTile = `INSERT INTO log_tiles (level, idx, hashes) VALUES ($1, $2, $3)
		ON CONFLICT (level, idx) DO UPDATE SET hashes = excluded.hashes
		WHERE length(log_tiles.hashes) < length(excluded.hashes)
		OR length(log_tiles.hashes) = length(excluded.hashes) AND log_tiles.hashes <> excluded.hashes`
)

// LogTiles answers the hashes of tiles of the log, of each as many as it is
// wide. The error is ErrDamaged where one is not there.
func (s *Store) LogTiles(ctx context.Context, tiles []merkle.Tile) ([][]merkle.Hash, error) {
	type place struct{ level, index int64 }
	stored := make(map[place][]merkle.Hash, len(tiles))
	for rest := tiles; len(rest) > 0; rest = rest[min(len(rest), tilesAtOnce):] {
		args := make([]any, 2*tilesAtOnce)
		for i := range tilesAtOnce {
			args[2*i], args[2*i+1] = int64(-1), int64(-1)
			if i < len(rest) {
				args[2*i], args[2*i+1] = int64(rest[i].Level), rest[i].Index
			}
		}
		rows, err := s.read.rows(ctx, qLogTiles, args...)
		_, err = collect(rows, err, func(r row) (struct{}, error) {
			var at place
			var b []byte
			err := r.Scan(&at.level, &at.index, &b)
			if hashes, ok := merkle.Split(b); err == nil && ok {
				stored[at] = hashes
			}
			return struct{}{}, err
		})
		if err != nil {
			return nil, fmt.Errorf("tiles of the log: %w", err)
		}
	}
	all := make([][]merkle.Hash, len(tiles))
	for i, t := range tiles {
		hashes := stored[place{int64(t.Level), t.Index}]
		if len(hashes) < t.Width && t.Level == 0 && !t.Full() {
			var err error
			if hashes, err = s.logHashes(ctx, t.Index*merkle.TileWidth, t.Width); err != nil {
				return nil, err
			}
		}
		if len(hashes) < t.Width {
			return nil, fmt.Errorf("%s of the log has %d hashes: %w", t.Path(), len(hashes), ErrDamaged)
		}
		all[i] = hashes[:t.Width]
	}
	return all, nil
}

// logHashes are the hashes of n leaves as their rows have them, or fewer where
// rows are missing.
func (s *Store) logHashes(ctx context.Context, from int64, n int) ([]merkle.Hash, error) {
	rows, err := s.read.rows(ctx, qLogHashes, from, from+int64(n))
	all, err := collect(rows, err, func(r row) (h merkle.Hash, err error) {
		var b []byte
		if err := r.Scan(&b); err != nil {
			return h, err
		}
		if len(b) != len(h) {
			return h, fmt.Errorf("a hash from entry %d on has %d bytes: %w", from, len(b), ErrDamaged)
		}
		return merkle.Hash(b), nil
	})
	if err != nil {
		return nil, fmt.Errorf("hashes of the log from %d: %w", from, err)
	}
	return all, nil
}

// PutLogTile keeps the hashes of a tile; of one that is partial those that
// there are. changed tells whether the row was another before, or none.
func (t *Tx) PutLogTile(tile merkle.Tile, hashes []merkle.Hash) (changed bool, err error) {
	n, err := t.c.exec(qPutLogTile, int64(tile.Level), tile.Index, merkle.Join(hashes))
	if err != nil {
		return false, fmt.Errorf("keep %s of the log: %w", tile.Path(), err)
	}
	return n > 0, nil
}

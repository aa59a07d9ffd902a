package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/entry"
)

// UsageRow is what one settled generation used.
type UsageRow struct {
	Time                    time.Time
	Principal, Project, Key vitrine.ID
	Model, EndUser          string
	Images                  int
	Cost                    vitrine.Micros
	Request                 string
}

// UsageQuery asks for sums.
type UsageQuery struct {
	From, To time.Time    // from From until before To; zero is open
	Projects []vitrine.ID // nil is all; empty is none
	By       string       // "principal", "project", "model", "key", "end_user", "day"; "" is all in one
}

// UsageSum is the use of one group.
type UsageSum struct {
	Group    string
	Images   int64
	Cost     vitrine.Micros
	Requests int64
}

const (
	qPutUsage = `INSERT INTO spending (time, principal, project, key_id, model, end_user, images, cost, request)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`
	qEndUser    = `SELECT 1 FROM end_users WHERE person = $1`
	qPutEndUser = `INSERT INTO end_users (person, sealed) VALUES ($1, $2)`
)

// PutUsage adds a row. An end user stands in it as a keyed hash; the name is
// kept once, sealed under that person's own key.
func (t *Tx) PutUsage(u *UsageRow) error {
	person := ""
	if u.EndUser != "" {
		person = t.s.EndUser(u.EndUser)
		if err := t.nameEndUser(person, u.EndUser); err != nil {
			return fmt.Errorf("put usage: %w", err)
		}
	}
	at := u.Time
	if at.IsZero() {
		at = t.now
	}
	_, err := t.c.exec(qPutUsage, micros(at), string(u.Principal), string(u.Project), string(u.Key), u.Model, person,
		int64(u.Images), int64(u.Cost), u.Request)
	if err != nil {
		return fmt.Errorf("put usage: %w", err)
	}
	return nil
}

func (t *Tx) nameEndUser(person, name string) error {
	var one int
	err := t.c.row(qEndUser, person).Scan(&one)
	if !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	s := &sealer{p: t.s.people, key: t.personKey}
	sealed, err := s.SealPersonal(person, []byte(entry.Text(name)))
	if err != nil {
		return err
	}
	_, err = t.c.exec(qPutEndUser, person, sealed)
	return err
}

// groupings are the columns that Usage groups by.
var groupings = map[string]string{
	"": "''", "principal": "principal", "project": "project", "model": "model", "key": "key_id",
	"end_user": "end_user", "day": "time / 86400000000",
}

// Usage answers sums by group, in the order of groups. Days are dates in UTC;
// an end user who was forgotten keeps the hash for a name.
func (s *Store) Usage(ctx context.Context, q UsageQuery) ([]UsageSum, error) {
	group, ok := groupings[q.By]
	if !ok {
		return nil, vitrine.Invalid("by", "bad_group", "Group by principal, project, model, key, end_user or day.")
	}
	if q.Projects != nil && len(q.Projects) == 0 {
		return nil, nil
	}
	where, args := q.where(s.d)
	rows, err := s.read.once(ctx,
		`SELECT `+group+` AS g, SUM(images), SUM(cost), COUNT(*) FROM spending`+where+` GROUP BY g ORDER BY g`, args...)
	sums, err := collect(rows, err, func(r row) (UsageSum, error) {
		var u UsageSum
		if q.By != "day" {
			return u, r.Scan(&u.Group, &u.Images, (*int64)(&u.Cost), &u.Requests)
		}
		var day int64
		err := r.Scan(&day, &u.Images, (*int64)(&u.Cost), &u.Requests)
		u.Group = time.Unix(day*86400, 0).UTC().Format(time.DateOnly)
		return u, err
	})
	if err == nil && q.By == "end_user" {
		err = s.nameGroups(ctx, sums)
	}
	if err != nil {
		return nil, fmt.Errorf("usage: %w", err)
	}
	return sums, nil
}

func (q *UsageQuery) where(d *dialect) (string, []any) {
	var conds []string
	var args []any
	if !q.From.IsZero() {
		args = append(args, micros(q.From))
		conds = append(conds, fmt.Sprintf("time >= $%d", len(args)))
	}
	if !q.To.IsZero() {
		args = append(args, micros(q.To))
		conds = append(conds, fmt.Sprintf("time < $%d", len(args)))
	}
	if q.Projects != nil {
		args = append(args, listOf(q.Projects))
		conds = append(conds, "project"+d.in(len(args)))
	}
	if len(conds) == 0 {
		return "", nil
	}
	return " WHERE " + strings.Join(conds, " AND "), args
}

// nameGroups puts names in place of the hashes of end users, and sorts anew.
func (s *Store) nameGroups(ctx context.Context, sums []UsageSum) error {
	parts := make([][]entry.Part, len(sums))
	for i, u := range sums {
		parts[i] = []entry.Part{{Person: u.Group}}
	}
	open, err := s.opener(ctx, parts)
	if err != nil {
		return err
	}
	sealed, err := s.sealedNames(ctx, sums)
	if err != nil {
		return err
	}
	for i, u := range sums {
		if sealed[u.Group] == nil {
			continue
		}
		name, err := open.OpenPersonal(u.Group, sealed[u.Group])
		if errors.Is(err, entry.ErrForgotten) {
			continue
		}
		if err != nil {
			return err
		}
		sums[i].Group = string(name)
	}
	slices.SortFunc(sums, func(a, b UsageSum) int { return cmp.Compare(a.Group, b.Group) })
	return nil
}

func (s *Store) sealedNames(ctx context.Context, sums []UsageSum) (map[string][]byte, error) {
	type named struct {
		person string
		sealed []byte
	}
	persons := make(list, len(sums))
	for i, u := range sums {
		persons[i] = u.Group
	}
	rows, err := s.read.rows(ctx, `SELECT person, sealed FROM end_users WHERE person`+s.d.in(1), persons)
	names, err := collect(rows, err, func(r row) (n named, err error) { return n, r.Scan(&n.person, &n.sealed) })
	if err != nil {
		return nil, err
	}
	all := make(map[string][]byte, len(names))
	for _, n := range names {
		all[n.person] = n.sealed
	}
	return all, nil
}

package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"time"

	"vitrine.dev/vitrine"
)

// Charge is one budget's window that an act counts against.
type Charge struct {
	Budget  vitrine.ID
	Subject string
	Window  vitrine.Window
	Start   time.Time
	Limit   vitrine.Micros
}

// BudgetAlert says that a budget's spending reached a share of its limit.
type BudgetAlert struct {
	Budget  vitrine.ID
	Subject string
	Percent int
}

// maxAmount bounds one reservation or settlement: a billion dollars. It keeps
// every sum far from the end of an integer.
const maxAmount = 1_000_000_000 * vitrine.Dollar

const (
	qNewBalance = `INSERT INTO balances (budget, who, start, spent, reserved, debt, alerted) VALUES ($1, $2, $3, 0, 0, 0, 0)
		ON CONFLICT (budget, who, start) DO NOTHING`
	qReserve = `UPDATE balances SET reserved = reserved + $1
		WHERE budget = $2 AND who = $3 AND start = $4 AND debt = 0 AND spent + reserved <= $5`
	qUnreserve = `UPDATE balances SET reserved = reserved - $1 WHERE budget = $2 AND who = $3 AND start = $4`
	qSettle    = `UPDATE balances SET reserved = reserved - $1, spent = spent + $2, debt = debt + $3
		WHERE budget = $4 AND who = $5 AND start = $6`
	qSettled = `SELECT budget, who, start, spent, reserved, debt, alerted FROM balances WHERE budget = $%d AND who = $%d AND start = $%d`
	qAlerted = `UPDATE balances SET alerted = $1 WHERE budget = $2 AND who = $3 AND start = $4`
	qBalance = `SELECT spent, reserved, debt FROM balances WHERE budget = $1 AND who = $2 AND start = $3`
	qPayDebt = `UPDATE balances SET debt = 0 WHERE budget = $1 AND who = $2 AND start = $3 AND debt > 0`

	qPutReservation    = `INSERT INTO reservations (id, amount, sealed, expires) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING`
	qReservation       = `SELECT amount, sealed FROM reservations WHERE id = $1`
	qDeleteReservation = `DELETE FROM reservations WHERE id = $1`
	qExpired           = `SELECT id FROM reservations WHERE expires <= $1 ORDER BY expires, id LIMIT $2`
)

// who stands for a budget's subject, which may be an end user's name.
func (s *Store) who(subject string) string { return s.people.subjectHash(subject) }

func reservationName(id string) string { return "reservation " + id }

// Reserve sets amount aside in every charge or in none. The error is an
// *vitrine.Error of ErrExhausted with code "budget_exhausted" and, in Param,
// the budget; ErrConflict where the id is in use.
func (t *Tx) Reserve(id string, amount vitrine.Micros, charges []Charge, expires time.Time) error {
	if amount < 0 || amount > maxAmount {
		return vitrine.Invalid("amount", "bad_amount", "This amount cannot be reserved.")
	}
	// A stable order, and no budget twice: of two limits the smaller holds.
	charges = slices.Clone(charges)
	slices.SortFunc(charges, func(a, b Charge) int {
		return cmp.Or(compareCharges(a, b), cmp.Compare(a.Limit, b.Limit))
	})
	charges = slices.CompactFunc(charges, func(a, b Charge) bool { return compareCharges(a, b) == 0 })
	return t.savepoint(func(t *Tx) error {
		sealed, err := t.s.sealJSON(charges, reservationName(id))
		if err != nil {
			return fmt.Errorf("reserve %s: %w", id, err)
		}
		n, err := t.c.exec(qPutReservation, id, int64(amount), sealed, micros(expires))
		if err != nil {
			return fmt.Errorf("reserve %s: %w", id, err)
		}
		if n == 0 {
			return conflict("reserved", "This was reserved already.")
		}
		t.s.aside.put(id, reserved{amount, charges})
		for _, c := range charges {
			if err := t.reserve(amount, c); err != nil {
				return err
			}
		}
		return nil
	})
}

func compareCharges(a, b Charge) int {
	return cmp.Or(cmp.Compare(a.Budget, b.Budget), cmp.Compare(a.Subject, b.Subject), a.Start.Compare(b.Start))
}

func (t *Tx) reserve(amount vitrine.Micros, c Charge) error {
	budget, who, start := string(c.Budget), t.s.who(c.Subject), micros(c.Start)
	// The condition stands in the statement, so that it holds even where
	// another transaction got in between.
	aside := func() (int64, error) {
		return t.c.exec(qReserve, int64(amount), budget, who, start, int64(c.Limit)-int64(amount))
	}
	n, err := aside()
	if err == nil && n == 0 { // perhaps the first in its window
		if n, err = t.c.exec(qNewBalance, budget, who, start); err == nil && n == 1 {
			n, err = aside()
		}
	}
	if err != nil {
		return fmt.Errorf("reserve from %s: %w", c.Budget, err)
	}
	if n == 0 {
		return &vitrine.Error{Kind: vitrine.ErrExhausted, Code: "budget_exhausted", Param: budget,
			Public: fmt.Sprintf("The budget %s does not cover this.", c.Budget)}
	}
	return nil
}

// reservation reads and deletes a reservation; ErrNotFound when it was settled
// or released before.
func (t *Tx) reservation(id string) (amount vitrine.Micros, charges []Charge, err error) {
	r, ok := t.s.aside.take(id)
	if !ok {
		var sealed []byte
		err = t.c.row(qReservation, id).Scan((*int64)(&r.amount), &sealed)
		if errors.Is(err, sql.ErrNoRows) {
			return 0, nil, notFound("reservation")
		}
		if err == nil {
			err = t.s.openJSON(sealed, reservationName(id), &r.charges)
		}
		if err != nil {
			return 0, nil, fmt.Errorf("reservation %s: %w", id, err)
		}
	}
	n, err := t.c.exec(qDeleteReservation, id)
	if err != nil {
		return 0, nil, fmt.Errorf("reservation %s: %w", id, err)
	}
	if n == 0 {
		return 0, nil, notFound("reservation")
	}
	return r.amount, r.charges, nil
}

// reserved is what a reservation holds. It never changes.
type reserved struct {
	amount  vitrine.Micros
	charges []Charge
}

// aside remembers what this node reserved last, so that settling need not open
// it. Whether a reservation stands is for its row to say. Only the committer uses
// it.
type aside map[string]reserved

// maxAside bounds it.
const maxAside = 4096

func (a aside) put(id string, r reserved) {
	if len(a) >= maxAside {
		clear(a)
	}
	a[id] = r
}

func (a aside) take(id string) (reserved, bool) {
	r, ok := a[id]
	delete(a, id)
	return r, ok
}

// Settlement is what became of a reservation.
type Settlement struct {
	Alerts   []BudgetAlert     // shares of vitrine.BudgetAlerts newly reached, each once a window
	Balances []vitrine.Balance // of every charge, as they are now
}

// Settle turns a reservation into spending; what actual exceeds it is debt.
func (t *Tx) Settle(id string, actual vitrine.Micros) (Settlement, error) {
	if actual < 0 || actual > maxAmount {
		return Settlement{}, vitrine.Invalid("actual", "bad_amount", "This amount cannot be settled.")
	}
	amount, charges, err := t.reservation(id)
	if err != nil {
		return Settlement{}, err
	}
	return t.settle(amount, actual, charges)
}

// Forfeit settles a reservation whose outcome is unknown: all of it counts as
// spent.
func (t *Tx) Forfeit(id string) (Settlement, error) {
	amount, charges, err := t.reservation(id)
	if err != nil {
		return Settlement{}, err
	}
	return t.settle(amount, amount, charges)
}

func (t *Tx) settle(amount, actual vitrine.Micros, charges []Charge) (Settlement, error) {
	debt := max(0, actual-amount)
	rows := make([]balanceRow, len(charges))
	for i, c := range charges {
		r := balanceRow{budget: string(c.Budget), who: t.s.who(c.Subject), start: micros(c.Start)}
		if _, err := t.c.exec(qSettle, int64(amount), int64(actual), int64(debt), r.budget, r.who, r.start); err != nil {
			return Settlement{}, fmt.Errorf("settle with %s: %w", c.Budget, err)
		}
		rows[i] = r
	}
	if err := t.readBalances(rows); err != nil {
		return Settlement{}, fmt.Errorf("settle: %w", err)
	}
	var s Settlement
	for i, c := range charges {
		b, r := c.balance(), &rows[i]
		b.Spent, b.Reserved, b.Debt = r.spent, r.reserved, r.debt
		s.Balances = append(s.Balances, b)
		most := r.alerted
		for _, percent := range vitrine.BudgetAlerts {
			if int64(percent) > r.alerted && reached(int64(b.Spent), int64(c.Limit), percent) {
				s.Alerts = append(s.Alerts, BudgetAlert{c.Budget, c.Subject, percent})
				most = int64(percent)
			}
		}
		if most == r.alerted {
			continue
		}
		if _, err := t.c.exec(qAlerted, most, r.budget, r.who, r.start); err != nil {
			return s, fmt.Errorf("settle with %s: %w", c.Budget, err)
		}
	}
	return s, nil
}

// balanceRow is a balance as it is stored.
type balanceRow struct {
	budget, who           string
	start                 int64
	spent, reserved, debt vitrine.Micros
	alerted               int64
}

// balancesAtOnce is how many balances one statement reads.
const balancesAtOnce = 8

// qBalances are the statements for so many balances.
var qBalances = func() [balancesAtOnce + 1]string {
	var texts [balancesAtOnce + 1]string
	for n := range texts {
		var parts []string
		for i := range n {
			parts = append(parts, fmt.Sprintf(qSettled, 3*i+1, 3*i+2, 3*i+3))
		}
		texts[n] = strings.Join(parts, " UNION ALL ")
	}
	return texts
}()

// readBalances reads what rows name.
func (t *Tx) readBalances(rows []balanceRow) error {
	for ; len(rows) > 0; rows = rows[min(len(rows), balancesAtOnce):] {
		some := rows[:min(len(rows), balancesAtOnce)]
		args := make([]any, 0, 3*balancesAtOnce)
		for i := range some {
			args = append(args, some[i].budget, some[i].who, some[i].start)
		}
		found, err := t.c.rows(t.c.ctx, qBalances[len(some)], args...)
		_, err = collect(found, err, func(r row) (struct{}, error) {
			var b balanceRow
			err := r.Scan(&b.budget, &b.who, &b.start, (*int64)(&b.spent), (*int64)(&b.reserved), (*int64)(&b.debt), &b.alerted)
			for i := range some {
				if s := &some[i]; s.budget == b.budget && s.who == b.who && s.start == b.start {
					*s = b
				}
			}
			return struct{}{}, err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// balance is the balance of a window in which nothing happened yet.
func (c Charge) balance() vitrine.Balance {
	return vitrine.Balance{Budget: c.Budget, Subject: c.Subject, Window: c.Window, Start: c.Start, Limit: c.Limit}
}

// reached reports whether spent is percent of limit or more, in full width.
func reached(spent, limit int64, percent int) bool {
	if spent <= 0 || limit < 0 {
		return false
	}
	shi, slo := bits.Mul64(uint64(spent), 100)
	lhi, llo := bits.Mul64(uint64(limit), uint64(percent))
	return shi > lhi || shi == lhi && slo >= llo
}

// Release gives a reservation back; ErrNotFound as Settle.
func (t *Tx) Release(id string) error {
	amount, charges, err := t.reservation(id)
	if err != nil {
		return err
	}
	for _, c := range charges {
		if _, err := t.c.exec(qUnreserve, int64(amount), string(c.Budget), t.s.who(c.Subject), micros(c.Start)); err != nil {
			return fmt.Errorf("release to %s: %w", c.Budget, err)
		}
	}
	return nil
}

// ExpiredReservations lists those past their time: their outcome is unknown, so
// they are to be forfeited.
func (s *Store) ExpiredReservations(ctx context.Context, at time.Time, limit int) ([]string, error) {
	rows, err := s.read.rows(ctx, qExpired, micros(at), limit)
	ids, err := collect(rows, err, func(r row) (id string, err error) { return id, r.Scan(&id) })
	if err != nil {
		return nil, fmt.Errorf("expired reservations: %w", err)
	}
	return ids, nil
}

// Balances answers the state of each charge's window, in their order.
func (s *Store) Balances(ctx context.Context, charges []Charge) ([]vitrine.Balance, error) {
	all := make([]vitrine.Balance, 0, len(charges))
	for _, c := range charges {
		b := c.balance()
		err := s.read.row(ctx, qBalance, string(c.Budget), s.who(c.Subject), micros(c.Start)).
			Scan((*int64)(&b.Spent), (*int64)(&b.Reserved), (*int64)(&b.Debt))
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return nil, fmt.Errorf("balance of %s: %w", c.Budget, err)
		}
		all = append(all, b)
	}
	return all, nil
}

// PayDebt clears the debt of a window; ErrNotFound where there is none.
func (t *Tx) PayDebt(budget vitrine.ID, subject string, start time.Time) error {
	n, err := t.c.exec(qPayDebt, string(budget), t.s.who(subject), micros(start))
	if err != nil {
		return fmt.Errorf("pay the debt of %s: %w", budget, err)
	}
	if n == 0 {
		return notFound("debt")
	}
	return nil
}

package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/bits"
	"slices"
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
	qSpent   = `SELECT spent, alerted FROM balances WHERE budget = $1 AND who = $2 AND start = $3`
	qAlerted = `UPDATE balances SET alerted = $1 WHERE budget = $2 AND who = $3 AND start = $4`
	qBalance = `SELECT spent, reserved, debt FROM balances WHERE budget = $1 AND who = $2 AND start = $3`
	qPayDebt = `UPDATE balances SET debt = 0 WHERE budget = $1 AND who = $2 AND start = $3 AND debt > 0`

	qPutReservation    = `INSERT INTO reservations (id, amount, sealed, expires) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING`
	qReservation       = `SELECT amount, sealed FROM reservations WHERE id = $1`
	qDeleteReservation = `DELETE FROM reservations WHERE id = $1`
	qExpired           = `SELECT id FROM reservations WHERE expires <= $1 ORDER BY expires, id LIMIT $2`
)

// who stands for a budget's subject, which may be an end user's name.
func (s *Store) who(subject string) string {
	h := s.people.subject.Mac([]byte(subject))
	return hexBytes(h[:16])
}

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
	if _, err := t.c.exec(qNewBalance, budget, who, start); err != nil {
		return fmt.Errorf("reserve from %s: %w", c.Budget, err)
	}
	// The condition stands in the statement, so that it holds even where
	// another transaction got in between.
	n, err := t.c.exec(qReserve, int64(amount), budget, who, start, int64(c.Limit)-int64(amount))
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
	var sealed []byte
	err = t.c.row(qReservation, id).Scan((*int64)(&amount), &sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil, notFound("reservation")
	}
	if err != nil {
		return 0, nil, fmt.Errorf("reservation %s: %w", id, err)
	}
	if err := t.s.openJSON(sealed, reservationName(id), &charges); err != nil {
		return 0, nil, fmt.Errorf("reservation %s: %w", id, err)
	}
	if _, err := t.c.exec(qDeleteReservation, id); err != nil {
		return 0, nil, fmt.Errorf("reservation %s: %w", id, err)
	}
	return amount, charges, nil
}

// Settle turns a reservation into spending; what actual exceeds it is debt. It
// answers the shares of vitrine.BudgetAlerts newly reached, each once a window.
func (t *Tx) Settle(id string, actual vitrine.Micros) ([]BudgetAlert, error) {
	if actual < 0 || actual > maxAmount {
		return nil, vitrine.Invalid("actual", "bad_amount", "This amount cannot be settled.")
	}
	amount, charges, err := t.reservation(id)
	if err != nil {
		return nil, err
	}
	return t.settle(amount, actual, charges)
}

// Forfeit settles a reservation whose outcome is unknown: all of it counts as
// spent.
func (t *Tx) Forfeit(id string) ([]BudgetAlert, error) {
	amount, charges, err := t.reservation(id)
	if err != nil {
		return nil, err
	}
	return t.settle(amount, amount, charges)
}

func (t *Tx) settle(amount, actual vitrine.Micros, charges []Charge) ([]BudgetAlert, error) {
	var alerts []BudgetAlert
	for _, c := range charges {
		budget, who, start := string(c.Budget), t.s.who(c.Subject), micros(c.Start)
		debt := max(0, actual-amount)
		if _, err := t.c.exec(qSettle, int64(amount), int64(actual), int64(debt), budget, who, start); err != nil {
			return nil, fmt.Errorf("settle with %s: %w", c.Budget, err)
		}
		var spent, alerted int64
		if err := t.c.row(qSpent, budget, who, start).Scan(&spent, &alerted); err != nil {
			return nil, fmt.Errorf("settle with %s: %w", c.Budget, err)
		}
		most := alerted
		for _, percent := range vitrine.BudgetAlerts {
			if int64(percent) > alerted && reached(spent, int64(c.Limit), percent) {
				alerts = append(alerts, BudgetAlert{c.Budget, c.Subject, percent})
				most = int64(percent)
			}
		}
		if most == alerted {
			continue
		}
		if _, err := t.c.exec(qAlerted, most, budget, who, start); err != nil {
			return nil, fmt.Errorf("settle with %s: %w", c.Budget, err)
		}
	}
	return alerts, nil
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
		b := vitrine.Balance{Budget: c.Budget, Subject: c.Subject, Window: c.Window, Start: c.Start, Limit: c.Limit}
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

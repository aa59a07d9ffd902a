package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/store"
)

func charge(budget vitrine.ID, limit vitrine.Micros) store.Charge {
	return store.Charge{Budget: budget, Subject: "Zoë", Window: vitrine.Daily, Start: vitrine.Daily.Start(epoch), Limit: limit}
}

type money struct{ spent, reserved, debt vitrine.Micros }

func balances(t *testing.T, s *store.Store, charges []store.Charge, want []money) {
	t.Helper()
	got, err := s.Balances(t.Context(), charges)
	if err != nil {
		t.Fatal(err)
	}
	all := make([]vitrine.Balance, len(charges))
	for i, c := range charges {
		all[i] = vitrine.Balance{Budget: c.Budget, Subject: c.Subject, Window: c.Window, Start: c.Start, Limit: c.Limit,
			Spent: want[i].spent, Reserved: want[i].reserved, Debt: want[i].debt}
	}
	equal(t, "balances", got, all)
}

func testMoney(t *testing.T, s *store.Store) {
	day, month := charge("day", 100), charge("month", 1000)
	month.Window, month.Start = vitrine.Monthly, vitrine.Monthly.Start(epoch)
	both := []store.Charge{day, month}
	reserve := func(id string, amount vitrine.Micros) func(*store.Tx) error {
		return func(tx *store.Tx) error { return tx.Reserve(id, amount, both, epoch) }
	}
	do(t, s, reserve("r-1", 60))
	isError(t, "the same id", try(t, s, reserve("r-1", 1)), vitrine.ErrConflict, "reserved")
	err := try(t, s, reserve("r-2", 41))
	isError(t, "one too much", err, vitrine.ErrExhausted, "budget_exhausted")
	if e, ok := errors.AsType[*vitrine.Error](err); !ok || e.Param != "day" {
		t.Errorf("the error names %v; want day", err)
	}
	balances(t, s, both, []money{{reserved: 60}, {reserved: 60}})
	do(t, s, reserve("r-2", 40))
	balances(t, s, both, []money{{reserved: 100}, {reserved: 100}})

	var settled store.Settlement
	do(t, s, func(tx *store.Tx) (err error) { settled, err = tx.Settle("r-1", 50); return err })
	now, err := s.Balances(t.Context(), both)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "balances of a settlement", settled.Balances, now)
	balances(t, s, both, []money{{spent: 50, reserved: 40}, {spent: 50, reserved: 40}})
	isError(t, "settle twice", try(t, s, func(tx *store.Tx) error { _, err := tx.Settle("r-1", 50); return err }), vitrine.ErrNotFound, "not_found")
	do(t, s, func(tx *store.Tx) error { return tx.Release("r-2") })
	isError(t, "release twice", try(t, s, func(tx *store.Tx) error { return tx.Release("r-2") }), vitrine.ErrNotFound, "not_found")
	balances(t, s, both, []money{{spent: 50}, {spent: 50}})

	// The next day is another window of one and the same of the other.
	both[0].Start = both[0].Start.AddDate(0, 0, 1)
	do(t, s, reserve("r-3", 100))
	do(t, s, func(tx *store.Tx) error { _, err := tx.Forfeit("r-3"); return err })
	balances(t, s, append(both, day), []money{{spent: 100}, {spent: 150}, {spent: 50}})

	other := day
	other.Subject = "zoë"
	balances(t, s, []store.Charge{other}, []money{{}})

	// Named twice, a budget counts once, and the smaller limit holds.
	wide := charge("twice", 10)
	narrow := wide
	narrow.Limit = 5
	twice := []store.Charge{wide, narrow, wide}
	isError(t, "beyond the smaller limit", try(t, s, func(tx *store.Tx) error { return tx.Reserve("r-4", 6, twice, epoch) }), vitrine.ErrExhausted, "budget_exhausted")
	do(t, s, func(tx *store.Tx) error { return tx.Reserve("r-4", 5, twice, epoch) })
	balances(t, s, []store.Charge{wide}, []money{{reserved: 5}})

	for _, amount := range []vitrine.Micros{-1, 1 << 62} {
		isError(t, "reserve nonsense", try(t, s, reserve("r-9", amount)), vitrine.ErrInvalid, "bad_amount")
		isError(t, "settle nonsense", try(t, s, func(tx *store.Tx) error { _, err := tx.Settle("r-4", amount); return err }), vitrine.ErrInvalid, "bad_amount")
	}
}

// A hundred ask at once for what is enough for some of them.
func testOverspend(t *testing.T, s *store.Store) {
	const limit, amount = 1000, 30
	charges := []store.Charge{charge("wide", 1_000_000), charge("narrow", limit)}
	var got atomic.Int64
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			id := fmt.Sprintf("r-%d", i)
			err := try(t, s, func(tx *store.Tx) error { return tx.Reserve(id, amount, charges, epoch) })
			if err != nil {
				isError(t, id, err, vitrine.ErrExhausted, "budget_exhausted")
				return
			}
			got.Add(1)
			if i%2 == 0 {
				do(t, s, func(tx *store.Tx) error { _, err := tx.Settle(id, amount); return err })
			}
		})
	}
	wg.Wait()
	if got.Load() != limit/amount {
		t.Errorf("%d of 100 got %d out of %d", got.Load(), amount, limit)
	}
	all, err := s.Balances(t.Context(), charges)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range all {
		if sum := int64(b.Spent + b.Reserved); sum != got.Load()*amount {
			t.Errorf("%s: %d spent and reserved; want %d", b.Budget, sum, got.Load()*amount)
		}
	}
}

func testDebt(t *testing.T, s *store.Store) {
	charges := []store.Charge{charge("b", 100)}
	reserve := func(tx *store.Tx) error { return tx.Reserve("r", 10, charges, epoch) }
	do(t, s, reserve)
	do(t, s, func(tx *store.Tx) error { _, err := tx.Settle("r", 15); return err })
	balances(t, s, charges, []money{{spent: 15, debt: 5}})
	isError(t, "reserve in debt", try(t, s, reserve), vitrine.ErrExhausted, "budget_exhausted")
	pay := func(tx *store.Tx) error { return tx.PayDebt("b", charges[0].Subject, charges[0].Start) }
	do(t, s, pay)
	isError(t, "pay twice", try(t, s, pay), vitrine.ErrNotFound, "not_found")
	do(t, s, reserve)
	balances(t, s, charges, []money{{spent: 15, reserved: 10}})
}

func testAlerts(t *testing.T, s *store.Store) {
	charges := []store.Charge{charge("b", 1000)}
	for i, step := range []struct {
		spend vitrine.Micros
		want  []int
	}{{499, nil}, {1, []int{50}}, {100, nil}, {310, []int{75, 90}}, {89, nil}, {1, []int{100}}} {
		id := fmt.Sprint(i)
		var alerts []store.BudgetAlert
		do(t, s, func(tx *store.Tx) (err error) {
			if err := tx.Reserve(id, step.spend, charges, epoch); err != nil {
				return err
			}
			settled, err := tx.Settle(id, step.spend)
			alerts = settled.Alerts
			return err
		})
		var got []int
		for _, a := range alerts {
			if a.Budget != "b" || a.Subject != "Zoë" {
				t.Errorf("step %d: alert of %s, %s", i, a.Budget, a.Subject)
			}
			got = append(got, a.Percent)
		}
		if !slices.Equal(got, step.want) {
			t.Errorf("step %d: alerts at %v; want %v", i, got, step.want)
		}
	}
}

func testExpired(t *testing.T, s *store.Store) {
	for i, id := range []string{"c", "B", "a"} {
		do(t, s, func(tx *store.Tx) error {
			return tx.Reserve(id, 1, []store.Charge{charge("b", 10)}, epoch.Add(time.Duration(i/2)*time.Microsecond))
		})
	}
	for _, test := range []struct {
		name  string
		at    time.Time
		limit int
		want  []string
	}{
		{"before", epoch.Add(-time.Microsecond), 10, nil},
		{"at the first", epoch, 10, []string{"B", "c"}},
		{"one only", epoch, 1, []string{"B"}},
		{"later", epoch.Add(time.Hour), 10, []string{"B", "c", "a"}},
	} {
		got, err := s.ExpiredReservations(t.Context(), test.at, test.limit)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, test.name, got, test.want)
	}
}

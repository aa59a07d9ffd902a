package rbac

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"vitrine.dev/vitrine"
)

// A table that was forked stays as it was, whatever is written to the next one,
// and both find what was put into them and nothing else.
func TestTablesKeepWhatTheyWere(t *testing.T) {
	type version struct {
		table table[int]
		want  map[vitrine.ID]int
	}
	r := rand.New(rand.NewPCG(1, 2))
	id := func() vitrine.ID { return vitrine.ID(fmt.Sprint("id-", r.IntN(3000))) }
	now := version{tableOf[int](r.IntN(20)), map[vitrine.ID]int{}}
	var past []version
	for n := range 400 {
		for range r.IntN(30) {
			x := id()
			*now.table.edit(now.table.add(x)) = n
			now.want[x] = n
		}
		past = append(past, now)
		now = version{now.table.fork(), maps.Clone(now.want)}
	}
	for n, v := range past {
		for range 200 {
			x := id()
			i, got := v.table.find(x)
			want, there := v.want[x]
			switch {
			case there != (got != nil), there && *got != want, there && v.table.id(i) != x:
				t.Fatalf("version %d: %s is %v at %d, want %d, %v", n, x, got, i, want, there)
			}
		}
		if int(v.table.n) != len(v.want) {
			t.Fatalf("version %d: %d ids, want %d", n, v.table.n, len(v.want))
		}
	}
}

// A table of which nobody remembers numbers forgets what is dead, and nothing
// else, and does not grow with what comes and goes.
func TestTablesForgetTheDead(t *testing.T) {
	live := tableOf[int](0)
	for n := range 10_000 {
		live = live.fork()
		live.tidy(1, func(v *int) bool { return *v != 0 })
		*live.edit(live.add(vitrine.ID(fmt.Sprint("id-", n)))) = n + 1
		if n >= 100 {
			_, old := live.find(vitrine.ID(fmt.Sprint("id-", n-100)))
			if old == nil || *old != n-99 {
				t.Fatalf("id-%d is lost", n-100)
			}
			i, _ := live.find(vitrine.ID(fmt.Sprint("id-", n-100)))
			*live.edit(i) = 0
		}
	}
	if live.n > 2000 {
		t.Errorf("%d rows for a hundred that live", live.n)
	}
}

// An index finds each number by its hash among others, also where it is as full
// as it gets and some were dropped.
func TestIndexFindsAndDrops(t *testing.T) {
	for _, x := range []index{indexOf(5000), denseIndexOf(5000)} {
		id := func(n int32) vitrine.ID { return vitrine.ID(fmt.Sprint("id-", n)) }
		for n := range int32(5000) {
			x.put(hash(id(n)), n)
		}
		find := func(n int32) int32 { return x.find(hash(id(n)), func(m int32) bool { return m == n }) }
		for n := int32(0); n < 5000; n += 3 {
			x.slots.edit(find(n)).number = dropped
		}
		for n := range int32(6000) {
			if there := find(n) != none; there != (n < 5000 && n%3 != 0) {
				t.Fatalf("%d: found %v", n, there)
			}
		}
	}
}

package storetest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/store"
)

func sum(group string, images int64, cost vitrine.Micros, requests int64) store.UsageSum {
	return store.UsageSum{Group: group, Images: images, Cost: cost, Requests: requests}
}

func testUsage(t *testing.T, s *store.Store) {
	day := 24 * time.Hour
	for i, u := range []store.UsageRow{
		{Principal: "ann", Project: "p-1", Key: "k-1", Model: "flux", Images: 2, Cost: 10},
		{Principal: "Ann", Project: "p-1", Key: "k-2", Model: "flux", Images: 1, Cost: 5, Time: epoch.Add(day)},
		{Principal: "ann", Project: "p-2", Key: "k-1", Model: "hi:dream/1@2", Images: 4, Cost: 1 << 50, Time: epoch.Add(day)},
		{Principal: "ann", Project: "p-2", Key: "k-1", Model: "hi:dream/1@2", Cost: 1 << 50, Time: epoch.Add(2 * day)},
	} {
		if u.Time.IsZero() {
			u.Time = epoch
		}
		u.Request = fmt.Sprint(i)
		do(t, s, func(tx *store.Tx) error { return tx.PutUsage(&u) })
	}
	for _, test := range []struct {
		name string
		q    store.UsageQuery
		want []store.UsageSum
	}{
		{"in all", store.UsageQuery{}, []store.UsageSum{{Images: 7, Cost: 1<<51 + 15, Requests: 4}}},
		{"by principal", store.UsageQuery{By: "principal"}, []store.UsageSum{sum("Ann", 1, 5, 1), sum("ann", 6, 1<<51+10, 3)}},
		{"by project", store.UsageQuery{By: "project"}, []store.UsageSum{sum("p-1", 3, 15, 2), sum("p-2", 4, 1<<51, 2)}},
		{"by model", store.UsageQuery{By: "model"}, []store.UsageSum{sum("flux", 3, 15, 2), sum("hi:dream/1@2", 4, 1<<51, 2)}},
		{"by key", store.UsageQuery{By: "key"}, []store.UsageSum{sum("k-1", 6, 1<<51+10, 3), sum("k-2", 1, 5, 1)}},
		{"by day", store.UsageQuery{By: "day"}, []store.UsageSum{sum("2026-03-01", 2, 10, 1), sum("2026-03-02", 5, 1<<50+5, 2), sum("2026-03-03", 0, 1<<50, 1)}},
		{"of a time", store.UsageQuery{From: epoch.Add(time.Microsecond), To: epoch.Add(2 * day)}, []store.UsageSum{sum("", 5, 1<<50+5, 2)}},
		{"of projects", store.UsageQuery{By: "project", Projects: []vitrine.ID{"p-2", "P-1"}}, []store.UsageSum{sum("p-2", 4, 1<<51, 2)}},
		{"of no project", store.UsageQuery{Projects: []vitrine.ID{}}, nil},
		{"of a time without any", store.UsageQuery{To: epoch}, nil},
	} {
		got, err := s.Usage(t.Context(), test.q)
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		equal(t, test.name, got, test.want)
	}
	_, err := s.Usage(t.Context(), store.UsageQuery{By: "cost"})
	isError(t, "by what there is not", err, vitrine.ErrInvalid, "bad_group")
	if sums, err := s.Usage(t.Context(), store.UsageQuery{Projects: append(make([]vitrine.ID, 100_000), "p-1")}); err != nil || len(sums) != 1 || sums[0].Cost != 15 {
		t.Errorf("of very many projects: got %+v, %v", sums, err)
	}
}

func testEndUsers(t *testing.T, s *store.Store) {
	for _, name := range []string{"Zoë", "adam", "Zoë", ""} {
		do(t, s, func(tx *store.Tx) error { return tx.PutUsage(&store.UsageRow{EndUser: name, Images: 1}) })
	}
	byUser := func() map[string]int64 {
		sums, err := s.Usage(t.Context(), store.UsageQuery{By: "end_user"})
		if err != nil {
			t.Fatal(err)
		}
		m := map[string]int64{}
		for i, u := range sums {
			if i > 0 && sums[i-1].Group >= u.Group {
				t.Errorf("%q stands before %q", sums[i-1].Group, u.Group)
			}
			m[u.Group] = u.Images
		}
		return m
	}
	equal(t, "by end user", byUser(), map[string]int64{"": 1, "Zoë": 2, "adam": 1})
	zoe := s.EndUser("Zoë")
	if strings.Contains(zoe, "Zo") || zoe == s.EndUser("zoë") || zoe != s.EndUser("Zoë") {
		t.Errorf("Zoë stands as %s", zoe)
	}
	do(t, s, func(tx *store.Tx) error { return tx.Forget(zoe) })
	equal(t, "after forgetting", byUser(), map[string]int64{"": 1, zoe: 2, "adam": 1})
	do(t, s, func(tx *store.Tx) error { return tx.PutUsage(&store.UsageRow{EndUser: "Zoë", Images: 1}) })
	equal(t, "back again", byUser(), map[string]int64{"": 1, "Zoë": 3, "adam": 1})

	err := try(t, s, func(tx *store.Tx) error {
		return errors.Join(tx.PutUsage(&store.UsageRow{EndUser: "eve", Images: 1}), vitrine.ErrExhausted)
	})
	if !errors.Is(err, vitrine.ErrExhausted) {
		t.Fatal(err)
	}
	equal(t, "after what was undone", byUser(), map[string]int64{"": 1, "Zoë": 3, "adam": 1})
}

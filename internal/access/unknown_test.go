package access_test

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"testing"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/rbac"
	"vitrine.dev/vitrine/internal/seal"
	"vitrine.dev/vitrine/internal/store"
)

// bare is a guard without a policy, on a store that runs.
func bare(t testing.TB) (*access.Guard, *store.Store) {
	t.Helper()
	st, err := store.Open(t.Context(), store.Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "v.db"), Seal: seal.NewKey()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- st.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	g, err := access.NewGuard(access.Config{Store: st, Policy: func() (*rbac.Policy, error) { return rbac.Compile(1, nil) }})
	if err != nil {
		t.Fatal(err)
	}
	return g, st
}

func entries(t testing.TB, st *store.Store) []vitrine.Entry {
	t.Helper()
	all, err := st.Entries(t.Context(), store.EntryQuery{After: -1, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 1000 {
		t.Fatal("more than a test should write")
	}
	return all
}

// flush is what happens at each interval, and when the process ends.
func flush(t testing.TB, g *access.Guard) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := g.Run(ctx); err != nil {
		t.Fatal(err)
	}
}

func stranger(addr string) access.Caller {
	by := access.Caller{Request: "r", UserAgent: "curl"}
	by.Address = netip.MustParseAddr(addr)
	return by
}

// TestUnknown tells what a person who reads the log sees of somebody who tries
// keys: the first attempt at once, then how many there were.
func TestUnknown(t *testing.T) {
	g, st := bare(t)
	for range 1000 {
		if err := g.Unknown(t.Context(), stranger("198.51.100.9"), "invalid_key"); err != nil {
			t.Fatal(err)
		}
	}
	all := entries(t, st)
	if len(all) != 1 {
		t.Fatalf("%d entries for 1000 attempts before the interval ends, want 1", len(all))
	}
	if e := all[0]; e.Act != "authenticate" || e.Outcome != vitrine.Refused || e.Code != "invalid_key" ||
		e.Personal.Address != "198.51.100.9" || e.Actor != "" || e.Count != 1 {
		t.Errorf("the first entry is %+v", e)
	}
	flush(t, g)
	all = entries(t, st)
	if len(all) != 2 || all[1].Count != 999 || all[1].Personal.Address != "198.51.100.9" {
		t.Fatalf("after the interval: %+v, want a second entry that stands for 999", all)
	}
	flush(t, g)
	flush(t, g)
	if all = entries(t, st); len(all) != 2 {
		t.Errorf("quiet intervals wrote entries: %+v", all[2:])
	}
}

// One machine has a whole /64: it is one origin.
func TestUnknownTakesAnIPv6NetworkAsOne(t *testing.T) {
	g, st := bare(t)
	for i := range 500 {
		if err := g.Unknown(t.Context(), stranger(fmt.Sprintf("2001:db8:1:2::%x", i+1)), "invalid_key"); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.Unknown(t.Context(), stranger("2001:db8:1:3::1"), "invalid_key"); err != nil {
		t.Fatal(err)
	}
	if n := len(entries(t, st)); n != 2 {
		t.Errorf("%d entries for two networks, want 2", n)
	}
}

// An IPv4 address written as IPv6 is the same address.
func TestUnknownUnmaps(t *testing.T) {
	g, st := bare(t)
	for _, a := range []string{"198.51.100.9", "::ffff:198.51.100.9"} {
		if err := g.Unknown(t.Context(), stranger(a), "invalid_key"); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(entries(t, st)); n != 1 {
		t.Errorf("%d entries for one address, want 1", n)
	}
}

// A flood from more addresses than anybody can tell apart cannot fill the log,
// and still no attempt goes uncounted.
func TestAFloodFromEverywhereIsBounded(t *testing.T) {
	g, st := bare(t)
	const attempts = 20_000
	for i := range attempts {
		a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		if err := g.Unknown(t.Context(), stranger(a.String()), "invalid_key"); err != nil {
			t.Fatal(err)
		}
	}
	flush(t, g)
	all := entries(t, st)
	if most := 2*access.MaxStrangers + 2; len(all) > most {
		t.Errorf("%d attempts from as many addresses made %d entries, want at most %d", attempts, len(all), most)
	}
	var counted int64
	for _, e := range all {
		counted += e.Count
	}
	if counted != attempts {
		t.Errorf("the log counts %d attempts, want %d", counted, attempts)
	}
	if e := all[len(all)-1]; e.Code == "many_addresses" && e.Personal.Address != "" {
		t.Errorf("the entry of the many blames one address: %+v", e)
	}
}

// Who holds a secret that was once right is told apart from the noise of the
// same address, with an alert.
func TestARevokedKeyIsHeardThroughTheNoise(t *testing.T) {
	g, st := bare(t)
	by := stranger("198.51.100.9")
	if err := g.Unknown(t.Context(), by, "invalid_key"); err != nil {
		t.Fatal(err)
	}
	by.Principal, by.Credential = "ann", "k1"
	if err := g.Unknown(t.Context(), by, "revoked_key"); err != nil {
		t.Fatal(err)
	}
	all := entries(t, st)
	if len(all) != 2 || all[1].Credential != "k1" || all[1].Actor != "ann" || all[1].Alert != "revoked_key_used" {
		t.Errorf("the log says %+v", all)
	}
}

// Unrecorded means refused, for strangers too.
func TestUnknownFailsWhenTheLogCannotBeWritten(t *testing.T) {
	g, st := bare(t)
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	err := g.Unknown(t.Context(), stranger("198.51.100.9"), "invalid_key")
	wantKind(t, err, vitrine.ErrUnavailable)
	// And the next one tries again instead of only counting.
	err = g.Unknown(t.Context(), stranger("198.51.100.9"), "invalid_key")
	wantKind(t, err, vitrine.ErrUnavailable)
}

func BenchmarkUnknownFlood(b *testing.B) {
	g, _ := bare(b)
	by := stranger("198.51.100.9")
	b.ReportAllocs()
	for b.Loop() {
		if err := g.Unknown(context.Background(), by, "invalid_key"); err != nil {
			b.Fatal(err)
		}
	}
}

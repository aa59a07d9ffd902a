package store_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/store"
	"vitrine.dev/vitrine/internal/store/storetest"
)

// soon is how long an answer may take on a busy machine; without bounds it takes
// a quarter of a minute and more.
const soon = 8 * time.Second

// answers fails where act does not return soon.
func answers(t *testing.T, what string, act func() error) error {
	t.Helper()
	start := time.Now()
	err := act()
	if took := time.Since(start); took > soon {
		t.Errorf("%s took %s", what, took)
	}
	return err
}

// A file that another program has locked holds nobody: who waits is refused,
// truly, and what was refused is not done when the lock is gone.
func TestLockedFile(t *testing.T) {
	store.Hurry(t)
	url := storetest.SQLite(t)
	s := storetest.Start(t, url)
	if _, err := s.Commit(t.Context(), opened(0), putImage(0)); err != nil {
		t.Fatal(err)
	}
	other, err := raw(t, url).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		err := answers(t, "an act", func() error { _, err := s.Commit(t.Context(), opened(1), set("x")); return err })
		if !errors.Is(err, store.ErrUnrecorded) || !errors.Is(err, vitrine.ErrUnavailable) {
			t.Errorf("an act: got %v; want unrecorded", err)
		}
	}
	if err := answers(t, "the probe", func() error { return s.Probe(t.Context()) }); !errors.Is(err, vitrine.ErrUnavailable) {
		t.Errorf("the probe: got %v; want unavailable", err)
	}
	if _, err := s.Image(t.Context(), imageRow(0, "").ID); err != nil {
		t.Errorf("reading: %v; a lock stops no readers", err)
	}
	if _, err := other.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	until(t, "the committer has its turn", func() error { return s.Probe(t.Context()) })
	if has(t, s, "x") || size(t, s) != 1 {
		t.Errorf("what was refused stands: x %v, %d entries", has(t, s, "x"), size(t, s))
	}
	if r, err := s.Commit(t.Context(), opened(1), set("y")); err != nil || r.Seq != 1 {
		t.Errorf("afterwards: %+v, %v", r, err)
	}
	storetest.Verify(t, s)
}

// A disk that hangs cannot be interrupted. Who waits for what it holds up is told
// that nobody knows, the next ones that nothing was recorded.
func TestHangingDisk(t *testing.T) {
	store.Hurry(t)
	s := storetest.Start(t, storetest.SQLite(t))
	disk := make(chan struct{})
	store.SetFault(s, func(stage string) error {
		if stage == "before" {
			<-disk
		}
		return nil
	})
	act := func(key string) func() error {
		return func() error { _, err := s.Commit(t.Context(), opened(0), set(key)); return err }
	}
	if err := answers(t, "the act that hangs", act("x")); !errors.Is(err, store.ErrDoubt) || errors.Is(err, store.ErrUnrecorded) {
		t.Errorf("the act that hangs: got %v; want doubt", err)
	}
	if err := answers(t, "the act behind it", act("y")); !errors.Is(err, store.ErrUnrecorded) || errors.Is(err, store.ErrDoubt) {
		t.Errorf("the act behind it: got %v; want unrecorded", err)
	}
	if err := answers(t, "the probe", func() error { return s.Probe(t.Context()) }); !errors.Is(err, vitrine.ErrUnavailable) {
		t.Errorf("the probe: got %v; want unavailable", err)
	}
	close(disk)
	until(t, "it is back", func() error { return s.Probe(t.Context()) })
	if !has(t, s, "x") || has(t, s, "y") || size(t, s) != 1 {
		t.Errorf("x stands %v, y stands %v, %d entries; want x alone", has(t, s, "x"), has(t, s, "y"), size(t, s))
	}
	storetest.Verify(t, s)
}

// until tries until it works, for at most a quarter of a minute.
func until(t testing.TB, what string, try func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: %v", what, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// tunnel stands between a store and its database, and can stop to carry
// anything without closing a connection, as a network or a host that died does.
type tunnel struct {
	t    *testing.T
	mu   sync.Mutex
	open *sync.Cond
	hung bool
}

// dig answers the URL of a database behind a tunnel.
func dig(t *testing.T, base string) (*tunnel, string) {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	target := u.Host
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &tunnel{t: t}
	n.open = sync.NewCond(&n.mu)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			near, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() { n.carry(&all, near, target) })
		}
	})
	t.Cleanup(func() {
		n.hang(false)
		if err := ln.Close(); err != nil {
			t.Error(err)
		}
		all.Wait()
	})
	u.Host = ln.Addr().String()
	return n, u.String()
}

func (n *tunnel) carry(all *sync.WaitGroup, near net.Conn, target string) {
	defer near.Close()
	far, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer far.Close()
	all.Go(func() { n.copy(near, far) })
	n.copy(far, near)
}

// copy carries one direction; what comes while the tunnel hangs comes late.
func (n *tunnel) copy(to, from net.Conn) {
	defer to.Close()
	buf := make([]byte, 32<<10)
	for {
		got, err := from.Read(buf)
		n.mu.Lock()
		for n.hung {
			n.open.Wait()
		}
		n.mu.Unlock()
		if got > 0 {
			if _, err := to.Write(buf[:got]); err != nil {
				return
			}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				_ = from.Close() // the other end went; nothing more comes
			}
			return
		}
	}
}

func (n *tunnel) hang(hung bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hung = hung
	n.open.Broadcast()
}

// A database that hangs, and refuses nothing, is as good as none after a short
// while. What was not begun is unrecorded; of a COMMIT that nobody answered it is
// said that nobody knows, never that it is not there.
func TestHangingDatabase(t *testing.T) {
	base := os.Getenv("VITRINE_TEST_POSTGRES")
	if base == "" {
		t.Skip("VITRINE_TEST_POSTGRES names no database")
	}
	for _, test := range []struct {
		name   string
		before bool // it hangs before the act
		within bool // it hangs while the act runs
		commit bool // it hangs at COMMIT
		want   error
	}{
		{"before the act", true, false, false, store.ErrUnrecorded},
		{"within the act", false, true, false, store.ErrUnrecorded},
		{"at its COMMIT", false, false, true, store.ErrDoubt},
	} {
		t.Run(test.name, func(t *testing.T) {
			store.Hurry(t)
			n, url := dig(t, storetest.Schema(t, base))
			s := storetest.Start(t, url)
			if _, err := s.Commit(t.Context(), opened(0), putImage(0)); err != nil {
				t.Fatal(err)
			}
			once := sync.OnceFunc(func() { n.hang(true) })
			store.SetFault(s, func(stage string) error {
				if test.commit && stage == "before" {
					once()
				}
				return nil
			})
			if test.before {
				n.hang(true)
			}
			e, ran := opened(1), 0
			err := answers(t, "the act", func() error {
				_, err := s.Commit(t.Context(), e, func(tx *store.Tx) error {
					ran++
					if test.within {
						n.hang(true)
					}
					return set("x")(tx)
				})
				return err
			})
			if !errors.Is(err, test.want) || !errors.Is(err, vitrine.ErrUnavailable) {
				t.Errorf("got %v; want %v", err, test.want)
			}
			if errors.Is(err, store.ErrUnrecorded) && errors.Is(err, store.ErrDoubt) {
				t.Errorf("%v says both that it is not there and that nobody knows", err)
			}
			if want := 1; ran != want && !test.before {
				t.Errorf("the act ran %d times; want %d", ran, want)
			}
			if err := answers(t, "reading", func() error { _, err := s.Image(t.Context(), imageRow(0, "").ID); return err }); !errors.Is(err, vitrine.ErrUnavailable) {
				t.Errorf("reading: got %v; want unavailable", err)
			}
			n.hang(false)
			until(t, "it is back", func() error { return s.Probe(t.Context()) })
			there := has(t, s, "x")
			if there && test.want == store.ErrUnrecorded {
				t.Error("what was unrecorded stands")
			}
			want := int64(1)
			if there {
				want = 2
			}
			if size(t, s) != want {
				t.Errorf("%d entries, and the act stands: %v", size(t, s), there)
			}
			storetest.Verify(t, s)
		})
	}
}

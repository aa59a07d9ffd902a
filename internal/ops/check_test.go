package ops_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"vitrine.dev/vitrine/internal/ops"
)

// A check that hangs is answered for after a second, beside the others, and is
// not begun once for everybody who asks.
func TestReadyzDoesNotHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int32
		ctx, stop := context.WithCancel(t.Context())
		o := front(t,
			ops.Check{Name: "a", Fails: "a hangs", Run: func(context.Context) error { runs.Add(1); <-ctx.Done(); return nil }},
			ops.Check{Name: "b", Fails: "b hangs", Run: func(context.Context) error { <-ctx.Done(); return nil }},
			ops.Check{Name: "c", Run: func(context.Context) error { return nil }},
		)
		for range 3 {
			start := time.Now()
			code, body := get(t, o, "/readyz")
			if code != 503 || !strings.Contains(body, "a hangs") || !strings.Contains(body, "b hangs") || !strings.Contains(body, `"c":"ok"`) {
				t.Errorf("%d %s, want 503 that names both", code, body)
			}
			if took := time.Since(start); took != time.Second {
				t.Errorf("it took %s, want a second for all of them", took)
			}
		}
		if n := runs.Load(); n != 1 {
			t.Errorf("the check that hangs was begun %d times", n)
		}
		stop()
		synctest.Wait()
		if code, body := get(t, o, "/readyz"); code != 200 {
			t.Errorf("when they do not hang any more: %d %s", code, body)
		}
	})
}

// The process log hears of each change once, with the reason, however many ask.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fail atomic.Pointer[error]
		var said strings.Builder
		o, err := ops.New(ops.Config{
			Checks: []ops.Check{{Name: "store", Fails: "the database does not answer", Run: func(context.Context) error {
				if err := fail.Load(); err != nil {
					return *err
				}
				return nil
			}}},
			Logger:  slog.New(slog.NewTextHandler(&said, nil)),
			LogSize: func() int64 { return 0 }, Revision: func() int64 { return 0 },
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- o.Run(ctx) }()
		for _, test := range []struct {
			name       string
			fail       error
			bad, again int // lines so far
		}{
			{"at the start", nil, 0, 0},
			{"gone", errors.New("no route to db.internal"), 1, 0},
			{"gone in another way", errors.New("refused"), 1, 0},
			{"back", nil, 1, 1},
			{"gone again", errors.New("refused"), 2, 1},
		} {
			fail.Store(nil)
			if test.fail != nil {
				fail.Store(&test.fail)
			}
			<-time.After(5 * time.Second) // of the bubble's clock
			for range 3 {
				get(t, o, "/readyz")
			}
			bad, again := strings.Count(said.String(), "level=ERROR"), strings.Count(said.String(), "level=INFO")
			if bad != test.bad || again != test.again {
				t.Errorf("%s: %d errors and %d recoveries, want %d and %d:\n%s", test.name, bad, again, test.bad, test.again, &said)
			}
		}
		if !strings.Contains(said.String(), "db.internal") {
			t.Errorf("the process log does not say why: %s", &said)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

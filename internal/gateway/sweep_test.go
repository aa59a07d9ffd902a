package gateway_test

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/provider/providertest"
	"vitrine.dev/vitrine/internal/store"
	"vitrine.dev/vitrine/internal/store/storetest"
)

// TestCrash: a process that dies between the service's answer and the keeping
// leaves a reservation. Another counts it as spent once it is overdue, and says
// so in the log under the same request.
func TestCrash(t *testing.T) {
	storetest.Each(t, func(t *testing.T, database string) {
		h := newHouse(t, database, budgetOfAll)
		dying := h.Join(t, h.Clock)
		g, _ := h.open(dying)
		g.Impatient()
		h.up.Script(func(u *providertest.Upstream, w http.ResponseWriter, r *http.Request, c *providertest.Call) {
			if err := dying.Store.Close(); err != nil {
				t.Error(err)
			}
			providertest.Success(u, w, r, c)
		})
		by := anew(h.ann)
		_, err := g.Generate(t.Context(), by, asks())
		if e := failure(t, err); !errors.Is(err, vitrine.ErrUpstream) || errors.Is(err, vitrine.ErrUnavailable) || e.Code != "kept_later" || g.Late() != 1 {
			t.Errorf("got %v (%s), %d kept later", err, e.Code, g.Late())
		}
		h.sweep()
		if b := h.balance("all"); b.Reserved != cents(1) || b.Spent != 0 {
			t.Errorf("before its time: %+v", b)
		}
		h.Clock.Advance(20 * time.Minute)
		h.sweep()
		h.sweep()
		if b := h.balance("all"); b.Reserved != 0 || b.Spent != cents(1) {
			t.Errorf("after its time: %+v", b)
		}
		log := h.of(by.Request)
		if len(log) != 2 || log[1].Outcome != vitrine.Broken || log[1].Code != "outcome_unknown" || log[1].Actor != "system" || log[1].Alert == "" || log[1].Cost != cents(1) {
			t.Errorf("the log has %+v", log)
		}
		use, err := h.Usage(t.Context(), h.person("acc", "accountant"), store.UsageQuery{By: "principal"})
		if want := []store.UsageSum{{Group: "ann", Cost: cents(1), Requests: 1}}; err != nil || !slices.Equal(use, want) {
			t.Errorf("usage %+v, %v; want %+v", use, err, want)
		}
	})
}

func (h *house) sweep() {
	h.t.Helper()
	if err := h.Sweep(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
}

// outage is a store that cannot keep images: the table that counts their use is
// away.
type outage struct {
	t  *testing.T
	db *sql.DB
}

func breakUsage(t *testing.T, h *house) *outage {
	t.Helper()
	db, err := sql.Open("sqlite", strings.TrimPrefix(h.URL, "sqlite:"))
	if err != nil {
		t.Fatal(err)
	}
	o := &outage{t, db}
	o.exec(`ALTER TABLE spending RENAME TO away`)
	return o
}

func (o *outage) exec(query string) {
	o.t.Helper()
	if _, err := o.db.ExecContext(o.t.Context(), query); err != nil {
		o.t.Fatal(err)
	}
}

func (o *outage) mend() {
	o.t.Helper()
	o.exec(`ALTER TABLE away RENAME TO spending`)
	if err := o.db.Close(); err != nil {
		o.t.Error(err)
	}
}

// TestKeptLater: an image that was paid for and cannot be kept at once is kept
// as soon as that is possible, and is settled once.
func TestKeptLater(t *testing.T) {
	for _, swept := range []bool{false, true} {
		h := newHouse(t, "", budgetOfAll)
		h.Impatient()
		broken := breakUsage(t, h)
		by := anew(h.ann)
		r := asks()
		r.IdempotencyKey, r.BodyHash = "k", "one"
		_, err := h.Generate(t.Context(), by, r)
		if e := failure(t, err); !errors.Is(err, vitrine.ErrUpstream) || e.Code != "kept_later" || e.RetryAfter != 0 {
			t.Errorf("got %v (%s)", err, e.Code)
		}
		if err := h.KeepLate(t.Context()); err == nil || h.Late() != 1 {
			t.Errorf("got %v with %d to be kept while the store is broken", err, h.Late())
		}
		broken.mend()
		if swept {
			h.Clock.Advance(time.Hour)
			h.sweep()
		}
		if err := h.KeepLate(t.Context()); err != nil || h.Late() != 0 {
			t.Fatalf("got %v with %d to be kept", err, h.Late())
		}
		if b := h.balance("all"); b.Spent != cents(1) || b.Reserved != 0 {
			t.Errorf("balance %+v", b)
		}
		use, err := h.Usage(t.Context(), h.person("acc", "accountant"), store.UsageQuery{})
		if err != nil || len(use) != 1 || use[0].Images != 1 || use[0].Cost != cents(1) {
			t.Errorf("usage %+v, %v; want one image, paid once", use, err)
		}
		a := h.make(h.ann, r)
		if !a.Replayed || len(a.Images) != 1 || h.up.Count() != 1 {
			t.Errorf("the answer of before is %+v", a)
		}
	}
}

// TestRun: Run keeps what is left over before it ends.
func TestRun(t *testing.T) {
	h := newHouse(t, "", budgetOfAll)
	h.Impatient()
	broken := breakUsage(t, h)
	if _, err := h.Generate(t.Context(), anew(h.ann), asks()); !errors.Is(err, vitrine.ErrUpstream) {
		t.Errorf("got %v", err)
	}
	broken.mend()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := h.Run(ctx); err != nil || h.Late() != 0 {
		t.Errorf("got %v with %d to be kept", err, h.Late())
	}
}

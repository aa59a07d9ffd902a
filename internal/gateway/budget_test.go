package gateway_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/gateway"
	"vitrine.dev/vitrine/internal/identity"
	"vitrine.dev/vitrine/internal/provider/providertest"
	"vitrine.dev/vitrine/internal/store/storetest"
)

// TestWhichBudgetsCount asks for an image of one cent while one budget holds
// less than that.
func TestWhichBudgetsCount(t *testing.T) {
	h := newHouse(t, "")
	bob := h.person("bob", "artist")
	h.put(
		&vitrine.Principal{ID: "inner", Kind: vitrine.Group, Members: []vitrine.ID{"ann"}},
		&vitrine.Principal{ID: "outer", Kind: vitrine.Group, Members: []vitrine.ID{"inner"}},
		&vitrine.Principal{ID: "others", Kind: vitrine.Group, Members: []vitrine.ID{"bob"}},
	)
	reader := func(r *gateway.Request) { r.EndUser = "reader-7" }
	tests := []struct {
		name    string
		kind    vitrine.BudgetKind
		subject string
		by      access.Caller
		r       *gateway.Request
		counts  bool
	}{
		{"organization", vitrine.BudgetOrganization, "", h.ann, asks(), true},
		{"project", vitrine.BudgetProject, "renders", h.ann, asks(), true},
		{"each project", vitrine.BudgetProject, "*", h.ann, asks(), true},
		{"another project", vitrine.BudgetProject, "other", h.ann, asks(), false},
		{"group", vitrine.BudgetGroup, "inner", h.ann, asks(), true},
		{"group of groups", vitrine.BudgetGroup, "outer", h.ann, asks(), true},
		{"each group", vitrine.BudgetGroup, "*", h.ann, asks(), true},
		{"another group", vitrine.BudgetGroup, "others", h.ann, asks(), false},
		{"principal", vitrine.BudgetPrincipal, "ann", h.ann, asks(), true},
		{"each principal", vitrine.BudgetPrincipal, "*", h.ann, asks(), true},
		{"another principal", vitrine.BudgetPrincipal, "bob", h.ann, asks(), false},
		{"key", vitrine.BudgetKey, string(h.ann.Credential), h.ann, asks(), true},
		{"each key", vitrine.BudgetKey, "*", h.ann, asks(), true},
		{"another key", vitrine.BudgetKey, string(bob.Credential), h.ann, asks(), false},
		{"end user", vitrine.BudgetEndUser, "reader-7", h.ann, asks(reader), true},
		{"each end user", vitrine.BudgetEndUser, "*", h.ann, asks(reader), true},
		{"another end user", vitrine.BudgetEndUser, "reader-8", h.ann, asks(reader), false},
		{"each end user, of nobody", vitrine.BudgetEndUser, "*", h.ann, asks(), false},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h.t, h.T = t, t
			id := vitrine.ID(fmt.Sprintf("budget-%d", i))
			h.put(&vitrine.Budget{ID: id, Kind: tt.kind, Subject: tt.subject, Window: vitrine.Daily, Limit: cents(1) - 1})
			by := anew(tt.by)
			asked := h.up.Count()
			a, err := h.Generate(t.Context(), by, tt.r)
			if !tt.counts {
				if err != nil {
					t.Errorf("it counts: %v", err)
				} else if err := a.Close(); err != nil {
					t.Error(err)
				}
			} else {
				e := failure(t, err)
				if !errors.Is(err, vitrine.ErrExhausted) || e.Code != "budget_exhausted" || e.Param != string(id) || h.up.Count() != asked {
					t.Errorf("got %v (%s, %s), asked %d times", err, e.Code, e.Param, h.up.Count()-asked)
				}
				if log := h.of(by.Request); len(log) != 1 || log[0].Outcome != vitrine.Refused || log[0].Code != "budget_exhausted" {
					t.Errorf("the log has %+v, want one refusal", log)
				}
			}
			h.Apply(h.Alice, vitrine.Delete(vitrine.Ref{Kind: vitrine.KindBudget, ID: id}))
		})
	}
}

// TestNeverOverspent: of a hundred requests at the same time exactly as many are
// served as the budgets hold, whatever each of them costs.
func TestNeverOverspent(t *testing.T) {
	storetest.Each(t, func(t *testing.T, database string) {
		h := newHouse(t, database,
			&vitrine.Budget{ID: "wide", Kind: vitrine.BudgetOrganization, Window: vitrine.Monthly, Limit: cents(100)},
			&vitrine.Budget{ID: "narrow", Kind: vitrine.BudgetPrincipal, Subject: "*", Window: vitrine.Total, Limit: cents(31)})
		var served, refused atomic.Int64
		var all sync.WaitGroup
		for i := range 100 {
			all.Go(func() {
				a, err := h.Generate(t.Context(), anew(h.ann), asks(func(r *gateway.Request) { r.N = 1 + i%2 }))
				switch {
				case err == nil:
					served.Add(int64(len(a.Images)))
					if err := a.Close(); err != nil {
						t.Error(err)
					}
				case errors.Is(err, vitrine.ErrExhausted):
					refused.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		all.Wait()
		b := h.balance("narrow")
		if b.Spent > b.Limit || b.Reserved != 0 || b.Debt != 0 || b.Spent != cents(served.Load()) || b.Spent < b.Limit-cents(1) {
			t.Errorf("balance %+v after %d images and %d refusals", b, served.Load(), refused.Load())
		}
		if b := h.balance("wide"); b.Spent != cents(served.Load()) || b.Reserved != 0 {
			t.Errorf("balance %+v after %d images", b, served.Load())
		}
	})
}

// TestSettle: what was reserved and not used comes back.
func TestSettle(t *testing.T) {
	ruled := deployment("ruled", "fake", &vitrine.Price{Image: cents(4), Rules: []vitrine.PriceRule{{Size: "512x512", Image: cents(1)}, {Quality: "high", Image: cents(9)}}})
	h := newHouse(t, "", budgetOfAll, ruled)
	tests := []struct {
		name   string
		answer providertest.Behaviour
		r      *gateway.Request
		images int
		want   vitrine.Micros
	}{
		{"as asked", nil, asks(func(r *gateway.Request) { r.N = 3 }), 3, cents(3)},
		{"fewer than asked", providertest.Fewer, asks(func(r *gateway.Request) { r.N = 3 }), 2, cents(2)},
		{"more than asked", providertest.TooMany, asks(func(r *gateway.Request) { r.N = 2 }), 2, cents(2)},
		{"price of a size", nil, asks(func(r *gateway.Request) { r.Model, r.Size, r.Quality = "ruled", "512x512", "low" }), 1, cents(1)},
		{"price of a quality", nil, asks(func(r *gateway.Request) { r.Model, r.Quality = "ruled", "high" }), 1, cents(9)},
		{"quality chosen by the service", nil, asks(func(r *gateway.Request) { r.Model = "ruled" }), 1, cents(9)}, // it answers "high"
		{"told by the service, less", nil, asks(func(r *gateway.Request) { r.Model = "told" }), 1, cents(2)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h.t, h.T = t, t
			if tt.answer != nil {
				h.up.Script(tt.answer)
			}
			before := h.balance("all").Spent
			a := h.make(h.ann, tt.r)
			b := h.balance("all")
			if len(a.Images) != tt.images || a.Cost != tt.want || b.Spent-before != tt.want || b.Reserved != 0 || b.Debt != 0 {
				t.Errorf("%d images, cost %s, balance %+v; want %d, %s", len(a.Images), a.Cost, b, tt.images, tt.want)
			}
		})
	}
}

// TestDebt: what a service charges beyond what was set aside blocks, also after
// the window has passed, until somebody with the right to has paid it off.
func TestDebt(t *testing.T) {
	h := newHouse(t, "", budgetOfAll, &vitrine.Budget{ID: "daily", Kind: vitrine.BudgetPrincipal, Subject: "*", Window: vitrine.Daily, Limit: vitrine.Dollar})
	h.up.Cost = "0.25"
	told := asks(func(r *gateway.Request) { r.Model = "told" })
	by := anew(h.ann)
	a, err := h.Generate(t.Context(), by, told)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if a.Cost != cents(25) || *a.Remaining != 0 || a.PaymentSource == "USD" {
		t.Errorf("cost %s, %s left of %s", a.Cost, a.Remaining, a.PaymentSource)
	}
	if b := h.balance("daily"); b.Debt != cents(21) || b.Spent != cents(25) || b.Subject != "ann" {
		t.Errorf("balance %+v", b)
	}
	if log := h.of(by.Request); !log[len(log)-1].Raised("budget_debt") {
		t.Errorf("no alert in %+v", log)
	}
	blocked := func(when string) {
		t.Helper()
		_, err := h.Generate(t.Context(), anew(h.ann), told)
		if e := failure(t, err); !errors.Is(err, vitrine.ErrExhausted) || e.Code != "budget_in_debt" {
			t.Errorf("%s: got %v (%s), want budget_in_debt", when, err, e.Code)
		}
	}
	blocked("at once")
	h.Clock.Advance(48 * time.Hour)
	by = h.Alice
	h.pay(by, "all", "")
	blocked("two days later, with the organization's debt paid")

	eve := h.person("eve")
	if err := h.PayDebt(t.Context(), eve, "daily", "ann"); !errors.Is(err, vitrine.ErrNotFound) {
		t.Errorf("without any role: %v, want not found", err)
	}
	if err := h.PayDebt(t.Context(), by, "daily", "bob"); !errors.Is(err, vitrine.ErrNotFound) {
		t.Errorf("who owes nothing: %v, want not found", err)
	}
	h.pay(by, "daily", "ann")
	h.up.Cost = "0.01"
	h.make(h.ann, told)
}

func (h *house) pay(by access.Caller, budget vitrine.ID, subject string) {
	h.t.Helper()
	if err := h.PayDebt(h.t.Context(), anew(by), budget, subject); err != nil {
		h.t.Errorf("pay the debt of %s: %v", budget, err)
	}
}

// TestAlerts: each share of a budget raises an alert once a window.
func TestAlerts(t *testing.T) {
	h := newHouse(t, "", &vitrine.Budget{ID: "day", Kind: vitrine.BudgetProject, Subject: "renders", Window: vitrine.Daily, Limit: cents(10)})
	draw := func(n int) string {
		t.Helper()
		by := anew(h.ann)
		a, err := h.Generate(t.Context(), by, asks(func(r *gateway.Request) { r.N = n }))
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		log := h.of(by.Request)
		return log[len(log)-1].Alert
	}
	var got []string
	for _, n := range []int{4, 1, 1, 2, 1, 1} { // 40, 50, 60, 80, 90, 100 %
		got = append(got, draw(n))
	}
	h.Clock.Advance(24 * time.Hour)
	got = append(got, draw(10))
	want := []string{"", "budget_50", "", "budget_75", "budget_90", "budget_100", "budget_100"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("alerts (-want +got):\n%s", diff)
	}
}

// TestBalance: a caller sees what bounds it, whoever may see budgets sees who
// has used them, and others see nothing.
func TestBalance(t *testing.T) {
	h := newHouse(t, "",
		&vitrine.Budget{ID: "each", Kind: vitrine.BudgetPrincipal, Subject: "*", Window: vitrine.Daily, Limit: cents(10)},
		&vitrine.Budget{ID: "house", Kind: vitrine.BudgetProject, Subject: "renders", Window: vitrine.Monthly, Limit: cents(5)},
		&vitrine.Principal{ID: "bob", Kind: vitrine.User, Email: "bob@example.com"},
		&vitrine.Budget{ID: "bob", Kind: vitrine.BudgetPrincipal, Subject: "bob", Window: vitrine.Total, Limit: 0})
	h.make(h.ann, asks())
	left, all, err := h.Balance(t.Context(), anew(h.ann))
	if err != nil || left == nil || *left != cents(4) || len(all) != 2 {
		t.Errorf("ann's: %v left of %+v, %v", left, all, err)
	}
	all, err = h.Balances(t.Context(), anew(h.ann))
	if err != nil || len(all) != 0 {
		t.Errorf("ann sees %+v, %v; want none", all, err)
	}
	amy := h.person("amy", "accountant")
	all, err = h.Balances(t.Context(), anew(amy))
	if err != nil || len(all) != 1 || all[0].Budget != "house" {
		t.Errorf("the accountant of Renders sees %+v, %v; want the project's", all, err)
	}
	all, err = h.Balances(t.Context(), anew(h.Alice))
	var seen []string
	for _, b := range all {
		seen = append(seen, string(b.Budget)+" "+b.Subject+" "+b.Left().String())
	}
	if want := []string{"bob bob " + vitrine.Micros(0).String(), "each * " + cents(10).String(), "each ann " + cents(9).String(), "house renders " + cents(4).String()}; !slices.Equal(seen, want) || err != nil {
		t.Errorf("an owner sees %q, %v; want %q", seen, err, want)
	}
}

// TestAgent: an agent that acts for a person spends from both.
func TestAgent(t *testing.T) {
	h := newHouse(t, "", &vitrine.Budget{ID: "each", Kind: vitrine.BudgetPrincipal, Subject: "*", Window: vitrine.Daily, Limit: cents(2)})
	h.put(&vitrine.Principal{ID: "helper", Kind: vitrine.Service, Service: vitrine.Agent, Owner: "ann"},
		&vitrine.Binding{ID: "helper-0", Role: "artist", Principal: "helper", Scope: "renders"})
	helper, _ := h.Issue(h.ann, identity.NewKey{Principal: "helper", For: true})
	helper = in(helper, "renders", "drafts")
	h.make(h.ann, asks())
	h.make(helper, asks())
	_, err := h.Generate(t.Context(), anew(helper), asks())
	if !errors.Is(err, vitrine.ErrExhausted) {
		t.Errorf("got %v although ann's budget is used up", err)
	}
}

// TestUpper: what the service may choose is reserved at its dearest.
func TestUpper(t *testing.T) {
	p := &vitrine.Price{Image: 4, Rules: []vitrine.PriceRule{
		{Size: "512x512", Quality: "low", Image: 1}, {Size: "512x512", Image: 2}, {Quality: "high", Image: 9}, {Size: "2048x2048", Image: 20},
	}}
	tests := []struct {
		size, quality string
		want          vitrine.Micros
	}{
		{"512x512", "low", 1},
		{"512x512", "high", 2},
		{"512x512", "", 2},
		{"512x512", "auto", 2},
		{"1024x1024", "low", 4},
		{"1024x1024", "high", 9},
		{"1024x1024", "", 9},
		{"auto", "low", 20},
		{"auto", "auto", 20},
		{"2048x2048", "high", 9}, // the first rule that matches
		{"2048x2048", "", 20},
		// What no rule names is no way around those that are named.
		{"1024x1024", "medium", 4},
		{"1024x1024", "standard", 4},
		{"1024x1024", "HIGH", 9},
		{"1024x1024", " high", 9},
		{"1024x1024", "hd", 9},
		{"1024x1024", "xhigh", 9},
		{"1024x1024", "Auto", 9},
		{"1024x1024", "ultra", 9},
		{"4096x4096", "low", 20},
		{"2048x2049", "low", 20},
		{"2047x2048", "low", 4},
	}
	for _, tt := range tests {
		if got := gateway.Upper(p, tt.size, tt.quality); got != tt.want {
			t.Errorf("Upper(%q, %q) = %d, want %d", tt.size, tt.quality, got, tt.want)
		}
	}
	if got := gateway.Bill(p, 3, "auto", "", map[string]string{"size": "512x512", "quality": "low"}); got != 3 {
		t.Errorf("three small ones of low quality cost %d, want 3", got)
	}
	if got := gateway.Bill(p, 3, "auto", "", nil); got != 60 {
		t.Errorf("three of unknown size cost %d, want 60", got)
	}
}

package gateway_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"image"
	"image/png"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/blob/memblob"
	"vitrine.dev/vitrine/internal/gateway"
	"vitrine.dev/vitrine/internal/provider/providertest"
)

// TestServiceFails: whatever a service does becomes an error that says what to
// do; money comes back where it answered whole and with nothing that can be kept,
// and counts as spent where nobody knows. No text of a service reaches the log.
func TestServiceFails(t *testing.T) {
	h := newHouse(t, "", budgetOfAll)
	slow, err := gateway.New(gateway.Config{Guard: h.Guard, Policies: h.Policies, Store: h.Store, Vault: h.vault, Seal: h.Seal,
		AllowPrivate: true, Now: h.Clock.Now, Timeout: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	const html = "text/html"
	busy := providertest.Status(http.StatusServiceUnavailable, "application/json", `{"error":{"message":"Overloaded.","type":"server_error"}}`, "Retry-After", "9")
	zero := bytes.Repeat([]byte{0}, 5000)
	tests := []struct {
		name    string
		service providertest.Behaviour
		kind    error
		code    string
		retry   int
		spent   vitrine.Micros
	}{
		{"too fast", providertest.RateLimited("7"), vitrine.ErrExhausted, "rate_limited_upstream", 7, 0},
		{"moderated", providertest.Moderated, vitrine.ErrInvalid, "moderation_blocked", 0, 0},
		{"a prompt for a code", providertest.Status(500, "application/json", `{"error":{"message":"No.","code":"a lighthouse in fog"}}`), vitrine.ErrUpstream, "upstream_failed", 0, 0},
		{"overloaded", busy, vitrine.ErrUpstream, "upstream_failed", 9, 0},
		{"500 in the dialect", providertest.ServerError, vitrine.ErrUpstream, "upstream_failed", 0, 0},
		{"502 of a proxy", providertest.BadGateway, vitrine.ErrUpstream, "upstream_failed", 0, 0},
		{"our account", providertest.Leaks, vitrine.ErrUpstream, "provider_account", 0, 0},
		{"our balance", providertest.Status(402, "application/json", `{"error":"Insufficient balance","status":402}`), vitrine.ErrUpstream, "provider_account", 0, 0},
		{"redirect", providertest.Redirect("http://127.0.0.1:1/"), vitrine.ErrUpstream, "redirect", 0, 0},
		{"a web page", providertest.HTML, vitrine.ErrUpstream, "wrong_service", 0, 0},
		{"a page with 404", providertest.Status(404, html, "<h1>Not Found</h1>"), vitrine.ErrUpstream, "upstream_failed", 0, 0},
		{"no JSON", providertest.NotJSON, vitrine.ErrUpstream, "wrong_service", 0, cents(1)},
		{"a picture where JSON was asked for", providertest.Status(200, "image/png", "\x89PNG"), vitrine.ErrUpstream, "other_kind", 0, cents(1)},
		{"garbage", providertest.Garbage, vitrine.ErrUpstream, "bad_answer", 0, 0},
		{"cut", providertest.Cut, vitrine.ErrUpstream, "cut_answer", 0, cents(1)},
		{"a picture without end", providertest.Endless, vitrine.ErrUpstream, "", 0, cents(1)},
		{"endless", providertest.EndlessSpace, vitrine.ErrUpstream, "", 0, 0},
		{"endless error", providertest.EndlessError, vitrine.ErrUpstream, "", 0, 0},
		{"no answer", providertest.Hang, vitrine.ErrUpstream, "timeout", 0, cents(1)},
		{"half an answer", providertest.Silence, vitrine.ErrUpstream, "timeout", 0, cents(1)},
		{"a drip", providertest.Drip(time.Millisecond), vitrine.ErrUpstream, "timeout", 0, cents(1)},
		{"a private URL", providertest.URL("http://169.254.169.254/latest/meta-data/"), vitrine.ErrUpstream, "forbidden_url", 0, 0},
		{"no picture", func(u *providertest.Upstream, w http.ResponseWriter, r *http.Request, c *providertest.Call) {
			providertest.Fewer(u, w, r, c)
		}, vitrine.ErrUpstream, "no_image", 0, 0},
		{"zeros for a picture", func(u *providertest.Upstream, w http.ResponseWriter, r *http.Request, c *providertest.Call) {
			providertest.URL(u.Host("/zero.png", zero))(u, w, r, c)
		}, vitrine.ErrUpstream, "bad_answer", 0, 0},
		{"a web page for a picture", func(u *providertest.Upstream, w http.ResponseWriter, r *http.Request, c *providertest.Call) {
			providertest.URL(u.Host("/p", []byte("<html>sorry</html>")))(u, w, r, c)
		}, vitrine.ErrUpstream, "not_fetched", 0, cents(1)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h.t, h.T = t, t
			h.up.Script(tt.service)
			before := h.balance("all").Spent
			by := anew(h.ann)
			_, err := slow.Generate(t.Context(), by, asks())
			e := failure(t, err)
			if !errors.Is(err, tt.kind) || tt.code != "" && e.Code != tt.code || e.RetryAfter != tt.retry || e.Public == "" {
				t.Errorf("got %v (%s), retry after %d; want %v (%s), %d", err, e.Code, e.RetryAfter, tt.kind, tt.code, tt.retry)
			}
			if b := h.balance("all"); b.Spent-before != tt.spent || b.Reserved != 0 {
				t.Errorf("spent %s, reserved %s; want %s, nothing", b.Spent-before, b.Reserved, tt.spent)
			}
			log := h.of(by.Request)
			if len(log) != 2 || log[1].Outcome != vitrine.Broken || log[1].Op != "generate failed" || log[1].Cost != tt.spent {
				t.Errorf("the log has %+v", log)
			}
			if left, err := h.disk.List(t.Context(), "", 10); err != nil || len(left) != 0 {
				t.Errorf("left in the bucket: %v, %v", left, err)
			}
		})
	}
}

// TestChargedBeforeItFailed: a service says what it charged, and then its picture
// cannot be had. What it said counts, also beyond what was set aside.
func TestChargedBeforeItFailed(t *testing.T) {
	for _, tt := range []struct {
		cost        string
		spent, debt vitrine.Micros
	}{
		{"0.09", cents(9), cents(5)},
		{"0.03", cents(3), 0},
		{"", 0, 0}, // it did not say
	} {
		t.Run(tt.cost, func(t *testing.T) {
			h := newHouse(t, "", budgetOfAll)
			told := `, "cost": ` + tt.cost
			if tt.cost == "" {
				told = ""
			}
			h.up.Script(providertest.Status(200, "application/json", `{"data":[{"url":"http://10.0.0.1/p.png"}]`+told+`}`))
			by := anew(h.ann)
			_, err := h.Generate(t.Context(), by, asks(func(r *gateway.Request) { r.Model = "told" }))
			if e := failure(t, err); e.Code != "forbidden_url" {
				t.Errorf("got %v (%s)", err, e.Code)
			}
			if b := h.balance("all"); b.Spent != tt.spent || b.Debt != tt.debt || b.Reserved != 0 {
				t.Errorf("balance %+v", b)
			}
			if log := h.of(by.Request); len(log) != 2 || log[1].Cost != tt.spent || log[1].Raised("budget_debt") != (tt.debt > 0) {
				t.Errorf("the log has %+v", log)
			}
		})
	}
}

// TestServiceDown: what was never sent costs nothing.
func TestServiceDown(t *testing.T) {
	h := newHouse(t, "", budgetOfAll)
	h.up.Close()
	_, err := h.Generate(t.Context(), anew(h.ann), asks())
	if e := failure(t, err); !errors.Is(err, vitrine.ErrUpstream) || e.Code != "unreachable" || strings.Contains(e.Public, "127.0.0.1") {
		t.Errorf("got %v (%s)", err, e.Code)
	}
	if b := h.balance("all"); b.Spent != 0 || b.Reserved != 0 {
		t.Errorf("balance %+v", b)
	}
}

// TestPartOfAnAnswer: images that came whole before a service failed may have
// been paid for, so they are kept.
func TestPartOfAnAnswer(t *testing.T) {
	h := newHouse(t, "", budgetOfAll)
	h.up.Script(func(u *providertest.Upstream, w http.ResponseWriter, r *http.Request, c *providertest.Call) {
		whole := "data:image/png;base64," + base64.StdEncoding.EncodeToString(u.Picture(0, c))
		providertest.Status(http.StatusOK, "application/json", `{"data":[{"url":"`+whole+`"},{"url":"http://10.0.0.1/p"}]}`)(u, w, r, c)
	})
	by := anew(h.ann)
	a, err := h.Generate(t.Context(), by, asks(func(r *gateway.Request) { r.N = 2 }))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if len(a.Images) != 1 || a.Cost != cents(1) {
		t.Errorf("%d images for %s, want one for its price", len(a.Images), a.Cost)
	}
	log := h.of(by.Request)
	if len(log) != 2 || !strings.Contains(log[1].Detail, "forbidden_url") || !strings.Contains(log[1].Detail, "1 of the 2") {
		t.Errorf("the log has %+v", log)
	}
}

// TestDiskFails: an image that came and cannot be sealed is lost; then somebody
// is told, and nobody is made to pay for a second one by accident.
func TestDiskFails(t *testing.T) {
	h := newHouse(t, "", budgetOfAll)
	h.up.Picture = func(int, *providertest.Call) []byte { return noise(300, 300) }
	h.disk.Before = func(op memblob.Op, name string) error {
		if op == memblob.Commit {
			return errors.New("no space left on device")
		}
		return nil
	}
	by := anew(h.ann)
	_, err := h.Generate(t.Context(), by, asks())
	if e := failure(t, err); !errors.Is(err, vitrine.ErrUpstream) || e.Code != "not_kept" || strings.Contains(e.Public, "device") {
		t.Errorf("got %v (%s)", err, e.Code)
	}
	if b := h.balance("all"); b.Spent != cents(1) || b.Reserved != 0 {
		t.Errorf("balance %+v", b)
	}
	if log := h.of(by.Request); len(log) != 2 || !log[1].Raised("paid_image_lost") {
		t.Errorf("the log has %+v", log)
	}
}

// TestNoRoom: where the disk could not keep what a service makes, the service is
// not asked, and nothing is paid.
func TestNoRoom(t *testing.T) {
	h := newHouse(t, "", budgetOfAll)
	full := false
	h.disk.Room = func() (int64, error) {
		if full {
			return 80 << 20, nil // for a picture of the largest size, and two others
		}
		return 100 << 20, nil
	}
	three := asks(func(r *gateway.Request) { r.N = 3 })
	h.make(h.ann, three)
	full = true
	by := anew(h.ann)
	_, err := h.Generate(t.Context(), by, three)
	if e := failure(t, err); !errors.Is(err, vitrine.ErrUnavailable) || e.Code != "no_room" || e.RetryAfter == 0 {
		t.Errorf("got %v (%s)", err, e.Code)
	}
	if b := h.balance("all"); b.Spent != cents(3) || b.Reserved != 0 || h.up.Count() != 1 {
		t.Errorf("balance %+v, asked %d times", b, h.up.Count())
	}
	if log := h.of(by.Request); len(log) != 1 || log[0].Outcome != vitrine.Refused || log[0].Code != "no_room" {
		t.Errorf("the log has %+v", log)
	}
	h.make(h.ann, asks()) // nothing stayed claimed
}

// noise is a picture that does not compress.
func noise(width, height int) []byte {
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	random := rand.NewChaCha8([32]byte{})
	for i := range m.Pix {
		m.Pix[i] = byte(random.Uint64()) | 1
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// TestBusy: what finds no place is turned away, and pays nothing.
func TestBusy(t *testing.T) {
	h := newHouse(t, "", budgetOfAll)
	g, err := gateway.New(gateway.Config{Guard: h.Guard, Policies: h.Policies, Store: h.Store, Vault: h.vault, Seal: h.Seal,
		AllowPrivate: true, Now: h.Clock.Now, Calls: 1})
	if err != nil {
		t.Fatal(err)
	}
	g.Impatient()
	until, begun := make(chan struct{}), make(chan struct{})
	h.up.Script(func(u *providertest.Upstream, w http.ResponseWriter, r *http.Request, c *providertest.Call) {
		close(begun)
		providertest.Wait(until)(u, w, r, c)
	})
	done := make(chan error, 1)
	draw := func() error {
		a, err := g.Generate(t.Context(), anew(h.ann), asks())
		if err != nil {
			return err
		}
		return a.Close()
	}
	go func() { done <- draw() }()
	<-begun
	if e := failure(t, draw()); !errors.Is(e, vitrine.ErrUnavailable) || e.Code != "busy" || e.RetryAfter == 0 {
		t.Errorf("got %v (%s)", e, e.Code)
	}
	close(until)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := draw(); err != nil {
		t.Errorf("with the place free again: %v", err)
	}
	if b := h.balance("all"); b.Spent != cents(2) || b.Reserved != 0 {
		t.Errorf("balance %+v", b)
	}
}

func TestWaitOf(t *testing.T) {
	now := time.Date(2027, 1, 15, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		header string
		want   int
	}{
		{"", 0}, {"7", 7}, {"0.2", 1}, {"-1", 0}, {"NaN", 0}, {"soon", 0}, {"1e300", 86400},
		{"Fri, 15 Jan 2027 12:00:30 GMT", 30}, {"Fri, 15 Jan 2027 11:00:00 GMT", 0},
	}
	for _, tt := range tests {
		if got := gateway.WaitOf(tt.header, now); got != tt.want {
			t.Errorf("WaitOf(%q) = %d, want %d", tt.header, got, tt.want)
		}
	}
}

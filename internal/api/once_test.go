package api_test

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/problem"
	"vitrine.dev/vitrine/internal/store"
)

// One key, one image; and what is wrong with a second request is said.
func TestUploadOnce(t *testing.T) {
	g := newGallery(t)
	count := func() int {
		var all struct{ Images []any }
		g.do("GET", "/api/v1/images", "ann", nil).json(t, &all)
		return len(all.Images)
	}
	send := func(path string, body []byte, key string) *reply {
		got := g.do("POST", path, "ann", body, "Idempotency-Key", key)
		g.documented("POST", "/api/v1/images", got)
		return got
	}
	const path = "/api/v1/images?name=a.png&label=x"
	large := picture(t, 1500)
	first := send(path, large, "k")
	again := send("/api/v1/images?label=x&name=a.png", large, "k")
	if first.status != 201 || again.status != 201 || !bytes.Equal(first.body, again.body) || again.header.Get("X-Vitrine-Replay") != "true" ||
		first.header.Get("X-Vitrine-Replay") != "" || first.header.Get("Location") != again.header.Get("Location") || first.header.Get("ETag") != again.header.Get("ETag") {
		t.Errorf("first %d %s %v, then %d %s %v", first.status, first.body, first.header, again.status, again.body, again.header)
	}
	for name, got := range map[string]*reply{
		"another picture":      send(path, picture(t, 20), "k"),
		"another name":         send("/api/v1/images?name=b.png&label=x", large, "k"),
		"another thing at all": g.do("POST", "/api/v1/keys", "ann", []byte(`{}`), "Idempotency-Key", "k"),
	} {
		if got.status != 409 || !strings.Contains(string(got.body), "idempotency_key_reused") {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	if got := send(path, []byte("no picture"), "bad"); got.status != 400 {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := send(path, large, "bad"); got.status != 201 {
		t.Errorf("a key whose request failed is not free: %d %s", got.status, got.body)
	}
	if got := send(path, large, strings.Repeat("k", 300)); got.status != 400 {
		t.Errorf("an endless key: %d %s", got.status, got.body)
	}
	if n := count(); n != 2 {
		t.Errorf("%d images, want 2", n)
	}
	g.do("DELETE", first.header.Get("Location"), "ann", nil)
	if got := send(path, large, "k"); got.status != 404 {
		t.Errorf("of an image that is deleted: %d %s", got.status, got.body)
	}
	if _, err := g.Policies.Apply(t.Context(), g.Owner(0), &vitrine.ChangeSet{Changes: []vitrine.Change{vitrine.Delete(vitrine.Ref{Kind: vitrine.KindBinding, ID: "ann-keeps"})}}); err != nil {
		t.Fatal(err)
	}
	if got := send(path, large, "bad"); got.status != 404 || len(got.header.Get("Location")) > 0 {
		t.Errorf("who may upload no more hears of what she uploaded: %d %s", got.status, got.body)
	}
}

// However many come at once.
func TestUploadOnceAtTheSameTime(t *testing.T) {
	g := newGallery(t)
	body := picture(t, 400)
	statuses := make([]int, 16)
	var wg sync.WaitGroup
	for i := range statuses {
		wg.Go(func() {
			got := g.do("POST", "/api/v1/images", "ann", body, "Idempotency-Key", "k")
			if statuses[i] = got.status; got.status == 409 && got.header.Get("Retry-After") == "" {
				t.Errorf("not told when to ask again: %s", got.body)
			}
		})
	}
	wg.Wait()
	for _, s := range statuses {
		if s != 201 && s != 409 {
			t.Errorf("statuses %v", statuses)
		}
	}
	var all struct{ Images []any }
	if g.do("GET", "/api/v1/images", "ann", nil).json(t, &all); len(all.Images) != 1 {
		t.Errorf("%d images, want 1", len(all.Images))
	}
}

// A secret is shown once, and kept nowhere.
func TestSecretsAreNotReplayed(t *testing.T) {
	g := newGallery(t)
	at := g.upload()
	var issued struct{ ID string }
	g.do("POST", "/api/v1/keys", "ann", []byte(`{"name":"old"}`)).json(t, &issued)
	for _, tt := range []struct{ name, path, pattern, body string }{
		{"key", "/api/v1/keys", "/api/v1/keys", `{"name":"new"}`},
		{"rotation", "/api/v1/keys/" + issued.ID + "/rotate", "/api/v1/keys/{id}/rotate", `{"overlap":"1h"}`},
		{"link", at + "/links", "/api/v1/images/{id}/links", `{"ttl":"5m"}`},
	} {
		first := g.do("POST", tt.path, "ann", []byte(tt.body), "Idempotency-Key", tt.name)
		var made struct{ ID, Key, URL string }
		first.json(t, &made)
		if first.status > 299 || made.Key+made.URL == "" {
			t.Fatalf("%s: %d %s", tt.name, first.status, first.body)
		}
		again := g.do("POST", tt.path, "ann", []byte(tt.body), "Idempotency-Key", tt.name)
		g.documented("POST", tt.pattern, again)
		var p problem.Problem
		again.json(t, &p)
		if again.status != 409 || p.Code != "idempotency_key_answered" || !strings.Contains(p.Detail, made.ID) || strings.Contains(string(again.body), made.Key+made.URL) {
			t.Errorf("%s again: %d %s", tt.name, again.status, again.body)
		}
		kept, err := g.Store.Reply(t.Context(), "ann", tt.name)
		if err != nil || strings.Contains(string(kept.Body), made.Key+made.URL) || !strings.Contains(string(kept.Body), made.ID) {
			t.Errorf("%s: kept is %s, %v", tt.name, kept.Body, err)
		}
	}
	var keys struct{ Keys []any }
	if g.do("GET", "/api/v1/keys", "ann", nil).json(t, &keys); len(keys.Keys) != 3 { // hers, old, new
		t.Errorf("%d keys, want 3", len(keys.Keys))
	}
}

func TestPrincipalOnce(t *testing.T) {
	g := newGallery(t)
	const body = `{"kind":"service","service":"pipeline","owner":"ann","name":"nightly"}`
	var replies []*reply
	for range 2 {
		got := g.do("POST", "/api/v1/principals", "alice", []byte(body), "Idempotency-Key", "k")
		g.documented("POST", "/api/v1/principals", got)
		replies = append(replies, got)
	}
	if replies[0].status != 200 || replies[1].status != 200 || !bytes.Equal(replies[0].body, replies[1].body) || replies[1].header.Get("X-Vitrine-Replay") != "true" {
		t.Errorf("first %d %s, then %d %s", replies[0].status, replies[0].body, replies[1].status, replies[1].body)
	}
	if got := g.do("POST", "/api/v1/principals", "alice", []byte(strings.Replace(body, "nightly", "daily", 1)), "Idempotency-Key", "k"); got.status != 409 {
		t.Errorf("another body: %d %s", got.status, got.body)
	}
	if got := g.do("POST", "/api/v1/principals", "mia", []byte(body), "Idempotency-Key", "k"); got.status != 404 {
		t.Errorf("a key is its principal's alone: %d %s", got.status, got.body)
	}
}

// A request that ended nobody knows how is not carried out again.
func TestOutcomeUnknown(t *testing.T) {
	g := newGallery(t)
	got := g.do("POST", "/api/v1/principals", "alice", []byte(`{"kind":"group","name":"x"}`), "Idempotency-Key", "k")
	alice := g.Owner(0).Principal
	kept, err := g.Store.Reply(t.Context(), alice, "k")
	if err != nil || got.status != 200 {
		t.Fatal(err, got.status)
	}
	for age, code := range map[time.Duration]string{time.Minute: "idempotency_key_in_use", time.Hour: "idempotency_outcome_unknown"} {
		err := g.Store.Maintain(t.Context(), func(tx *store.Tx) error {
			if err := tx.DropReply(alice, "k"); err != nil {
				return err
			}
			return tx.ClaimReply(&store.Reply{Key: "k", Principal: alice, Request: kept.Request, Created: time.Now().Add(-age)})
		})
		if err != nil {
			t.Fatal(err)
		}
		got := g.do("POST", "/api/v1/principals", "alice", []byte(`{"kind":"group","name":"x"}`), "Idempotency-Key", "k")
		if got.status != 409 || !strings.Contains(string(got.body), code) {
			t.Errorf("after %s: %d %s, want %s", age, got.status, got.body, code)
		}
	}
}

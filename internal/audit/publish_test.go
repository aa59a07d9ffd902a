package audit_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/tlog"

	"vitrine.dev/vitrine/internal/audit"
	"vitrine.dev/vitrine/internal/blob/blobtest"
	"vitrine.dev/vitrine/internal/blob/memblob"
	"vitrine.dev/vitrine/internal/blob/s3blob"
	"vitrine.dev/vitrine/internal/merkle"
)

// The directory of checkpoints belongs to this server. What becomes of it while
// the server runs is told, once, and what is newest is written again.
func TestDirectoryVanishes(t *testing.T) {
	for _, tt := range []struct {
		name   string
		happen func(b *bench) error
		alarm  bool
	}{
		{"nothing", func(*bench) error { return nil }, false},
		{"it is removed", func(b *bench) error { return os.RemoveAll(b.publish) }, true},
		{"it is moved away", func(b *bench) error { return os.Rename(b.publish, b.publish+".away") }, true},
		{"the newest is removed", func(b *bench) error { return os.Remove(filepath.Join(b.publish, "checkpoint")) }, true},
		{"the history is removed", func(b *bench) error { return os.Remove(filepath.Join(b.publish, "checkpoints")) }, true},
		{"the history is cut", func(b *bench) error { return os.Truncate(filepath.Join(b.publish, "checkpoints"), 10) }, true},
		{"an older one is put back", func(b *bench) error {
			history, err := os.ReadFile(filepath.Join(b.publish, "checkpoints"))
			if err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(b.publish, "checkpoint"), []byte(audit.ReadCheckpoints(history)[0]), 0o644)
		}, true},
		{"garbage is put there", func(b *bench) error { return os.WriteFile(filepath.Join(b.publish, "checkpoint"), []byte("x"), 0o644) }, true},
		{"another node publishes there", func(b *bench) error {
			b.grow(1)
			size, root, _, err := b.store.LogSize(t.Context())
			if err != nil {
				return err
			}
			text := audit.Sign(t, b.signer, audit.Checkpoint{Origin: origin, Size: size, Root: root})
			return os.WriteFile(filepath.Join(b.publish, "checkpoint"), []byte(text), 0o644)
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			for range 2 {
				b.grow(2)
				b.checkpoint()
			}
			if err := tt.happen(b); err != nil {
				t.Fatal(err)
			}
			for range 3 { // also where nothing is appended
				text := b.checkpoint()
				if got, err := os.ReadFile(filepath.Join(b.publish, "checkpoint")); err != nil || string(got) != text {
					t.Errorf("published %q, %v", got, err)
				}
			}
			want := []string(nil)
			if tt.alarm {
				want = []string{"checkpoints_absent"}
			}
			if diff := cmp.Diff(want, b.alerts()); diff != "" {
				t.Errorf("alerts (-want +got):\n%s", diff)
			}
		})
	}
}

// faulty is a target that can be out of order.
type faulty struct {
	audit.Target
	mu   sync.Mutex
	down error
	puts []string
}

func (f *faulty) set(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = err
}

func (f *faulty) state(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down == nil && name != "" {
		f.puts = append(f.puts, name)
	}
	return f.down
}

func (f *faulty) Put(ctx context.Context, name string, data []byte) error {
	if err := f.state(name); err != nil {
		return err
	}
	return f.Target.Put(ctx, name, data)
}

func (f *faulty) Get(ctx context.Context, name string) ([]byte, error) {
	if err := f.state(""); err != nil {
		return nil, err
	}
	return f.Target.Get(ctx, name)
}

// targets runs a test on every kind of target.
func targets(t *testing.T, fn func(t *testing.T, to audit.Target)) {
	t.Run("directory", func(t *testing.T) { fn(t, audit.NewDirectory(filepath.Join(t.TempDir(), "mirror"))) })
	t.Run("bucket of blobs", func(t *testing.T) { fn(t, audit.NewBucket(new(memblob.Bucket), "log")) })
	t.Run("s3", func(t *testing.T) {
		place, credentials := blobtest.S3(t)
		files, err := s3blob.OpenFiles(place, credentials)
		if err != nil {
			t.Fatal(err)
		}
		fn(t, files)
	})
}

func TestTarget(t *testing.T) {
	targets(t, func(t *testing.T, to audit.Target) {
		put := func(name, text string) {
			t.Helper()
			if err := to.Put(t.Context(), name, []byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		get := func(name string) string {
			b, err := to.Get(t.Context(), name)
			if errors.Is(err, fs.ErrNotExist) {
				return "none"
			}
			if err != nil {
				t.Fatal(err)
			}
			return string(b)
		}
		if got := get("checkpoint"); got != "none" {
			t.Errorf("of an empty target: %q", got)
		}
		if err := to.Remove(t.Context(), "tile/0/000.p"); err != nil {
			t.Errorf("remove nothing: %v", err)
		}
		for _, name := range []string{"checkpoint", "tile/0/000.p/1", "tile/0/000.p/22", "tile/0/000", "tile/0/001", "tile/0/x001/000"} {
			put(name, "first "+name)
			put(name, name)
		}
		if err := to.Remove(t.Context(), "tile/0/000.p"); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{"checkpoint": "checkpoint", "tile/0/000": "tile/0/000", "tile/0/001": "tile/0/001",
			"tile/0/x001/000": "tile/0/x001/000", "tile/0/000.p/1": "none", "tile/0/000.p/22": "none"} {
			if got := get(name); got != want {
				t.Errorf("%s holds %q, want %q", name, got, want)
			}
		}
	})
}

// shown is a mirror as its readers see it.
type shown struct {
	t  *testing.T
	to audit.Target
}

func (s shown) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, t := range tiles {
		b, err := s.to.Get(s.t.Context(), merkle.Tile{Level: t.L, Index: t.N, Width: t.W}.Path())
		if err != nil {
			return nil, err
		}
		all = append(all, b)
	}
	return all, nil
}

func (s shown) Height() int                     { return 8 }
func (s shown) SaveTiles([]tlog.Tile, [][]byte) {}

// whole reads the log out of a mirror with another's code, and answers its size.
func (b *bench) whole(t *testing.T, to audit.Target) int64 {
	t.Helper()
	text, err := to.Get(t.Context(), "checkpoint")
	if errors.Is(err, fs.ErrNotExist) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	c, err := audit.OpenCheckpoint(string(text), b.log.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	var at []int64
	for i := range c.Size {
		at = append(at, tlog.StoredHashIndex(0, i))
	}
	got, err := tlog.TileHashReader(tlog.Tree{N: c.Size, Hash: tlog.Hash(c.Root)}, shown{t, to}).ReadHashes(at)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range b.leaves(c.Size) {
		if merkle.Hash(got[i]) != want {
			t.Errorf("the mirror's hash of entry %d is another", i)
		}
	}
	return c.Size
}

// mirrored is a bench that publishes to a mirror.
func mirrored(t *testing.T, to audit.Target) *bench {
	b := newBench(t)
	b.restart(func() { b.mirror = to })
	return b
}

func (b *bench) carry() {
	b.t.Helper()
	if err := b.log.Carry(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

// Whoever sees a checkpoint in a mirror finds the tiles that lead to it, and
// once a tile is full the partial ones go.
func TestMirror(t *testing.T) {
	targets(t, func(t *testing.T, to audit.Target) {
		b := mirrored(t, to)
		size := int64(0)
		for i, n := range []int{1, 3, 255, 2, 300} {
			b.grow(n)
			b.checkpoint()
			if i == 3 {
				b.restart(func() {}) // goes on where it was
				b.checkpoint()
			}
			b.carry()
			size += int64(n)
			if got := b.whole(t, to); got != size {
				t.Errorf("the mirror has %d entries, want %d", got, size)
			}
		}
		if _, err := to.Get(t.Context(), "tile/0/000.p/4"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a partial tile is left: %v", err)
		}
		if _, err := to.Get(t.Context(), "tile/entries/000"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("entries are published: %v", err)
		}
		if len(b.alerts()) > 0 {
			t.Errorf("alerts %q", b.alerts())
		}
	})
}

// A mirror whose tiles were not published before gets all of them.
func TestMirrorGetsTilesLater(t *testing.T) {
	to := audit.NewDirectory(filepath.Join(t.TempDir(), "mirror"))
	b := mirrored(t, to)
	b.grow(600)
	b.checkpoint()
	b.carry()
	b.restart(func() {
		if err := to.Remove(t.Context(), "tile"); err != nil {
			t.Fatal(err)
		}
	})
	b.grow(1)
	b.checkpoint()
	b.carry()
	if got := b.whole(t, to); got != 601 {
		t.Errorf("the mirror has %d entries", got)
	}
}

// What is taken away from a mirror is told and put there again.
func TestMirrorVanishes(t *testing.T) {
	for name, happen := range map[string]func(to audit.Target, old []byte) error{
		"emptied": func(to audit.Target, _ []byte) error {
			return errors.Join(to.Remove(t.Context(), "tile"), to.Remove(t.Context(), "checkpoint"))
		},
		"an older put back": func(to audit.Target, old []byte) error { return to.Put(t.Context(), "checkpoint", old) },
	} {
		t.Run(name, func(t *testing.T) {
			to := audit.NewDirectory(filepath.Join(t.TempDir(), "mirror"))
			b := mirrored(t, to)
			b.grow(3)
			old := b.checkpoint()
			b.carry()
			b.grow(300)
			b.checkpoint()
			b.carry()
			if err := happen(to, []byte(old)); err != nil {
				t.Fatal(err)
			}
			b.grow(1)
			b.checkpoint()
			b.carry()
			if got := b.whole(t, to); got != 304 {
				t.Errorf("the mirror has %d entries", got)
			}
			if diff := cmp.Diff([]string{"checkpoints_absent"}, b.alerts()); diff != "" {
				t.Errorf("alerts (-want +got):\n%s", diff)
			}
		})
	}
}

// A mirror is an anchor like the directory: a log that is older than what was
// published there is not served, nor signed.
func TestMirrorHoldsTheLog(t *testing.T) {
	to := &faulty{Target: audit.NewDirectory(filepath.Join(t.TempDir(), "mirror"))}
	roll := func(t *testing.T) *bench {
		to.Target = audit.NewDirectory(filepath.Join(t.TempDir(), "mirror"))
		b := newBench(t)
		b.restart(func() { b.mirror, b.publish = to, "" })
		b.grow(4)
		b.checkpoint()
		b.restart(b.copyAway)
		b.grow(2)
		b.checkpoint()
		b.carry()
		b.stop()
		b.putBack()
		return b
	}
	t.Run("at start", func(t *testing.T) {
		b := roll(t)
		b.start()
		if err := b.log.Continues(t.Context()); !errors.Is(err, audit.ErrTampered) {
			t.Errorf("an older log continues: %v", err)
		}
	})
	t.Run("once it can be reached", func(t *testing.T) {
		b := roll(t)
		to.set(errors.New("no route"))
		b.start()
		if err := b.log.Continues(t.Context()); err != nil {
			t.Errorf("a mirror that is away keeps the log from being served: %v", err)
		}
		b.checkpoint()
		to.set(nil)
		if err := b.log.Carry(t.Context()); !errors.Is(err, audit.ErrTampered) {
			t.Errorf("carried to a mirror that is ahead: %v", err)
		}
		if b.log.Broken() == nil {
			t.Error("nobody was told")
		}
	})
}

// Another's mirror is not written over.
func TestForeignMirror(t *testing.T) {
	to := audit.NewDirectory(filepath.Join(t.TempDir(), "mirror"))
	other := mirrored(t, to)
	other.grow(3)
	text := other.checkpoint()
	other.carry()
	b := mirrored(t, to)
	b.grow(1)
	b.checkpoint()
	if err := b.log.Carry(t.Context()); err == nil || !strings.Contains(err.Error(), "not of this log") {
		t.Errorf("got %v", err)
	}
	if got, err := to.Get(t.Context(), "checkpoint"); err != nil || string(got) != text {
		t.Errorf("written over: %q, %v", got, err)
	}
}

// An outage holds nobody up. It is told once it lasts, and its end too; then what
// is newest is published.
func TestOutage(t *testing.T) {
	to := &faulty{Target: audit.NewDirectory(filepath.Join(t.TempDir(), "mirror"))}
	b := newBench(t)
	b.restart(func() { b.mirror, b.outage = to, time.Nanosecond })
	b.grow(1)
	b.checkpoint()
	b.carry()
	to.set(errors.New("no route to the bucket"))
	for range 3 {
		b.grow(2)
		b.checkpoint() // which goes on
		if err := b.log.Carry(t.Context()); err == nil {
			t.Fatal("carried to what is not there")
		}
		if err := b.log.Healthy(t.Context()); err != nil {
			t.Errorf("an outage elsewhere makes the log unhealthy: %v", err)
		}
	}
	p, err := b.log.Published(t.Context())
	if err != nil || len(p) != 1 || p[0].Size != 1 || p[0].Since.IsZero() || !strings.Contains(p[0].Error, "no route") {
		t.Errorf("published %+v, %v", p, err)
	}
	b.restart(func() {}) // which remembers
	b.checkpoint()
	to.set(nil)
	b.carry()
	if diff := cmp.Diff([]string{"checkpoints_unpublished", ""}, b.alerts()); diff != "" {
		t.Errorf("alerts (-want +got):\n%s", diff)
	}
	if p, err := b.log.Published(t.Context()); err != nil || p[0].Error != "" || !p[0].Since.IsZero() || p[0].Size < 7 {
		t.Errorf("published %+v, %v", p, err)
	}
	b.carry()
	if got := b.whole(t, to); got < 7 {
		t.Errorf("the mirror has %d entries", got)
	}
}

// Tiles reach a mirror before the checkpoint that needs them.
func TestTilesComeFirst(t *testing.T) {
	to := &faulty{Target: audit.NewDirectory(filepath.Join(t.TempDir(), "mirror"))}
	b := mirrored(t, to)
	b.grow(257)
	b.checkpoint()
	b.carry()
	want := []string{"tile/0/000", "tile/0/001.p/1", "tile/1/000.p/1", "checkpoint"}
	slices.Sort(to.puts[:len(to.puts)-1])
	if diff := cmp.Diff(want, to.puts); diff != "" {
		t.Errorf("put (-want +got):\n%s", diff)
	}
}

// hooked is a webhook's end.
type hooked struct {
	mu     sync.Mutex
	status int
	heard  []*http.Request
	bodies []string
}

func (h *hooked) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	h.heard, h.bodies = append(h.heard, r), append(h.bodies, string(body))
	if h.status == http.StatusFound {
		w.Header().Set("Location", "/elsewhere")
	}
	w.WriteHeader(h.status)
}

const hookSecret = "0123456789abcdef"

func newHooked(t *testing.T) (*hooked, *bench) {
	h := &hooked{status: http.StatusNoContent}
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	b := newBench(t)
	b.restart(func() {
		b.hook = &audit.Webhook{URL: srv.URL + "/T1/private", Secret: hookSecret, Plain: true}
		b.outage = time.Nanosecond
	})
	return h, b
}

func TestWebhook(t *testing.T) {
	h, b := newHooked(t)
	b.grow(5)
	text := b.checkpoint()
	for range 2 {
		b.carry() // once
	}
	if len(h.heard) != 1 {
		t.Fatalf("heard %d times", len(h.heard))
	}
	r, body := h.heard[0], h.bodies[0]
	mac := hmac.New(sha256.New, []byte(hookSecret))
	fmt.Fprintf(mac, "%s.%s.%s", r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp"), body)
	if got, want := r.Header.Get("webhook-signature"), "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)); got != want {
		t.Errorf("signature %q, want %q", got, want)
	}
	var told struct {
		Type string
		Data struct {
			Size       int64
			Checkpoint string
			PublicKey  string `json:"public_key"`
		}
	}
	if err := json.Unmarshal([]byte(body), &told); err != nil {
		t.Fatal(err)
	}
	if r.Method != "POST" || r.URL.Path != "/T1/private" || told.Type != "log.checkpoint" || told.Data.Size != 5 || told.Data.Checkpoint != text || told.Data.PublicKey != b.log.PublicKey() {
		t.Errorf("%s %s %s", r.Method, r.URL, body)
	}
	b.restart(func() {}) // which remembers what was told
	b.checkpoint()
	b.carry()
	if len(h.heard) != 1 {
		t.Errorf("told again after a restart")
	}
}

// What is refused is told again, with the newest; redirects are not followed.
func TestWebhookFails(t *testing.T) {
	for _, status := range []int{http.StatusInternalServerError, http.StatusNotFound, http.StatusFound, http.StatusTooManyRequests} {
		h, b := newHooked(t)
		h.status = status
		b.grow(2)
		b.checkpoint()
		err := b.log.Carry(t.Context())
		if err == nil || !strings.Contains(err.Error(), fmt.Sprint(status)) || strings.Contains(err.Error(), "private") || len(h.heard) != 1 {
			t.Errorf("%d: %v, heard %d times", status, err, len(h.heard))
		}
		if err := b.log.Carry(t.Context()); err == nil {
			t.Errorf("%d: then it was taken", status)
		}
		h.status = http.StatusOK
		b.grow(2)
		b.checkpoint()
		b.carry()
		if n := len(h.bodies); n != 3 || !strings.Contains(h.bodies[2], `"size":5`) { // with the alert
			t.Errorf("%d: told %q", status, h.bodies)
		}
		if diff := cmp.Diff([]string{"checkpoints_unpublished", ""}, b.alerts()); diff != "" {
			t.Errorf("%d: alerts (-want +got):\n%s", status, diff)
		}
	}
}

func TestWebhookRefused(t *testing.T) {
	b := newBench(t)
	for _, tt := range []struct {
		name string
		hook audit.Webhook
		want string
	}{
		{"no address", audit.Webhook{URL: "hooks", Secret: hookSecret}, "want an address"},
		{"in clear", audit.Webhook{URL: "http://127.0.0.1/x", Secret: hookSecret}, "https://"},
		{"a name in it", audit.Webhook{URL: "https://u:p@hooks.example.com/x", Secret: hookSecret}, "want an address"},
		{"a short secret", audit.Webhook{URL: "https://hooks.example.com/x", Secret: "short"}, "fewer than 16"},
		{"no base64", audit.Webhook{URL: "https://hooks.example.com/x", Secret: "whsec_!"}, "base64"},
	} {
		b.stop()
		_, err := audit.New(audit.Config{Store: b.store, Guard: b.guard, Signer: b.signer, Origin: origin, Webhook: &tt.hook})
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "u:p") {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// Plain HTTP stays in the own network, whatever a name leads to.
func TestWebhookInClearStaysNear(t *testing.T) {
	b := newBench(t)
	b.restart(func() {
		b.hook = &audit.Webhook{URL: "http://192.0.2.1:9/x", Secret: hookSecret, Plain: true}
	})
	b.grow(1)
	b.checkpoint()
	if err := b.log.Carry(t.Context()); err == nil || !strings.Contains(err.Error(), "loopback and private") {
		t.Errorf("got %v", err)
	}
}

// Run sends everything on its own, and at its end once more.
func TestRunPublishes(t *testing.T) {
	h, b := newHooked(t)
	to := audit.NewDirectory(filepath.Join(t.TempDir(), "mirror"))
	b.restart(func() { b.mirror = to })
	b.grow(300)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.log.Run(ctx) }()
	b.checkpoint()
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := b.whole(t, to); got != 300 || len(h.bodies) == 0 {
		t.Errorf("the mirror has %d entries, the webhook heard %d", got, len(h.bodies))
	}
}

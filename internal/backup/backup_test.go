package backup_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/app"
	"vitrine.dev/vitrine/internal/audit"
	"vitrine.dev/vitrine/internal/config"
	"vitrine.dev/vitrine/internal/gateway"
	"vitrine.dev/vitrine/internal/identity"
	"vitrine.dev/vitrine/internal/rbac"
	"vitrine.dev/vitrine/internal/store"
	"vitrine.dev/vitrine/internal/store/storetest"
	"vitrine.dev/vitrine/internal/vault"
	"vitrine.dev/vitrine/internal/vitrinetest"
)

const policyText = `
projects:
  renders:
    environment: staging
    datasets:
      drafts: {category: generated, birth_tier: internal}
      finds: {category: reference, birth_tier: internal, restore_window: 7d}
    deployments:
      hidream: {provider: studio, price: 0.01}
      flux: {provider: studio, price: 0.03}
providers:
  studio: {kind: studio}
people:
  ann: {email: ann@example.com}
  bob: {email: bob@example.com}
  eve: {email: eve@example.com}
  carl: {email: carl@example.com}
  dora: {email: dora@example.com}
services:
  nightly: {kind: pipeline, owner: dora, purpose: backups}
groups:
  makers: {members: [bob, eve]}
roles:
  maker:
    grants:
      - {permissions: [model.generate, dataset.edit]}
      - {permissions: [image.create, image.open, image.delete], categories: [generated, reference], tiers: [public, internal, confidential, restricted]}
  curator:
    grants:
      - {permissions: [image.classify, image.open], categories: [generated, reference], tiers: [public, internal, confidential, restricted]}
  keeper:
    grants:
      - {permissions: [system.backup, log.export]}
bindings:
  - {id: ann-makes, role: maker, principal: ann, scope: renders}
  - {id: makers-make, role: maker, principal: makers, scope: renders}
  - {role: keeper, principal: nightly, scope: org}
  - {id: carl-curates, role: curator, principal: carl, scope: renders}
budgets:
  ann-total: {kind: principal, subject: ann, window: total, limit: 10.00}
`

// picture is a PNG of noise: one of side 300 lies in the bucket, of 16 in its row.
func picture(t testing.TB, side int, seed uint64) []byte {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, uint64(side)))
	m := image.NewNRGBA(image.Rect(0, 0, side, side))
	for i := range m.Pix {
		m.Pix[i] = byte(r.Uint32()) | 1
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// place is an installation with a backup's identity.
type place struct {
	*vitrinetest.System
	identity vitrine.Secret
	ann      access.Caller
	annKey   vitrine.Secret
	images   map[vitrine.ID][]byte
}

func newPlace(t testing.TB, opts ...vitrinetest.Option) *place {
	t.Helper()
	p := &place{System: vitrinetest.New(t, append(opts, vitrinetest.Policy(policyText))...), images: map[vitrine.ID][]byte{}}
	r, err := p.Backups.Rotate(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	p.identity = r.Identity
	p.annKey = p.Key(identity.NewKey{Principal: "ann", Project: "renders", Dataset: "drafts"})
	p.ann = p.Caller(p.annKey)
	return p
}

// put adds a picture as ann.
func (p *place) put(side int, seed uint64) vitrine.ID {
	p.T.Helper()
	b := picture(p.T, side, seed)
	m, err := p.Vault.Put(p.T.Context(), p.ann, vault.Upload{Dataset: "finds"}, bytes.NewReader(b))
	if err != nil {
		p.T.Fatal(err)
	}
	p.images[m.ID] = b
	return m.ID
}

// generate makes a picture as ann and answers what it cost.
func (p *place) generate() vitrine.Micros {
	p.T.Helper()
	by := p.ann
	by.Request = fmt.Sprintf("req-%d", rand.Uint64())
	a, err := p.Gateway.Generate(p.T.Context(), by, &gateway.Request{Model: "hidream", Prompt: "a harbour", N: 1, Size: "256x256"})
	if err != nil {
		p.T.Fatal(err)
	}
	b, err := io.ReadAll(io.NewSectionReader(a.Images[0], 0, a.Images[0].Size))
	if err := errors.Join(err, a.Close()); err != nil {
		p.T.Fatal(err)
	}
	p.images[a.Images[0].ID] = b
	return a.Cost
}

// take takes a backup into a file.
func (p *place) take() string {
	p.T.Helper()
	file := filepath.Join(p.T.TempDir(), "vitrine.backup")
	f, err := os.Create(file)
	if err != nil {
		p.T.Fatal(err)
	}
	_, err = p.Backups.Take(p.T.Context(), p.Owner(0), f)
	if err := errors.Join(err, f.Close()); err != nil {
		p.T.Fatal(err)
	}
	return file
}

// export exports the log from its first entry into a file.
func (p *place) export() string {
	p.T.Helper()
	file := filepath.Join(p.T.TempDir(), "log.ndjson")
	var b bytes.Buffer
	if err := p.Log.Export(p.T.Context(), p.Owner(0), 0, 0, &b); err != nil {
		p.T.Fatal(err)
	}
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		p.T.Fatal(err)
	}
	return file
}

// empty is the configuration of an empty machine; "" is SQLite.
func empty(t *testing.T, database string) *config.Config {
	dir := t.TempDir()
	return &config.Config{
		Data: filepath.Join(dir, "data"), KeyFile: filepath.Join(dir, "kek"), Checkpoints: filepath.Join(dir, "checkpoints"),
		Database: database, AllowPrivateProviders: true,
	}
}

// restored restores a backup of p and starts what came of it.
func restored(t *testing.T, p *place, c *config.Config, r app.RestoreRequest) (*place, *app.Restored) {
	t.Helper()
	r.Identity = p.identity
	done, err := app.Restore(t.Context(), c, r)
	if err != nil {
		t.Fatal(err)
	}
	n := &place{System: &vitrinetest.System{T: t, Config: c, Owners: p.Owners}, identity: p.identity, annKey: p.annKey, images: p.images}
	n.Start(nil)
	t.Cleanup(func() {
		if err := n.Stop(); err != nil {
			t.Error(err)
		}
	})
	return n, done
}

// opens holds that every image of the backup opens with its bytes.
func (p *place) opens(by access.Caller, but ...vitrine.ID) {
	p.T.Helper()
	for id, want := range p.images {
		v, err := p.Vault.Open(p.T.Context(), by, id, vitrine.Original)
		if slices.Contains(but, id) {
			if !errors.Is(err, vitrine.ErrNotFound) {
				p.T.Errorf("image %s, which was deleted: %v", id, err)
			}
			continue
		}
		if err != nil {
			p.T.Errorf("open %s: %v", id, err)
			continue
		}
		got, err := io.ReadAll(io.NewSectionReader(v, 0, v.Size))
		if err := errors.Join(err, v.Close()); err != nil || !bytes.Equal(got, want) {
			p.T.Errorf("image %s has %d bytes (sum %x), want %d: %v", id, len(got), sha256.Sum256(got), len(want), err)
		}
	}
}

// decisions are the answers of the policy in use to the same questions.
func (p *place) decisions() map[string]string {
	p.T.Helper()
	now, err := p.Guard.Policy(access.Caller{})
	if err != nil {
		p.T.Fatal(err)
	}
	out := map[string]string{"revision": fmt.Sprint(now.Revision())}
	for id := range p.images {
		r, err := p.Vault.Find(p.T.Context(), id)
		if err != nil {
			p.T.Fatal(err)
		}
		for _, who := range []vitrine.ID{"ann", "bob", "eve", "carl", "dora"} {
			for _, perm := range []vitrine.Permission{vitrine.ImageOpen, vitrine.ImageDelete, vitrine.ImageExport} {
				d := now.Decide(&rbac.Question{Subject: rbac.Subject{Principal: who}, Permission: perm, Resource: r, At: time.Now()})
				out[fmt.Sprint(who, perm, id)] = fmt.Sprint(d.Allow, d.Code, d.Binding)
			}
		}
	}
	return out
}

// verified holds that an export of the log verifies with the log's key, and that
// the log of a restored installation continues the earlier one.
func (p *place) verified(earlier string) {
	p.T.Helper()
	file := p.export()
	open := func(name string) *os.File {
		f, err := os.Open(name)
		if err != nil {
			p.T.Fatal(err)
		}
		p.T.Cleanup(func() { _ = f.Close() }) // only read
		return f
	}
	report, err := audit.Verify(audit.VerifyInput{Export: open(file), PublicKey: p.Log.PublicKey()})
	if err != nil || !report.OK {
		p.T.Errorf("verify the log: %+v, %v", report, err)
	}
	linked, err := audit.VerifyLink(open(file), open(earlier))
	if err != nil || !linked.OK {
		p.T.Errorf("verify the link: %+v, %v", linked, err)
	}
}

// databases are the engines that a backup goes between.
func databases(t *testing.T, fn func(t *testing.T, from, to string)) {
	storetest.Each(t, func(t *testing.T, from string) {
		storetest.Each(t, func(t *testing.T, to string) {
			if strings.HasPrefix(to, "sqlite:") {
				to = ""
			}
			fn(t, another(t, from), to)
		})
	})
}

// another is an empty database of the same engine; "" is SQLite.
func another(t *testing.T, url string) string {
	if strings.HasPrefix(url, "postgres") {
		return storetest.Schema(t, url)
	}
	return ""
}

// A backup of any database, restored into any other on an empty machine with
// nothing but the identity, opens, decides and verifies the same.
func TestRoundTrip(t *testing.T) {
	databases(t, func(t *testing.T, from, to string) {
		p := newPlace(t, vitrinetest.Database(from))
		for i := range uint64(3) {
			p.put(16, i)
			p.put(300, i)
		}
		cost := p.generate()
		session, err := p.Directory.StartSession(t.Context(), p.ann, identity.NewSession{All: true})
		if err != nil {
			t.Fatal(err)
		}
		want, file, earlier := p.decisions(), p.take(), p.export()
		revision := p.revision()
		if err := p.Stop(); err != nil {
			t.Fatal(err)
		}

		n, done := restored(t, p, empty(t, to), app.RestoreRequest{From: file, PublicKey: p.Log.PublicKey()})
		if !done.Trusted || done.Known || done.Sessions != 1 || done.DamagedCount != 0 || done.Images != 7 {
			t.Errorf("restored %+v", done)
		}
		if done.Origin == p.Log.Origin() || done.Link.Origin != p.Log.Origin() || done.PublicKey != n.Log.PublicKey() {
			t.Errorf("the log goes on as %s, linked to %+v", done.Origin, done.Link)
		}
		got := n.decisions()
		delete(got, "revision")
		delete(want, "revision")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("decisions (-want +got):\n%s", diff)
		}
		if r := n.revision(); r != revision+1 {
			t.Errorf("revision %d, want that of the backup, %d, and the end of the session", r, revision)
		}
		ann := n.Caller(p.annKey) // keys of before work
		n.opens(ann)
		if b, err := n.Gateway.Balances(t.Context(), n.Owner(0)); err != nil || len(b) != 1 || b[0].Spent != cost {
			t.Errorf("balances %+v, %v", b, err)
		}
		if _, err := n.Directory.Authenticate(t.Context(), identity.Presented{Key: session.Secret, Address: ann.Address}); !errors.Is(err, vitrine.ErrUnauthenticated) {
			t.Errorf("a session of before: %v", err)
		}
		n.verified(earlier)

		// It goes on, and its backups are of the same epoch.
		n.ann = ann
		n.put(300, 99)
		again, _ := restored(t, n, empty(t, ""), app.RestoreRequest{From: n.take()})
		again.opens(again.Caller(p.annKey))
		again.verified(n.export())
		again.verified(earlier)
	})
}

func (p *place) revision() int64 {
	p.T.Helper()
	now, err := p.Guard.Policy(access.Caller{})
	if err != nil {
		p.T.Fatal(err)
	}
	return now.Revision()
}

// A backup that is taken while images come and go and the policy changes holds
// one moment: its log verifies, and every image that it has opens.
func TestUnderLoad(t *testing.T) {
	storetest.Each(t, func(t *testing.T, from string) {
		p := newPlace(t, vitrinetest.Database(another(t, from)))
		for i := range uint64(10) {
			p.put(16+int(i%2)*284, i)
		}
		ctx, stop := context.WithCancel(t.Context())
		var load sync.WaitGroup
		var mu sync.Mutex
		sums := map[vitrine.ID][32]byte{} // of everything that was ever put
		for id, b := range p.images {
			sums[id] = sha256.Sum256(b)
		}
		for w := range uint64(2) {
			load.Go(func() {
				for i := uint64(0); ctx.Err() == nil; i++ {
					b := picture(t, 16+int(i%2)*284, 1000*w+i+100)
					m, err := p.Vault.Put(t.Context(), p.ann, vault.Upload{Dataset: "finds"}, bytes.NewReader(b))
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					sums[m.ID] = sha256.Sum256(b)
					mu.Unlock()
					if i%3 == 0 {
						if _, err := p.Vault.Delete(t.Context(), p.ann, m.ID, vault.Deleting{Now: true, Reason: "test"}); err != nil {
							t.Error(err)
							return
						}
					}
				}
			})
		}
		load.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				set := &vitrine.ChangeSet{Changes: []vitrine.Change{vitrine.Put(&vitrine.Project{ID: vitrine.ID(fmt.Sprintf("p-%d", i)), Environment: vitrine.Staging})}}
				if _, err := p.Policies.Apply(t.Context(), p.Owner(0), set); err != nil {
					t.Error(err)
					return
				}
			}
		})
		var files []string
		for range 2 {
			files = append(files, p.take())
		}
		stop()
		load.Wait()
		earlier := p.export()
		if err := p.Stop(); err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			n, done := restored(t, p, empty(t, ""), app.RestoreRequest{From: file})
			if done.DamagedCount != 0 {
				t.Errorf("%d damaged: %v", done.DamagedCount, done.Damaged)
			}
			ann := n.Caller(p.annKey)
			seen := 0
			err := n.Store.EachImage(t.Context(), func(m *store.ImageRow, damage error) error {
				if seen++; damage != nil {
					return damage
				}
				v, err := n.Vault.Open(t.Context(), ann, m.ID, vitrine.Original)
				if err != nil {
					return err
				}
				b, err := io.ReadAll(io.NewSectionReader(v, 0, v.Size))
				if sha256.Sum256(b) != sums[m.ID] {
					t.Errorf("image %s is another", m.ID)
				}
				return errors.Join(err, v.Close())
			})
			if err != nil || seen < 10 {
				t.Errorf("%d images, %v", seen, err)
			}
			if r := n.revision(); r != done.Backup.Revision {
				t.Errorf("revision %d, want %d", r, done.Backup.Revision)
			}
			n.verified(earlier)
			if err := n.Stop(); err != nil {
				t.Error(err)
			}
		}
	})
}

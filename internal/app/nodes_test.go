package app_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/app"
	"vitrine.dev/vitrine/internal/blob/blobtest"
	"vitrine.dev/vitrine/internal/gateway"
	"vitrine.dev/vitrine/internal/identity"
	"vitrine.dev/vitrine/internal/store/storetest"
	"vitrine.dev/vitrine/internal/vault"
	"vitrine.dev/vitrine/internal/vitrinetest"
)

const nodesPolicy = `
projects:
  renders:
    environment: staging
    datasets:
      drafts: {category: generated, birth_tier: internal, restore_window: 1h}
    deployments:
      hidream: {provider: studio, price: 0.01, edits: true}
providers:
  studio: {kind: studio}
people:
  ann: {email: ann@example.com}
roles:
  maker:
    grants:
      - permissions: [model.generate, dataset.view]
      - {permissions: [image.create, image.open, image.delete], categories: [generated], tiers: all}
bindings:
  - {role: maker, principal: ann, scope: renders}
budgets:
  ann-total: {kind: principal, subject: ann, window: total, limit: 1.00}
`

// whole reads an image on a node.
func whole(t *testing.T, n *vitrinetest.System, by access.Caller, id vitrine.ID) []byte {
	t.Helper()
	v, err := n.Vault.Open(t.Context(), by, id, vitrine.Original)
	if err != nil {
		t.Fatalf("open %s: %v", id, err)
	}
	defer v.Close() // only read
	b, err := io.ReadAll(io.NewSectionReader(v, 0, v.Size))
	if err != nil {
		t.Fatalf("read %s: %v", id, err)
	}
	return b
}

// Two nodes on one PostgreSQL and one bucket are one system: what one makes the
// other opens, deletes and restores, and nothing of it lies in their directories.
func TestTwoNodes(t *testing.T) {
	base := os.Getenv("VITRINE_TEST_POSTGRES")
	if base == "" {
		t.Skip("VITRINE_TEST_POSTGRES names no database")
	}
	place, credentials := blobtest.S3(t)
	a := vitrinetest.New(t, vitrinetest.Policy(nodesPolicy), vitrinetest.Database(storetest.Schema(t, base)), vitrinetest.Blobs(place, credentials))
	key := a.Key(identity.NewKey{Principal: "ann", Dataset: "drafts", Project: "renders"})
	b := a.Join()
	onA, onB := a.Caller(key), b.Caller(key)

	made, err := a.Gateway.Generate(t.Context(), onA, &gateway.Request{Model: "hidream", Prompt: "a fox in the snow", N: 1, Size: "1024x1024"})
	if err != nil {
		t.Fatal(err)
	}
	if err := made.Close(); err != nil {
		t.Fatal(err)
	}
	id := made.Images[0].ID
	picture := whole(t, a, onA, id)
	if got := whole(t, b, onB, id); !bytes.Equal(got, picture) || len(got) <= 64<<10 {
		t.Errorf("B reads %d bytes, A %d; want the same, and too many for a row", len(got), len(picture))
	}
	m, err := b.Vault.Put(t.Context(), onB, vault.Upload{Dataset: "drafts"}, bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	if got := whole(t, a, onA, m.ID); !bytes.Equal(got, picture) {
		t.Errorf("A reads %d bytes of what B took", len(got))
	}

	if _, err := b.Vault.Delete(t.Context(), onB, id, vault.Deleting{}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Vault.Open(t.Context(), onA, id, ""); !errors.Is(err, vitrine.ErrNotFound) {
		t.Errorf("deleted on B, opened on A: %v", err)
	}
	if _, err := a.Vault.Restore(t.Context(), onA, id); err != nil {
		t.Fatal(err)
	}
	if got := whole(t, b, onB, id); !bytes.Equal(got, picture) {
		t.Error("restored on A, B reads something else")
	}
	for _, n := range []*vitrinetest.System{a, b} {
		if files, err := filepath.Glob(filepath.Join(n.Config.Data, "blobs", "*")); err != nil || len(files) > 0 {
			t.Errorf("left in a directory: %v, %v", files, err)
		}
	}
	if err := errors.Join(b.Stop(), a.Stop()); err != nil {
		t.Fatal(err)
	}
	for _, f := range app.Doctor(t.Context(), b.Config, app.DoctorOptions{}) {
		if f.State == "error" || f.Check == "blobs" && f.State != "ok" {
			t.Errorf("doctor: %+v", f)
		}
	}
}

// A bucket that cannot be used is told at start, with what to do, and doctor
// names it.
func TestNoBucket(t *testing.T) {
	place, credentials := blobtest.S3(t)
	s := vitrinetest.New(t, vitrinetest.Blobs(place, credentials))
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	s.Config.Blobs = strings.Replace(place, "vitrine-test", "no-such-bucket", 1)
	if _, err := app.Open(context.Background(), s.Config, app.Options{}); err == nil || !strings.Contains(err.Error(), "no-such-bucket") {
		t.Errorf("open: %v", err)
	}
	named := false
	for _, f := range app.Doctor(t.Context(), s.Config, app.DoctorOptions{}) {
		named = named || f.State == "error" && strings.Contains(f.Detail, "no-such-bucket") && strings.Contains(f.Do, "object store")
	}
	if !named {
		t.Error("doctor does not say what to do about the bucket")
	}
}

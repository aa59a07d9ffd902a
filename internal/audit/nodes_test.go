package audit_test

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/audit"
	"vitrine.dev/vitrine/internal/rbac"
	"vitrine.dev/vitrine/internal/store"
	"vitrine.dev/vitrine/internal/store/storetest"
)

// node is a process with a log of its own on a database that others use too.
func node(t *testing.T, url, signer string, mirror audit.Target) (*store.Store, *audit.Log) {
	t.Helper()
	s := storetest.Start(t, url)
	guard, err := access.NewGuard(access.Config{Store: s, Policy: func() (*rbac.Policy, error) { return nil, fmt.Errorf("no policy here") }})
	if err != nil {
		t.Fatal(err)
	}
	l, err := audit.New(audit.Config{Store: s, Guard: guard, Signer: signer, Origin: origin, Mirror: mirror, Tiles: true})
	if err != nil {
		t.Fatal(err)
	}
	return s, l
}

// Nodes on one database sign in turn, each what all have appended; what one kept
// of tiles the others prove from, and one mirror gets it once.
func TestNodesSignOneLog(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		signer, err := audit.GenerateSigner(origin)
		if err != nil {
			t.Fatal(err)
		}
		mirror := audit.NewDirectory(filepath.Join(t.TempDir(), "mirror"))
		var stores [2]*store.Store
		var logs [2]*audit.Log
		for i := range logs {
			stores[i], logs[i] = node(t, url, signer, mirror)
		}
		var held []string
		for round, n := range []int{3, 300, 1, 250} {
			var all sync.WaitGroup
			for i := range n {
				all.Go(func() {
					e := &vitrine.Entry{Time: time.Now(), Act: "image.open", Outcome: vitrine.Allowed, Actor: "usr-ann", Resource: "img-1"}
					if _, err := stores[i%2].Commit(t.Context(), e, nil); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			text, err := logs[round%2].Checkpoint(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			held = append(held, text)
			if err := logs[round%2].Carry(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for i, l := range logs {
			if size, err := l.CheckTiles(t.Context(), nil); size != 554 || err != nil {
				t.Errorf("node %d: the tiles of %d, %v", i, size, err)
			}
			var file bytes.Buffer
			if err := l.ProveUnasked(t.Context(), 303, &file, 0, 255, 256, 553); err != nil {
				t.Fatal(err)
			}
			r, err := audit.VerifyProof(audit.ProofInput{Files: []io.Reader{&file}, PublicKey: l.PublicKey(), Checkpoints: []string{held[1], held[3]}})
			if err != nil || !r.OK || len(r.Entries) != 4 {
				t.Errorf("node %d proves %+v, %v", i, r, err)
			}
		}
		got, err := mirror.Get(t.Context(), "checkpoint")
		if err != nil || string(got) != held[3] {
			t.Errorf("the mirror has %q, %v", got, err)
		}
	})
}

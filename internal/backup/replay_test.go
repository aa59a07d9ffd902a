package backup_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/app"
	"vitrine.dev/vitrine/internal/backup"
	"vitrine.dev/vitrine/internal/identity"
	"vitrine.dev/vitrine/internal/store/storetest"
	"vitrine.dev/vitrine/internal/vault"
	"vitrine.dev/vitrine/internal/vitrinetest"
)

// do fails the test where one of several acts failed.
func (p *place) do(errs ...error) {
	p.T.Helper()
	for i, err := range errs {
		if err != nil {
			p.T.Fatalf("act %d of %d: %v", i+1, len(errs), err)
		}
	}
}

func last[T any](_ T, err error) error { return err }

// apply applies changes as the first owner.
func (p *place) apply(changes ...vitrine.Change) {
	p.T.Helper()
	p.do(last(p.Policies.Apply(p.T.Context(), p.Owner(0), &vitrine.ChangeSet{Changes: changes})))
}

func get[T vitrine.Object](p *place, ref vitrine.Ref) (o T) {
	p.T.Helper()
	now, err := p.Guard.Policy(p.ann)
	if err != nil {
		p.T.Fatal(err)
	}
	found, ok := now.Object(ref)
	if !ok {
		p.T.Fatalf("there is no %s", ref)
	}
	return found.(T)
}

func (p *place) has(ref vitrine.Ref) bool {
	p.T.Helper()
	now, err := p.Guard.Policy(p.ann)
	if err != nil {
		p.T.Fatal(err)
	}
	_, ok := now.Object(ref)
	return ok
}

func refs(notes []backup.Note) []string {
	var all []string
	for _, n := range notes {
		all = append(all, n.On)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// What was deleted, revoked, disabled, removed and spent after the backup is so
// again, once the log is given; and without it the restore says that it is not.
func TestReplay(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		p := newPlace(t, vitrinetest.Database(another(t, url)))
		ctx, owner := t.Context(), p.Owner(0)
		deleted, destroyed, brought, raised, plain := p.put(16, 1), p.put(300, 2), p.put(16, 3), p.put(300, 4), p.put(16, 5)
		images := map[vitrine.ID][]byte{}
		for id, b := range p.images {
			images[id] = b
		}
		key := func(who vitrine.ID) identity.Issued {
			k, err := p.Directory.IssueKey(ctx, owner, identity.NewKey{Principal: who})
			p.do(err)
			return k
		}
		revoked, rotated, bobs, eves, carls := key("ann"), key("ann"), key("bob"), key("eve"), key("carl")
		carl := p.Caller(carls.Secret)
		file := p.take()

		again := func(_ *vault.Deleted, err error) error { return err }
		p.do(
			again(p.Vault.Delete(ctx, p.ann, deleted, vault.Deleting{})),
			again(p.Vault.Delete(ctx, p.ann, destroyed, vault.Deleting{Now: true, Reason: "asked for"})),
			again(p.Vault.Delete(ctx, p.ann, brought, vault.Deleting{})),
			last(p.Vault.Restore(ctx, p.ann, brought)),
			last(p.Vault.Classify(ctx, carl, raised, vitrine.Restricted, "")),
			last(p.Vault.Classify(ctx, carl, plain, vitrine.Public, "harmless")),
			last(p.Directory.RevokeKey(ctx, owner, revoked.Key.ID)),
			last(p.Directory.RotateKey(ctx, p.ann, rotated.Key.ID, 0)),
			last(p.Directory.SetDisabled(ctx, owner, "bob", true)),
			last(p.Directory.SetMember(ctx, owner, "makers", "eve", false)),
		)
		p.apply(vitrine.Delete(vitrine.Ref{Kind: vitrine.KindBinding, ID: "carl-curates"}))
		cost := p.generate() + p.generate()
		p.put(16, 6)
		now := p.export()
		p.do(p.Stop())

		t.Run("without the log", func(t *testing.T) {
			n, done := restored(t, p, empty(t, ""), app.RestoreRequest{From: file})
			n.images = images
			if done.Known || len(done.Locked) > 0 {
				t.Errorf("restored %+v", done)
			}
			n.opens(n.Caller(p.annKey))
			n.Caller(revoked.Secret)
			n.Caller(bobs.Secret)
		})
		t.Run("with the log", func(t *testing.T) {
			n, done := restored(t, p, empty(t, another(t, url)), app.RestoreRequest{From: file, Logs: []string{now}, PublicKey: p.Log.PublicKey()})
			n.images, n.ann = images, n.Caller(p.annKey)
			n.opens(n.ann, deleted, destroyed)
			if !done.Known || done.Deleted != 2 || done.Raised != 1 || done.Cost != cost || done.Requests != 2 || done.Lost != 3 || done.Hold != "" {
				t.Errorf("restored %+v", done.Resumed)
			}
			if diff := cmp.Diff([]string{"key/" + string(rotated.Key.ID)}, refs(done.Locked)); diff != "" {
				t.Errorf("locked (-want +got):\n%s", diff)
			}
			for name, secret := range map[string]vitrine.Secret{"revoked": revoked.Secret, "rotated": rotated.Secret, "of bob, who was disabled": bobs.Secret} {
				_, err := n.Directory.Authenticate(t.Context(), identity.Presented{Key: secret, Address: n.ann.Address})
				if !errors.Is(err, vitrine.ErrUnauthenticated) {
					t.Errorf("the key %s: %v", name, err)
				}
			}
			if g := get[*vitrine.Principal](n, vitrine.Ref{Kind: vitrine.KindPrincipal, ID: "makers"}); !slices.Equal(g.Members, []vitrine.ID{"bob"}) {
				t.Errorf("makers are %v, want eve out", g.Members)
			}
			if _, err := n.Vault.Open(t.Context(), n.Caller(eves.Secret), plain, vitrine.Original); !errors.Is(err, vitrine.ErrNotFound) {
				t.Errorf("eve, who is no maker any more: %v", err)
			}
			if n.has(vitrine.Ref{Kind: vitrine.KindBinding, ID: "carl-curates"}) {
				t.Error("carl's binding is there again")
			}
			for id, want := range map[vitrine.ID]vitrine.Tier{raised: vitrine.Restricted, plain: vitrine.Internal} {
				if r, err := n.Vault.Find(t.Context(), id); err != nil || r.Tier != want {
					t.Errorf("image %s has tier %v, %v, want %v: only a rise is done again", id, r.Tier, err, want)
				}
			}
			if b, err := n.Gateway.Balances(t.Context(), n.Owner(0)); err != nil || b[0].Spent != cost {
				t.Errorf("spent %+v, %v, want %s", b, err, cost)
			}
			// What could be restored still can.
			if _, err := n.Vault.Restore(t.Context(), n.ann, deleted); err != nil {
				t.Errorf("restore what was deleted: %v", err)
			}
			if _, err := n.Vault.Restore(t.Context(), n.ann, destroyed); !errors.Is(err, vitrine.ErrNotFound) {
				t.Errorf("restore what was destroyed: %v", err)
			}
			n.verified(now)
		})
	})
}

// What the log says was changed, and not how, is locked; where a restriction may
// be missing nobody but the owners acts.
func TestLock(t *testing.T) {
	ref := func(k vitrine.Kind, id vitrine.ID) vitrine.Ref { return vitrine.Ref{Kind: k, ID: id} }
	deployment := vitrine.DeploymentID("renders", "hidream")
	for _, c := range []struct {
		name   string
		change func(p *place)
		locked string
		hold   bool
		check  func(n *place) bool
	}{
		{"a role that was put", func(p *place) {
			o := *get[*vitrine.Role](p, ref(vitrine.KindRole, "maker"))
			o.Description = "narrower"
			p.apply(vitrine.Put(&o))
		}, "role/maker", false, func(n *place) bool { return get[*vitrine.Role](n, ref(vitrine.KindRole, "maker")).Disabled }},
		{"a binding that was put", func(p *place) {
			o := *get[*vitrine.Binding](p, ref(vitrine.KindBinding, "makers-make"))
			o.Scope = "drafts"
			p.apply(vitrine.Put(&o))
		}, "binding/makers-make", false, func(n *place) bool {
			return !get[*vitrine.Binding](n, ref(vitrine.KindBinding, "makers-make")).Until.IsZero()
		}},
		{"a group that was put", func(p *place) {
			o := *get[*vitrine.Principal](p, ref(vitrine.KindPrincipal, "makers"))
			o.Members = []vitrine.ID{"bob"}
			p.apply(vitrine.Put(&o))
		}, "principal/makers", false, func(n *place) bool { return get[*vitrine.Principal](n, ref(vitrine.KindPrincipal, "makers")).Disabled }},
		{"a deployment that was put", func(p *place) {
			o := *get[*vitrine.Deployment](p, ref(vitrine.KindDeployment, deployment))
			o.Price = &vitrine.Price{Image: vitrine.Dollar}
			p.apply(vitrine.Put(&o))
		}, "deployment/" + string(deployment), false, func(n *place) bool {
			return get[*vitrine.Deployment](n, ref(vitrine.KindDeployment, deployment)).Disabled
		}},
		{"a dataset that was put", func(p *place) {
			o := *get[*vitrine.Dataset](p, ref(vitrine.KindDataset, "finds"))
			o.BirthTier = vitrine.Confidential
			p.apply(vitrine.Put(&o))
		}, "dataset/finds", false, func(n *place) bool {
			return get[*vitrine.Dataset](n, ref(vitrine.KindDataset, "finds")).BirthTier == vitrine.Restricted
		}},
		{"a budget that was put", func(p *place) {
			o := *get[*vitrine.Budget](p, ref(vitrine.KindBudget, "ann-total"))
			o.Limit = vitrine.Dollar
			p.apply(vitrine.Put(&o))
		}, "budget/ann-total", false, func(n *place) bool { return get[*vitrine.Budget](n, ref(vitrine.KindBudget, "ann-total")).Limit == 0 }},
		{"a deny rule that was made", func(p *place) {
			p.apply(vitrine.Put(&vitrine.Deny{ID: "no-export", Permissions: []vitrine.Permission{vitrine.ImageExport}, Principals: []vitrine.ID{"ann"}, Scope: "renders"}))
		}, "deny/no-export", true, func(n *place) bool { return !n.has(ref(vitrine.KindDeny, "no-export")) }},
		{"an owner who was replaced", func(p *place) {
			p.apply(vitrine.Put(&vitrine.Binding{ID: "dora-owns", Role: "owner", Principal: "dora", Scope: identity.OrganizationID}))
			dora, err := p.Directory.Recover(p.T.Context(), "dora")
			p.do(err)
			p.Caller(dora.Secret)
			p.apply(vitrine.Delete(ref(vitrine.KindBinding, "owner-"+p.Owners[1].ID)))
		}, "binding/", true, nil},
		{"more changes than the log names", func(p *place) {
			var all []vitrine.Change
			for i := range 20 {
				all = append(all, vitrine.Put(&vitrine.Project{ID: vitrine.ID("p-" + string(rune('a'+i))), Environment: vitrine.Staging}))
			}
			p.apply(all...)
		}, "", true, nil},
		{"what was made since", func(p *place) {
			p.apply(vitrine.Put(&vitrine.Project{ID: "new", Environment: vitrine.Staging}))
		}, "", false, func(n *place) bool { return !n.has(ref(vitrine.KindProject, "new")) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPlace(t)
			id := p.put(16, 1)
			file := p.take()
			c.change(p)
			now := p.export()
			p.do(p.Stop())
			n, done := restored(t, p, empty(t, ""), app.RestoreRequest{From: file, Logs: []string{now}})
			n.ann = n.Caller(p.annKey)
			if got := refs(done.Locked); c.locked == "" && got != nil || c.locked != "" && (len(got) != 1 || !strings.HasPrefix(got[0], c.locked)) {
				t.Errorf("locked %v, want %q", done.Locked, c.locked)
			}
			if (done.Hold != "") != c.hold {
				t.Errorf("held by %q, want %v", done.Hold, c.hold)
			}
			if c.check != nil && !c.check(n) {
				t.Error("it is not as it should be")
			}
			if !c.hold {
				return
			}
			if _, err := n.Vault.Open(t.Context(), n.ann, id, vitrine.Original); err == nil {
				t.Error("ann opens an image all the same")
			}
			n.apply(vitrine.Delete(ref(vitrine.KindDeny, done.Hold)))
			n.opens(n.ann)
		})
	}
}

// An export must continue the backup, without a gap, in the same past.
func TestLogIsRefused(t *testing.T) {
	p := newPlace(t)
	p.put(16, 1)
	early := p.export()
	file := p.take()
	p.put(16, 2)
	good := p.export()
	part := func(from int64) string {
		at := filepath.Join(t.TempDir(), "part")
		f, err := os.Create(at)
		p.do(err)
		p.do(p.Log.Export(t.Context(), p.Owner(0), from, 0, f), f.Close())
		return at
	}
	size, _, _, err := p.Store.LogSize(t.Context())
	p.do(err)
	gap, tail := part(size), part(5)
	bad, err := os.ReadFile(good)
	p.do(err)
	changed := filepath.Join(t.TempDir(), "changed")
	p.do(os.WriteFile(changed, []byte(strings.Replace(string(bad), `"image.create"`, `"image.delete"`, 1)), 0o600))
	other := newPlace(t)
	other.put(16, 3)
	another := other.export()
	for _, c := range []struct {
		name string
		logs []string
		want string
	}{
		{"changed", []string{changed}, "does not verify"},
		{"of another log", []string{another}, "does not verify"},
		{"with a gap", []string{gap}, "nothing is known of"},
		{"absent", []string{filepath.Join(t.TempDir(), "none")}, "no such file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c2 := empty(t, "")
			_, err := app.Restore(t.Context(), c2, app.RestoreRequest{From: file, Identity: p.identity, Logs: c.logs})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want ...%s...", err, c.want)
			}
			if left, _ := filepath.Glob(filepath.Dir(c2.Data) + "/*"); len(left) > 0 {
				t.Errorf("left %q", left)
			}
		})
	}
	for name, logs := range map[string][]string{"whole": {good}, "a part": {tail}, "several, in any order": {gap, good, early}, "older": {early}} {
		t.Run(name, func(t *testing.T) {
			_, done := restored(t, p, empty(t, ""), app.RestoreRequest{From: file, Logs: logs})
			if !done.Known || (done.Lost == 1) != (name != "older") {
				t.Errorf("restored %+v", done.Resumed)
			}
		})
	}
}

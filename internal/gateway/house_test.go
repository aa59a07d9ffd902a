package gateway_test

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"testing"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/blob/memblob"
	"vitrine.dev/vitrine/internal/gateway"
	"vitrine.dev/vitrine/internal/identity/identitytest"
	"vitrine.dev/vitrine/internal/provider/providertest"
	"vitrine.dev/vitrine/internal/vault"
)

// house is a system with a project Renders, whose models a fake service draws.
type house struct {
	*identitytest.System
	*gateway.Gateway
	t     testing.TB
	up    *providertest.Upstream // the fake image service
	vault *vault.Vault
	disk  *memblob.Bucket
	ann   access.Caller // artist at Renders
}

func grant(perms []vitrine.Permission, most vitrine.Tier) vitrine.Grant {
	return vitrine.Grant{Permissions: perms, Categories: []vitrine.Category{vitrine.Generated, vitrine.Reference}, Tiers: vitrine.TiersUpTo(most)}
}

var (
	makes  = []vitrine.Permission{vitrine.ModelGenerate}
	stores = []vitrine.Permission{vitrine.ImageCreate, vitrine.ImageOpen}
	shows  = []vitrine.Permission{vitrine.ImageView}
)

// roles of Renders.
var roles = []*vitrine.Role{
	{ID: "artist", Grants: []vitrine.Grant{{Permissions: makes}, grant(stores, vitrine.Internal)}},
	{ID: "senior", Includes: []vitrine.ID{"artist"}, Grants: []vitrine.Grant{grant(stores, vitrine.Confidential)}},
	{ID: "junior", Grants: []vitrine.Grant{
		{Permissions: makes, Models: []string{"hidream"}, Formats: []string{"png", "jpeg"}, ResponseFormats: []string{"b64_json"}, MaxWidth: 1024, MaxHeight: 1024, MaxN: 1},
		grant(stores, vitrine.Internal),
	}},
	{ID: "masked", Grants: []vitrine.Grant{grant(shows, vitrine.Restricted)}},
	{ID: "accountant", Grants: []vitrine.Grant{{Permissions: []vitrine.Permission{vitrine.UsageView, vitrine.BudgetView, vitrine.BudgetEdit}}}},
}

// cents is money by the cent.
func cents(n int64) vitrine.Micros { return vitrine.Micros(n) * 10_000 }

func deployment(model string, provider vitrine.ID, price *vitrine.Price) *vitrine.Deployment {
	return &vitrine.Deployment{ID: vitrine.DeploymentID("renders", model), Project: "renders", Model: model, Provider: provider, Price: price, Edits: true}
}

func flat(n int64) *vitrine.Price { return &vitrine.Price{Image: cents(n)} }

// newHouse builds the house on a database; "" is SQLite in a file of its own.
func newHouse(t testing.TB, database string, more ...vitrine.Object) *house {
	t.Helper()
	h := &house{System: identitytest.New(t, database), t: t, up: providertest.NewUpstream(t), disk: new(memblob.Bucket)}
	h.Gateway, h.vault = h.open(h.Node)
	h.Renders()
	limited := deployment("limited", "fake", flat(1))
	limited.Limits = vitrine.Limits{Sizes: []string{"512x512", "auto"}, Formats: []string{"jpeg"}, MaxN: 2, Prompt: 20}
	limited.Edits = false
	off := deployment("off", "fake", flat(1))
	off.Disabled = true
	fast := deployment("three-a-minute", "fake", flat(0))
	fast.Limits.PerMinute = 3
	objects := []vitrine.Object{
		&vitrine.Project{ID: "other", Environment: vitrine.Staging},
		&vitrine.Dataset{ID: "closed", Project: "renders", Category: vitrine.Generated}, // nobody classified it
		&vitrine.Dataset{ID: "plans", Project: "renders", Category: vitrine.Generated, BirthTier: vitrine.Confidential},
		&vitrine.Dataset{ID: "elsewhere", Project: "other", Category: vitrine.Generated, BirthTier: vitrine.Internal},
		&vitrine.Provider{ID: "fake", Kind: vitrine.OpenAI, BaseURL: h.up.OpenAIBase()},
		&vitrine.Provider{ID: "nano", Kind: vitrine.NanoGPT, BaseURL: h.up.NanoGPTBase()},
		&vitrine.Provider{ID: "studio", Kind: vitrine.Studio},
		deployment("hidream", "fake", flat(1)), deployment("flux-kontext", "fake", flat(4)), deployment("google:4@1", "fake", flat(2)),
		deployment("meta/llama-3/image", "fake", flat(1)), deployment("unpriced", "fake", nil), deployment("told", "nano", flat(4)),
		deployment("drawn", "studio", flat(1)), limited, off, fast,
	}
	for _, r := range roles {
		objects = append(objects, r)
	}
	h.put(append(objects, more...)...)
	h.ann = h.person("ann", "artist")
	return h
}

// open builds vault and gateway of a node on the house's disk.
func (h *house) open(n *identitytest.Node) (*gateway.Gateway, *vault.Vault) {
	h.t.Helper()
	v, err := vault.New(vault.Config{Guard: n.Guard, Store: n.Store, Bucket: h.disk, Seal: h.Seal, Now: n.Clock.Now})
	if err != nil {
		h.t.Fatal(err)
	}
	g, err := gateway.New(gateway.Config{Guard: n.Guard, Policies: n.Policies, Store: n.Store, Vault: v, Seal: h.Seal, AllowPrivate: true, Now: n.Clock.Now})
	if err != nil {
		h.t.Fatal(err)
	}
	return g, v
}

func (h *house) put(objects ...vitrine.Object) {
	h.t.Helper()
	var changes []vitrine.Change
	for _, o := range objects {
		changes = append(changes, vitrine.Put(o))
	}
	h.Apply(h.Alice, changes...)
}

// person makes a person with roles at Renders, who works on drafts there.
func (h *house) person(id vitrine.ID, roles ...vitrine.ID) access.Caller {
	h.t.Helper()
	var bindings []vitrine.Binding
	for _, r := range roles {
		bindings = append(bindings, vitrine.Binding{Role: r, Scope: "renders"})
	}
	return in(h.Person(id, bindings...), "renders", "drafts")
}

func in(by access.Caller, project, dataset vitrine.ID) access.Caller {
	by.Project, by.Dataset = project, dataset
	return by
}

var requests atomic.Int64

// anew is by with another request.
func anew(by access.Caller) access.Caller {
	by.Request = fmt.Sprintf("ask-%d", requests.Add(1))
	return by
}

// asks is a request for an image by hidream, changed.
func asks(change ...func(*gateway.Request)) *gateway.Request {
	r := &gateway.Request{Model: "hidream", Prompt: "a lighthouse in fog"}
	for _, c := range change {
		c(r)
	}
	return r
}

// make generates and answers the answer, which ends with the test.
func (h *house) make(by access.Caller, r *gateway.Request) *gateway.Answer {
	h.t.Helper()
	a, err := h.Generate(h.t.Context(), anew(by), r)
	if err != nil {
		h.t.Fatalf("generate: %v", err)
	}
	h.t.Cleanup(func() {
		if err := a.Close(); err != nil {
			h.t.Error(err)
		}
	})
	return a
}

// of are the entries of a request.
func (h *house) of(request string) []vitrine.Entry {
	h.t.Helper()
	var all []vitrine.Entry
	for _, e := range h.Log() {
		if e.Request == request {
			all = append(all, e)
		}
	}
	return all
}

// balance is the state of one budget, for the only subject that has used it.
func (h *house) balance(id vitrine.ID) vitrine.Balance {
	h.t.Helper()
	all, err := h.Balances(h.t.Context(), h.Alice)
	if err != nil {
		h.t.Fatal(err)
	}
	var found vitrine.Balance
	for _, b := range all {
		if b.Budget == id && (found.Budget == "" || b.Spent+b.Reserved+b.Debt > 0) {
			found = b
		}
	}
	if found.Budget == "" {
		h.t.Fatalf("there is no balance of %s in %v", id, all)
	}
	return found
}

func read(t testing.TB, from io.ReaderAt, size int64) []byte {
	t.Helper()
	b := make([]byte, size)
	if _, err := from.ReadAt(b, 0); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	return b
}

// failure is err as an error of ours.
func failure(t testing.TB, err error) *vitrine.Error {
	t.Helper()
	var e *vitrine.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an error of a kind", err)
	}
	return e
}

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/client"
	"vitrine.dev/vitrine/internal/app"
	"vitrine.dev/vitrine/internal/config"
	"vitrine.dev/vitrine/internal/identity"
	"vitrine.dev/vitrine/internal/provider/providertest"
)

const chaosPolicy = `
projects:
  renders:
    environment: staging
    datasets:
      drafts: {category: generated, birth_tier: internal}
      finds: {category: reference, birth_tier: internal}
    deployments:
      hidream: {provider: fake, price: 0.01}
providers:
  fake: {kind: openai, base_url: "%s"}
people:
  ann: {email: ann@example.com}
roles:
  maker:
    grants:
      - {permissions: [model.generate]}
      - {permissions: [image.create, image.view, image.open, image.delete], categories: [generated, reference], tiers: [public, internal]}
bindings:
  - {role: maker, principal: ann, scope: renders}
budgets:
  purse: {kind: organization, window: total, limit: %s}
`

// TestKilled kills the real program, with signal 9 and at any moment, while it
// generates, takes uploads, deletes images and changes its policy; starts it
// again, and in the end looks for what a crash may not do: lose what it
// acknowledged, keep an image without an entry, leave the log unlike a
// checkpoint that was published, leave files that nobody names, or spend more
// than the budget and less than the service was asked for.
//
// VITRINE_CHAOS_KILLS makes it longer, VITRINE_CHAOS_SEED repeats one, and
// VITRINE_DATABASE names an empty database to do it with.
func TestKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes many seconds")
	}
	kills, seed := number(t, "VITRINE_CHAOS_KILLS", 6), uint64(number(t, "VITRINE_CHAOS_SEED", int(time.Now().UnixNano())))
	t.Logf("VITRINE_CHAOS_SEED=%d", seed)
	// Less than all lives together would spend.
	w := newWreck(t, rand.New(rand.NewPCG(seed, 1)), vitrine.Micros(kills)*15*cent)
	for i := range kills {
		if i%4 == 3 {
			w.round(syscall.SIGTERM)
		} else {
			w.round(syscall.SIGKILL)
		}
	}
	w.check()
	w.settled()
}

func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

const cent = vitrine.Dollar / 100

// wreck is an installation that is killed again and again, and what its
// clients were told.
type wreck struct {
	t               *testing.T
	rnd             *rand.Rand
	dir, bin, at    string
	owner, maker    vitrine.Secret
	purse           vitrine.Micros
	up              *providertest.Upstream
	served          *exec.Cmd
	asked, pictures atomic.Int64 // images that the service was asked for; that exist
	mu              sync.Mutex
	acknowledged    map[vitrine.ID][32]byte // images by their bytes
	deleting        map[vitrine.ID]bool     // true once acknowledged
	once            []string                // idempotency keys whose answer never came
	names           []string                // of ann: the last acknowledged and what was sent since
	held            bytes.Buffer            // checkpoints that the server gave out
	generated       int
}

func newWreck(t *testing.T, rnd *rand.Rand, purse vitrine.Micros) *wreck {
	w := &wreck{t: t, rnd: rnd, purse: purse, dir: t.TempDir(), up: providertest.NewUpstream(t),
		acknowledged: map[vitrine.ID][32]byte{}, deleting: map[vitrine.ID]bool{}, names: []string{""}}
	w.up.Picture = func(int, *providertest.Call) []byte { return w.picture() }
	w.up.Always(func(u *providertest.Upstream, rw http.ResponseWriter, r *http.Request, c *providertest.Call) {
		w.asked.Add(int64(c.N))
		providertest.Success(u, rw, r, c)
	})
	w.bin = filepath.Join(w.dir, "vitrine")
	w.run("go", "build", "-o", w.bin, ".")
	var made struct {
		Owners []struct{ Key vitrine.Secret }
	}
	fields(t, w.run(w.bin, "init", "--data", w.data(), "--owner-email", "a@example.com", "--owner-email", "b@example.com", "--output", "json"), &made)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.at = ln.Addr().String()
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	w.start()
	for _, o := range made.Owners {
		w.run(w.bin, "whoami", "--server", "http://"+w.at, "--key", o.Key.Reveal())
	}
	w.owner = made.Owners[0].Key
	policy := filepath.Join(w.dir, "policy.yaml")
	if err := os.WriteFile(policy, fmt.Appendf(nil, chaosPolicy, w.up.OpenAIBase(), purse), 0o600); err != nil {
		t.Fatal(err)
	}
	w.vitrine("policy", "apply", "-f", policy, "--yes")
	var key struct{ Key vitrine.Secret }
	fields(t, w.vitrine("key", "create", "--principal", "ann", "--project", "renders", "--dataset", "drafts"), &key)
	w.maker = key.Key
	w.end(syscall.SIGKILL)
	return w
}

func (w *wreck) data() string { return filepath.Join(w.dir, "data") }

func (w *wreck) run(name string, args ...string) []byte {
	w.t.Helper()
	c := exec.CommandContext(w.t.Context(), name, args...)
	c.Stderr = w.t.Output()
	out, err := c.Output()
	if err != nil {
		w.t.Fatalf("%s %s: %v\n%s", filepath.Base(name), strings.Join(args[:min(2, len(args))], " "), err, out)
	}
	return out
}

// vitrine runs a command as the first owner.
func (w *wreck) vitrine(args ...string) []byte {
	w.t.Helper()
	return w.run(w.bin, append(args, "--server", "http://"+w.at, "--key", w.owner.Reveal(), "--output", "json")...)
}

// picture is one that was never there before; every second fits into a row.
func (w *wreck) picture() []byte {
	n := w.pictures.Add(1)
	edge := 16 + int(n%2)*184
	noise := rand.New(rand.NewPCG(uint64(n), 2))
	m := image.NewRGBA(image.Rect(0, 0, edge, edge))
	for i := range m.Pix {
		m.Pix[i] = byte(noise.Uint32())
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil { // never, in memory
		panic(err)
	}
	return b.Bytes()
}

// start serves, until it is ready.
func (w *wreck) start() {
	w.t.Helper()
	w.served = exec.CommandContext(w.t.Context(), w.bin, "serve", "--data", w.data(), "--listen", w.at, "--allow-private-providers")
	w.served.Env, w.served.Stderr = append(os.Environ(), "VITRINE_RATE_PER_MINUTE=0"), w.t.Output()
	if err := w.served.Start(); err != nil {
		w.t.Fatal(err)
	}
	(&process{url: "http://" + w.at}).wait(w.t)
}

// end ends the server by a signal.
func (w *wreck) end(s syscall.Signal) {
	w.t.Helper()
	if err := w.served.Process.Signal(s); err != nil {
		w.t.Fatal(err)
	}
	if err := w.served.Wait(); err != nil && s == syscall.SIGTERM {
		w.t.Errorf("told to stop, it ended with %v", err)
	}
}

func (w *wreck) client(key vitrine.Secret) *client.Client {
	w.t.Helper()
	c, err := client.New("http://"+w.at, key, client.HTTP(&http.Transport{DisableKeepAlives: true}))
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// round is one life of the server, under load until its end.
func (w *wreck) round(s syscall.Signal) {
	w.t.Helper()
	w.start()
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	var load sync.WaitGroup
	maker, owner := w.client(w.maker), w.client(w.owner)
	for i := range 6 {
		mine := rand.New(rand.NewPCG(w.rnd.Uint64(), uint64(i)))
		load.Go(func() {
			for ctx.Err() == nil {
				switch {
				case i == 0:
					w.change(ctx, owner, mine)
				case i == 1:
					w.delete(ctx, maker)
				case i == 2:
					w.upload(ctx, maker)
				default:
					w.generate(ctx, maker, mine)
				}
			}
		})
	}
	<-time.After(time.Duration(w.rnd.IntN(400)) * time.Millisecond)
	w.end(s)
	cancel()
	load.Wait()
}

func (w *wreck) generate(ctx context.Context, c *client.Client, rnd *rand.Rand) {
	g := client.Generation{Model: "hidream", Prompt: fmt.Sprintf("picture %d", rnd.Uint64()), N: 1 + rnd.IntN(2)}
	if rnd.IntN(2) == 0 {
		g.IdempotencyKey = g.Prompt
	}
	a, err := c.Generate(ctx, g)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		if e := (*client.Error)(nil); !errors.As(err, &e) && g.IdempotencyKey != "" && g.N == 1 {
			w.once = append(w.once, g.IdempotencyKey)
		}
		return
	}
	w.generated++
	for _, m := range a.Images {
		w.acknowledged[m.ID] = sha256.Sum256(m.Picture)
	}
}

func (w *wreck) upload(ctx context.Context, c *client.Client) {
	p := w.picture()
	m, err := c.Upload(ctx, client.Upload{Dataset: "finds"}, bytes.NewReader(p))
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil {
		w.acknowledged[m.ID] = sha256.Sum256(p)
	}
}

// delete deletes any of the images that are known and not meant to stay.
func (w *wreck) delete(ctx context.Context, c *client.Client) {
	var id vitrine.ID
	w.mu.Lock()
	for known := range w.acknowledged {
		if _, gone := w.deleting[known]; !gone && known[len(known)-1] < 'm' {
			id = known
			w.deleting[id] = false
			break
		}
	}
	w.mu.Unlock()
	if id == "" {
		return
	}
	_, err := c.DeleteImage(ctx, id, client.Deleting{})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deleting[id] = err == nil
}

// change gives ann another name, and keeps a checkpoint.
func (w *wreck) change(ctx context.Context, c *client.Client, rnd *rand.Rand) {
	p := &vitrine.Principal{ID: "ann", Kind: vitrine.User, Email: "ann@example.com", Name: fmt.Sprintf("Ann the %dth", rnd.Uint64())}
	w.names = append(w.names, p.Name)
	if _, err := c.Put(ctx, p, 0); err != nil {
		return
	}
	w.names = []string{p.Name}
	if k, err := c.Checkpoint(ctx); err == nil {
		w.held.WriteString(k.Checkpoint + "\n")
	}
}

// check looks at what is there after the last crash.
func (w *wreck) check() {
	w.t.Helper()
	w.start()
	ctx := w.t.Context()
	maker, owner := w.client(w.maker), w.client(w.owner)
	for id, sum := range w.acknowledged {
		deleted, tried := w.deleting[id]
		got, err := maker.Content(ctx, id, vitrine.Original)
		if err != nil {
			if !tried || !errors.Is(err, vitrine.ErrNotFound) {
				w.t.Errorf("image %s was acknowledged: %v", id, err)
			}
			continue
		}
		b, err := io.ReadAll(got)
		if err := errors.Join(err, got.Close()); err != nil || sha256.Sum256(b) != sum || deleted {
			w.t.Errorf("image %s: %d bytes, %v, deleted %v", id, len(b), err, deleted)
		}
	}
	o, _, err := owner.Object(ctx, vitrine.Ref{Kind: vitrine.KindPrincipal, ID: "ann"})
	if p, ok := o.(*vitrine.Principal); !ok || !slices.Contains(w.names, p.Name) {
		w.t.Errorf("ann is %v (%v), want one of %q", o, err, w.names)
	}
	if spent := vitrine.Micros(w.asked.Load()) * cent; spent > w.purse {
		w.t.Errorf("the service was asked for $%s, and the budget is $%s", spent, w.purse)
	}
	if _, err := owner.Put(ctx, &vitrine.Budget{ID: "purse", Kind: vitrine.BudgetOrganization, Window: vitrine.Total, Limit: 100 * vitrine.Dollar}, 0); err != nil {
		w.t.Error(err)
	}
	// Whoever asks again with the same idempotency key pays once.
	for _, key := range w.once {
		_, _ = maker.Generate(ctx, client.Generation{Model: "hidream", Prompt: key, N: 1, IdempotencyKey: key})
	}
	times := map[string]int{}
	for _, c := range w.up.Calls() {
		if times[c.Prompt]++; times[c.Prompt] > 1 {
			w.t.Errorf("the service was asked %d times for %q", times[c.Prompt], c.Prompt)
		}
	}
	w.log(maker)
	w.t.Logf("%d generations and %d images acknowledged, %d deletions tried, %d images asked of the service, %d asked again",
		w.generated, len(w.acknowledged), len(w.deleting), w.asked.Load(), len(w.once))
	w.end(syscall.SIGTERM)
}

// log verifies the log against all checkpoints and finds an entry for each image.
func (w *wreck) log(maker *client.Client) {
	w.t.Helper()
	file := func(name string) string { return filepath.Join(w.dir, name) }
	// What was published before the export is to be found in it.
	published, err := os.ReadFile(filepath.Join(w.data()+"-checkpoints", "checkpoints"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.vitrine("audit", "export", "-f", file("log.ndjson"))
	out := w.run(w.bin, "audit", "key", "--server", "http://"+w.at, "--key", w.owner.Reveal())
	if err := errors.Join(os.WriteFile(file("log.pub"), out, 0o600), os.WriteFile(file("held"), append(published, w.held.Bytes()...), 0o600)); err != nil {
		w.t.Fatal(err)
	}
	verify := []string{"audit", "verify", file("log.ndjson"), "--public-key-file", file("log.pub"), "--checkpoint", file("held")}
	w.t.Logf("%s", w.run(w.bin, verify...))
	text, err := os.ReadFile(file("log.ndjson"))
	if err != nil {
		w.t.Fatal(err)
	}
	for m, err := range maker.Images(w.t.Context(), client.ImageQuery{}) {
		if err != nil {
			w.t.Fatal(err)
		}
		if !bytes.Contains(text, []byte(m.ID)) {
			w.t.Errorf("image %s has no entry", m.ID)
		}
	}
}

// settled opens the installation as it is a day later: the sweeps have nothing
// left to do, and the budget holds at least what the service was asked for.
func (w *wreck) settled() {
	w.t.Helper()
	c := config.Default()
	c.Data, c.KeyFile, c.Checkpoints, c.AllowPrivateProviders = w.data(), w.data()+".kek", w.data()+"-checkpoints", true
	c.Database = os.Getenv("VITRINE_DATABASE")
	tomorrow := func() time.Time { return time.Now().Add(25 * time.Hour) }
	a, err := app.Open(w.t.Context(), c, app.Options{Now: tomorrow})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	defer func() {
		stop()
		if err := errors.Join(<-done, a.Close()); err != nil {
			w.t.Error(err)
		}
	}()
	by, err := a.Directory.Authenticate(ctx, identity.Presented{Key: w.owner, Address: netip.MustParseAddr("127.0.0.1"), Request: "look"})
	if err != nil {
		w.t.Fatal(err)
	}
	var b vitrine.Balance
	var left []string
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-tick.C {
		_, all, err := a.Gateway.Balance(ctx, by)
		if err != nil {
			w.t.Fatal(err)
		}
		b, left = all[0], w.orphans(ctx, a)
		if b.Reserved == 0 && len(left) == 0 {
			break
		}
	}
	spent := vitrine.Micros(w.asked.Load()) * cent
	w.t.Logf("spent $%s, the service was asked for $%s", b.Spent, spent)
	if b.Reserved != 0 || b.Debt != 0 || b.Spent > w.purse+vitrine.Micros(len(w.once))*cent || b.Spent < spent {
		w.t.Errorf("the budget is %+v", b)
	}
	if len(left) > 0 {
		w.t.Errorf("files that nobody names: %q", left)
	}
}

// orphans are the files of the bucket that no row names.
func (w *wreck) orphans(ctx context.Context, a *app.App) []string {
	w.t.Helper()
	var names []string
	err := filepath.WalkDir(filepath.Join(w.data(), "blobs"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			names = append(names, strings.ReplaceAll(d.Name(), ",", "/"))
		}
		if errors.Is(err, fs.ErrNotExist) { // the sweep was faster
			return nil
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	named, err := a.Store.BlobNamed(ctx, names)
	if err != nil {
		w.t.Fatal(err)
	}
	return slices.DeleteFunc(names, func(name string) bool { return named[name] })
}

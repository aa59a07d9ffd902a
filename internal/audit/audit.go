// Package audit signs, publishes, shows, proves, exports and verifies the log.
// It builds nothing in the path of a request: package store appends the entries,
// and what happens here happens beside them or later.
//
// Life of a checkpoint: every second in which the log grew, Run hashes the new
// leaves onto the edge of what was signed last, compares the root with the one
// that the store keeps, signs size and root as a C2SP tlog-checkpoint, stores it
// together with the tiles that filled meanwhile, and publishes it to a directory
// outside the data directory. Couriers carry it on to a bucket and a webhook;
// nobody waits for them. Whoever holds a checkpoint can prove later that nothing
// before it was changed.
//
// Tiles are what proofs are read from, and only that: each proof and each tile
// is checked against what was signed before it is given out, and damaged tiles
// are made again from the entries, which alone count.
//
// The invariant: no checkpoint is ever signed for a log that does not continue
// what was signed before, here or where it was published. A log that was
// shortened or rewritten under the system's feet is not signed again; the
// error is logged, an entry with an alert says so, Healthy fails, so that nobody
// takes the system for ready, and Broken tells the guard to refuse everything. A
// server asks Continues before it serves at all.
//
// Verify and VerifyProof need no system at all: a file, the public key and
// whatever checkpoints the verifier holds. The formats stand in docs/log.md and,
// byte by byte, at header, appendLine and proofVersion here and in package entry.
//
// What a checkpoint does not prove: that an entry is true, or that what never
// reached the log happened. And a log that was rewritten before anybody held a
// checkpoint of it shows no trace.
package audit

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/seal"
	"vitrine.dev/vitrine/internal/store"
)

// Config is what a Log needs.
type Config struct {
	Store   *store.Store
	Guard   *access.Guard
	Signer  string           // note signer key text (PRIVATE+KEY+...), from GenerateSigner
	Origin  string           // the log's name: first line of its checkpoints
	Publish string           // directory outside the data directory; "" publishes nowhere
	Mirror  Target           // where the newest checkpoint is published too; nil is nowhere
	Tiles   bool             // publish the tiles there as well
	Webhook *Webhook         // is told of checkpoints; nil is nobody
	Outage  time.Duration    // how long a place fails before the log tells; 0 is a minute
	Every   time.Duration    // how often a log that grew is signed; 0 is a second
	Now     func() time.Time // nil is time.Now
	Seal    seal.Key
	Logger  *slog.Logger // nil discards
}

// Log is the service. It is safe for concurrent use.
type Log struct {
	store  *store.Store
	guard  *access.Guard
	now    func() time.Time
	every  time.Duration
	logger *slog.Logger

	origin string
	signer note.Signer
	public string
	verify note.Verifier
	out    *publisher // nil publishes nowhere

	couriers []*courier

	mu    sync.Mutex
	state signed

	last   atomic.Pointer[head]  // that was signed
	failed atomic.Pointer[error] // why the last attempt to sign failed; nil where it did not
	broken atomic.Pointer[error] // tampering, which stays until a restart
}

// New makes the service; it starts nothing and signs nothing.
func New(c Config) (*Log, error) {
	if c.Store == nil || c.Guard == nil || c.Signer == "" || c.Origin == "" {
		return nil, errors.New("audit: Store, Guard, Signer and Origin are needed")
	}
	l := &Log{store: c.Store, guard: c.Guard, now: c.Now, every: c.Every, logger: c.Logger, origin: c.Origin}
	if l.now == nil {
		l.now = time.Now
	}
	if l.every <= 0 {
		l.every = time.Second
	}
	if l.logger == nil {
		l.logger = slog.New(slog.DiscardHandler)
	}
	var err error
	if l.signer, err = note.NewSigner(c.Signer); err != nil {
		return nil, fmt.Errorf("audit: signing key: %w", err)
	}
	if l.public, err = publicKey(c.Signer); err != nil {
		return nil, err
	}
	if l.verify, err = note.NewVerifier(l.public); err != nil {
		return nil, fmt.Errorf("audit: public key: %w", err)
	}
	if c.Publish != "" {
		l.out = &publisher{dir: c.Publish}
	}
	return l, l.send(c)
}

// send makes the couriers.
func (l *Log) send(c Config) error {
	if c.Outage <= 0 {
		c.Outage = time.Minute
	}
	node := rand.Text()
	add := func(to place) {
		l.couriers = append(l.couriers, &courier{log: l, to: to, node: node, patience: c.Outage, call: make(chan struct{}, 1)})
	}
	if c.Mirror != nil {
		add(&mirror{log: l, to: c.Mirror, tiles: c.Tiles})
	}
	if c.Webhook != nil {
		hook, err := newWebhook(l, c.Webhook)
		if err != nil {
			return err
		}
		add(hook)
	}
	return nil
}

// GenerateSigner makes the signing key of a new log, as note signer key text.
// It is secret: whoever has it can sign another past.
func GenerateSigner(origin string) (string, error) {
	signer, _, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		return "", fmt.Errorf("signing key of the log %s: %w", origin, err)
	}
	return signer, nil
}

// publicKey is the verifier key text that belongs to a signer key text:
// PRIVATE+KEY+<name>+<hash>+<base64 of an algorithm byte and the seed>.
func publicKey(signer string) (string, error) {
	errKey := errors.New("audit: malformed signing key")
	rest, ok := strings.CutPrefix(signer, "PRIVATE+KEY+")
	name, rest, ok2 := strings.Cut(rest, "+")
	_, text, ok3 := strings.Cut(rest, "+")
	raw, err := base64.StdEncoding.DecodeString(text)
	if !ok || !ok2 || !ok3 || err != nil || len(raw) != 1+ed25519.SeedSize {
		return "", errKey // without the cause, which could quote the key
	}
	public, ok := ed25519.NewKeyFromSeed(raw[1:]).Public().(ed25519.PublicKey)
	if !ok {
		return "", errKey
	}
	return note.NewEd25519VerifierKey(name, public)
}

// PublicKey is the key that checkpoints are verified with, as note verifier key
// text. It may be known to everybody, and should be.
func (l *Log) PublicKey() string { return l.public }

// Origin is the log's name.
func (l *Log) Origin() string { return l.origin }

// Healthy answers why the log cannot be signed or published, or nil. What it
// says is for the process log.
func (l *Log) Healthy(context.Context) error {
	if cause := l.failed.Load(); cause != nil {
		return fmt.Errorf("the log cannot be signed or published: %w", *cause)
	}
	return l.Broken()
}

// Broken answers why nothing may be done any more, as an error of kind
// ErrUnavailable, or nil: a log that does not continue what was signed proves
// nothing, so nothing can be recorded in it. It waits for nobody.
func (l *Log) Broken() error {
	cause := l.broken.Load()
	if cause == nil {
		return nil
	}
	return &vitrine.Error{Kind: vitrine.ErrUnavailable, Code: codeTampered, Err: *cause,
		Public: "The log does not continue what was signed, so nothing is done. Whoever runs the server must look at it."}
}

const codeTampered = "log_tampered"

// Run signs the log whenever it grew, and sends couriers with what was signed,
// until ctx is done, and then once more.
func (l *Log) Run(ctx context.Context) error {
	out, stop := context.WithCancel(context.WithoutCancel(ctx))
	var all sync.WaitGroup
	for _, c := range l.couriers {
		all.Go(func() { c.run(out) })
	}
	l.loop(ctx)
	stop()
	all.Wait()
	return nil
}

func (l *Log) loop(ctx context.Context) {
	tick := time.NewTicker(l.every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			l.sign(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer cancel()
			l.sign(last)
			return
		}
	}
}

// sign is Checkpoint for the loop: what is wrong Healthy tells, and it is tried
// again.
func (l *Log) sign(ctx context.Context) { _, _ = l.Checkpoint(ctx) }

// tampered tells everybody that the log is not what was signed: the process
// log, the log itself, Healthy and Broken.
func (l *Log) tampered(ctx context.Context, cause error) {
	l.broken.Store(&cause)
	l.logger.Error("the log does not continue what was signed: it was changed outside the system", "err", cause)
	l.alert(ctx, &vitrine.Entry{Outcome: vitrine.Broken, Code: codeTampered, Detail: cause.Error(), Alert: codeTampered})
}

// alert records what the log itself must say of its signing.
func (l *Log) alert(ctx context.Context, e *vitrine.Entry) {
	e.Time, e.Act, e.Actor, e.Kind = l.now(), "sign", access.SystemActor, vitrine.KindLog
	if _, err := l.store.Commit(ctx, e, nil); err != nil {
		l.logger.Error("the alert could not be recorded", "alert", e.Alert, "err", err)
	}
}

// ErrTampered marks a log that does not continue what was signed.
var ErrTampered = errors.New("tampered with")

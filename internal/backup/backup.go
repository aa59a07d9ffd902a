// Package backup takes an installation out as one file and brings it back on an
// empty machine.
//
// Taking one stops nobody: the rows are read from one snapshot of the database,
// then the sealed blobs that these rows name, which never change. All of it,
// with the installation key that opens it, is encrypted to the recovery
// recipient, whose identity was shown once and lies where no server does. So a
// backup may be kept anywhere, and whoever takes one learns nothing from it.
//
// The file is an age file (age-encryption.org/v1) and, behind it, 1024 bytes
// that are a signed note by the log's key over its size and SHA-256: that it is
// whole everybody can see, and that it is ours whoever has the public key.
// Inside is a tar archive: manifest.json, rows/TABLE/NUMBER in the order of
// tables, blobs/NAME in the order of names, end.json. docs/backup.md says how to
// read it without this program. Rows are written as values and not as a database
// writes them, so that a backup of SQLite fills a PostgreSQL as well.
//
// Restoring writes nothing before the whole file was read and found good. What
// the log says happened after the backup is then replayed, as far as it takes
// something away: see Resume. The restored log begins with the old one and goes
// on by itself, under a name and a key of its own.
//
// The invariant: every row in a backup has its blob in it, or the backup itself
// says which has not and why. Whose row was taken away while the backup ran, is
// deleted in it too.
//
// The surprising choice is what an epoch is: the recipient. Deleting an image
// destroys its key here, but no program destroys a copy that lies elsewhere; what
// can end is that anybody opens it. Rotating the epoch begins a new recipient;
// once the old identity is destroyed, every backup of before is noise. A key in
// escrow on the server would make that one command, and would make a backup
// worthless whenever the server is lost, which is what backups are for.
package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/audit"
	"vitrine.dev/vitrine/internal/blob"
	"vitrine.dev/vitrine/internal/rbac"
	"vitrine.dev/vitrine/internal/seal"
	"vitrine.dev/vitrine/internal/store"
)

// Config is what a Backups needs.
type Config struct {
	Guard   *access.Guard
	Store   *store.Store
	Bucket  blob.Bucket
	Log     *audit.Log
	Seal    seal.Key         // installation key
	Program string           // version of this program, for the file
	Now     func() time.Time // nil is time.Now
}

// Backups is the service. It is safe for concurrent use.
type Backups struct {
	guard   *access.Guard
	store   *store.Store
	bucket  blob.Bucket
	log     *audit.Log
	key     seal.Key
	program string
	now     func() time.Time

	taking sync.Mutex // one at a time
}

// New makes the service; it starts nothing.
func New(c Config) (*Backups, error) {
	if c.Guard == nil || c.Store == nil || c.Bucket == nil || c.Log == nil || c.Seal.IsZero() {
		return nil, errors.New("backup: Guard, Store, Bucket, Log and Seal are needed")
	}
	b := &Backups{guard: c.Guard, store: c.Store, bucket: c.Bucket, log: c.Log, key: c.Seal, program: c.Program, now: c.Now}
	if b.now == nil {
		b.now = time.Now
	}
	return b, nil
}

// The keys of meta.
const (
	metaEpoch = "backup_epoch"
	metaLast  = "backup_last"
)

// Status is what there is to know about backups.
type Status struct {
	Epoch *Epoch `json:"epoch,omitempty"` // nil: none was begun, so none can be taken
	Last  *Taken `json:"last,omitempty"`  // nil: none was taken
}

// Taken is a backup that was written.
type Taken struct {
	Info
	Images  int64    `json:"images"`            // rows, deleted ones too
	Blobs   int64    `json:"blobs"`             // in the bucket
	Bytes   int64    `json:"bytes"`             // of the file
	SHA256  string   `json:"sha256"`            // of its encrypted part, hex
	Damaged []string `json:"damaged,omitempty"` // blobs that rows name and that could not be read
}

// Status tells the epoch and the last backup. It needs system.backup.
func (b *Backups) Status(ctx context.Context, by access.Caller) (*Status, error) {
	t, err := b.ask(ctx, by, "status")
	if err != nil {
		return nil, err
	}
	s, err := b.Known(ctx)
	if err != nil {
		return nil, t.Refuse(ctx, "failed", err)
	}
	if _, err := t.Record(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// Known is Status for who holds the machine.
func (b *Backups) Known(ctx context.Context) (*Status, error) {
	s := new(Status)
	for _, f := range []struct {
		key string
		to  any
	}{{metaEpoch, &s.Epoch}, {metaLast, &s.Last}} {
		text, ok, err := b.store.Meta(ctx, f.key)
		if err == nil && ok {
			err = json.Unmarshal([]byte(text), f.to)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.key, err)
		}
	}
	return s, nil
}

// ask asks whether by may take backups of the whole.
func (b *Backups) ask(ctx context.Context, by access.Caller, op string) (*access.Ticket, error) {
	a := access.Act{Permission: vitrine.SystemBackup, Op: op}
	p, err := b.guard.Snapshot(ctx, by)
	if err != nil {
		return nil, b.guard.Reject(ctx, by, a, err)
	}
	a.Resource = whole(p)
	if by.System { // who holds the machine
		return b.guard.Self(ctx, by, a)
	}
	return b.guard.Check(ctx, by, a)
}

// whole is the installation as a resource.
func whole(p *rbac.Policy) vitrine.Resource {
	org := p.Organization()
	if org == nil {
		return vitrine.Resource{}
	}
	return vitrine.Resource{Kind: vitrine.KindSystem, ID: org.ID, Scope: org.ID}
}

// System is the caller for who holds the machine.
func System(request string) access.Caller {
	return access.Caller{Subject: rbac.Subject{System: true}, Request: request}
}

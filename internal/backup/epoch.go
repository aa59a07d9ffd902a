package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"filippo.io/age"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/store"
)

// Epoch is a span of time in which backups are encrypted to the same recipients.
// Whoever has an identity of one of them opens every backup of the epoch; when
// all these are destroyed, nobody does.
type Epoch struct {
	Number     int64     `json:"number"`
	Recipients []string  `json:"recipients"`
	Since      time.Time `json:"since"`
}

// Rotated is a new epoch. The identity is shown once and kept nowhere here; it
// is empty where the recipients were given.
type Rotated struct {
	Epoch
	Identity vitrine.Secret `json:"-"`
}

// maxRecipients bounds to how many a backup is encrypted.
const maxRecipients = 16

// Rotate begins an epoch, for recipients that are given or, without any, for one
// that it makes. It is for who holds the machine: whoever chooses the recipient
// can read everything that backups hold, so nobody does it over the network. It
// is recorded and raises an alert.
func (b *Backups) Rotate(ctx context.Context, recipients []string) (*Rotated, error) {
	known, err := b.Known(ctx)
	if err != nil {
		return nil, err
	}
	r := &Rotated{Epoch: Epoch{Number: 1, Recipients: recipients, Since: b.now().UTC().Truncate(time.Second)}}
	if known.Epoch != nil {
		r.Number = known.Epoch.Number + 1
	}
	if len(recipients) == 0 {
		id, err := age.GenerateHybridIdentity()
		if err != nil {
			return nil, fmt.Errorf("make a recovery identity: %w", err)
		}
		r.Recipients, r.Identity = []string{id.Recipient().String()}, vitrine.Secret(id.String())
	}
	if _, err := parseRecipients(r.Recipients); err != nil {
		return nil, err
	}
	text, err := json.Marshal(r.Epoch)
	if err != nil {
		return nil, err
	}
	e := &vitrine.Entry{
		Act: string(vitrine.SystemBackup), Op: "rotate epoch", Outcome: vitrine.Allowed, Code: string(vitrine.CodeAllowed),
		Actor: access.SystemActor, Kind: vitrine.KindSystem, Alert: "backup_epoch_rotated",
		Detail: fmt.Sprintf("epoch %d, for %s", r.Number, strings.Join(fingerprints(r.Recipients), ", ")), Time: b.now(),
	}
	_, err = b.store.Commit(ctx, e, func(tx *store.Tx) error { return tx.SetMeta(metaEpoch, string(text)) })
	if err != nil {
		return nil, fmt.Errorf("begin an epoch: %w", err)
	}
	return r, nil
}

// parseRecipients reads public recipients as age writes them.
func parseRecipients(texts []string) ([]age.Recipient, error) {
	if len(texts) > maxRecipients {
		return nil, vitrine.Invalid("recipient", "too_many", fmt.Sprintf("At most %d recipients.", maxRecipients))
	}
	all := make([]age.Recipient, len(texts))
	hybrid := 0
	for i, text := range texts {
		var err error
		if strings.HasPrefix(text, "age1pq1") {
			hybrid++
			all[i], err = age.ParseHybridRecipient(text)
		} else {
			all[i], err = age.ParseX25519Recipient(text)
		}
		if err != nil {
			return nil, vitrine.Invalid("recipient", "recipient", "A recipient is a public one of age, age1… or age1pq1….")
		}
	}
	if hybrid != 0 && hybrid != len(all) {
		return nil, vitrine.Invalid("recipient", "mixed", "Recipients are all of the kind age1pq1… or all of the other: together they are as weak as the weaker.")
	}
	return all, nil
}

// Fingerprint is a recipient as people compare it.
func Fingerprint(recipient string) string {
	sum := sha256.Sum256([]byte(recipient))
	kind, _, _ := strings.Cut(recipient[:min(len(recipient), 8)], "1")
	return kind + ":" + hex.EncodeToString(sum[:8])
}

func fingerprints(recipients []string) []string {
	all := make([]string, len(recipients))
	for i, r := range recipients {
		all[i] = Fingerprint(r)
	}
	return all
}

// parseIdentities reads a recovery identity: a file as age writes it, or a line.
func parseIdentities(text string) ([]age.Identity, error) {
	ids, err := age.ParseIdentities(strings.NewReader(strings.TrimSpace(text) + "\n"))
	if err != nil {
		return nil, vitrine.Invalid("identity", "identity", "This is no recovery identity: one begins with AGE-SECRET-KEY-.")
	}
	return ids, nil
}

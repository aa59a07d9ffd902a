package vault

import (
	"context"
	"sync"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
)

// broken remembers which images were found damaged, so that each is told of once
// and not whenever a list comes by.
type broken struct {
	mu   sync.Mutex
	told map[vitrine.ID]bool
}

// maxTold bounds what is remembered. Where so many are damaged it is no longer a
// question of which one.
const maxTold = 10_000

// first reports whether an image was not told of before.
func (b *broken) first(id vitrine.ID) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.told[id] || len(b.told) >= maxTold {
		return false
	}
	if b.told == nil {
		b.told = map[vitrine.ID]bool{}
	}
	b.told[id] = true
	return true
}

func (b *broken) forget(id vitrine.ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.told, id)
}

const codeDamaged = "image_damaged"

// damage is the error for an image that cannot be given because of what cause
// says about how it is stored, for who may know of the image.
func damage(cause error) *vitrine.Error {
	return &vitrine.Error{Kind: vitrine.ErrDamaged, Code: codeDamaged, Err: cause,
		Public: "This image was damaged where it is stored, and cannot be given. Tell your operator; a backup may have it."}
}

// What an alert says of a damaged image.
const (
	rowChanged = "its row was changed outside the system"
	bytesWrong = "its bytes are missing, or not what was sealed"
)

// damaged tells of an image that was changed or lost outside: an entry with an
// alert, and the process log, once while this process runs. Whoever came across
// it goes on without; only where the entry cannot be written the next one tells.
func (v *Vault) damaged(ctx context.Context, id vitrine.ID, how string) {
	if !v.broken.first(id) {
		return
	}
	v.logger.Error("an image was damaged outside the system and cannot be shown", "image", id, "how", how)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_, err := v.store.Commit(ctx, &vitrine.Entry{
		Time: v.now(), Act: string(vitrine.ImageView), Op: "find damaged", Outcome: vitrine.Broken, Code: codeDamaged,
		Detail: how, Actor: access.SystemActor,
		Kind: vitrine.KindImage, Resource: id, Alert: codeDamaged,
	}, nil)
	if err != nil {
		v.logger.Error("the alert could not be recorded", "image", id, "err", err)
		v.broken.forget(id)
	}
}

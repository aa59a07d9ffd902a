package vault

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/store"
)

// Kept is a draft to be kept, and what is known of it.
type Kept struct {
	Draft *Draft // finished
	// Image says what it is: dataset, project, category, tier, owner and what
	// of Detail the bytes do not tell. Keep completes it.
	Image vitrine.Image
	// LinkTTL > 0 makes a link to the original, for the answer: at most the
	// vault's bound. It is the caller's of the receipt, and works while that
	// caller may open the image.
	LinkTTL time.Duration
	Link    *Link // set by Keep
}

// Keep commits drafts as images, with the receipt of the act that made them: all
// of them, their links, the entry e (as access.Guard.Finish; may be nil) and
// what more (may be nil) does, in one transaction, or nothing. It does not end
// with ctx: what was paid for is kept even if the client has gone.
//
// After an error the drafts are as they were, and Keep may be tried again.
func (v *Vault) Keep(ctx context.Context, r access.Receipt, e *vitrine.Entry, images []Kept, more func(*store.Tx) error) error {
	if !r.Decision.Allow {
		return errors.New("vault: this receipt is not of an allow")
	}
	if e == nil {
		e = new(vitrine.Entry)
	}
	links := make([]*store.Link, len(images))
	names := make([]string, len(images))
	for i := range images {
		if err := v.complete(&r.By, &images[i], &links[i]); err != nil {
			return err
		}
		names[i] = string(images[i].Image.ID)
	}
	if len(names) > 0 {
		kept := "kept " + strings.Join(names, " ")
		e.Detail = strings.TrimPrefix(e.Detail+"; "+kept, "; ")
	}
	err := v.guard.Finish(ctx, r, e, func(tx *store.Tx) error {
		for i := range images {
			if err := images[i].Draft.put(tx, &images[i].Image); err != nil {
				return err
			}
			if err := orphaned(tx, &images[i].Image, e); err != nil {
				return err
			}
			if links[i] != nil {
				if err := tx.PutLink(links[i]); err != nil {
					return err
				}
			}
		}
		if more == nil {
			return nil
		}
		return more(tx)
	})
	for i := range images {
		images[i].Draft.settled(err)
		if err != nil {
			images[i].Link = nil
		}
	}
	return err
}

// orphaned raises the alarm where an image's dataset was deleted while it was
// made. It is kept all the same, because it is paid for: to undo the deletion
// brings it back.
func orphaned(tx *store.Tx, m *vitrine.Image, e *vitrine.Entry) error {
	gone, err := tx.Deleted(vitrine.Ref{Kind: vitrine.KindDataset, ID: m.Dataset})
	if err == nil && gone {
		e.Raise("kept_in_deleted_dataset")
		e.Detail += "; dataset " + string(m.Dataset) + " was deleted meanwhile: undo that to reach them"
	}
	return err
}

// complete fills in what the draft tells, and makes the link.
func (v *Vault) complete(by *access.Caller, k *Kept, row **store.Link) error {
	m := &k.Image
	if m.Dataset == "" || m.Project == "" || m.Category == vitrine.CategoryUnknown {
		return fmt.Errorf("vault: keep %s: dataset, project and category are needed", k.Draft.id)
	}
	if err := k.Draft.describe(m); err != nil {
		return err
	}
	k.Link = nil
	if k.LinkTTL > 0 {
		k.Link, *row = v.newLink(by, answered, m.ID, vitrine.Original, min(k.LinkTTL, v.linkTTL))
	}
	return nil
}

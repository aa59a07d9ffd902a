package vault

import (
	"context"
	"fmt"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/store"
)

// maxReason bounds why a tier is changed, in bytes.
const maxReason = 500

// Update changes name and labels; what is nil stays. It needs image.update.
// ErrConflict when the image changed meanwhile. The answer holds Detail only if
// the caller may open the image.
func (v *Vault) Update(ctx context.Context, by access.Caller, id vitrine.ID, name *string, labels *[]string) (*vitrine.Image, error) {
	m, t, err := v.ask(ctx, by, id, access.Act{Permission: vitrine.ImageUpdate, Op: "update"}, nil)
	if err != nil {
		return nil, err
	}
	if name != nil {
		m.Detail.Name, err = cleanName(*name)
	}
	if labels != nil && err == nil {
		m.Detail.Labels, err = cleanLabels(*labels)
	}
	if err != nil {
		return nil, refuse(ctx, t, err)
	}
	return v.change(ctx, by, t, &m.Image)
}

// retier are the questions of giving an image other tiers than its own.
func retier(r vitrine.Resource, tiers ...vitrine.Tier) []access.Question {
	all := make([]access.Question, len(tiers))
	for i, tier := range tiers {
		r.Tier = tier
		all[i] = access.Question{Permission: vitrine.ImageClassify, Resource: r}
	}
	return all
}

// Classify sets the tier. It needs image.classify at both the tier that the
// image has and the one that it gets; lowering it needs a reason too, which
// stands in the log. ErrConflict and the answer are as Update's.
func (v *Vault) Classify(ctx context.Context, by access.Caller, id vitrine.ID, tier vitrine.Tier, reason string) (*vitrine.Image, error) {
	a := access.Act{Permission: vitrine.ImageClassify, Op: "classify"}
	m, t, err := v.ask(ctx, by, id, a, func(r vitrine.Resource) []access.Question {
		if r.Kind == "" {
			return nil
		}
		return retier(r, tier.Effective())
	})
	if err != nil {
		return nil, err
	}
	was := m.Tier.Effective()
	reason, err = cleanText("reason", reason, maxReason)
	switch {
	case err != nil:
	case tier < vitrine.Public || tier > vitrine.Restricted:
		err = vitrine.Invalid("tier", "tier", "A tier is public, internal, confidential or restricted.")
	case tier < was && reason == "":
		err = vitrine.Invalid("reason", "reason_needed", "Say why the tier is lowered.")
	}
	if err != nil {
		return nil, refuse(ctx, t, err)
	}
	m.Tier, m.TierBy = tier, vitrine.TierByPerson
	t.Entry().Detail = fmt.Sprintf("from %s to %s", was, tier)
	if reason != "" {
		t.Entry().Detail += ": " + reason
	}
	return v.change(ctx, by, t, &m.Image)
}

// change writes an image that was read before, if nobody was faster.
func (v *Vault) change(ctx context.Context, by access.Caller, t *access.Ticket, m *vitrine.Image) (*vitrine.Image, error) {
	opens, err := v.opens(ctx, by, t.Entry().Time)
	if err != nil {
		return nil, refuse(ctx, t, err)
	}
	if _, err := t.Spend(ctx, func(tx *store.Tx) error { return tx.UpdateImage(m) }); err != nil {
		return nil, err
	}
	told := tell(*m, opens(m)).Image
	return &told, nil
}

package rbac

import (
	"slices"
	"time"

	"vitrine.dev/vitrine"
)

// maxKeep is the longest time that images can be kept, or deleted ones restored.
const maxKeep = 100 * 365 * 24 * time.Hour

// keeping checks how long a dataset keeps its images.
func (c *checker) keeping(o *vitrine.Dataset) {
	window := vitrine.Duration(0)
	if o.RestoreWindow != nil {
		window = *o.RestoreWindow
	}
	for _, f := range []struct {
		field string
		d     vitrine.Duration
	}{{"retention", o.Retention}, {"keep_at_least", o.KeepAtLeast}, {"restore_window", window}} {
		if f.d < 0 || time.Duration(f.d) > maxKeep {
			c.bad(f.field, "%s is between 0 and 100 years", f.field)
		}
	}
	if o.Retention > 0 && o.Retention < o.KeepAtLeast {
		c.bad("retention", "images are kept %s at least, so they cannot be deleted after %s", o.KeepAtLeast, o.Retention)
	}
}

// keeps: whoever lets the images of a dataset go sooner deletes them, in effect.
// So that dataset.edit alone destroys nothing, it needs image.delete there on
// all that may lie in it, or the right to give that.
func (a *admission) keeps(at vitrine.Ref, was, now *vitrine.Dataset) error {
	if was == nil || now == nil || !sooner(was, now) {
		return nil
	}
	_, err := a.decide(need{vitrine.ImageDelete, vitrine.Resource{
		Kind: vitrine.KindDataset, ID: at.ID, Scope: at.ID, Category: was.Category, Tier: vitrine.Restricted,
	}})
	if err == nil {
		return nil
	}
	whole := newGrant("", &vitrine.Grant{
		Permissions: []vitrine.Permission{vitrine.ImageDelete}, Categories: []vitrine.Category{was.Category}, Tiers: slices.Clone(vitrine.Tiers),
	})
	if a.authority(at.ID).lacks(&whole) == "" {
		return nil
	}
	return refused(vitrine.CodeMayNotGive, at, "This lets the images of %s go sooner than now: that needs image.delete there on every tier, or the right to give it. Ask somebody who has it.", at.ID)
}

// sooner reports whether images may go earlier than before. The window of the
// installation is not known here, so to or from it counts as earlier.
func sooner(was, now *vitrine.Dataset) bool {
	switch {
	case now.Retention != 0 && (was.Retention == 0 || now.Retention < was.Retention), now.KeepAtLeast < was.KeepAtLeast:
		return true
	case was.RestoreWindow == nil || now.RestoreWindow == nil:
		return was.RestoreWindow != now.RestoreWindow
	}
	return *now.RestoreWindow < *was.RestoreWindow
}

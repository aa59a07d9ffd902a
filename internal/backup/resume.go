package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/audit"
	"vitrine.dev/vitrine/internal/gateway"
	"vitrine.dev/vitrine/internal/identity"
	"vitrine.dev/vitrine/internal/policy"
	"vitrine.dev/vitrine/internal/rbac"
	"vitrine.dev/vitrine/internal/store"
)

// Services are those of a restored installation.
type Services struct {
	*Backups
	Policies  *policy.Policies
	Directory *identity.Directory
	Gateway   *gateway.Gateway
}

// Request is how a restored installation goes on.
type Request struct {
	Contents *Contents
	Past     *Past // nil: nothing is known of the time after the backup
	Hold     bool  // let nobody but the owners do anything until one has looked
	Progress func(what string)
}

// Note is something that happened after the backup and that a person should look
// at, because it could not be done again exactly.
type Note struct {
	Seq  int64  `json:"seq"` // of the old log
	On   string `json:"on"`  // kind/id
	Text string `json:"text"`
}

// Resumed is how a restored installation went on.
type Resumed struct {
	Link     audit.Link `json:"link"`
	Sessions int        `json:"sessions_ended"`
	Gone     int        `json:"gone,omitempty"` // images deleted while the backup ran

	Known    bool           `json:"log_replayed"` // the log of the time after the backup was given
	Replayed int64          `json:"entries_replayed,omitempty"`
	Until    time.Time      `json:"until,omitzero"` // of the last entry
	Deleted  int            `json:"images_deleted,omitempty"`
	Raised   int            `json:"tiers_raised,omitempty"`
	Revoked  int            `json:"changes_replayed,omitempty"` // to the policy
	Requests int            `json:"requests_counted,omitempty"`
	Cost     vitrine.Micros `json:"cost_counted,omitempty"`
	Lost     int            `json:"images_lost,omitempty"` // made after the backup

	Locked []Note     `json:"locked,omitempty"` // what was changed and is not known how
	Look   []Note     `json:"look,omitempty"`   // what else a person should know
	Hold   vitrine.ID `json:"hold,omitempty"`   // the deny rule under which only owners act
}

// Resume makes of what Load left an installation that may be served. The first
// entry of its own in the log is the link to the old log. All sessions end.
// Then, where the log of the time after the backup is known, what it took away
// is taken away again: images that were deleted, keys that were revoked,
// principals that were disabled, members, bindings and roles that were removed,
// tiers that were raised; what was spent is counted. What the log says was
// changed, but not how, is locked, for a person to look at: a role, a key or a
// principal is disabled, a binding ended, a deployment switched off, a
// provider's secret forgotten. Where a restriction may be missing - a deny rule,
// a constraint, anything that the log does not name - a deny rule lets nobody
// act but the owners. Nothing that was given after the backup is given again.
//
// Each of these acts is an entry of its own.
func Resume(ctx context.Context, s Services, q Request) (*Resumed, error) {
	r := &resuming{Services: s, Request: q, by: System("restore"), locked: map[vitrine.Ref]bool{}, pending: map[string]spend{}}
	if r.now == nil || q.Contents == nil {
		return nil, errors.New("backup: services and contents are needed")
	}
	for _, step := range []func(context.Context) error{r.link, r.endSessions, r.dropGone, r.replay, r.hold, r.done} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return &r.out, nil
}

// resuming is a restored installation on its way.
type resuming struct {
	Services
	Request
	by  access.Caller
	out Resumed

	seq     int64 // of the entry that is replayed
	locked  map[vitrine.Ref]bool
	unsure  bool // a restriction may be missing
	pending map[string]spend
	images  map[vitrine.ID]fate
}

func (r *resuming) say(format string, args ...any) {
	if r.Progress != nil {
		r.Progress(fmt.Sprintf(format, args...))
	}
}

// link records the link.
func (r *resuming) link(ctx context.Context) error {
	c := r.Contents
	r.out.Link = audit.Link{Origin: c.Origin, Size: c.Size, Root: c.Root}
	size, root, _, err := r.store.LogSize(ctx)
	if err != nil {
		return err
	}
	if size != c.Size || root.String() != c.Root {
		return damaged("its log is not the one that it names")
	}
	e := r.out.Link.Entry()
	e.Time = r.now()
	if _, err := r.store.Commit(ctx, e, nil); err != nil {
		return fmt.Errorf("link the log to %s: %w", c.Origin, err)
	}
	if e.Seq != c.Size {
		return fmt.Errorf("the link became entry %d, not %d", e.Seq, c.Size)
	}
	return nil
}

// sessionPage is how many sessions end with one change set.
const sessionPage = 1000

// endSessions ends every session: their bearers showed themselves to another
// machine.
func (r *resuming) endSessions(ctx context.Context) error {
	for {
		now, err := r.guard.Snapshot(ctx, r.by)
		if err != nil {
			return err
		}
		set := &vitrine.ChangeSet{Reason: "restored from a backup"}
		for _, o := range now.Objects(vitrine.KindKey) {
			k, ok := o.(*vitrine.Key)
			if !ok || !k.Session() || !k.Revoked.IsZero() || len(set.Changes) == sessionPage {
				continue
			}
			ended := *k
			ended.Revoked = r.at()
			set.Changes = append(set.Changes, vitrine.Put(&ended))
		}
		if len(set.Changes) == 0 {
			return nil
		}
		if err := r.apply(ctx, set, policy.Options{}); err != nil {
			return fmt.Errorf("end the sessions: %w", err)
		}
		r.out.Sessions += len(set.Changes)
	}
}

func (r *resuming) at() time.Time { return r.now().UTC().Truncate(time.Microsecond) }

// apply applies a change set as the system.
func (r *resuming) apply(ctx context.Context, set *vitrine.ChangeSet, o policy.Options) error {
	o.Op, o.Issuing = replayOp, true
	if set.Reason == "" {
		set.Reason = fmt.Sprintf("entry %d of %s", r.seq, r.Contents.Origin)
	}
	_, err := r.Policies.ApplyAs(ctx, r.by, set, o)
	return err
}

const replayOp = "replay"

// act is an entry of what is done again to an image.
func (r *resuming) act(p vitrine.Permission, m *store.ImageRow, detail string) *vitrine.Entry {
	return &vitrine.Entry{
		Time: r.now(), Act: string(p), Op: replayOp, Outcome: vitrine.Allowed, Code: string(vitrine.CodeAllowed), Actor: access.SystemActor,
		Kind: vitrine.KindImage, Resource: m.ID, Scope: m.Dataset, Category: m.Category, Tier: m.Tier, Detail: detail,
	}
}

// dropGone destroys the images that were deleted while the backup was taken, and
// takes away the names of forms that went then.
func (r *resuming) dropGone(ctx context.Context) error {
	for _, name := range r.Contents.Gone {
		id, form, _ := strings.Cut(name, "/")
		if form != string(vitrine.Original) {
			err := r.store.Maintain(ctx, func(tx *store.Tx) error { return tx.DeleteBlob(name) })
			if err != nil && !errors.Is(err, vitrine.ErrNotFound) {
				return err
			}
			continue
		}
		done, err := r.destroy(ctx, vitrine.ID(id), "deleted while the backup was taken")
		if err != nil {
			return err
		}
		if done {
			r.out.Gone++
		}
	}
	return nil
}

// find answers an image that is there or was deleted and could be restored, or
// nil.
func (r *resuming) find(ctx context.Context, id vitrine.ID) (*store.ImageRow, error) {
	if !id.Valid() {
		return nil, nil
	}
	m, err := r.store.Image(ctx, id)
	if errors.Is(err, vitrine.ErrNotFound) {
		m, err = r.store.DeletedImage(ctx, id)
	}
	switch {
	case errors.Is(err, vitrine.ErrNotFound):
		return nil, nil
	case errors.Is(err, store.ErrDamaged) && m != nil:
		return m, nil // it can be destroyed all the same
	}
	return m, err
}

// destroy destroys an image; false where it was gone already.
func (r *resuming) destroy(ctx context.Context, id vitrine.ID, why string) (bool, error) {
	m, err := r.find(ctx, id)
	if m == nil || err != nil {
		return false, err
	}
	var files []string
	_, err = r.store.Commit(ctx, r.act(vitrine.ImageDelete, m, why), func(tx *store.Tx) (err error) {
		files, err = tx.DestroyImage(id, m.Version)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("delete image %s again: %w", id, err)
	}
	for _, name := range files {
		if err := r.bucket.Delete(ctx, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
	}
	return true, nil
}

// hold lets nobody but the owners act, where that was asked for or is needed.
func (r *resuming) hold(ctx context.Context) error {
	if !r.Request.Hold && !r.unsure {
		return nil
	}
	now, err := r.guard.Snapshot(ctx, r.by)
	if err != nil {
		return err
	}
	d := &vitrine.Deny{ID: "restored", Principals: []vitrine.ID{vitrine.Everyone}, Scope: identity.OrganizationID,
		Reason: "restored from a backup: an owner looks first at what is told there, and then deletes this rule"}
	for n := 2; now.ChangedAt(d.Ref()) != 0; n++ { // one of an earlier restore
		if o, ok := now.Object(d.Ref()); ok && o != nil {
			break
		}
		d.ID = vitrine.ID(fmt.Sprintf("restored-%d", n))
	}
	for _, p := range vitrine.Catalogue {
		d.Permissions = append(d.Permissions, p.Permission)
	}
	for _, o := range now.Objects(vitrine.KindBinding) {
		if b, ok := o.(*vitrine.Binding); ok && b.Role == rbac.OwnerRole && b.Scope == d.Scope {
			d.Except = append(d.Except, b.Principal)
		}
	}
	if err := r.apply(ctx, &vitrine.ChangeSet{Reason: d.Reason, Changes: []vitrine.Change{vitrine.Put(d)}}, policy.Options{}); err != nil {
		return fmt.Errorf("hold everybody but the owners: %w", err)
	}
	r.out.Hold = d.ID
	return nil
}

// done records that the restore is over.
func (r *resuming) done(ctx context.Context) error {
	e := &vitrine.Entry{
		Time: r.now(), Act: "restore", Op: "done", Outcome: vitrine.Allowed, Code: string(vitrine.CodeAllowed), Actor: access.SystemActor,
		Kind: vitrine.KindLog,
	}
	c := r.Contents
	e.Detail = fmt.Sprintf("backup of epoch %d taken %s; nothing is known of the time after it", c.Epoch, c.Taken.Format(time.RFC3339))
	if r.Past != nil {
		e.Detail = fmt.Sprintf("backup of epoch %d taken %s; entries %d to %d of %s replayed, whose root is %s; %d locked",
			c.Epoch, c.Taken.Format(time.RFC3339), r.Past.From, r.Past.To, c.Origin, r.Past.Root, len(r.out.Locked))
	}
	if len(r.out.Locked) > 0 || r.out.Hold != "" {
		e.Alert = "restored_locked"
	}
	if _, err := r.store.Commit(ctx, e, nil); err != nil {
		return fmt.Errorf("record the restore: %w", err)
	}
	return nil
}

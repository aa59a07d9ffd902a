package backup

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/audit"
	"vitrine.dev/vitrine/internal/entry"
	"vitrine.dev/vitrine/internal/gateway"
	"vitrine.dev/vitrine/internal/rbac"
	"vitrine.dev/vitrine/internal/store"
)

// fate is what becomes of an image by the log.
type fate struct {
	seq   int64
	entry *vitrine.Entry // the last that deleted it; nil: none, or it was restored after that
	until time.Time      // it may be restored until then; zero: its key was destroyed
	tier  vitrine.Tier   // the highest that it was given; unknown is none
}

// spend is a request that began.
type spend struct {
	begun *vitrine.Entry
	by    access.Caller
}

// replay does again what the log says took something away.
func (r *resuming) replay(ctx context.Context) error {
	if r.Past == nil {
		return nil
	}
	r.images = map[vitrine.ID]fate{}
	r.out.Known, r.out.Replayed, r.out.Until = true, r.Past.To-r.Past.From, r.Past.Time
	err := r.Past.each(func(x audit.Exported) error {
		r.seq = x.Entry.Seq
		if r.seq%1000 == 0 {
			r.say("entry %d of %d", r.seq, r.Past.To)
		}
		return r.entry(ctx, x)
	})
	if err != nil {
		return err
	}
	for request, s := range r.pending { // nobody knows how they ended
		if err := r.count(ctx, s, s.begun.Cost, request); err != nil {
			return err
		}
	}
	return r.settleImages(ctx)
}

// entry replays one entry.
func (r *resuming) entry(ctx context.Context, x audit.Exported) error {
	e := x.Entry
	if e.Act == string(vitrine.ModelGenerate) {
		return r.money(ctx, x)
	}
	if e.Outcome != vitrine.Allowed || e.Op == replayOp {
		return nil
	}
	switch vitrine.Permission(e.Act) {
	case vitrine.ImageDelete:
		r.imageDeleted(e)
	case vitrine.ImageClassify:
		r.imageClassified(e)
	case vitrine.ImageHold:
		r.look(string(e.Kind)+"/"+string(e.Resource), "a legal hold changed ("+e.Op+"): look whether it is as it should be")
	case vitrine.ImageCreate:
		r.out.Lost++
	}
	return r.changes(ctx, e)
}

// untilText stands before the time until which a deleted image may be restored.
var untilText = regexp.MustCompile(`^it may be restored until (\S+Z)`)

// imageDeleted notes what becomes of an image; the last word counts.
func (r *resuming) imageDeleted(e *vitrine.Entry) {
	f := r.images[e.Resource]
	f.seq, f.entry, f.until = e.Seq, e, time.Time{}
	if m := untilText.FindStringSubmatch(e.Detail); m != nil {
		if at, err := time.Parse(time.RFC3339, m[1]); err == nil {
			f.until = at
		}
	}
	if e.Op == "restore" {
		f.entry = nil
	}
	r.images[e.Resource] = f
}

// imageClassified notes the tier that an image was given. Only a rise is done
// again.
func (r *resuming) imageClassified(e *vitrine.Entry) {
	var from, to string
	if n, err := fmt.Sscanf(e.Detail, "from %s to %s", &from, &to); err != nil || n != 2 {
		return
	}
	var tier vitrine.Tier
	if tier.UnmarshalText([]byte(strings.TrimRight(to, ":;"))) != nil {
		return
	}
	f := r.images[e.Resource]
	if tier > f.tier {
		f.tier, f.seq = tier, e.Seq
	}
	r.images[e.Resource] = f
}

// settleImages does to images what the log says.
func (r *resuming) settleImages(ctx context.Context) error {
	for id, f := range r.images {
		r.seq = f.seq
		if err := r.settleImage(ctx, id, f); err != nil {
			return err
		}
	}
	return nil
}

func (r *resuming) settleImage(ctx context.Context, id vitrine.ID, f fate) error {
	why := fmt.Sprintf("entry %d of %s", f.seq, r.Contents.Origin)
	if f.entry != nil && f.until.IsZero() {
		done, err := r.destroy(ctx, id, why)
		if held(err) {
			r.look("image/"+string(id), "it was destroyed, but a legal hold keeps it: look at both")
			return nil
		}
		if done {
			r.out.Deleted++
		}
		return err
	}
	m, err := r.store.Image(ctx, id)
	if errors.Is(err, vitrine.ErrNotFound) {
		return nil // made after the backup, or deleted already
	}
	if err != nil && !errors.Is(err, store.ErrDamaged) {
		return err
	}
	if f.entry != nil {
		return r.deleteImage(ctx, m, f, why)
	}
	if err != nil || f.tier <= m.Tier.Effective() {
		return nil
	}
	m.Tier, m.TierBy = f.tier, vitrine.TierByPerson
	if _, err := r.store.Commit(ctx, r.act(vitrine.ImageClassify, m, why), func(tx *store.Tx) error { return tx.UpdateImage(&m.Image) }); err != nil {
		return fmt.Errorf("raise the tier of image %s again: %w", id, err)
	}
	r.out.Raised++
	return nil
}

// deleteImage deletes an image as it was: it may be restored for as long as it
// could have been.
func (r *resuming) deleteImage(ctx context.Context, m *store.ImageRow, f fate, why string) error {
	d := vitrine.Deletion{At: f.entry.Time, By: f.entry.Actor, Until: f.until}
	_, err := r.store.Commit(ctx, r.act(vitrine.ImageDelete, m, why), func(tx *store.Tx) error { return tx.DeleteImage(m, d) })
	if held(err) {
		r.look("image/"+string(m.ID), "it was deleted, but a legal hold keeps it: look at both")
		return nil
	}
	if err != nil {
		return fmt.Errorf("delete image %s again: %w", m.ID, err)
	}
	r.out.Deleted++
	return nil
}

// held reports whether an image stays because of a legal hold.
func held(err error) bool {
	var e *vitrine.Error
	return errors.As(err, &e) && errors.Is(e.Kind, vitrine.ErrConflict) && e.Code != "version"
}

// money counts what a request has spent, whichever way it ended.
func (r *resuming) money(ctx context.Context, x audit.Exported) error {
	e := x.Entry
	begun, ended := r.pending[e.Request], strings.HasSuffix(e.Op, " done") || strings.HasSuffix(e.Op, " failed")
	switch {
	case e.Op == replayOp, e.Request == "":
		return nil
	case ended:
		delete(r.pending, e.Request)
		if e.Outcome == vitrine.Allowed {
			r.out.Lost++
		}
		if begun.begun == nil { // it began before the backup
			begun = spend{e, r.caller(ctx, x)}
		}
		return r.count(ctx, begun, e.Cost, e.Request)
	case e.Op == "sweep" && begun.begun != nil:
		delete(r.pending, e.Request)
		return r.count(ctx, begun, begun.begun.Cost, e.Request)
	case e.Outcome == vitrine.Allowed && e.Cost > 0:
		r.pending[e.Request] = spend{e, r.caller(ctx, x)}
	}
	return nil
}

// caller is who spent, as far as the log tells and the backup can open it.
func (r *resuming) caller(ctx context.Context, x audit.Exported) access.Caller {
	e := x.Entry
	for _, p := range x.Parts {
		if p.Kind != entry.EndUserPart {
			continue
		}
		if err := r.store.OpenParts(ctx, e, x.Parts); err != nil || e.Personal.EndUser == "" {
			r.look("", "an end user spent whose name is not known: budgets of end users do not count it")
		}
	}
	return access.Caller{Kind: e.ActorKind, Subject: rbac.Subject{
		Principal: e.Actor, For: e.For, Credential: e.Credential, Key: true, EndUser: e.Personal.EndUser,
	}}
}

// count counts a cost where the budgets of the backup would.
func (r *resuming) count(ctx context.Context, s spend, cost vitrine.Micros, request string) error {
	project, err := r.projectOf(ctx, s.begun)
	if err != nil {
		return err
	}
	err = r.Gateway.Recount(ctx, gateway.Spend{At: s.begun.Time, By: s.by, Project: project, Model: s.begun.Model, Cost: cost, Request: request})
	if err != nil {
		return err
	}
	r.out.Requests++
	r.out.Cost += cost
	return nil
}

// projectOf is the project that a request was for: that of its deployment, or of
// the dataset that its image is in.
func (r *resuming) projectOf(ctx context.Context, e *vitrine.Entry) (vitrine.ID, error) {
	if project, _, ok := vitrine.SplitDeployment(e.Resource); e.Kind == vitrine.KindDeployment && ok {
		return project, nil
	}
	now, err := r.guard.Snapshot(ctx, r.by)
	if err != nil {
		return "", err
	}
	if set, ok := now.Dataset(e.Scope); ok {
		return set.Project, nil
	}
	project, _, _ := vitrine.SplitDeployment(e.Scope)
	return project, nil
}

// maxNotes bounds how much is told one by one.
const maxNotes = 10_000

func (r *resuming) look(on, text string) {
	if len(r.out.Look) < maxNotes {
		r.out.Look = append(r.out.Look, Note{r.seq, on, text})
	}
}

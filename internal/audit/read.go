package audit

import (
	"context"
	"slices"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/rbac"
	"vitrine.dev/vitrine/internal/store"
)

// Search lists entries. It needs log.view: for the organization to see all, for
// a project, dataset or model to see what lies there. Entries about nothing in
// particular lie in the organization. The search is itself an entry.
func (l *Log) Search(ctx context.Context, by access.Caller, q store.EntryQuery) ([]vitrine.Entry, error) {
	t, scopes, err := l.enter(ctx, by, "search")
	if err != nil {
		return nil, err
	}
	q.Scopes = within(q.Scopes, scopes)
	all, err := l.store.Entries(ctx, q)
	if err != nil {
		return nil, t.Refuse(ctx, "failed", err)
	}
	t.Entry().Count = int64(len(all))
	if _, err := t.Record(ctx); err != nil {
		return nil, err
	}
	return all, nil
}

// pause is how long Follow waits at most before it looks again; other nodes
// append without this one hearing of it.
const pause = time.Second

// Follow calls fn with the entries after a seq (-1: all), then with further
// ones as they are appended, until ctx is done, fn fails, or by may no longer
// view the log: that is looked at before each batch. It is one entry in the log.
func (l *Log) Follow(ctx context.Context, by access.Caller, after int64, fn func([]vitrine.Entry) error) error {
	t, scopes, err := l.enter(ctx, by, "follow")
	if err != nil {
		return err
	}
	if _, err := t.Record(ctx); err != nil {
		return err
	}
	wait := time.NewTimer(pause)
	defer wait.Stop()
	for {
		appended := l.store.Appended() // asked for before reading, so that nothing is missed
		page, err := l.store.Entries(ctx, store.EntryQuery{After: after, Limit: 500, Scopes: scopes})
		if err != nil {
			return err
		}
		if len(page) > 0 {
			if err := fn(page); err != nil {
				return err
			}
			after = page[len(page)-1].Seq
		} else {
			wait.Reset(pause)
			select {
			case <-ctx.Done():
				return nil
			case <-appended:
			case <-wait.C:
			}
		}
		if scopes, err = l.still(ctx, by); err != nil {
			return err
		}
	}
}

// enter asks for viewing the log. scopes is where; nil is everywhere.
func (l *Log) enter(ctx context.Context, by access.Caller, op string) (*access.Ticket, []vitrine.ID, error) {
	p, err := l.guard.Snapshot(ctx, by)
	if err != nil {
		return nil, nil, l.guard.Reject(ctx, by, access.Act{Permission: vitrine.LogView, Op: op}, err)
	}
	scopes := l.scopes(p, &by.Subject)
	if len(scopes) == 0 { // everywhere or nowhere: asked of the whole log
		t, err := l.guard.Check(ctx, by, access.Act{Permission: vitrine.LogView, Op: op, Resource: whole(p)})
		return t, nil, err
	}
	_, _, t, err := l.guard.Views(ctx, by, nil, op)
	if err != nil {
		return nil, nil, err
	}
	e := t.Entry()
	e.Act, e.Kind, e.Scope = string(vitrine.LogView), vitrine.KindLog, scopes[0]
	return t, scopes, nil
}

// still is where by may view the log by now. A refusal is recorded.
func (l *Log) still(ctx context.Context, by access.Caller) ([]vitrine.ID, error) {
	p, err := l.guard.Snapshot(ctx, by)
	if err != nil {
		return nil, err
	}
	if scopes := l.scopes(p, &by.Subject); len(scopes) > 0 {
		return scopes, nil
	}
	d := p.Decide(&rbac.Question{Subject: by.Subject, Permission: vitrine.LogView, Resource: whole(p), At: l.now()})
	if d.Allow {
		return nil, nil
	}
	t, err := l.guard.Check(ctx, by, access.Act{Permission: vitrine.LogView, Op: "follow", Resource: whole(p)})
	if err != nil {
		return nil, err
	}
	_, err = t.Record(ctx) // allowed again between the two questions
	return nil, err
}

// scopes are where the subject may view the log, if that is not everywhere.
func (l *Log) scopes(p *rbac.Policy, s *rbac.Subject) []vitrine.ID {
	at := l.now()
	if _, live := p.Live(s, at); !live {
		return nil
	}
	if p.Decide(&rbac.Question{Subject: *s, Permission: vitrine.LogView, Resource: whole(p), At: at}).Allow {
		return nil
	}
	var all []vitrine.ID
	for _, k := range []vitrine.Kind{vitrine.KindProject, vitrine.KindDataset, vitrine.KindDeployment} {
		all = append(all, p.Visible(s, vitrine.LogView, k, at)...)
	}
	return all
}

// within narrows what was asked for to what may be seen; nil is everywhere.
func within(asked, seen []vitrine.ID) []vitrine.ID {
	if seen == nil || asked == nil {
		if seen == nil {
			return asked
		}
		return seen
	}
	both := []vitrine.ID{}
	for _, id := range asked {
		if slices.Contains(seen, id) {
			both = append(both, id)
		}
	}
	return both
}

// whole is the log as a resource.
func whole(p *rbac.Policy) vitrine.Resource {
	org := p.Organization()
	if org == nil {
		return vitrine.Resource{}
	}
	return vitrine.Resource{Kind: vitrine.KindLog, ID: "log", Scope: org.ID}
}

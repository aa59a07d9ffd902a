package access_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/identity/identitytest"
	"vitrine.dev/vitrine/internal/rbac"
	"vitrine.dev/vitrine/internal/store"
)

func wantKind(t testing.TB, err, kind error) *vitrine.Error {
	t.Helper()
	var e *vitrine.Error
	if !errors.Is(err, kind) || !errors.As(err, &e) {
		t.Fatalf("got error %v, want %v", err, kind)
	}
	return e
}

// looker sees masked views up to confidential and originals up to internal.
var looker = &vitrine.Role{ID: "looker", Grants: []vitrine.Grant{
	{Permissions: []vitrine.Permission{vitrine.ImageView}, Categories: []vitrine.Category{vitrine.Generated}, Tiers: vitrine.TiersUpTo(vitrine.Confidential)},
	{Permissions: []vitrine.Permission{vitrine.ImageOpen}, Categories: []vitrine.Category{vitrine.Generated}, Tiers: vitrine.TiersUpTo(vitrine.Internal)},
	{Permissions: []vitrine.Permission{vitrine.DatasetView}},
}}

// house is a system with a project, a dataset, ann who looks and eve who has
// nothing.
func house(t testing.TB, url string) (s *identitytest.System, ann, eve access.Caller) {
	t.Helper()
	s = identitytest.New(t, url)
	s.Renders()
	s.Apply(s.Alice, vitrine.Put(looker))
	ann = s.Person("ann", vitrine.Binding{Role: "looker", Scope: "renders"})
	eve = s.Person("eve")
	return s, ann, eve
}

func picture(id vitrine.ID, tier vitrine.Tier) vitrine.Resource {
	return vitrine.Resource{Kind: vitrine.KindImage, ID: id, Scope: "drafts", Category: vitrine.Generated, Tier: tier}
}

// TestCheck puts every refusal beside the success that it is not, and reads in
// the log what an auditor reads.
func TestCheck(t *testing.T) {
	s, ann, eve := house(t, "")
	open := access.Act{Permission: vitrine.ImageOpen, OrElse: []vitrine.Permission{vitrine.ImageView}}
	only := access.Act{Permission: vitrine.ImageOpen}
	tests := []struct {
		name string
		by   access.Caller
		act  access.Act
		r    vitrine.Resource
		kind error  // nil: allowed
		act2 string // what the log says was done or tried
		code vitrine.Code
	}{
		{"ann opens an internal image", ann, open, picture("i1", vitrine.Internal), nil, "image.open", vitrine.CodeAllowed},
		{"ann gets a confidential one masked", ann, open, picture("i2", vitrine.Confidential), nil, "image.view", vitrine.CodeAllowed},
		{"a named original never degrades", ann, only, picture("i2", vitrine.Confidential), vitrine.ErrDenied, "image.open", vitrine.CodeTier},
		{"ann knows nothing of a restricted one", ann, open, picture("i3", vitrine.Restricted), vitrine.ErrNotFound, "image.open", ""},
		{"unknown counts as restricted", ann, open, picture("i4", vitrine.TierUnknown), vitrine.ErrNotFound, "image.open", ""},
		{"eve knows nothing of any", eve, open, picture("i1", vitrine.Internal), vitrine.ErrNotFound, "image.open", ""},
		{"an owner does not see pictures", s.Alice, open, picture("i1", vitrine.Internal), vitrine.ErrNotFound, "image.open", ""},
		{"what is absent is absent", ann, open, vitrine.Resource{ID: "i9"}, vitrine.ErrNotFound, "image.open", vitrine.CodeAbsent},
		{"nobody may do nothing", access.Caller{}, open, picture("i1", vitrine.Internal), vitrine.ErrUnauthenticated, "image.open", vitrine.CodeNoCaller},
		{"the system looks at nothing either", access.Caller{Subject: rbac.Subject{System: true}}, open, picture("i1", vitrine.Internal),
			vitrine.ErrUnauthenticated, "image.open", vitrine.CodeNoCaller},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := tt.act
			a.Op, a.Resource = "open", tt.r
			before := len(s.Log())
			ticket, err := s.Guard.Check(t.Context(), tt.by, a)
			want := vitrine.Refused
			if tt.kind == nil {
				want = vitrine.Allowed
				if err != nil {
					t.Fatal(err)
				}
				if len(s.Log()) != before {
					t.Error("an allow stands in the log before it was recorded")
				}
				if _, err := ticket.Record(t.Context()); err != nil {
					t.Fatal(err)
				}
			} else {
				wantKind(t, err, tt.kind)
			}
			log := s.Log()
			if len(log) != before+1 {
				t.Fatalf("%d entries for one attempt", len(log)-before)
			}
			e := log[before]
			if e.Outcome != want || e.Act != tt.act2 || e.Op != "open" || e.Actor != tt.by.Actor() || tt.code != "" && e.Code != string(tt.code) {
				t.Errorf("the log says %+v, want %s %s %s", e, want, tt.act2, tt.code)
			}
		})
	}
}

// What stops the system stops everybody, also who would be refused anyway, with
// its own words; each attempt is recorded.
func TestStop(t *testing.T) {
	s, ann, eve := house(t, "")
	var why error
	g, err := access.NewGuard(access.Config{Policy: s.Source.Current, Refresh: s.Source.Refresh, Store: s.Store, Now: s.Clock.Now,
		Stop: func() error { return why }})
	if err != nil {
		t.Fatal(err)
	}
	act := access.Act{Permission: vitrine.ImageOpen, Op: "open", Resource: picture("i1", vitrine.Internal)}
	ticket, err := g.Check(t.Context(), ann, act)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ticket.Record(t.Context()); err != nil {
		t.Fatal(err)
	}
	why = store.ErrFull
	for _, by := range []access.Caller{ann, eve} {
		before := len(s.Log())
		_, err := g.Check(t.Context(), by, act)
		if e := wantKind(t, err, vitrine.ErrUnavailable); e.Code != "disk_full" {
			t.Errorf("%s: %s, want disk_full", by.Principal, e.Code)
		}
		if log := s.Log(); len(log) != before+1 || log[before].Outcome != vitrine.Refused || log[before].Code != "disk_full" {
			t.Errorf("%s: recorded %+v", by.Principal, log[before:])
		}
	}
}

// Who may not know of a thing gets, word for word, the answer for what is not
// there, and no decision that would tell.
func TestHiddenLooksLikeAbsent(t *testing.T) {
	s, ann, _ := house(t, "")
	act := access.Act{Permission: vitrine.ImageOpen, Op: "open", OrElse: []vitrine.Permission{vitrine.ImageView}}
	act.Resource = picture("secret", vitrine.Restricted)
	_, hidden := s.Guard.Check(t.Context(), ann, act)
	act.Resource = vitrine.Resource{ID: "nothing"}
	_, absent := s.Guard.Check(t.Context(), ann, act)
	if !reflect.DeepEqual(hidden, absent) {
		t.Errorf("hidden answers %#v, absent %#v", hidden, absent)
	}
	if e := wantKind(t, hidden, vitrine.ErrNotFound); e.Decision != nil || strings.Contains(e.Error(), "secret") {
		t.Errorf("the answer tells: %+v", e)
	}
	act.Resource, act.OrElse = picture("known", vitrine.Confidential), nil
	_, err := s.Guard.Check(t.Context(), ann, act)
	if e := wantKind(t, err, vitrine.ErrDenied); e.Decision == nil || e.Decision.Code != vitrine.CodeTier || e.Public == "" {
		t.Errorf("denied without the reason: %+v", e)
	}
}

// An act on several things is allowed only if every question is, and the first
// refusal decides what the caller hears.
func TestMoreQuestions(t *testing.T) {
	s, ann, _ := house(t, "")
	tests := []struct {
		name    string
		sources []vitrine.Resource
		kind    error
	}{
		{"both may be opened", []vitrine.Resource{picture("a", vitrine.Public), picture("b", vitrine.Internal)}, nil},
		{"one may only be seen masked", []vitrine.Resource{picture("a", vitrine.Public), picture("b", vitrine.Confidential)}, vitrine.ErrDenied},
		{"one is hidden", []vitrine.Resource{picture("a", vitrine.Restricted), picture("b", vitrine.Confidential)}, vitrine.ErrNotFound},
		{"one is absent", []vitrine.Resource{picture("a", vitrine.Public), {}}, vitrine.ErrNotFound},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := access.Act{Permission: vitrine.ImageOpen, Op: "edit", Resource: picture("main", vitrine.Internal)}
			for _, r := range tt.sources {
				a.More = append(a.More, access.Question{Permission: vitrine.ImageOpen, Resource: r})
			}
			ticket, err := s.Guard.Check(t.Context(), ann, a)
			if tt.kind != nil {
				wantKind(t, err, tt.kind)
			} else if err != nil {
				t.Fatal(err)
			} else if _, err := ticket.Record(t.Context()); err != nil {
				t.Fatal(err)
			}
			if e := s.Last(); e.Resource != "main" || !strings.Contains(e.Detail, "image.open on") {
				t.Errorf("the log does not name the further questions: %+v", e)
			}
		})
	}
}

// Everything that the log must tell of an attempt.
func TestEntryTells(t *testing.T) {
	s, ann, _ := house(t, "")
	ann.EndUser, ann.Request, ann.UserAgent = "customer-7", "req-77", "openai/2"
	ticket, err := s.Guard.Check(t.Context(), ann, access.Act{
		Permission: vitrine.ImageOpen, Op: "rendition original", Resource: picture("i1", vitrine.Internal), Model: "hidream", PromptHash: "abc",
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := ticket.Record(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e := s.Last()
	if r.Seq != e.Seq || r.Decision.Binding != e.Binding || r.By.Principal != "ann" {
		t.Errorf("the receipt %+v is not of the entry %+v", r, e)
	}
	want := vitrine.Entry{
		Seq: e.Seq, Time: e.Time, Act: "image.open", Op: "rendition original", Outcome: vitrine.Allowed, Code: "allowed",
		Actor: "ann", ActorKind: vitrine.User, Credential: ann.Credential,
		Kind: vitrine.KindImage, Resource: "i1", Scope: "drafts", Category: vitrine.Generated, Tier: vitrine.Internal,
		Binding: "ann-0", Revision: e.Revision, Request: "req-77", Model: "hidream", PromptHash: "abc",
		Personal: vitrine.Personal{Address: "192.0.2.7", UserAgent: "openai/2", EndUser: "customer-7"},
	}
	if !reflect.DeepEqual(e, want) || e.Revision == 0 || e.Time.IsZero() {
		t.Errorf("got  %+v\nwant %+v", e, want)
	}
}

// A ticket is used exactly once; a second use does nothing and says so.
func TestTicketIsUsedOnce(t *testing.T) {
	s, ann, _ := house(t, "")
	check := func() *access.Ticket {
		ticket, err := s.Guard.Check(t.Context(), ann, access.Act{Permission: vitrine.ImageOpen, Op: "open", Resource: picture("i1", vitrine.Internal)})
		if err != nil {
			t.Fatal(err)
		}
		return ticket
	}
	uses := map[string]func(*access.Ticket) error{
		"record": func(k *access.Ticket) error { _, err := k.Record(t.Context()); return err },
		"spend": func(k *access.Ticket) error {
			_, err := k.Spend(t.Context(), func(*store.Tx) error { return nil })
			return err
		},
	}
	for first, use := range uses {
		for second, again := range uses {
			ticket := check()
			if err := use(ticket); err != nil {
				t.Fatal(err)
			}
			n := len(s.Log())
			if err := again(ticket); err == nil {
				t.Errorf("%s after %s: no error", second, first)
			}
			if err := ticket.Refuse(t.Context(), "late", nil); err == nil || errors.Is(err, vitrine.ErrDenied) {
				t.Errorf("refuse after %s: got %v", first, err)
			}
			if len(s.Log()) != n {
				t.Errorf("%s after %s was recorded", second, first)
			}
		}
	}
}

// Refuse is for checks that know more than the policy: a prompt that may not be.
func TestRefuse(t *testing.T) {
	s, ann, _ := house(t, "")
	ticket, err := s.Guard.Check(t.Context(), ann, access.Act{Permission: vitrine.ImageOpen, Op: "open", Resource: picture("i1", vitrine.Internal)})
	if err != nil {
		t.Fatal(err)
	}
	cause := vitrine.Invalid("prompt", "prompt_refused", "Not this prompt.")
	if err := ticket.Refuse(t.Context(), "prompt_refused", cause); err != cause {
		t.Errorf("got %v, want the cause", err)
	}
	if e := s.Last(); e.Outcome != vitrine.Refused || e.Code != "prompt_refused" {
		t.Errorf("the log says %+v", e)
	}
}

// What a ticket is spent on stands with its entry or not at all.
func TestSpend(t *testing.T) {
	s, ann, _ := house(t, "")
	act := access.Act{Permission: vitrine.ImageOpen, Op: "open", Resource: picture("i1", vitrine.Internal)}
	spend := func(ctx context.Context, key string, fail error) error {
		ticket, err := s.Guard.Check(t.Context(), ann, act)
		if err != nil {
			t.Fatal(err)
		}
		_, err = ticket.Spend(ctx, func(tx *store.Tx) error { return errors.Join(tx.SetMeta(key, "x"), fail) })
		return err
	}
	stands := func(key string) bool {
		_, ok, err := s.Store.Meta(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	if err := spend(t.Context(), "good", nil); err != nil || !stands("good") || s.Last().Outcome != vitrine.Allowed {
		t.Errorf("a good act: %v, stands %v, log %+v", err, stands("good"), s.Last())
	}
	broken := errors.New("disk on fire")
	if err := spend(t.Context(), "bad", broken); !errors.Is(err, broken) || stands("bad") || s.Last().Outcome != vitrine.Broken {
		t.Errorf("a broken act: %v, stands %v, log %+v", err, stands("bad"), s.Last())
	}
	over := &vitrine.Error{Kind: vitrine.ErrExhausted, Code: "budget_exhausted"}
	if err := spend(t.Context(), "over", over); !errors.Is(err, vitrine.ErrExhausted) || stands("over") ||
		s.Last().Outcome != vitrine.Refused || s.Last().Code != "budget_exhausted" {
		t.Errorf("an act over budget: %v, log %+v", err, s.Last())
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := spend(gone, "gone", nil); !errors.Is(err, context.Canceled) || stands("gone") || s.Last().Outcome != vitrine.Broken {
		t.Errorf("an act whose client had gone: %v, stands %v, log %+v", err, stands("gone"), s.Last())
	}
}

// An act of two phases is decided once and recorded twice.
func TestFinish(t *testing.T) {
	s, ann, _ := house(t, "")
	ticket, err := s.Guard.Check(t.Context(), ann, access.Act{Permission: vitrine.ImageOpen, Op: "generate", Resource: picture("i1", vitrine.Internal)})
	if err != nil {
		t.Fatal(err)
	}
	r, err := ticket.Record(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// The client hangs up while the provider paints; what was paid for is kept.
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	err = s.Guard.Finish(gone, r, &vitrine.Entry{Cost: 40_000}, func(tx *store.Tx) error { return tx.SetMeta("kept", "x") })
	if err != nil {
		t.Fatal(err)
	}
	e := s.Last()
	if e.Op != "generate done" || e.Outcome != vitrine.Allowed || e.Actor != "ann" || e.Request != "req-1" || e.Resource != "i1" || e.Cost != 40_000 {
		t.Errorf("the log says %+v", e)
	}
	if err := s.Guard.Finish(t.Context(), r, &vitrine.Entry{Outcome: vitrine.Broken, Code: "upstream"}, nil); err != nil {
		t.Fatal(err)
	}
	if e := s.Last(); e.Op != "generate failed" || e.Outcome != vitrine.Broken || e.Code != "upstream" {
		t.Errorf("the log says %+v", e)
	}
}

// A dropped ticket is an act that the log does not know of; tests find it and
// where it was made.
func TestOpenFindsADroppedTicket(t *testing.T) {
	s, ann, _ := house(t, "")
	ticket, err := s.Guard.Check(t.Context(), ann, access.Act{Permission: vitrine.ImageOpen, Op: "open", Resource: picture("i1", vitrine.Internal)})
	if err != nil {
		t.Fatal(err)
	}
	open := s.Guard.Open()
	if len(open) != 1 || !strings.Contains(open[0], "image.open open i1") || !strings.Contains(open[0], "guard_test.go") {
		t.Errorf("open tickets: %q", open)
	}
	if err := ticket.Refuse(t.Context(), "test", nil); !errors.Is(err, vitrine.ErrDenied) {
		t.Error(err)
	}
	if open := s.Guard.Open(); len(open) != 0 {
		t.Errorf("still open: %q", open)
	}
}

// Attack: hang up quickly, so that the refusal is not written.
func TestHangingUpDoesNotEscapeTheLog(t *testing.T) {
	s, _, eve := house(t, "")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	n := len(s.Log())
	_, err := s.Guard.Check(gone, eve, access.Act{Permission: vitrine.ImageOpen, Op: "open", Resource: picture("i1", vitrine.Internal)})
	wantKind(t, err, vitrine.ErrNotFound)
	if len(s.Log()) != n+1 {
		t.Error("the attempt is not in the log")
	}
}

// Attack: fill identifiers with text that is then kept for ever.
func TestTypedIdsStayOutOfTheLog(t *testing.T) {
	s, _, eve := house(t, "")
	_, err := s.Guard.Check(t.Context(), eve, access.Act{Permission: vitrine.ImageOpen, Op: "open", Resource: vitrine.Resource{ID: "<script>alert(1)</script>"}})
	wantKind(t, err, vitrine.ErrNotFound)
	if e := s.Last(); e.Resource != "" {
		t.Errorf("the log holds %q", e.Resource)
	}
}

// Unrecorded means refused, whatever the decision was.
func TestUnrecordedMeansRefused(t *testing.T) {
	s, ann, eve := house(t, "")
	act := access.Act{Permission: vitrine.ImageOpen, Op: "open", Resource: picture("i1", vitrine.Internal)}
	allowed := func() *access.Ticket {
		ticket, err := s.Guard.Check(t.Context(), ann, act)
		if err != nil {
			t.Fatal(err)
		}
		return ticket
	}
	record, spend, refuse := allowed(), allowed(), allowed()
	if err := s.Store.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := record.Record(t.Context())
	wantKind(t, err, vitrine.ErrUnavailable)
	ran := false
	_, err = spend.Spend(t.Context(), func(*store.Tx) error { ran = true; return nil })
	wantKind(t, err, vitrine.ErrUnavailable)
	if ran {
		t.Error("the act was done")
	}
	wantKind(t, refuse.Refuse(t.Context(), "no", nil), vitrine.ErrUnavailable)
	_, err = s.Guard.Check(t.Context(), eve, act)
	wantKind(t, err, vitrine.ErrUnavailable)
	_, err = s.Guard.Check(t.Context(), access.Caller{}, act)
	wantKind(t, err, vitrine.ErrUnavailable)
}

// A node that cannot confirm its policy refuses.
func TestStalePolicyRefuses(t *testing.T) {
	s, ann, _ := house(t, "")
	stale := errors.New("lease ended")
	g, err := access.NewGuard(access.Config{Store: s.Store, Now: s.Clock.Now, Policy: func() (*rbac.Policy, error) { return nil, stale }})
	if err != nil {
		t.Fatal(err)
	}
	_, err = g.Check(t.Context(), ann, access.Act{Permission: vitrine.ImageOpen, Op: "open", Resource: picture("i1", vitrine.Internal)})
	wantKind(t, err, vitrine.ErrUnavailable)
	if !errors.Is(err, stale) {
		t.Errorf("the cause is lost: %v", err)
	}
	if e := s.Last(); e.Outcome != vitrine.Refused || e.Code != "policy_stale" || e.Actor != "ann" {
		t.Errorf("the log says %+v", e)
	}
	_, _, err = g.Filter(t.Context(), ann, vitrine.ImageView, "list")
	wantKind(t, err, vitrine.ErrUnavailable)
}

// A request may demand a policy at least as new as a change that it knows of.
func TestAtLeast(t *testing.T) {
	s, ann, _ := house(t, "")
	act := access.Act{Permission: vitrine.ImageOpen, Op: "open", Resource: picture("i1", vitrine.Internal)}
	now, err := s.Source.Current()
	if err != nil {
		t.Fatal(err)
	}
	ann.AtLeast = now.Revision()
	ticket, err := s.Guard.Check(t.Context(), ann, act)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ticket.Record(t.Context()); err != nil {
		t.Fatal(err)
	}
	ann.AtLeast++
	_, err = s.Guard.Check(t.Context(), ann, act)
	if e := wantKind(t, err, vitrine.ErrUnavailable); e.Code != "revision_not_here" {
		t.Errorf("code %q", e.Code)
	}
	if e := s.Last(); e.Code != "revision_not_here" {
		t.Errorf("the log says %+v", e)
	}
	// It arrives by another node; the guard looks before it turns away.
	other := s.Join(t, s.Clock)
	other.Apply(s.Alice, vitrine.Put(&vitrine.Project{ID: "later", Environment: vitrine.Staging}))
	if ticket, err = s.Guard.Check(t.Context(), ann, act); err != nil {
		t.Fatal(err)
	}
	if _, err := ticket.Record(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Lists hold what Check would allow, and are attempts like any other.
func TestLists(t *testing.T) {
	s, ann, eve := house(t, "")
	f, ticket, err := s.Guard.Filter(t.Context(), ann, vitrine.ImageView, "list")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ticket.Record(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(f.Sets) != 1 || !reflect.DeepEqual(f.Sets[0].Datasets, []vitrine.ID{"drafts"}) ||
		f.Sets[0].Cells&rbac.Cell(vitrine.Generated, vitrine.Confidential) == 0 || f.Sets[0].Cells&rbac.Cell(vitrine.Generated, vitrine.Restricted) != 0 {
		t.Errorf("ann's filter is %+v", f)
	}
	if e := s.Last(); e.Act != "image.view" || e.Op != "list" || e.Outcome != vitrine.Allowed || e.Actor != "ann" {
		t.Errorf("the log says %+v", e)
	}
	f, ticket, err = s.Guard.Filter(t.Context(), eve, vitrine.ImageView, "list")
	if err != nil || len(f.Sets) != 0 {
		t.Errorf("eve's filter is %+v, %v", f, err)
	}
	if _, err := ticket.Record(t.Context()); err != nil {
		t.Fatal(err)
	}
	ids, ticket, err := s.Guard.Visible(t.Context(), ann, vitrine.DatasetView, vitrine.KindDataset, "list")
	if err != nil || !reflect.DeepEqual(ids, []vitrine.ID{"drafts"}) {
		t.Errorf("ann sees the datasets %v, %v", ids, err)
	}
	if _, err := ticket.Record(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, _, err = s.Guard.Filter(t.Context(), access.Caller{}, vitrine.ImageView, "list")
	wantKind(t, err, vitrine.ErrUnauthenticated)
	if e := s.Last(); e.Outcome != vitrine.Refused || e.Code != string(vitrine.CodeNoCaller) {
		t.Errorf("the log says %+v", e)
	}
}

// A credential that dies between authentication and the act is nobody's.
func TestDeadCredentialIsUnauthenticated(t *testing.T) {
	s, ann, _ := house(t, "")
	if _, err := s.Directory.RevokeKey(t.Context(), s.Alice, ann.Credential); err != nil {
		t.Fatal(err)
	}
	_, err := s.Guard.Check(t.Context(), ann, access.Act{Permission: vitrine.ImageOpen, Op: "open", Resource: picture("i1", vitrine.Internal)})
	wantKind(t, err, vitrine.ErrUnauthenticated)
	if e := s.Last(); e.Outcome != vitrine.Refused || e.Code != string(vitrine.CodeInactive) || e.Actor != "ann" {
		t.Errorf("the log says %+v", e)
	}
	_, _, err = s.Guard.Filter(t.Context(), ann, vitrine.ImageView, "list")
	wantKind(t, err, vitrine.ErrUnauthenticated)
	_, err = s.Guard.Self(t.Context(), ann, access.Act{Permission: vitrine.PrincipalView, Op: "whoami"})
	wantKind(t, err, vitrine.ErrUnauthenticated)
}

func BenchmarkCheckAndRecord(b *testing.B) {
	s, ann, _ := house(b, "")
	act := access.Act{Permission: vitrine.ImageOpen, Op: "open", Resource: picture("i1", vitrine.Internal)}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			ticket, err := s.Guard.Check(context.Background(), ann, act)
			if err != nil {
				b.Error(err)
				return
			}
			if _, err := ticket.Record(context.Background()); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

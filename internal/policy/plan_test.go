package policy_test

import (
	"slices"
	"testing"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/identity"
	"vitrine.dev/vitrine/internal/identity/identitytest"
	"vitrine.dev/vitrine/internal/rbac"
)

func refs(set *vitrine.ChangeSet) []string {
	var all []string
	for _, c := range set.Changes {
		verb := "put "
		if c.Object == nil {
			verb = "delete "
		}
		all = append(all, verb+c.Ref.String())
	}
	return all
}

func TestPlan(t *testing.T) {
	s := identitytest.New(t, "")
	s.Renders()
	hers := s.Person("bob").Credential
	s.Apply(s.Alice, vitrine.Put(project("old")))
	bob := &vitrine.Principal{ID: "bob", Kind: vitrine.User, Email: "bob@example.com"}
	renders := &vitrine.Project{ID: "renders", Environment: vitrine.Production}
	drafts := &vitrine.Dataset{ID: "drafts", Project: "renders", Category: vitrine.Generated, BirthTier: vitrine.Internal}
	renamed := *renders
	renamed.Name = "Renders"
	tests := []struct {
		name    string
		desired []vitrine.Object
		prune   bool
		want    []string
	}{
		{"nothing declared changes nothing", nil, false, nil},
		{"what is there already changes nothing", []vitrine.Object{renders, drafts, bob}, false, nil},
		{"a new name is a change", []vitrine.Object{&renamed}, false, []string{"put project/renders"}},
		{"what refers comes after what it refers to", []vitrine.Object{
			&vitrine.Dataset{ID: "more", Project: "new", Category: vitrine.Reference}, project("new")}, false,
			[]string{"put project/new", "put dataset/more"}},
		{"prune deletes what is not declared, dependents first, and nothing that init made", []vitrine.Object{renders}, true,
			[]string{"delete key/" + string(hers), "delete principal/bob", "delete dataset/drafts", "delete project/old"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			plan, err := s.Policies.Plan(t.Context(), s.Alice, tt.desired, tt.prune)
			if err != nil {
				t.Fatal(err)
			}
			if got := refs(plan); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			now, err := s.Source.Current()
			if err != nil || plan.IfRevision != now.Revision() {
				t.Errorf("made on revision %d, %v, want %d", plan.IfRevision, err, now.Revision())
			}
		})
	}
}

// What files cannot hold goes with what it belongs to, and nothing dangles: what
// is declared may count on what only the server has.
func TestPrune(t *testing.T) {
	s := identitytest.New(t, "")
	s.Renders()
	s.Person("bob")
	s.Person("kim")
	s.Person("lea")
	service := func(id vitrine.ID) *vitrine.Provider {
		return &vitrine.Provider{ID: id, Kind: vitrine.OpenAI, BaseURL: "https://" + string(id) + ".example.com/v1"}
	}
	s.Apply(s.Alice,
		vitrine.Put(project("lab")), vitrine.Put(service("up")), vitrine.Put(service("down")),
		vitrine.Put(&vitrine.Credential{ID: "up-all", Provider: "up"}),
		vitrine.Put(&vitrine.Credential{ID: "up-lab", Provider: "up", Projects: []vitrine.ID{"lab"}}),
		vitrine.Put(&vitrine.Credential{ID: "up-both", Provider: "up", Projects: []vitrine.ID{"lab", "renders"}}),
		vitrine.Put(&vitrine.Credential{ID: "down", Provider: "down"}),
		vitrine.Put(&vitrine.Principal{ID: "team", Kind: vitrine.Group, Members: []vitrine.ID{"kim"}}),
	)
	_, narrow := s.Issue(s.Alice, identity.NewKey{Principal: "kim", Scope: "lab"})
	renders, _, err := s.Policies.Object(t.Context(), s.Alice, vitrine.Ref{Kind: vitrine.KindProject, ID: "renders"})
	if err != nil {
		t.Fatal(err)
	}
	desired := []vitrine.Object{
		renders,
		&vitrine.Deployment{ID: vitrine.DeploymentID("renders", "m"), Project: "renders", Model: "m", Provider: "up"},
		&vitrine.Binding{ID: "b", Role: "usage-reader", Principal: "team", Scope: "renders"},
		&vitrine.Budget{ID: "leas", Kind: vitrine.BudgetPrincipal, Subject: "lea", Window: vitrine.Daily, Limit: 1},
	}
	plan, err := s.Policies.Plan(t.Context(), s.Alice, desired, true)
	if err != nil {
		t.Fatal(err)
	}
	got := refs(plan)
	for _, want := range []string{
		"delete provider/down", "delete credential/down", "delete credential/up-lab", "put credential/up-both",
		"delete project/lab", "delete dataset/drafts", "delete principal/bob", "delete key/" + string(narrow.Key.ID),
	} {
		if !slices.Contains(got, want) {
			t.Errorf("no %s in %q", want, got)
		}
	}
	for _, stays := range []string{"provider/up", "credential/up-all", "principal/team", "principal/kim", "principal/lea", "project/renders"} {
		if slices.Contains(got, "delete "+stays) {
			t.Errorf("%s goes", stays)
		}
	}
	if _, err := s.Policies.Apply(t.Context(), s.Alice, plan); err != nil {
		t.Fatalf("what prune leaves is no policy: %v", err)
	}
	again, err := s.Policies.Plan(t.Context(), s.Alice, desired, true)
	if err != nil || len(again.Changes) != 0 {
		t.Errorf("pruned again: %q, %v", refs(again), err)
	}
}

// Files own what they say, not what the system knows of a person.
func TestPlanKeepsWhatFilesDoNotOwn(t *testing.T) {
	s := identitytest.New(t, "")
	s.Person("bob")
	if _, err := s.Directory.SetDisabled(t.Context(), s.Alice, "bob", true); err != nil {
		t.Fatal(err)
	}
	desired := []vitrine.Object{
		&vitrine.Principal{ID: "bob", Kind: vitrine.User, Name: "Bob"},
		&vitrine.Principal{ID: s.Adam.Principal, Kind: vitrine.User, Name: "Adam", Email: "adam@example.com"},
	}
	plan, err := s.Policies.Plan(t.Context(), s.Alice, desired, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Policies.Apply(t.Context(), s.Alice, plan); err != nil {
		t.Fatal(err)
	}
	now, err := s.Source.Current()
	if err != nil {
		t.Fatal(err)
	}
	if bob, _ := now.Principal("bob"); bob.Name != "Bob" || !bob.Disabled || bob.Epoch != 1 {
		t.Errorf("bob became %+v", bob)
	}
	if adam, _ := now.Principal(s.Adam.Principal); adam.Name != "Adam" || adam.Enrolled.IsZero() {
		t.Errorf("adam became %+v", adam)
	}
	_, err = s.Policies.Plan(t.Context(), s.Alice, []vitrine.Object{&vitrine.Key{ID: "k", Principal: "bob"}}, false)
	wantKind(t, err, vitrine.ErrInvalid)
	_, err = s.Policies.Plan(t.Context(), s.Alice, []vitrine.Object{&vitrine.Credential{ID: "c", Provider: "p"}}, false)
	wantKind(t, err, vitrine.ErrInvalid)
}

// A plan on a policy that has moved is not applied.
func TestPlanIsOnARevision(t *testing.T) {
	s := identitytest.New(t, "")
	plan, err := s.Policies.Plan(t.Context(), s.Alice, []vitrine.Object{project("a")}, false)
	if err != nil {
		t.Fatal(err)
	}
	s.Apply(s.Alice, vitrine.Put(project("b")))
	_, err = s.Policies.Apply(t.Context(), s.Alice, plan)
	wantKind(t, err, vitrine.ErrConflict)
}

// What is exported makes an empty plan.
func TestExportPlansToNothing(t *testing.T) {
	s := identitytest.New(t, "")
	s.Renders()
	s.Person("bob", vitrine.Binding{Role: "usage-reader", Scope: "renders"})
	revision, all, err := s.Policies.Export(t.Context(), s.Alice)
	if err != nil {
		t.Fatal(err)
	}
	var files []vitrine.Object
	keys := 0
	for _, o := range all {
		if k, ok := o.(*vitrine.Key); ok {
			keys++
			if k.Hash != "" || k.Previous != "" {
				t.Errorf("a hash is exported: %+v", k)
			}
			continue
		}
		files = append(files, o)
	}
	if keys == 0 {
		t.Error("no key is exported")
	}
	plan, err := s.Policies.Plan(t.Context(), s.Alice, files, true)
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Changes) != 0 || plan.IfRevision != revision {
		t.Errorf("plan on %d: %q", plan.IfRevision, refs(plan))
	}
	eve := s.Person("eve")
	_, all, err = s.Policies.Export(t.Context(), eve)
	if err != nil || len(all) != 0 {
		t.Errorf("eve exports %v, %v", all, err)
	}
}

func TestObject(t *testing.T) {
	s := identitytest.New(t, "")
	s.Renders()
	eve := s.Person("eve")
	o, revision, err := s.Policies.Object(t.Context(), s.Alice, vitrine.Ref{Kind: vitrine.KindDataset, ID: "drafts"})
	if err != nil || o.Ref().ID != "drafts" || revision == 0 {
		t.Errorf("got %v at %d, %v", o, revision, err)
	}
	_, _, hidden := s.Policies.Object(t.Context(), eve, vitrine.Ref{Kind: vitrine.KindDataset, ID: "drafts"})
	_, _, absent := s.Policies.Object(t.Context(), eve, vitrine.Ref{Kind: vitrine.KindDataset, ID: "nothing"})
	if h, a := wantKind(t, hidden, vitrine.ErrNotFound), wantKind(t, absent, vitrine.ErrNotFound); *h != *a {
		t.Errorf("hidden %+v, absent %+v", h, a)
	}
	_, issued := s.Issue(s.Alice, identity.NewKey{})
	o, _, err = s.Policies.Object(t.Context(), s.Alice, issued.Key.Ref())
	if err != nil || o.(*vitrine.Key).Hash != "" {
		t.Errorf("got %+v, %v", o, err)
	}
	_, _, err = s.Policies.Object(t.Context(), s.Alice, vitrine.Ref{Kind: "image", ID: "x"})
	wantKind(t, err, vitrine.ErrInvalid)
	list, err := s.Policies.Objects(t.Context(), s.Alice, vitrine.KindRole)
	if err != nil || len(list) != len(rbac.Predefined()) {
		t.Errorf("%d roles, %v, want %d", len(list), err, len(rbac.Predefined()))
	}
}

func TestUndo(t *testing.T) {
	s := identitytest.New(t, "")
	s.Renders()
	eve := s.Person("eve")
	b := &vitrine.Binding{ID: "b", Role: "usage-reader", Principal: "eve", Scope: "renders"}
	put := s.Apply(s.Alice, vitrine.Put(b))
	named := project("renders")
	named.Name, named.Environment = "Renders", vitrine.Production
	rename := s.Apply(s.Alice, vitrine.Put(named))
	gone := s.Apply(s.Alice, vitrine.Delete(b.Ref()))

	_, err := s.Policies.Undo(t.Context(), eve, gone.Revision)
	if err == nil {
		t.Fatal("eve undoes")
	}
	set, err := s.Policies.PlanUndo(t.Context(), s.Alice, gone.Revision)
	if err != nil || len(set.Changes) != 1 || set.Changes[0].Ref != b.Ref() {
		t.Fatalf("plan to undo a deletion: %+v, %v", set, err)
	}
	now, err := s.Source.Current()
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := now.Object(b.Ref()); ok {
		t.Error("planned, the binding is back already")
	}
	if _, err := s.Policies.Undo(t.Context(), s.Alice, gone.Revision); err != nil {
		t.Fatalf("undo a deletion: %v", err)
	}
	if now, err = s.Source.Current(); err != nil {
		t.Fatal(err)
	}
	if _, ok := now.Object(b.Ref()); !ok {
		t.Error("the binding is not back")
	}
	_, err = s.Policies.Undo(t.Context(), s.Alice, put.Revision)
	wantKind(t, err, vitrine.ErrConflict) // it was deleted and put again since
	if _, err := s.Policies.Undo(t.Context(), s.Alice, rename.Revision); err != nil {
		t.Fatalf("undo a change: %v", err)
	}
	if now, err = s.Source.Current(); err != nil {
		t.Fatal(err)
	}
	if p, _ := now.Project("renders"); p.Name != "" {
		t.Errorf("the name is still %q", p.Name)
	}
	_, err = s.Policies.Undo(t.Context(), s.Alice, 1_000_000)
	wantKind(t, err, vitrine.ErrNotFound)
}

// Time does not run backwards for secrets: undoing what issued a key revokes
// it, undoing what revoked one does not revive it.
func TestUndoOfKeys(t *testing.T) {
	s := identitytest.New(t, "")
	s.Person("bob")
	_, issued := s.Issue(s.Alice, identity.NewKey{Principal: "bob"})
	// Who looks at what an undo would do is told no hash, as nowhere else.
	set, err := s.Policies.PlanUndo(t.Context(), s.Alice, issued.Revision)
	if err != nil || len(set.Changes) == 0 {
		t.Fatalf("plan to undo an issue: %+v, %v", set, err)
	}
	for _, c := range set.Changes {
		if k, ok := c.Object.(*vitrine.Key); !ok || k.Hash != "" || k.Previous != "" {
			t.Errorf("planned: %+v, want a key without hashes", c.Object)
		}
	}
	if _, err := s.Policies.Undo(t.Context(), s.Alice, issued.Revision); err != nil {
		t.Fatal(err)
	}
	_, err = s.Directory.Authenticate(t.Context(), s.Show(issued.Secret))
	wantKind(t, err, vitrine.ErrUnauthenticated)
	_, second := s.Issue(s.Alice, identity.NewKey{Principal: "bob"})
	revision, err := s.Directory.RevokeKey(t.Context(), s.Alice, second.Key.ID)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Policies.Undo(t.Context(), s.Alice, revision)
	wantKind(t, err, vitrine.ErrConflict)
	_, err = s.Directory.Authenticate(t.Context(), s.Show(second.Secret))
	wantKind(t, err, vitrine.ErrUnauthenticated)
}

// About oneself one may ask; about others it takes access.explain.
func TestExplain(t *testing.T) {
	s := identitytest.New(t, "")
	s.Renders()
	ann := s.Person("ann", vitrine.Binding{Role: "usage-reader", Scope: "renders"})
	r := vitrine.Resource{Kind: vitrine.KindImage, Scope: "drafts", Category: vitrine.Generated, Tier: vitrine.Internal}
	x, err := s.Policies.Explain(t.Context(), ann, "", vitrine.ImageOpen, r)
	if err != nil || x.Decision.Allow {
		t.Errorf("got %+v, %v", x, err)
	}
	if e := s.Last(); e.Op != "explain" || e.Outcome != vitrine.Allowed || e.Actor != "ann" {
		t.Errorf("the log says %+v", e)
	}
	// A real image that she may know nothing of stays unknown.
	r.ID = "i1"
	_, err = s.Policies.Explain(t.Context(), ann, "ann", vitrine.ImageOpen, r)
	wantKind(t, err, vitrine.ErrNotFound)
	r.ID = ""
	if _, err = s.Policies.Explain(t.Context(), ann, s.Alice.Principal, vitrine.ImageOpen, r); err == nil {
		t.Error("ann is told about alice")
	}
	if _, err = s.Policies.Who(t.Context(), ann, vitrine.ImageOpen, r); err == nil {
		t.Error("ann is told who opens images")
	}
	x, err = s.Policies.Explain(t.Context(), s.Alice, "ann", vitrine.UsageView, vitrine.Resource{Kind: vitrine.KindUsage, Scope: "renders"})
	if err != nil || !x.Decision.Allow || len(x.Bindings) == 0 {
		t.Errorf("alice is told %+v, %v", x, err)
	}
	if _, err := s.Policies.Who(t.Context(), s.Alice, vitrine.UsageView, vitrine.Resource{Kind: vitrine.KindUsage, Scope: "renders"}); err != nil {
		t.Error(err)
	}
	if rows, err := s.Policies.Matrix(t.Context(), s.Alice); err != nil || len(rows) != len(rbac.Predefined()) {
		t.Errorf("%d rows, %v", len(rows), err)
	}
	_, err = s.Policies.Explain(t.Context(), ann, "", "image.steal", r)
	wantKind(t, err, vitrine.ErrInvalid)
}

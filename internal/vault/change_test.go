package vault_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/vault"
)

// A tier is changed by who may classify at both tiers; lowering needs a reason.
func TestClassify(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.Apply(h.Alice, vitrine.Put(role("grader", grant(vitrine.Confidential, vitrine.ImageClassify, vitrine.ImageView))))
		gil := h.Person("gil", vitrine.Binding{Role: "grader", Scope: "renders"})
		tests := []struct {
			name     string
			by       access.Caller
			from, to vitrine.Tier
			reason   string
			kind     error
			param    string
		}{
			{"raised", h.Sam, vitrine.Internal, vitrine.Restricted, "", nil, ""},
			{"lowered with a reason", h.Sam, vitrine.Confidential, vitrine.Public, "approved for the site", nil, ""},
			{"lowered without one", h.Sam, vitrine.Confidential, vitrine.Public, " ", vitrine.ErrInvalid, "reason"},
			{"lowered with a page of it", h.Sam, vitrine.Confidential, vitrine.Public, strings.Repeat("x", 501), vitrine.ErrInvalid, "reason"},
			{"confirmed", h.Sam, vitrine.Internal, vitrine.Internal, "", nil, ""},
			{"to no tier", h.Sam, vitrine.Internal, vitrine.TierUnknown, "x", vitrine.ErrInvalid, "tier"},
			{"to a tier beyond", h.Sam, vitrine.Internal, 77, "x", vitrine.ErrInvalid, "tier"},
			{"within what she grades", gil, vitrine.Confidential, vitrine.Public, "x", nil, ""},
			{"out of what she grades", gil, vitrine.Internal, vitrine.Restricted, "", vitrine.ErrNotFound, ""},
			{"from what she cannot know", gil, vitrine.Restricted, vitrine.Internal, "x", vitrine.ErrNotFound, ""},
			{"by who only looks", h.Ann, vitrine.Internal, vitrine.Public, "x", vitrine.ErrDenied, ""},
			{"by who has no role", h.Eve, vitrine.Internal, vitrine.Public, "x", vitrine.ErrNotFound, ""},
			{"by nobody", access.Caller{}, vitrine.Internal, vitrine.Public, "x", vitrine.ErrUnauthenticated, ""},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				was := h.at(tt.from)
				var m *vitrine.Image
				var err error
				e := h.one(func() { m, err = h.Vault.Classify(t.Context(), tt.by, was.ID, tt.to, tt.reason) })
				now, ferr := h.Vault.Find(t.Context(), was.ID)
				if ferr != nil {
					t.Fatal(ferr)
				}
				if tt.kind != nil {
					if got := wantKind(t, err, tt.kind); got.Param != tt.param || e.Outcome != vitrine.Refused || now.Tier != was.Tier {
						t.Errorf("answered %+v, recorded %+v, it is %s", got, e, now.Tier)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if m.Tier != tt.to || m.TierBy != vitrine.TierByPerson || m.Version != was.Version+1 || now.Tier != tt.to {
					t.Errorf("answered %+v, it is %s", m, now.Tier)
				}
				want := "from " + tt.from.String() + " to " + tt.to.String()
				if e.Act != "image.classify" || e.Tier != tt.from || !strings.HasPrefix(e.Detail, want) || !strings.Contains(e.Detail, tt.reason) {
					t.Errorf("the log says %+v", e)
				}
				if opens := tt.by.Principal == "sam"; opens == reflect.DeepEqual(m.Detail, vitrine.ImageDetail{}) {
					t.Errorf("to who opens it (%t) the answer tells %+v", opens, m.Detail)
				}
			})
		}
	})
}

func TestUpdate(t *testing.T) {
	h := newHouse(t, "")
	h.Apply(h.Alice, vitrine.Put(role("labeller", grant(vitrine.Confidential, vitrine.ImageUpdate))))
	lea := h.Person("lea", vitrine.Binding{Role: "labeller", Scope: "renders"})
	name := func(s string) *string { return &s }
	labels := func(s ...string) *[]string { return &s }
	tests := []struct {
		name   string
		by     access.Caller
		tier   vitrine.Tier
		set    *string
		labels *[]string
		kind   error
		want   vitrine.ImageDetail // name and labels after it
	}{
		{"both", h.Sam, vitrine.Internal, name("b.png"), labels("x", "y", "x"), nil, vitrine.ImageDetail{Name: "b.png", Labels: []string{"x", "y"}}},
		{"the name alone", h.Sam, vitrine.Internal, name(" b.png"), nil, nil, vitrine.ImageDetail{Name: "b.png", Labels: []string{"old"}}},
		{"no labels any more", h.Sam, vitrine.Internal, nil, labels(), nil, vitrine.ImageDetail{Name: "a.png"}},
		{"by who may not open it", lea, vitrine.Internal, name("b.png"), nil, nil, vitrine.ImageDetail{Name: "b.png", Labels: []string{"old"}}},
		{"a bad name", h.Sam, vitrine.Internal, name("a\x00"), nil, vitrine.ErrInvalid, vitrine.ImageDetail{}},
		{"a bad label", h.Sam, vitrine.Internal, nil, labels("a\nb"), vitrine.ErrInvalid, vitrine.ImageDetail{}},
		{"beyond her tier", lea, vitrine.Restricted, name("b"), nil, vitrine.ErrNotFound, vitrine.ImageDetail{}},
		{"by who only looks", h.Ann, vitrine.Internal, name("b"), nil, vitrine.ErrDenied, vitrine.ImageDetail{}},
		{"by who has no role", h.Eve, vitrine.Internal, name("b"), nil, vitrine.ErrNotFound, vitrine.ImageDetail{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			was := h.put(small(t), vault.Upload{Name: "a.png", Labels: []string{"old"}, Tier: tt.tier})
			var m *vitrine.Image
			var err error
			e := h.one(func() { m, err = h.Vault.Update(t.Context(), tt.by, was.ID, tt.set, tt.labels) })
			info, ierr := h.Vault.Info(t.Context(), h.Sam, was.ID)
			if ierr != nil {
				t.Fatal(ierr)
			}
			if tt.kind != nil {
				if wantKind(t, err, tt.kind); e.Outcome != vitrine.Refused || info.Version != 1 {
					t.Errorf("recorded %+v, it is %+v", e, info)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := vitrine.ImageDetail{Name: info.Detail.Name, Labels: info.Detail.Labels}
			if diff := cmp.Diff(tt.want, got); diff != "" || e.Act != "image.update" {
				t.Errorf("%s\nrecorded %+v", diff, e)
			}
			if info.Detail.SHA256 != was.Detail.SHA256 {
				t.Error("something else was lost")
			}
			if opens := tt.by.Principal == "sam"; opens == reflect.DeepEqual(m.Detail, vitrine.ImageDetail{}) {
				t.Errorf("to who opens it (%t) the answer tells %+v", opens, m.Detail)
			}
		})
	}
}

// The sweep removes what no row names once it is old enough, and nothing else.
func TestSweep(t *testing.T) {
	h := newHouse(t, "")
	kept := h.put(large(t), vault.Upload{})
	h.replace("img-lost/original", []byte("of an upload that a crash cut short"))
	d, err := h.Vault.Draft(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Abort()
	if _, err := d.Write(large(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Finish(); err != nil {
		t.Fatal(err)
	}
	if n, err := h.Vault.Sweep(t.Context()); n != 0 || err != nil || len(h.files()) != 3 {
		t.Errorf("swept %d of what may be on its way, %v", n, err)
	}
	h.Clock.Advance(vault.SweepAge + minute)
	young := h.put(large(t), vault.Upload{})
	h.replace("img-young/original", []byte("an upload on its way"))
	if n, err := h.Vault.Sweep(t.Context()); n != 2 || err != nil {
		t.Errorf("swept %d, %v; want two", n, err)
	}
	if len(h.files()) != 3 {
		t.Errorf("left: %v", h.files())
	}
	for _, m := range []*vitrine.Image{kept, young} {
		h.open(h.Ann, m.ID, "")
	}
}

package gateway_test

import (
	"errors"
	"testing"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/gateway"
)

// Attack: learn that an image is there, and how secret it is, by asking for an
// edit of it in a form that its tier forbids. The source counted for the tier of
// what would be born before anybody asked whether it may be opened, so a hidden
// one was denied for the form and an absent one not found.
func TestHiddenSourceHasNoTier(t *testing.T) {
	h := newHouse(t, "",
		&vitrine.Constraint{ID: "no-links", Kind: vitrine.Formats, ResponseFormats: []string{"url"}, Tiers: []vitrine.Tier{vitrine.Confidential, vitrine.Restricted}},
		&vitrine.Constraint{ID: "no-keys", Kind: vitrine.Keys, Permissions: []vitrine.Permission{vitrine.ModelGenerate}, Tiers: []vitrine.Tier{vitrine.Confidential}, Scope: "renders/flux-kontext"},
	)
	secret := h.upload(h.person("sam", "senior"), "plans")
	senior := h.person("sue", "senior")
	edit := func(model string, id vitrine.ID, format string) *gateway.Request {
		return asks(func(r *gateway.Request) {
			r.Model, r.Edit, r.ResponseFormat, r.Sources = model, true, format, []gateway.Source{{Image: id, Param: "image"}}
		})
	}
	for _, tt := range []struct {
		model, format string
		senior        vitrine.Code // to who may open it
	}{
		{"hidream", "url", vitrine.CodeRespFormat},
		{"flux-kontext", "b64_json", vitrine.CodeKeyRefused},
	} {
		for _, id := range []vitrine.ID{secret, "img-nothing"} {
			_, err := h.Generate(t.Context(), anew(h.ann), edit(tt.model, id, tt.format))
			if e := failure(t, err); !errors.Is(err, vitrine.ErrNotFound) || e.Code != "not_found" || e.Param != "" {
				t.Errorf("%s of %s as %s: %v (%s)", tt.model, id, tt.format, err, e.Code)
			}
		}
		_, err := h.Generate(t.Context(), anew(senior), edit(tt.model, secret, tt.format))
		if e := failure(t, err); !errors.Is(err, vitrine.ErrDenied) || e.Code != string(tt.senior) {
			t.Errorf("%s by who may open it: %v (%s), want %s", tt.model, err, e.Code, tt.senior)
		}
	}
}

// Attack: read the budget of a project by choosing it, or by a key whose default
// it still is after the last role there went.
func TestBalanceOfAForeignProject(t *testing.T) {
	h := newHouse(t, "", &vitrine.Budget{ID: "other-all", Kind: vitrine.BudgetProject, Subject: "other", Window: vitrine.Total, Limit: cents(700)},
		&vitrine.Budget{ID: "renders-all", Kind: vitrine.BudgetProject, Subject: "renders", Window: vitrine.Total, Limit: cents(500)})
	for _, tt := range []struct {
		project, dataset vitrine.ID
		want             int
	}{{"renders", "drafts", 1}, {"other", "elsewhere", 0}, {"", "elsewhere", 0}, {"nothing", "", 0}} {
		left, all, err := h.Balance(t.Context(), anew(in(h.ann, tt.project, tt.dataset)))
		if err != nil || len(all) != tt.want || (left != nil) != (tt.want > 0) {
			t.Errorf("in %q, %q: %v, %+v, %v", tt.project, tt.dataset, left, all, err)
		}
	}
}

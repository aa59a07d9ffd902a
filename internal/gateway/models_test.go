package gateway_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/store"
)

// TestModels: lists show what may be used and nothing else.
func TestModels(t *testing.T) {
	h := newHouse(t, "")
	jim, eve := h.person("jim", "junior"), h.person("eve")
	tests := []struct {
		name string
		by   access.Caller
		want []string
	}{
		{"artist", h.ann, []string{"drawn", "flux-kontext", "google:4@1", "hidream", "limited", "meta/llama-3/image", "three-a-minute", "told"}},
		{"generate on hidream only", jim, []string{"hidream"}},
		{"artist, elsewhere", in(h.ann, "other", ""), nil},
		{"nothing", eve, nil},
	}
	for _, tt := range tests {
		by := anew(tt.by)
		all, err := h.Models(t.Context(), by)
		var got []string
		for _, m := range all {
			got = append(got, m.ID)
		}
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, %v; want %v", tt.name, got, err, tt.want)
		}
		if log := h.of(by.Request); len(log) != 1 || log[0].Act != "model.view" || log[0].Count != int64(len(tt.want)) {
			t.Errorf("%s: the log has %+v", tt.name, log)
		}
	}
}

// TestModel: one that may not be used is denied to whoever may use another.
func TestModel(t *testing.T) {
	h := newHouse(t, "")
	jim, eve := h.person("jim", "junior"), h.person("eve")
	tests := []struct {
		name string
		by   access.Caller
		id   string
		kind error
		code string
	}{
		{"one of hers", h.ann, "hidream", nil, ""},
		{"denied", jim, "flux-kontext", vitrine.ErrDenied, "model"},
		{"absent", jim, "nothing", vitrine.ErrNotFound, "unknown_model"},
		{"switched off", h.ann, "off", vitrine.ErrNotFound, "unknown_model"},
		{"hidden", eve, "hidream", vitrine.ErrNotFound, "not_found"},
		{"absent and hidden", eve, "nothing", vitrine.ErrNotFound, "not_found"},
	}
	for _, tt := range tests {
		m, err := h.Model(t.Context(), anew(tt.by), tt.id)
		if tt.kind == nil {
			if err != nil || m.ID != tt.id || m.Price == nil {
				t.Errorf("%s: %+v, %v", tt.name, m, err)
			}
			continue
		}
		if e := failure(t, err); !errors.Is(err, tt.kind) || e.Code != tt.code {
			t.Errorf("%s: %v (%s), want %v (%s)", tt.name, err, e.Code, tt.kind, tt.code)
		}
	}
}

// TestUsage: sums hold what was settled, where the caller may see it.
func TestUsage(t *testing.T) {
	h := newHouse(t, "", &vitrine.Deployment{ID: "other/hidream", Project: "other", Model: "hidream", Provider: "fake", Price: flat(3)})
	h.put(&vitrine.Binding{ID: "ann-other", Role: "artist", Principal: "ann", Scope: "other"})
	amy := h.person("amy", "accountant")
	h.make(h.ann, asks())
	h.make(in(h.ann, "other", "elsewhere"), asks())
	tests := []struct {
		name string
		by   access.Caller
		q    store.UsageQuery
		want []store.UsageSum
	}{
		{"of Renders", amy, store.UsageQuery{By: "project"}, []store.UsageSum{{Group: "renders", Images: 1, Cost: cents(1), Requests: 1}}},
		{"of another project, asked for", amy, store.UsageQuery{By: "project", Projects: []vitrine.ID{"other"}}, nil},
		{"of all", h.Alice, store.UsageQuery{By: "project"}, []store.UsageSum{
			{Group: "other", Images: 1, Cost: cents(3), Requests: 1}, {Group: "renders", Images: 1, Cost: cents(1), Requests: 1}}},
		{"by person", h.Alice, store.UsageQuery{By: "principal"}, []store.UsageSum{{Group: "ann", Images: 2, Cost: cents(4), Requests: 2}}},
		{"of an artist", h.ann, store.UsageQuery{By: "project"}, nil},
	}
	for _, tt := range tests {
		got, err := h.Usage(t.Context(), anew(tt.by), tt.q)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

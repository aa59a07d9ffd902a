package policyfile_test

import (
	"slices"
	"testing"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/policyfile"
)

// What moves to another installation, and what each has of its own.
func TestPortable(t *testing.T) {
	all := []vitrine.Object{
		&vitrine.Organization{ID: policyfile.OrganizationID},
		&vitrine.Project{ID: "renders", Environment: vitrine.Staging},
		&vitrine.Dataset{ID: "drafts", Project: "renders", Category: vitrine.Generated, Owner: "usr-adam"},
		&vitrine.Provider{ID: "up", Kind: vitrine.OpenAI, BaseURL: "https://up.example"},
		&vitrine.Credential{ID: "up", Provider: "up"},
		&vitrine.Principal{ID: "usr-alice", Kind: vitrine.User},
		&vitrine.Principal{ID: "usr-adam", Kind: vitrine.User},
		&vitrine.Principal{ID: "cleo", Kind: vitrine.User},
		&vitrine.Key{ID: "k", Principal: "cleo"},
		&vitrine.Binding{ID: "owner-usr-alice", Role: "owner", Principal: "usr-alice", Scope: "org"},
		&vitrine.Binding{ID: "owner-usr-adam", Role: "owner", Principal: "usr-adam", Scope: "org"},
		&vitrine.Binding{ID: "third", Role: "owner", Principal: "cleo", Scope: "org"},
	}
	var got []string
	for _, o := range policyfile.Portable(all) {
		got = append(got, o.Ref().String())
	}
	want := []string{
		"organization/org", "project/renders", "dataset/drafts", "provider/up",
		"principal/usr-adam", // whom a dataset names
		"principal/cleo", "binding/third",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

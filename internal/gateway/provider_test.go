package gateway_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/provider/providertest"
)

// provide puts a provider with a credential.
func (h *house) provide(p *vitrine.Provider, c *vitrine.Credential, secret vitrine.Secret) {
	h.t.Helper()
	if _, err := h.PutProvider(h.t.Context(), anew(h.Alice), p, c, secret); err != nil {
		h.t.Fatalf("put provider %s: %v", p.ID, err)
	}
}

func (h *house) fake() *vitrine.Provider {
	return &vitrine.Provider{ID: "fake", Kind: vitrine.OpenAI, BaseURL: h.up.OpenAIBase()}
}

// TestWhichCredential: by project, then by role, then the one for the rest.
func TestWhichCredential(t *testing.T) {
	h := newHouse(t, "", &vitrine.Deployment{ID: "other/hidream", Project: "other", Model: "hidream", Provider: "fake", Price: flat(1)})
	sue := h.person("sue", "senior")
	h.put(&vitrine.Binding{ID: "ann-other", Role: "artist", Principal: "ann", Scope: "other"},
		&vitrine.Role{ID: "lone", Grants: roles[0].Grants})
	lee := h.person("lee", "lone")
	add := func(id vitrine.ID, secret vitrine.Secret, c vitrine.Credential) func() {
		return func() {
			c.ID = id
			h.provide(h.fake(), &c, secret)
		}
	}
	elsewhere := in(h.ann, "other", "elsewhere")
	tests := []struct {
		name   string
		before func()
		by     access.Caller
		want   string // "" none is sent; "-" refused
	}{
		{"none", nil, h.ann, ""},
		{"another project's alone", add("c-other", "key-of-other", vitrine.Credential{Projects: []vitrine.ID{"other"}}), h.ann, "-"},
		{"the project's", nil, elsewhere, "key-of-other"},
		{"the general", add("a-all", "key-of-all", vitrine.Credential{}), h.ann, "key-of-all"},
		{"the project's before the general", nil, elsewhere, "key-of-other"},
		{"the role's before the general", add("b-artist", "key-of-artists", vitrine.Credential{Roles: []vitrine.ID{"artist"}}), h.ann, "key-of-artists"},
		{"the role's for a role that includes it", nil, sue, "key-of-artists"},
		{"the general for another role", nil, lee, "key-of-all"},
		{"the project's before the role's", nil, elsewhere, "key-of-other"},
		{"of a role in a project", add("d-both", "key-of-both", vitrine.Credential{Roles: []vitrine.ID{"artist"}, Projects: []vitrine.ID{"renders"}}), h.ann, "key-of-both"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h.t, h.T = t, t
			if tt.before != nil {
				tt.before()
			}
			asked := h.up.Count()
			a, err := h.Generate(t.Context(), anew(tt.by), asks())
			if tt.want == "-" {
				if e := failure(t, err); e.Code != "provider_unusable" || h.up.Count() != asked {
					t.Errorf("got %v (%s), asked %d times", err, e.Code, h.up.Count()-asked)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := a.Close(); err != nil {
				t.Error(err)
			}
			if got := h.up.Last(t).Authorization; got != tt.want {
				t.Errorf("sent %q, want %q", got, tt.want)
			}
		})
	}
}

// TestSecretsStayWhereTheyBelong: a credential goes to the origin that it was
// given for and nowhere else, and is in no answer, no object and no entry.
func TestSecretsStayWhereTheyBelong(t *testing.T) {
	h := newHouse(t, "", budgetOfAll)
	const secret = "s3cr3t-of-the-house"
	h.provide(h.fake(), &vitrine.Credential{ID: "main"}, secret)
	h.provide(h.fake(), &vitrine.Credential{ID: "lab", Projects: []vitrine.ID{"other"}}, secret+"-lab")
	h.make(h.ann, asks())
	if got := h.up.Last(t).Authorization; got != secret {
		t.Fatalf("sent %q", got)
	}
	thief := providertest.NewUpstream(t)

	refused := func(when string) {
		t.Helper()
		_, err := h.Generate(t.Context(), anew(h.ann), asks())
		if e := failure(t, err); e.Code != "provider_unusable" || thief.Count() != 0 {
			t.Errorf("%s: got %v (%s), and the other service was asked %d times", when, err, e.Code, thief.Count())
		}
	}
	moved := h.fake()
	moved.BaseURL = thief.OpenAIBase()
	h.put(moved)
	refused("moved by a policy file")
	h.put(moved, &vitrine.Credential{ID: "main", Provider: "fake", Origin: strings.TrimSuffix(thief.OpenAIBase(), "/v1")})
	refused("moved with its credential by a policy file")
	h.put(h.fake())
	refused("moved back by a policy file: the secrets are gone")
	h.put(&vitrine.Credential{ID: "main", Provider: "fake", Origin: strings.TrimSuffix(h.up.OpenAIBase(), "/v1")})
	refused("moved back, and its credential said to be bound")
	h.provide(h.fake(), &vitrine.Credential{ID: "main"}, secret)
	h.provide(h.fake(), &vitrine.Credential{ID: "lab", Projects: []vitrine.ID{"other"}}, secret+"-lab")
	h.make(h.ann, asks())

	h.provide(moved, nil, "")
	refused("moved by PutProvider")
	h.provide(h.fake(), nil, "")
	refused("moved back: the secrets are gone")
	for _, id := range []vitrine.ID{"main", "lab"} {
		o, _, err := h.Policies.Object(t.Context(), h.Alice, vitrine.Ref{Kind: vitrine.KindCredential, ID: id})
		if c, ok := o.(*vitrine.Credential); err != nil || !ok || c.Origin != "" {
			t.Errorf("credential %+v, %v; want none bound to an origin", o, err)
		}
		if _, _, err := h.Store.CredentialSecret(t.Context(), id); !errors.Is(err, vitrine.ErrNotFound) {
			t.Errorf("the secret of %s: %v, want not found", id, err)
		}
	}
	h.provide(h.fake(), &vitrine.Credential{ID: "main"}, secret)
	h.make(h.ann, asks())

	sets, err := h.Store.ChangeSets(t.Context(), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, kept := range []any{sets, h.Log()} {
		b, err := json.Marshal(kept)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), secret) {
			t.Errorf("the secret stands in clear in %T", kept)
		}
	}
}

// TestPutProvider holds who may, and what cannot be right.
func TestPutProvider(t *testing.T) {
	h := newHouse(t, "")
	tests := []struct {
		name string
		by   access.Caller
		p    vitrine.Provider
		c    *vitrine.Credential
		s    vitrine.Secret
		kind error
		at   string // the field at fault
	}{
		{"studio", h.Alice, vitrine.Provider{ID: "mine", Kind: vitrine.Studio}, nil, "", nil, ""},
		{"with a credential", h.Alice, vitrine.Provider{ID: "ours", Kind: vitrine.OpenAI, BaseURL: "https://images.example/v1"}, &vitrine.Credential{ID: "ours"}, "s", nil, ""},
		{"other projects for a credential", h.Alice, vitrine.Provider{ID: "ours", Kind: vitrine.OpenAI, BaseURL: "https://images.example/v1"}, &vitrine.Credential{ID: "ours", Projects: []vitrine.ID{"renders"}}, "", nil, ""},
		{"an artist", h.ann, vitrine.Provider{ID: "mine", Kind: vitrine.Studio}, nil, "", vitrine.ErrNotFound, ""},
		{"an unknown kind", h.Alice, vitrine.Provider{ID: "mine", Kind: "oracle", BaseURL: "https://images.example"}, nil, "", vitrine.ErrInvalid, "kind"},
		{"no URL", h.Alice, vitrine.Provider{ID: "mine", Kind: vitrine.OpenAI, BaseURL: "images.example"}, nil, "", vitrine.ErrInvalid, "base_url"},
		{"metadata of a cloud", h.Alice, vitrine.Provider{ID: "mine", Kind: vitrine.OpenAI, BaseURL: "http://169.254.169.254/v1"}, nil, "", vitrine.ErrInvalid, "base_url"},
		{"no id", h.Alice, vitrine.Provider{ID: "a/b", Kind: vitrine.Studio}, nil, "", vitrine.ErrInvalid, "provider.id"},
		{"secret of nothing", h.Alice, vitrine.Provider{ID: "ours", Kind: vitrine.OpenAI, BaseURL: "https://images.example"}, nil, "s", vitrine.ErrInvalid, "credential"},
		{"credential without a secret", h.Alice, vitrine.Provider{ID: "ours", Kind: vitrine.OpenAI, BaseURL: "https://images.example"}, &vitrine.Credential{ID: "bare"}, "", vitrine.ErrInvalid, "secret"},
		{"credential of another", h.Alice, h.another(), &vitrine.Credential{ID: "ours"}, "s", vitrine.ErrConflict, "credential.id"},
		{"secret for studio", h.Alice, vitrine.Provider{ID: "mine", Kind: vitrine.Studio}, &vitrine.Credential{ID: "x"}, "s", vitrine.ErrInvalid, "credential"},
		{"secret of two lines", h.Alice, vitrine.Provider{ID: "ours", Kind: vitrine.OpenAI, BaseURL: "https://images.example"}, &vitrine.Credential{ID: "ours"}, "s\nX-Evil: 1", vitrine.ErrInvalid, "secret"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			by := anew(tt.by)
			revision, err := h.PutProvider(t.Context(), by, &tt.p, tt.c, tt.s)
			if tt.kind == nil {
				if err != nil || revision == 0 {
					t.Errorf("revision %d, %v", revision, err)
				}
				return
			}
			if e := failure(t, err); !errors.Is(err, tt.kind) || tt.at != "" && e.Param != tt.at {
				t.Errorf("got %v (%s), want %v (%s)", err, e.Param, tt.kind, tt.at)
			}
			if log := h.of(by.Request); len(log) != 1 || log[0].Outcome != vitrine.Refused {
				t.Errorf("the log has %+v, want one refusal", log)
			}
		})
	}
	o, _, err := h.Policies.Object(t.Context(), h.Alice, vitrine.Ref{Kind: vitrine.KindCredential, ID: "ours"})
	if c, ok := o.(*vitrine.Credential); err != nil || !ok || c.Origin != "https://images.example:443" || !slices.Equal(c.Projects, []vitrine.ID{"renders"}) {
		t.Errorf("the credential is %+v, %v", o, err)
	}
}

func (h *house) another() vitrine.Provider {
	return vitrine.Provider{ID: "another", Kind: vitrine.OpenAI, BaseURL: "https://other.example"}
}

// TestTestProvider: it is asked with its credential, and the attempt stands in
// the log whatever comes of it.
func TestTestProvider(t *testing.T) {
	h := newHouse(t, "")
	models, err := h.TestProvider(t.Context(), anew(h.Alice), "fake")
	var ids []string
	for _, m := range models {
		ids = append(ids, m.Model)
	}
	if err != nil || !slices.Equal(ids, h.up.Models) {
		t.Errorf("got %v, %v; want %v", models, err, h.up.Models)
	}
	if _, err := h.TestProvider(t.Context(), anew(h.ann), "fake"); !errors.Is(err, vitrine.ErrNotFound) {
		t.Errorf("an artist: %v, want not found", err)
	}
	if _, err := h.TestProvider(t.Context(), anew(h.Alice), "nothing"); !errors.Is(err, vitrine.ErrNotFound) {
		t.Errorf("an unknown one: %v, want not found", err)
	}
	h.up.Close()
	by := anew(h.Alice)
	if _, err := h.TestProvider(t.Context(), by, "fake"); !errors.Is(err, vitrine.ErrUpstream) {
		t.Errorf("one that is down: %v", err)
	}
	if log := h.of(by.Request); len(log) != 2 || log[1].Outcome != vitrine.Broken || log[1].Code != "unreachable" {
		t.Errorf("the log has %+v", log)
	}
}

package api_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/api"
	"vitrine.dev/vitrine/internal/audit"
	"vitrine.dev/vitrine/internal/backup"
	"vitrine.dev/vitrine/internal/gateway"
	"vitrine.dev/vitrine/internal/identity"
	"vitrine.dev/vitrine/internal/identity/identitytest"
	"vitrine.dev/vitrine/internal/vault"
	"vitrine.dev/vitrine/internal/web"
)

// house is the front before real people, keys, policy and log; without images
// and money, which have their own tests.
type house struct {
	t *testing.T
	*identitytest.System
	log  *audit.Log
	api  *api.API
	url  string
	doc  *described
	keys map[string]vitrine.Secret
}

func newHouse(t *testing.T, perMinute int) *house {
	t.Helper()
	s := identitytest.New(t, "")
	s.Renders()
	signer, err := audit.GenerateSigner("vitrine-log/test")
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, System: s, keys: make(map[string]vitrine.Secret)}
	h.log, err = audit.New(audit.Config{Store: s.Store, Guard: s.Guard, Signer: signer, Origin: "vitrine-log/test"})
	if err != nil {
		t.Fatal(err)
	}
	door, err := web.New(web.Config{Directory: s.Directory, Guard: s.Guard, PerMinute: perMinute})
	if err != nil {
		t.Fatal(err)
	}
	h.api, err = api.New(api.Config{
		Door: door, Guard: s.Guard, Policies: s.Policies, Directory: s.Directory, Vault: new(vault.Vault), Gateway: new(gateway.Gateway), Log: h.log, Backups: new(backup.Backups), Store: s.Store,
	})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(h.api)
	t.Cleanup(srv.Close)
	h.url = srv.URL
	h.doc = describe(t, h.do("GET", "/api/v1/openapi.json", "", "").body)
	h.key("alice", s.Alice, identity.NewKey{})
	return h
}

// key issues a key that requests are sent with under a name.
func (h *house) key(name string, by access.Caller, n identity.NewKey) {
	h.t.Helper()
	k, err := h.Directory.IssueKey(h.t.Context(), by, n)
	if err != nil {
		h.t.Fatal(err)
	}
	h.keys[name] = k.Secret
}

// person makes a person with a key of that name.
func (h *house) person(id vitrine.ID, bindings ...vitrine.Binding) {
	h.t.Helper()
	h.Person(id, bindings...)
	h.key(string(id), h.Alice, identity.NewKey{Principal: id})
}

// reply is what came back.
type reply struct {
	status int
	header http.Header
	body   []byte // without space around it
	raw    []byte
}

func (r *reply) json(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal(r.body, v); err != nil {
		t.Fatalf("%s: %v", r.body, err)
	}
}

func (h *house) request(method, path, as, body string, headers ...string) *http.Request {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), method, h.url+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if as != "" {
		r.Header.Set("Authorization", "Bearer "+h.keys[as].Reveal())
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

func (h *house) do(method, path, as, body string, headers ...string) *reply {
	h.t.Helper()
	resp, err := http.DefaultClient.Do(h.request(method, path, as, body, headers...))
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatalf("%s %s: %v", method, path, err)
	}
	return &reply{resp.StatusCode, resp.Header, bytes.TrimSpace(text), text}
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

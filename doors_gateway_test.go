package vitrine_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/rbac"
)

// gateway asks for pictures with a real key at the door of OpenAI's clients. A
// generation asks several questions: the model's, whether the image may be
// created, whether it may be opened where it would be born, and the same of
// each source. The line is one of them; the door's answer must be that of the
// first that is refused.
func (c *court) gateway(q *question) ([]verdict, string) {
	if why := q.unreachable(); why != "" {
		return nil, why
	}
	if q.kind() == "list of models" {
		return []verdict{{word: strings.Join(c.models(q), ", ")}}, ""
	}
	g, ok := c.generation(q)
	if !ok {
		return nil, "is no generation and no edit"
	}
	want, refusal := c.first(q, g)
	got := c.generate(q, g)
	if !got.fits(want, false) {
		c.t.Errorf("line %d: %s: asked for %+v the gateway says %+v, want %+v", q.line, q.text, *g, got, want)
	}
	if refusal != q.verb {
		return nil, "another of a generation's questions decides: checked with all of them"
	}
	return []verdict{got}, ""
}

// generation is what the gateway is asked for a line.
type generation struct {
	model, response  string
	project, dataset vitrine.ID
	source           vitrine.ID // "" asks for no edit
}

func (c *court) generation(q *question) (*generation, bool) {
	if kind := q.kind(); kind != "model" && kind != "image" || q.verb == string(vitrine.ImageView) {
		return nil, false
	}
	r, _ := c.resource(q)
	g := &generation{model: "hidream", project: "renders", dataset: "drafts", response: r.ResponseFormat}
	switch {
	case q.kind() == "model":
		g.project, g.model, _ = vitrine.SplitDeployment(r.ID)
		g.dataset = map[vitrine.ID]vitrine.ID{"renders": "drafts", "shop": "covers"}[g.project]
		if r.Tier == vitrine.Restricted {
			g.dataset = "vault"
		}
	case r.Scope == "vault":
		g.dataset = r.Scope
	default:
		g.model, g.source = "flux-kontext", c.image(q)
	}
	return g, true
}

// first is the first refusal of a generation's questions, by the engine, and of
// which permission it is.
func (c *court) first(q *question, g *generation) (verdict, string) {
	by, now := c.caller(q), c.policy()
	set, _ := now.Dataset(g.dataset)
	born := vitrine.Resource{Kind: vitrine.KindImage, Scope: set.ID, Category: vitrine.Generated, Tier: set.BirthTier.Effective(), Owner: by.Principal, ResponseFormat: g.response}
	source := vitrine.Resource{}
	if g.source != "" {
		var err error
		if source, err = c.Vault.Find(c.t.Context(), g.source); err != nil {
			c.t.Fatal(err)
		}
		if now.Decide(&rbac.Question{Subject: by.Subject, Permission: vitrine.ImageOpen, Resource: source, At: q.at}).Allow {
			born.Tier = max(born.Tier, source.Tier)
		}
	}
	id := vitrine.DeploymentID(g.project, g.model)
	model := vitrine.Resource{Kind: vitrine.KindDeployment, ID: id, Scope: id, Model: g.model, Category: vitrine.Generated, Tier: born.Tier,
		Format: "png", ResponseFormat: g.response, Width: 64, Height: 64, N: 1}
	asks := []rbac.Question{{Permission: vitrine.ModelGenerate, Resource: model}, {Permission: vitrine.ImageOpen, Resource: source},
		{Permission: vitrine.ImageCreate, Resource: born}, {Permission: vitrine.ImageOpen, Resource: born}}
	for _, one := range asks {
		if one.Resource.Kind == "" {
			continue
		}
		one.Subject, one.At = by.Subject, q.at
		if d := now.Decide(&one); !d.Allow {
			return c.decided(d, false), string(one.Permission)
		}
	}
	return verdict{word: "allow"}, q.verb
}

// generate asks. What is refused for a value says which, and 400, in this
// dialect.
func (c *court) generate(q *question, g *generation) verdict {
	ask := map[string]any{"model": g.model, "prompt": "a cat", "size": "64x64"}
	path := "/v1/images/generations"
	if g.response != "" {
		ask["response_format"] = g.response
	}
	if g.source != "" {
		path, ask["image"] = "/v1/images/edits", "vitrine:"+string(g.source)
	}
	body, err := json.Marshal(ask)
	if err != nil {
		c.t.Fatal(err)
	}
	status, text := c.openAI(q, "POST", path, g.project, g.dataset, body)
	if status == http.StatusOK {
		c.spent += vitrine.Dollar / 100
		if g.model == "flux-kontext" {
			c.spent += 3 * vitrine.Dollar / 100
		}
		return verdict{word: "allow"}
	}
	var e struct {
		Error struct{ Message, Param, Code string }
	}
	if err := json.Unmarshal(text, &e); err != nil {
		c.t.Fatalf("%v: %s", err, text)
	}
	return c.dialect(status, e.Error.Code, e.Error.Param, e.Error.Message)
}

// openAI speaks to the OpenAI door as its clients do.
func (c *court) openAI(q *question, method, path string, project, dataset vitrine.ID, body []byte) (int, []byte) {
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.URL+path, bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header = http.Header{"Authorization": {"Bearer " + c.who(q.who).secret.Reveal()}, "Content-Type": {"application/json"}}
	r.Header.Set("OpenAI-Project", string(project))
	r.Header.Set("X-Vitrine-Dataset", string(dataset))
	resp, err := doorClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close() // only read
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, text
}

// models are those that each project's clients are shown.
func (c *court) models(q *question) (all []string) {
	for _, project := range []vitrine.ID{"renders", "shop"} {
		status, text := c.openAI(q, "GET", "/v1/models", project, "", nil)
		var list struct{ Data []struct{ ID string } }
		if err := json.Unmarshal(text, &list); err != nil || status != http.StatusOK {
			c.t.Errorf("line %d: %d %s", q.line, status, text)
		}
		for _, m := range list.Data {
			all = append(all, string(project)+"/"+m.ID)
		}
	}
	return all
}

// dialect puts a refusal of the OpenAI door into ours.
func (c *court) dialect(status int, code, param, text string) verdict {
	switch code {
	case "invalid_api_key":
		code = "invalid_key"
	case "model_not_allowed":
		code = string(vitrine.CodeModel)
	case "invalid_parameter_value":
		if status == http.StatusBadRequest && param == string(vitrine.CodeRespFormat) {
			status, code = http.StatusForbidden, param
		}
	}
	return c.told(status, code, text)
}

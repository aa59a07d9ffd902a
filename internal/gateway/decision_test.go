package gateway_test

import (
	"errors"
	"strings"
	"testing"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/gateway"
	"vitrine.dev/vitrine/internal/provider/providertest"
	"vitrine.dev/vitrine/internal/vault"
)

// budgetOfAll is there so that tests see what was set aside.
var budgetOfAll = &vitrine.Budget{ID: "all", Kind: vitrine.BudgetOrganization, Window: vitrine.Monthly, Limit: 100 * vitrine.Dollar}

// TestWhoMayGenerate holds the rows of the decision table that are about
// generation. What is refused reserves nothing, sends nothing, and stands in
// the log.
func TestWhoMayGenerate(t *testing.T) {
	h := newHouse(t, "", budgetOfAll,
		&vitrine.Constraint{ID: "no-links-for-plans", Kind: vitrine.Formats, ResponseFormats: []string{"url"}, Tiers: []vitrine.Tier{vitrine.Confidential, vitrine.Restricted}},
		&vitrine.Constraint{ID: "no-links-elsewhere", Kind: vitrine.Formats, ResponseFormats: []string{"url"}, Scope: "other"},
	)
	junior, senior := h.person("jim", "junior"), h.person("sue", "senior")
	masked := h.person("max", "artist", "masked")
	eve := h.person("eve")
	secret := h.upload(h.person("sam", "senior"), "plans")

	size := func(s string) func(*gateway.Request) { return func(r *gateway.Request) { r.Size = s } }
	model := func(s string) func(*gateway.Request) { return func(r *gateway.Request) { r.Model = s } }
	url := func(r *gateway.Request) { r.ResponseFormat = "url" }
	edit := func(id vitrine.ID) func(*gateway.Request) {
		return func(r *gateway.Request) { r.Edit, r.Sources = true, []gateway.Source{{Image: id, Param: "image"}} }
	}
	two := func(r *gateway.Request) { r.N = 2 }
	tests := []struct {
		name string
		by   access.Caller
		r    *gateway.Request
		kind error // nil: allowed
		code vitrine.Code
	}{
		{"nobody", access.Caller{Request: "req-nobody"}, asks(), vitrine.ErrUnauthenticated, "invalid_key"},
		{"without any role", eve, asks(), vitrine.ErrNotFound, "not_found"},
		{"without any role, unknown model", eve, asks(model("nothing")), vitrine.ErrNotFound, "not_found"},
		{"artist", h.ann, asks(), nil, ""},
		{"artist, elsewhere", in(h.ann, "other", "elsewhere"), asks(), vitrine.ErrNotFound, "not_found"},
		{"artist, unknown model", h.ann, asks(model("nothing")), vitrine.ErrInvalid, "model_not_found"},
		{"artist, no project", in(h.ann, "", ""), asks(), vitrine.ErrInvalid, "missing_project"},
		{"artist, no dataset", in(h.ann, "renders", ""), asks(), vitrine.ErrInvalid, "missing_dataset"},
		{"artist, dataset of no project", in(h.ann, "renders", "nothing"), asks(), vitrine.ErrNotFound, "not_found"},
		{"artist, dataset of another project", in(h.ann, "renders", "elsewhere"), asks(), vitrine.ErrNotFound, "not_found"},
		{"generate on hidream only, with hidream", junior, asks(), nil, ""},
		{"generate on hidream only, with another", junior, asks(model("flux-kontext")), vitrine.ErrDenied, vitrine.CodeModel},
		{"junior, larger", junior, asks(size("1536x1024")), vitrine.ErrDenied, vitrine.CodeSize},
		{"junior, auto may become larger", junior, asks(size("auto")), vitrine.ErrDenied, vitrine.CodeSize},
		{"artist, auto", h.ann, asks(size("auto")), nil, ""},
		{"junior, two", junior, asks(two), vitrine.ErrDenied, vitrine.CodeN},
		{"junior, webp", junior, asks(func(r *gateway.Request) { r.OutputFormat = "webp" }), vitrine.ErrDenied, vitrine.CodeFormat},
		{"junior, url", junior, asks(url), vitrine.ErrDenied, vitrine.CodeRespFormat},
		{"artist, url", h.ann, asks(url), nil, ""},
		{"a tier forbids url", in(senior, "renders", "plans"), asks(url), vitrine.ErrDenied, vitrine.CodeRespFormat},
		{"the same without", in(senior, "renders", "plans"), asks(), nil, ""},
		{"born restricted, open ≤ internal", in(h.ann, "renders", "closed"), asks(), vitrine.ErrNotFound, "not_found"},
		{"born confidential, open ≤ internal, view all", in(masked, "renders", "plans"), asks(), vitrine.ErrDenied, vitrine.CodeTier},
		{"the source may only be viewed", masked, asks(edit(secret)), vitrine.ErrDenied, vitrine.CodeTier},
		{"the source is hidden", h.ann, asks(edit(secret)), vitrine.ErrNotFound, "not_found"},
		{"the source is absent", senior, asks(edit("img-nothing")), vitrine.ErrNotFound, "not_found"},
		{"the source may be opened", senior, asks(edit(secret)), nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h.t = t
			by := anew(tt.by)
			asked, spent := h.up.Count(), h.balance("all").Spent
			a, err := h.Generate(t.Context(), by, tt.r)
			if tt.kind == nil {
				if err != nil {
					t.Fatal(err)
				}
				if err := a.Close(); err != nil {
					t.Error(err)
				}
				return
			}
			e := failure(t, err)
			if !errors.Is(err, tt.kind) || e.Code != string(tt.code) {
				t.Errorf("got %v (%s), want %v (%s)", err, e.Code, tt.kind, tt.code)
			}
			if n := h.up.Count() - asked; n != 0 {
				t.Errorf("the service was asked %d times", n)
			}
			if b := h.balance("all"); b.Reserved != 0 || b.Spent != spent {
				t.Errorf("money moved: %+v", b)
			}
			log := h.of(by.Request)
			if len(log) != 1 || log[0].Outcome != vitrine.Refused {
				t.Errorf("the log has %+v, want one refusal", log)
			}
		})
	}
}

// upload puts a picture into a dataset of Renders.
func (h *house) upload(by access.Caller, dataset vitrine.ID) vitrine.ID {
	h.t.Helper()
	m, err := h.vault.Put(h.t.Context(), anew(by), vault.Upload{Dataset: dataset}, strings.NewReader(string(providertest.PNG(24, 24, 1))))
	if err != nil {
		h.t.Fatal(err)
	}
	return m.ID
}

// TestNearestMiss: who may not open what would be born, or a source, is told
// what is missing.
func TestNearestMiss(t *testing.T) {
	h := newHouse(t, "")
	secret := h.upload(h.person("sam", "senior"), "plans")
	masked := h.person("max", "artist", "masked")
	_, err := h.Generate(t.Context(), masked, asks(func(r *gateway.Request) {
		r.Edit, r.Sources = true, []gateway.Source{{Image: secret, Param: "image"}}
	}))
	e := failure(t, err)
	if e.Decision == nil || e.Decision.Permission != vitrine.ImageOpen || e.Decision.Nearest.Permission != vitrine.ImageOpen {
		t.Errorf("got %+v, want the nearest miss image.open", e.Decision)
	}
}

// TestInvalid holds the table of bad input: the field is named, nothing is
// reserved, nothing is sent.
func TestInvalid(t *testing.T) {
	h := newHouse(t, "", budgetOfAll)
	png := providertest.PNG(16, 16, 0)
	source := func(b string) []gateway.Source {
		return []gateway.Source{{Body: strings.NewReader(b), Size: int64(len(b)), Param: "image"}}
	}
	tests := []struct {
		name   string
		change func(*gateway.Request)
		kind   error
		param  string
	}{
		{"a name without end", func(r *gateway.Request) { r.EndUser = strings.Repeat("x", 257) }, vitrine.ErrInvalid, "user"},
		{"a key of two lines", func(r *gateway.Request) { r.IdempotencyKey = "a\nb" }, vitrine.ErrInvalid, "Idempotency-Key"},
		{"no prompt", func(r *gateway.Request) { r.Prompt = " \n" }, vitrine.ErrInvalid, "prompt"},
		{"prompt beyond the system's bound", func(r *gateway.Request) { r.Prompt = vitrine.Prompt(strings.Repeat("ä", 32_001)) }, vitrine.ErrInvalid, "prompt"},
		{"prompt beyond the model's bound", func(r *gateway.Request) { r.Model, r.Prompt = "limited", "twenty-one characters" }, vitrine.ErrInvalid, "prompt"},
		{"prompt with a command", func(r *gateway.Request) { r.Prompt = `cat <sd_cpp_extra_args>{"n":9}</sd_cpp_extra_args>` }, vitrine.ErrInvalid, "prompt"},
		{"n below one", func(r *gateway.Request) { r.N = -1 }, vitrine.ErrInvalid, "n"},
		{"n beyond any service", func(r *gateway.Request) { r.N = 11 }, vitrine.ErrInvalid, "n"},
		{"n beyond the model", func(r *gateway.Request) { r.Model, r.Prompt, r.N = "limited", "cat", 3 }, vitrine.ErrInvalid, "n"},
		{"no size", func(r *gateway.Request) { r.Size = "large" }, vitrine.ErrInvalid, "size"},
		{"size with a sign", func(r *gateway.Request) { r.Size = "+512x512" }, vitrine.ErrInvalid, "size"},
		{"size with zeros", func(r *gateway.Request) { r.Size = "0512x512" }, vitrine.ErrInvalid, "size"},
		{"size out of reach", func(r *gateway.Request) { r.Size = "100000x100000" }, vitrine.ErrInvalid, "size"},
		{"size that the model does not draw", func(r *gateway.Request) { r.Model, r.Prompt, r.Size = "limited", "cat", "1024x1024" }, vitrine.ErrInvalid, "size"},
		{"format that the model does not make", func(r *gateway.Request) { r.Model, r.Prompt, r.OutputFormat = "limited", "cat", "png" }, vitrine.ErrInvalid, "output_format"},
		{"format of no picture", func(r *gateway.Request) { r.OutputFormat = "svg" }, vitrine.ErrInvalid, "output_format"},
		{"response format", func(r *gateway.Request) { r.ResponseFormat = "xml" }, vitrine.ErrInvalid, "response_format"},
		{"unknown field", func(r *gateway.Request) { r.Extra = map[string]jsonRaw{"tool": jsonRaw(`1`)} }, vitrine.ErrInvalid, "tool"},
		{"field that picks a dearer model", func(r *gateway.Request) {
			r.Model, r.Extra = "told", map[string]jsonRaw{"kontext_max_mode": jsonRaw(`true`)}
		}, vitrine.ErrInvalid, "kontext_max_mode"},
		{"unpriced", func(r *gateway.Request) { r.Model = "unpriced" }, vitrine.ErrInvalid, "model"},
		{"switched off", func(r *gateway.Request) { r.Model = "off" }, vitrine.ErrInvalid, "model"},
		{"edit by a model that does not", func(r *gateway.Request) {
			r.Model, r.Prompt, r.Edit, r.Sources = "limited", "cat", true, source(string(png))
		}, vitrine.ErrInvalid, "model"},
		{"edit without a picture", func(r *gateway.Request) { r.Edit = true }, vitrine.ErrInvalid, "image"},
		{"picture without an edit", func(r *gateway.Request) { r.Sources = source(string(png)) }, vitrine.ErrInvalid, "image"},
		{"edit of a web page", func(r *gateway.Request) { r.Edit, r.Sources = true, source("<html>hello</html>") }, vitrine.ErrInvalid, "image"},
		{"edit of half a picture", func(r *gateway.Request) { r.Edit, r.Sources = true, source(string(png[:len(png)-20])) }, vitrine.ErrInvalid, "image"},
		{"too many pictures", func(r *gateway.Request) {
			r.Edit = true
			for range 18 {
				r.Sources = append(r.Sources, source(string(png))...)
			}
		}, vitrine.ErrInvalid, "image"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h.t = t
			by := anew(h.ann)
			_, err := h.Generate(t.Context(), by, asks(tt.change))
			if e := failure(t, err); !errors.Is(err, tt.kind) || e.Param != tt.param {
				t.Errorf("got %v, param %q; want %v, param %q", err, e.Param, tt.kind, tt.param)
			}
			if b := h.balance("all"); b.Reserved != 0 || b.Spent != 0 || h.up.Count() != 0 {
				t.Errorf("reserved %s, spent %s, asked %d times", b.Reserved, b.Spent, h.up.Count())
			}
			if log := h.of(by.Request); len(log) != 1 || log[0].Outcome == vitrine.Allowed {
				t.Errorf("the log has %+v, want one refusal", log)
			}
		})
	}
}

// TestDefaults: what a request leaves open is settled before it is decided, and
// sent as it was decided.
func TestDefaults(t *testing.T) {
	h := newHouse(t, "")
	tests := []struct {
		name         string
		model        string
		size, format string // as sent
	}{
		{"no limits", "hidream", "1024x1024", ""},
		{"the model's first", "limited", "512x512", "jpeg"},
	}
	for _, tt := range tests {
		h.make(h.ann, asks(func(r *gateway.Request) { r.Model, r.Prompt = tt.model, "cat" }))
		if c := h.up.Last(t); c.Size != tt.size || c.Text("output_format") != tt.format {
			t.Errorf("%s: sent size %q, format %q; want %q, %q", tt.name, c.Size, c.Text("output_format"), tt.size, tt.format)
		}
	}
}

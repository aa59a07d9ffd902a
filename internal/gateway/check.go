package gateway

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/provider"
	"vitrine.dev/vitrine/internal/rbac"
)

// The system's bounds, where a deployment has none of its own.
const (
	maxPrompt   = 32_000 // characters, as OpenAI's models take
	maxSources  = 16
	defaultSize = "1024x1024"
	// widest is the largest edge that any service draws; "auto" may become it.
	widest = 4096
)

// What a request asks for where it leaves the format open.
const (
	defaultFormat   = "png"
	defaultResponse = "b64_json"
)

// resolve finds what a request is about, in the policy in use, and asks the
// guard. Nothing about deployment, dataset or sources is told before that.
func (g *Gateway) resolve(ctx context.Context, by access.Caller, r *Request) (*generation, *access.Ticket, error) {
	if r.EndUser != "" {
		by.EndUser = r.EndUser
	}
	m := &generation{Request: r, by: by, at: g.now()}
	m.act = access.Act{Permission: vitrine.ModelGenerate, Op: "generate"}
	if r.Edit {
		m.act.Op = "edit"
	}
	if err := r.bounded(); err != nil {
		return nil, nil, g.guard.Reject(ctx, by, m.act, err)
	}
	var err error
	if m.policy, err = g.snapshot(ctx, by, m.act); err != nil {
		return nil, nil, err
	}
	project := place(m.policy, by)
	var ok bool
	if m.deployment, ok = m.policy.Deployment(vitrine.DeploymentID(project, r.Model)); !ok || project == "" {
		return nil, nil, g.unknown(ctx, by, project, m.act.Op, vitrine.Invalid("model", "model_not_found", "There is no such model here. GET /v1/models lists those that you may use."))
	}
	m.fill()
	m.act.Model, m.act.PromptHash = r.Model, g.vault.PromptHash(r.Prompt)
	err = g.questions(ctx, m)
	m.act.Resource = m.resource()
	if err != nil {
		return nil, nil, g.guard.Reject(ctx, by, m.act, err)
	}
	t, err := g.guard.Check(ctx, by, m.act)
	if err == nil && !m.counted { // the policy changed between the two questions
		return nil, nil, t.Refuse(ctx, string(vitrine.CodeAbsent), access.NotFound())
	}
	return m, t, err
}

// maxWord bounds fields that are a word or a name.
const maxWord = 256

// bounded refuses what nobody can want, before any of it is looked up.
func (r *Request) bounded() error {
	for _, f := range []struct{ param, text string }{
		{"model", r.Model}, {"quality", r.Quality}, {"user", r.EndUser}, {"Idempotency-Key", r.IdempotencyKey},
	} {
		if len(f.text) > maxWord || strings.ContainsFunc(f.text, unicode.IsControl) || !utf8.ValidString(f.text) {
			return vitrine.Invalid(f.param, "invalid_parameter_value", fmt.Sprintf("It has at most %d bytes of text.", maxWord))
		}
	}
	return nil
}

// place is the project that a caller works in.
func place(now *rbac.Policy, by access.Caller) vitrine.ID {
	if by.Project != "" || by.Dataset == "" {
		return by.Project
	}
	if set, ok := now.Dataset(by.Dataset); ok {
		return set.Project
	}
	return ""
}

// unknown answers for a model that is not there. Which models a project has is
// no secret to whoever may generate with any of them; others are told nothing.
func (g *Gateway) unknown(ctx context.Context, by access.Caller, project vitrine.ID, op string, missing *vitrine.Error) error {
	ids, t, err := g.guard.Visible(ctx, by, vitrine.ModelGenerate, vitrine.KindDeployment, op)
	if err != nil {
		return err
	}
	if project == "" && len(ids) > 0 {
		return refuse(ctx, t, vitrine.Invalid("project", "missing_project", "Say in which project: with the header OpenAI-Project, or a key that has a default one."))
	}
	if slices.ContainsFunc(ids, func(id vitrine.ID) bool { p, _, ok := vitrine.SplitDeployment(id); return ok && p == project }) {
		return refuse(ctx, t, missing)
	}
	return t.Refuse(ctx, string(vitrine.CodeAbsent), access.NotFound())
}

// fill decides what the request leaves open, so that the question is about what
// will be sent.
func (m *generation) fill() {
	limits := &m.deployment.Limits
	m.n = max(m.N, 1)
	m.size, m.format, m.response = m.Size, m.OutputFormat, m.ResponseFormat
	if m.size == "" {
		m.size = first(limits.Sizes, defaultSize)
	}
	if m.format == "" {
		m.format = first(limits.Formats, "")
	}
	if m.response == "" {
		m.response = defaultResponse
	}
}

func first(all []string, otherwise string) string {
	if len(all) > 0 {
		return all[0]
	}
	return otherwise
}

// resource is the deployment with all that is asked of it, and what will be
// born: a tier may forbid how it is answered.
func (m *generation) resource() vitrine.Resource {
	w, h, _ := parseSize(m.size) // what is no size is refused as such, later
	format := m.format
	if format == "" {
		format = defaultFormat // most services' own choice, so a role without it must be asked for another
	}
	return vitrine.Resource{Kind: vitrine.KindDeployment, ID: m.deployment.ID, Scope: m.deployment.ID, Model: m.deployment.Model,
		Category: vitrine.Generated, Tier: m.tier, Format: format, ResponseFormat: m.response, Width: w, Height: h, N: m.n}
}

// parseSize reads WIDTHxHEIGHT; auto is as large as can be.
func parseSize(s string) (w, h int, ok bool) {
	if s == "auto" {
		return widest, widest, true
	}
	a, b, ok := strings.Cut(s, "x")
	w, errW := strconv.Atoi(a)
	h, errH := strconv.Atoi(b)
	if !ok || errW != nil || errH != nil || w < 1 || h < 1 || w > 1<<16 || h > 1<<16 || strconv.Itoa(w)+"x"+strconv.Itoa(h) != s {
		return 0, 0, false
	}
	return w, h, true
}

// questions builds the further questions of the act: opening each source where
// it lies, then creating and opening what will be born, at the tier that it
// will have. What is absent is asked about all the same. A source that the caller
// may not open does not count for the tier: an answer that depends on the tier
// would tell of it. The guard, asked about the source too, then refuses.
func (g *Gateway) questions(ctx context.Context, m *generation) error {
	sources := m.Sources
	if m.Mask != nil {
		sources = append(slices.Clone(sources), *m.Mask)
	}
	if len(sources) > maxSources+1 {
		return vitrine.Invalid("image", "too_many_images", fmt.Sprintf("An edit takes at most %d images.", maxSources))
	}
	m.tier, m.tierBy, m.counted = vitrine.Public, vitrine.TierByBirth, true
	for _, s := range sources {
		if s.Image == "" {
			continue
		}
		r, err := g.vault.Find(ctx, s.Image)
		if err != nil {
			return fmt.Errorf("find source %s: %w", s.Image, err)
		}
		if m.policy.Decide(&rbac.Question{Subject: m.by.Subject, Permission: vitrine.ImageOpen, Resource: r, At: m.at}).Allow {
			m.tier = vitrine.MaxTier(m.tier, r.Tier)
			m.lineage = append(m.lineage, s.Image)
		} else {
			m.counted = false
		}
		m.act.More = append(m.act.More, access.Question{Permission: vitrine.ImageOpen, Resource: r})
	}
	if m.by.Dataset != "" {
		var born vitrine.Resource // stays zero where there is no such dataset
		if set, ok := m.policy.Dataset(m.by.Dataset); ok {
			m.dataset = set
			birth := set.BirthTier.Effective()
			if m.tier > birth {
				m.tierBy = vitrine.TierBySource
			}
			m.tier = vitrine.MaxTier(m.tier, birth)
			born = vitrine.Resource{Kind: vitrine.KindImage, Scope: set.ID, Category: vitrine.Generated, Tier: m.tier, Owner: m.by.Principal, ResponseFormat: m.response}
		}
		m.act.More = append(m.act.More, access.Question{Permission: vitrine.ImageCreate, Resource: born}, access.Question{Permission: vitrine.ImageOpen, Resource: born})
	}
	return nil
}

// valid is what cannot be right for anybody. The caller may know of the
// deployment and the dataset by now.
func (m *generation) valid() error {
	d, limits := m.deployment, &m.deployment.Limits
	switch {
	case d.Disabled:
		return vitrine.Invalid("model", "model_disabled", "This model is switched off.")
	case d.Price == nil:
		return vitrine.Invalid("model", "unpriced_model", "This model has no price yet, so no budget could hold it. An operator has to set one.")
	case m.dataset == nil:
		return vitrine.Invalid("dataset", "missing_dataset", "Say where the images go: with the header X-Vitrine-Dataset, or a key that has a default dataset.")
	case m.dataset.Project != d.Project:
		return vitrine.Invalid("dataset", "foreign_dataset", "The dataset is in another project than the model.")
	case m.Edit && !d.Edits:
		return vitrine.Invalid("model", "edits_unsupported", "This model does not edit images.")
	case m.Edit != (len(m.Sources) > 0):
		return vitrine.Invalid("image", "missing_image_input", "An edit needs an image, and only an edit takes one.")
	case m.Mask != nil && !m.Edit:
		return vitrine.Invalid(m.Mask.Param, "missing_image_input", "A mask needs an image.")
	case strings.TrimSpace(m.Prompt.Reveal()) == "":
		return vitrine.Invalid("prompt", "missing_required_parameter", "Say in prompt what to make.")
	case m.N < 0 || m.n > bound(limits.MaxN, provider.MaxImages):
		return vitrine.Invalid("n", "invalid_parameter_value", fmt.Sprintf("n has to be 1 to %d.", bound(limits.MaxN, provider.MaxImages)))
	case m.response != defaultResponse && m.response != "url":
		return vitrine.Invalid("response_format", "invalid_parameter_value", "response_format is b64_json or url.")
	case m.Stream != nil && m.response != defaultResponse:
		return vitrine.Invalid("response_format", "invalid_parameter_value", "A stream carries the pictures themselves: ask for b64_json, or leave stream out.")
	}
	if most := cmp.Or(limits.Prompt, maxPrompt); utf8.RuneCountInString(m.Prompt.Reveal()) > most {
		return vitrine.Invalid("prompt", "string_above_max_length", fmt.Sprintf("The prompt may have at most %d characters.", most))
	}
	if _, _, ok := parseSize(m.size); !ok {
		return vitrine.Invalid("size", "invalid_parameter_value", "size is WIDTHxHEIGHT, such as 1024x1024, or auto.")
	}
	if len(limits.Sizes) > 0 && !slices.Contains(limits.Sizes, m.size) {
		return vitrine.Invalid("size", "invalid_parameter_value", "This model draws "+strings.Join(limits.Sizes, ", ")+".")
	}
	if len(limits.Formats) > 0 && !slices.Contains(limits.Formats, m.format) {
		return vitrine.Invalid("output_format", "invalid_parameter_value", "This model makes "+strings.Join(limits.Formats, ", ")+".")
	}
	return nil
}

// bound is a limit, or the system's where there is none or it is looser.
func bound(limit, system int) int {
	if limit <= 0 {
		return system
	}
	return min(limit, system)
}

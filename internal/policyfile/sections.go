package policyfile

import (
	"maps"
	"slices"
	"strings"

	"vitrine.dev/vitrine"
)

// document reads one document of a file: its sections.
func (d *decoder) document(doc value) {
	if doc.form != formMap {
		if doc.form != formNull {
			doc.bad("want sections such as projects, roles and bindings, not %s", doc.form)
		}
		return
	}
	for _, e := range doc.node.fields {
		key, body := value{node: e.key, d: d}, value{node: e.value, d: d}
		switch read, ok := sections[e.key.text]; {
		case ok:
			read(body)
		case instead[e.key.text] != "":
			key.bad("%s", instead[e.key.text])
		default:
			key.unknown("section", e.key.text, slices.Sorted(maps.Keys(sections)))
		}
	}
}

// sections are what a file may hold, by name.
var sections = map[string]func(value){
	"organization": organization,
	"projects":     section(vitrine.KindProject, project),
	"datasets":     section(vitrine.KindDataset, dataset),
	"deployments":  deployments,
	"providers":    section(vitrine.KindProvider, provider),
	"credentials":  section(vitrine.KindCredential, credential),
	"people":       section(vitrine.KindPrincipal, person),
	"services":     section(vitrine.KindPrincipal, service),
	"groups":       section(vitrine.KindPrincipal, group),
	"roles":        section(vitrine.KindRole, role),
	"bindings":     bindings,
	"denies":       section(vitrine.KindDeny, deny),
	"constraints":  section(vitrine.KindConstraint, constraint),
	"budgets":      section(vitrine.KindBudget, budget),
}

// instead says what to write for sections that people expect.
var instead = map[string]string{
	"keys":       "keys are issued, not declared: vitrine key create",
	"principals": "write people, services and groups, each in its own section",
	"users":      "users are written in the section people",
	"images":     "images do not stand in the policy: vitrine image put",
	"models":     "models are offered by deployments, in their project",
	"owners":     "owners are people with the role owner: init makes them, bindings change them",
}

// section reads objects of a kind: a mapping of ids to them, or a list of
// objects with an id.
func section(k vitrine.Kind, read func(v value, id vitrine.ID)) func(value) {
	return func(s value) {
		s.each(func(v value, key *node) {
			if key == nil {
				var field *node
				if v, field = v.without("id"); field == nil {
					v.bad("id is missing")
					return
				}
				key = field
			}
			id, ok := asID(value{node: key, d: s.d})
			if !ok {
				id = vitrine.ID("?" + key.text) // read on, to find what else is wrong
			}
			v.begin(k, id, key)
			read(v, id)
		})
	}
}

// begin makes v the object of an id; where the id is written is where it stands.
func (v *value) begin(k vitrine.Kind, id vitrine.ID, key *node) {
	v.ref, v.path = vitrine.Ref{Kind: k, ID: id}, ""
	value{node: key, d: v.d, ref: v.ref}.remember()
	n := *v.node
	n.line, n.column = key.line, key.column
	v.node = &n
}

// each calls fn with the objects of a section and, in a mapping, their keys.
func (v value) each(fn func(object value, key *node)) {
	switch v.form {
	case formNull:
	case formMap:
		for _, e := range v.node.fields {
			if e.value.form != formMap && e.value.form != formNull {
				value{node: e.value, d: v.d}.bad("want a mapping with the fields of %s, not %s", e.key.text, e.value.form)
				continue
			}
			fn(value{node: e.value, d: v.d}, e.key)
		}
	case formList:
		for _, n := range v.items {
			if n.form != formMap {
				value{node: n, d: v.d}.bad("want a mapping with the fields of the object, not %s", n.form)
				continue
			}
			fn(value{node: n, d: v.d}, nil)
		}
	default:
		v.bad("want ids with their objects, not %s", v.form)
	}
}

func organization(v value) {
	o := &vitrine.Organization{ID: OrganizationID}
	v.ref = o.Ref()
	v.remember()
	v.fields(map[string]func(value){"name": one(&o.Name, asText), "solo": one(&o.Solo, asBool)})
	v.add(o)
}

func project(v value, id vitrine.ID) {
	p := &vitrine.Project{ID: id}
	inside := func(read func(value, vitrine.ID, vitrine.ID), k vitrine.Kind) func(value) {
		return func(s value) {
			section(k, func(v value, child vitrine.ID) { read(v, id, child) })(value{node: s.node, d: s.d})
		}
	}
	v.fields(map[string]func(value){
		"name":        one(&p.Name, asText),
		"environment": one(&p.Environment, asEnum(vitrine.Experimental, vitrine.Staging, vitrine.Production)),
		"datasets":    inside(datasetIn, vitrine.KindDataset),
		"deployments": func(s value) { deploymentsIn(value{node: s.node, d: s.d}, id) },
	})
	v.needs("environment")
	v.add(p)
}

func dataset(v value, id vitrine.ID) { datasetIn(v, "", id) }

// datasetIn reads a dataset that stands in its project, or, where project is
// "", names it.
func datasetIn(v value, project, id vitrine.ID) {
	s := &vitrine.Dataset{ID: id, Project: project}
	set := map[string]func(value){
		"name":           one(&s.Name, asText),
		"category":       one(&s.Category, asCategory),
		"birth_tier":     one(&s.BirthTier, asTier),
		"owner":          one(&s.Owner, asID),
		"retention":      one(&s.Retention, asDuration),
		"keep_at_least":  one(&s.KeepAtLeast, asDuration),
		"restore_window": one(&s.RestoreWindow, asWindow),
	}
	if project == "" {
		set["project"] = one(&s.Project, asID)
		v.needs("project", "category")
	} else {
		v.needs("category")
	}
	v.fields(set)
	v.add(s)
}

// deployments reads the section of that name: a list in which each names its
// project and model, or a mapping whose keys are project/model.
func deployments(v value) {
	v.each(func(v value, key *node) {
		if key == nil {
			deployment(v, "", "", true)
			return
		}
		at := value{node: key, d: v.d}
		p, model, ok := strings.Cut(key.text, "/")
		if !ok || !vitrine.ID(p).Valid() || model == "" {
			at.bad("want project/model as the key of a deployment")
			return
		}
		id := vitrine.DeploymentID(vitrine.ID(p), model)
		v.begin(vitrine.KindDeployment, id, key)
		deployment(v, vitrine.ID(p), model, false)
	})
}

// deploymentsIn reads the deployments of a project, whose keys are model ids.
func deploymentsIn(v value, project vitrine.ID) {
	v.each(func(v value, key *node) {
		if key == nil {
			var field *node
			if v, field = v.without("model"); field == nil {
				v.bad("model is missing")
				return
			}
			key = field
		}
		model, ok := asWord(value{node: key, d: v.d})
		if !ok {
			return
		}
		v.begin(vitrine.KindDeployment, vitrine.DeploymentID(project, model), key)
		deployment(v, project, model, false)
	})
}

// deployment reads a deployment; own says that it names project and model
// itself.
func deployment(v value, project vitrine.ID, model string, own bool) {
	m := &vitrine.Deployment{Project: project, Model: model}
	if own {
		if v = v.placed(m); m.Project == "" || m.Model == "" {
			return
		}
	}
	m.ID = vitrine.DeploymentID(m.Project, m.Model)
	v.fields(map[string]func(value){
		"provider": one(&m.Provider, asID),
		"upstream": one(&m.Upstream, asWord),
		"price":    price(&m.Price),
		"limits":   limits(&m.Limits),
		"edits":    one(&m.Edits, asBool),
		"disabled": one(&m.Disabled, asBool),
	})
	v.needs("provider")
	v.add(m)
}

// placed takes project and model out of a deployment that stands alone.
func (v value) placed(m *vitrine.Deployment) value {
	v.needs("project", "model")
	rest, p := v.without("project")
	rest, name := rest.without("model")
	if p == nil || name == nil {
		return rest
	}
	project, okP := asID(value{node: p, d: v.d})
	model, okM := asWord(value{node: name, d: v.d})
	if okP && okM {
		m.Project, m.Model = project, model
		rest.begin(vitrine.KindDeployment, vitrine.DeploymentID(project, model), name)
	}
	return rest
}

// price is dollars for an image, or a mapping with rules.
func price(dst **vitrine.Price) func(value) {
	return func(v value) {
		p := new(vitrine.Price)
		*dst = p
		if v.form != formMap {
			one(&p.Image, asMoney)(v)
			return
		}
		v.fields(map[string]func(value){
			"image": one(&p.Image, asMoney),
			"rules": many(&p.Rules, func(v value) (vitrine.PriceRule, bool) {
				var r vitrine.PriceRule
				v.fields(map[string]func(value){
					"size": one(&r.Size, asWord), "quality": one(&r.Quality, asWord), "image": one(&r.Image, asMoney),
				})
				v.needs("image")
				return r, true
			}),
		})
		v.needs("image")
	}
}

func limits(l *vitrine.Limits) func(value) {
	return func(v value) {
		v.fields(map[string]func(value){
			"sizes":      many(&l.Sizes, asSize),
			"formats":    many(&l.Formats, asEnum(outputFormats...)),
			"max_n":      one(&l.MaxN, asCount),
			"prompt":     one(&l.Prompt, asCount),
			"per_minute": one(&l.PerMinute, asCount),
		})
	}
}

// The words for how pictures are encoded and answered.
var (
	outputFormats   = []string{"png", "jpeg", "webp", "gif"}
	responseFormats = []string{"b64_json", "url"}
)

func provider(v value, id vitrine.ID) {
	p := &vitrine.Provider{ID: id}
	v.fields(map[string]func(value){
		"kind":     one(&p.Kind, asEnum(vitrine.OpenAI, vitrine.NanoGPT, vitrine.Automatic1111, vitrine.Stability, vitrine.Studio)),
		"name":     one(&p.Name, asText),
		"base_url": one(&p.BaseURL, asURL),
		"hosts":    many(&p.Hosts, asWord),
	})
	v.needs("kind")
	if p.Kind != "" && p.Kind != vitrine.Studio {
		v.needs("base_url")
	}
	v.add(p)
}

// asURL is a base URL; one with a password in it would be a secret in a file.
func asURL(v value) (string, bool) {
	s, ok := asText(v)
	if !ok {
		return "", false
	}
	rest, https := strings.CutPrefix(s, "https://")
	if !https {
		rest, ok = strings.CutPrefix(s, "http://")
	}
	host, _, _ := strings.Cut(rest, "/")
	switch {
	case !ok && !https || host == "" || strings.ContainsAny(s, " \t\r\n?#"):
		v.bad("want a URL such as https://api.openai.com/v1")
		return "", false
	case strings.Contains(host, "@"):
		v.bad("secrets never stand in policy files: leave out what stands before the @")
		return "", false
	}
	return s, true
}

func credential(v value, id vitrine.ID) {
	c := &vitrine.Credential{ID: id}
	v.fields(map[string]func(value){
		"provider": one(&c.Provider, asID), "projects": many(&c.Projects, asID), "roles": many(&c.Roles, asID),
	})
	v.needs("provider")
	v.add(c)
}

func budget(v value, id vitrine.ID) {
	b := &vitrine.Budget{ID: id}
	var each bool
	v.fields(map[string]func(value){
		"kind": one(&b.Kind, asEnum(vitrine.BudgetOrganization, vitrine.BudgetProject, vitrine.BudgetGroup,
			vitrine.BudgetPrincipal, vitrine.BudgetKey, vitrine.BudgetEndUser)),
		"subject": one(&b.Subject, asWord),
		"each":    one(&each, asBool),
		"window":  one(&b.Window, asEnum(vitrine.Daily, vitrine.Monthly, vitrine.Total)),
		"limit":   one(&b.Limit, asMoney),
	})
	v.needs("kind", "window", "limit")
	switch {
	case each && v.has("subject"):
		v.bad("either a subject, or each of the kind alone, not both")
	case each:
		b.Subject = string(vitrine.Everyone)
	case b.Kind != "" && b.Kind != vitrine.BudgetOrganization && !v.has("subject"):
		v.bad("subject is missing: whose spending this counts; or each: true for every %s alone", b.Kind)
	}
	v.add(b)
}

package policyfile

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/cond"
)

func person(v value, id vitrine.ID) {
	p := &vitrine.Principal{ID: id, Kind: vitrine.User}
	v.fields(map[string]func(value){
		"name": one(&p.Name, asText), "email": one(&p.Email, asEmail), "disabled": notInFiles,
	})
	v.add(p)
}

func asEmail(v value) (string, bool) {
	s, ok := asText(v)
	name, host, at := strings.Cut(s, "@")
	if ok && (!at || name == "" || host == "" || strings.ContainsAny(s, " \t\r\n<>,")) {
		v.bad("want an e-mail address such as ann@example.com")
		return "", false
	}
	return s, ok
}

func notInFiles(v value) {
	v.bad("whether somebody is disabled does not stand in files: vitrine principal disable")
}

func service(v value, id vitrine.ID) {
	p := &vitrine.Principal{ID: id, Kind: vitrine.Service}
	v.fields(map[string]func(value){
		"kind":        one(&p.Service, asEnum(vitrine.Pipeline, vitrine.Agent, vitrine.ModelRunner, vitrine.Application)),
		"name":        one(&p.Name, asText),
		"owner":       one(&p.Owner, asID),
		"purpose":     one(&p.Purpose, asText),
		"environment": one(&p.Environment, asEnum(vitrine.Experimental, vitrine.Staging, vitrine.Production)),
		"disabled":    notInFiles,
	})
	v.needs("kind")
	v.add(p)
}

func group(v value, id vitrine.ID) {
	p := &vitrine.Principal{ID: id, Kind: vitrine.Group}
	v.fields(map[string]func(value){
		"name": one(&p.Name, asText), "members": many(&p.Members, asID), "disabled": notInFiles,
	})
	v.add(p)
}

func role(v value, id vitrine.ID) {
	r := &vitrine.Role{ID: id}
	v.fields(map[string]func(value){
		"name":        one(&r.Name, asText),
		"description": one(&r.Description, asText),
		"includes":    many(&r.Includes, asID),
		"grants":      many(&r.Grants, asGrant),
		"disabled":    one(&r.Disabled, asBool),
	})
	v.add(r)
}

func asGrant(v value) (vitrine.Grant, bool) {
	var g vitrine.Grant
	use := true
	v.fields(map[string]func(value){
		"permissions":      many(&g.Permissions, asPermission),
		"categories":       categories(&g.Categories),
		"tiers":            tiers(&g.Tiers),
		"models":           many(&g.Models, asWord),
		"formats":          many(&g.Formats, asEnum(outputFormats...)),
		"response_formats": many(&g.ResponseFormats, asEnum(responseFormats...)),
		"max_size": func(v value) {
			if s, ok := asSize(v); ok {
				g.MaxWidth, g.MaxHeight, _ = splitSize(s)
			}
		},
		"max_width":  one(&g.MaxWidth, asCount),
		"max_height": one(&g.MaxHeight, asCount),
		"max_n":      one(&g.MaxN, asCount),
		"findings":   many(&g.Findings, asWord),
		"use":        one(&use, asBool),
		"give":       one(&g.Give, asBool),
	})
	g.NoUse = !use
	v.needs("permissions")
	if !use && !g.Give {
		v.bad("a grant neither to use nor to give grants nothing; leave it out, or say give: true")
	}
	i := slices.IndexFunc(g.Permissions, dataBearing)
	if i < 0 {
		return g, v.form == formMap
	}
	for _, name := range []string{"categories", "tiers"} {
		if !v.has(name) {
			v.bad("%s is missing: without it %s covers nothing; say all, or which", name, g.Permissions[i])
		}
	}
	return g, v.form == formMap
}

func dataBearing(p vitrine.Permission) bool {
	info, _ := p.Info()
	return info.Data
}

// bindings reads the section of that name. A binding's id may be left out: then
// it follows from role, principal and scope, so that a changed condition
// changes the binding and does not make another.
func bindings(s value) {
	s.each(func(v value, key *node) {
		if key == nil {
			v, key = v.without("id")
		}
		binding(v, key)
	})
}

func binding(v value, key *node) {
	var b vitrine.Binding
	var to []vitrine.ID
	start := v
	if key != nil {
		if id, ok := asID(value{node: key, d: v.d}); ok {
			b.ID = id
			start.begin(vitrine.KindBinding, id, key)
		}
	}
	set := map[string]func(value){
		"role":       one(&b.Role, asID),
		"principal":  many(&to, asID),
		"principals": many(&to, asID),
		"scope":      one(&b.Scope, asScope),
		"from":       one(&b.From, asTime),
		"until":      one(&b.Until, asTime),
		"condition":  one(&b.Condition, asCondition),
		"reason":     one(&b.Reason, asText),
	}
	start.fields(set)
	start.needs("role", "scope")
	switch {
	case !start.has("principals"):
		start.needs("principal")
	case start.has("principal"):
		start.bad("either principal or principals, not both")
	}
	if !b.From.IsZero() && !b.Until.IsZero() && !b.From.Before(b.Until) {
		start.bad("this binding ends before it begins")
	}
	if key != nil && len(to) > 1 {
		start.bad("an id names one binding; with several principals leave it out")
		return
	}
	if b.Role == "" || b.Scope == "" {
		return
	}
	for _, principal := range to {
		one, at := b, start
		one.Principal = principal
		if key == nil {
			one.ID = BindingID(b.Role, principal, b.Scope)
			at.again(one.Ref())
		}
		at.add(&one)
	}
}

// again makes v the object of ref, remembering the places of its fields that
// were read before its id was known.
func (v *value) again(ref vitrine.Ref) {
	v.ref, v.path = ref, ""
	if _, twice := v.d.declared[ref]; twice {
		return
	}
	v.d.derived[ref] = true
	v.remember()
	for _, e := range v.node.fields {
		v.at(e.key.text, e.value)
	}
}

// BindingID is the id of a binding to which nobody gave one.
func BindingID(role, principal, scope vitrine.ID) vitrine.ID {
	sum := sha256.Sum256([]byte(string(role) + "\x00" + string(principal) + "\x00" + string(scope)))
	slug := strings.Map(func(r rune) rune {
		if r < 0x80 && (vitrine.ID(r).Valid() || r == '.' || r == '_' || r == '-') {
			return r
		}
		return '-'
	}, string(role+"."+principal+"."+scope))
	return vitrine.ID(slug[:min(len(slug), 100)] + "-" + hex.EncodeToString(sum[:4]))
}

func asCondition(v value) (string, bool) {
	s, ok := asWord(v)
	if !ok {
		return "", false
	}
	if _, err := cond.Compile(s); err != nil {
		v.bad("this condition cannot be used: %s", strings.ReplaceAll(err.Error(), "\n", " "))
		return "", false
	}
	return s, true
}

func deny(v value, id vitrine.ID) {
	x := &vitrine.Deny{ID: id}
	v.fields(map[string]func(value){
		"permissions": many(&x.Permissions, asPermission),
		"principals":  principals(&x.Principals),
		"except":      many(&x.Except, asID),
		"scope":       one(&x.Scope, asScope),
		"reason":      one(&x.Reason, asText),
	})
	v.needs("permissions", "principals", "scope")
	v.add(x)
}

func constraint(v value, id vitrine.ID) {
	c := &vitrine.Constraint{ID: id}
	v.fields(map[string]func(value){
		"kind":             one(&c.Kind, asEnum(vitrine.StaticSoD, vitrine.DynamicSoD, vitrine.Holders, vitrine.MFA, vitrine.Keys, vitrine.Formats)),
		"reason":           one(&c.Reason, asText),
		"sets":             many(&c.Sets, asRoleSet),
		"max":              one(&c.Max, asCount),
		"min":              one(&c.Min, asCount),
		"role":             one(&c.Role, asID),
		"scope":            one(&c.Scope, asScope),
		"permissions":      many(&c.Permissions, asPermission),
		"tiers":            tiers(&c.Tiers),
		"response_formats": many(&c.ResponseFormats, asEnum(responseFormats...)),
		"max_age":          one(&c.MaxAge, asDuration),
	})
	v.needs("kind")
	switch c.Kind {
	case vitrine.StaticSoD, vitrine.DynamicSoD:
		v.needs("sets", "max")
		if v.has("sets") && v.has("max") && (c.Max < 2 || c.Max > len(c.Sets)) {
			v.bad("max is how many of the %d sets are too many: from 2 to %d", len(c.Sets), len(c.Sets))
		}
	case vitrine.Holders:
		v.needs("role")
		if c.Max > 0 && c.Min > c.Max {
			v.bad("min is above max")
		}
	case vitrine.MFA:
		v.needs("max_age")
	case vitrine.Formats:
		v.needs("response_formats")
	}
	if (c.Kind == vitrine.MFA || c.Kind == vitrine.Keys) && !v.has("permissions") && !v.has("role") {
		v.bad("permissions or role is missing: what this holds for")
	}
	v.add(c)
}

func asRoleSet(v value) (vitrine.RoleSet, bool) {
	var s vitrine.RoleSet
	v.fields(map[string]func(value){
		"name":        one(&s.Name, asText),
		"roles":       many(&s.Roles, asID),
		"permissions": many(&s.Permissions, asPermission),
		"categories":  categories(&s.Categories),
	})
	if len(s.Roles) == 0 && len(s.Permissions) == 0 && v.form == formMap {
		v.bad("a set needs roles or permissions")
	}
	return s, v.form == formMap
}

package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"vitrine.dev/vitrine"
)

// differences are the fields in which two objects differ, as "field: old → new".
func differences(a, b vitrine.Object) []string {
	x, y := fieldsOf(a), fieldsOf(b)
	names := maps.Clone(x)
	maps.Copy(names, y)
	var out []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		was, is := x[name], y[name]
		if reflect.DeepEqual(was, is) {
			continue
		}
		if p, ok := a.(*vitrine.Deployment); ok && name == "price" {
			if q, ok := b.(*vitrine.Deployment); ok {
				out = append(out, fmt.Sprintf("%s: %s → %s", name, wholePrice(p.Price), wholePrice(q.Price)))
				continue
			}
		}
		before, ok1 := was.([]any)
		after, ok2 := is.([]any)
		if (ok1 || was == nil) && (ok2 || is == nil) {
			out = append(out, listDifference(name, before, after)...)
			continue
		}
		out = append(out, fmt.Sprintf("%s: %s → %s", name, short(was), short(is)))
	}
	return out
}

// wholePrice is a price with its rules, on one line.
func wholePrice(p *vitrine.Price) string {
	if p == nil {
		return "(nothing)"
	}
	s := dollars(p.Image)
	for _, r := range p.Rules {
		s += ", " + strings.TrimSpace(strings.TrimSpace(r.Size+" "+r.Quality)+" "+dollars(r.Image))
	}
	return s
}

// listDifference says what a list lost and gained; where only the order or
// nothing simple differs, both lists.
func listDifference(name string, a, b []any) []string {
	var out []string
	for _, x := range a {
		if !contains(b, x) {
			out = append(out, fmt.Sprintf("%s: - %s", name, short(x)))
		}
	}
	for _, x := range b {
		if !contains(a, x) {
			out = append(out, fmt.Sprintf("%s: + %s", name, short(x)))
		}
	}
	if out == nil {
		out = []string{fmt.Sprintf("%s: %s → %s", name, short(a), short(b))}
	}
	return out
}

func contains(all []any, x any) bool {
	return slices.ContainsFunc(all, func(y any) bool { return reflect.DeepEqual(x, y) })
}

func fieldsOf(o vitrine.Object) map[string]any {
	text, err := json.Marshal(o)
	if err != nil {
		return map[string]any{"": err.Error()}
	}
	out := map[string]any{}
	if err := json.Unmarshal(text, &out); err != nil {
		return map[string]any{"": err.Error()}
	}
	return out
}

// short is a value on one line.
func short(v any) string {
	switch v := v.(type) {
	case nil:
		return "(nothing)"
	case string:
		if v == "" {
			return `""`
		}
		return v
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err.Error()
	}
	s := strings.TrimSpace(b.String())
	if r := []rune(s); len(r) > 160 {
		s = string(r[:160]) + "…"
	}
	return s
}

// about says in a few words what a new object is.
func about(o vitrine.Object) string {
	s := ""
	switch o := o.(type) {
	case *vitrine.Project:
		s = strings.Trim(o.Name+", "+string(o.Environment), ", ")
	case *vitrine.Dataset:
		s = fmt.Sprintf("%s in %s, born %s", o.Category, o.Project, o.BirthTier.Effective())
		if o.Retention > 0 {
			s += ", kept " + o.Retention.String()
		}
	case *vitrine.Deployment:
		s = fmt.Sprintf("%s from %s", o.Model, o.Provider)
		if o.Price != nil {
			s += ", " + dollars(o.Price.Image)
		}
	case *vitrine.Principal:
		s = strings.Trim(string(o.Kind)+" "+o.Name, " ")
	case *vitrine.Role:
		s = o.Name
	case *vitrine.Binding:
		s = fmt.Sprintf("%s is %s at %s", o.Principal, o.Role, o.Scope)
	case *vitrine.Deny:
		s = o.Reason
	case *vitrine.Constraint:
		s = o.Reason
	case *vitrine.Provider:
		s = strings.Trim(string(o.Kind)+" "+o.BaseURL, " ")
	case *vitrine.Budget:
		s = fmt.Sprintf("%s a %s", dollars(o.Limit), o.Window)
		if o.Window == vitrine.Total {
			s = dollars(o.Limit) + " in total"
		}
	}
	if s == "" {
		return ""
	}
	return "  (" + clean(s) + ")"
}

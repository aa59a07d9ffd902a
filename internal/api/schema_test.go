package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// described checks real answers against the served document.
type described struct {
	paths   map[string]map[string]map[string]any
	schemas map[string]any
}

func describe(t testing.TB, text []byte) *described {
	t.Helper()
	var d struct {
		Paths      map[string]map[string]map[string]any `json:"paths"`
		Components struct {
			Schemas map[string]any `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return &described{d.Paths, d.Components.Schemas}
}

// answer says what is wrong with an answer of a route, by the document.
func (d *described) answer(method, pattern string, status int, header http.Header, body []byte) error {
	path := strings.ReplaceAll(strings.TrimPrefix(pattern, "/api/v1"), "...}", "}")
	responses, ok := d.paths[path][strings.ToLower(method)]["responses"].(map[string]any)
	if !ok {
		return fmt.Errorf("%s %s is not described", method, path)
	}
	response, ok := responses[fmt.Sprint(status)].(map[string]any)
	if !ok {
		return fmt.Errorf("%s %s does not describe %d, only %v", method, path, status, slices.Sorted(maps.Keys(responses)))
	}
	content, _ := response["content"].(map[string]any)
	kind, _, _ := strings.Cut(header.Get("Content-Type"), ";")
	media, ok := content[kind].(map[string]any)
	if family, _, found := strings.Cut(kind, "/"); !ok && found {
		media, ok = content[family+"/*"].(map[string]any)
	}
	if !ok {
		if len(content) == 0 && len(body) == 0 {
			return nil
		}
		return fmt.Errorf("%s %s answers %d as %q, described are %v", method, path, status, kind, slices.Sorted(maps.Keys(content)))
	}
	if !strings.HasSuffix(kind, "json") {
		return nil
	}
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		return err
	}
	schema, _ := media["schema"].(map[string]any)
	return d.fits(schema, v, "body")
}

// fits is the part of JSON Schema that the document uses.
func (d *described) fits(schema map[string]any, v any, at string) error {
	if ref, ok := schema["$ref"].(string); ok {
		next, ok := d.schemas[strings.TrimPrefix(ref, "#/components/schemas/")].(map[string]any)
		if !ok {
			return fmt.Errorf("%s: no schema %s", at, ref)
		}
		return d.fits(next, v, at)
	}
	if several, ok := schema["anyOf"].([]any); ok {
		var last error
		for _, s := range several {
			m, _ := s.(map[string]any)
			if last = d.fits(m, v, at); last == nil {
				return nil
			}
		}
		return last
	}
	if err := kindFits(schema["type"], v, at); err != nil {
		return err
	}
	switch v := v.(type) {
	case map[string]any:
		return d.objectFits(schema, v, at)
	case []any:
		items, _ := schema["items"].(map[string]any)
		for i, one := range v {
			if err := d.fits(items, one, fmt.Sprintf("%s[%d]", at, i)); err != nil {
				return err
			}
		}
	}
	return nil
}

func kindFits(want, v any, at string) error {
	kinds, ok := want.([]any)
	if !ok {
		if want == nil {
			return nil
		}
		kinds = []any{want}
	}
	got := "null"
	switch v := v.(type) {
	case string:
		got = "string"
	case bool:
		got = "boolean"
	case float64:
		if got = "number"; v == float64(int64(v)) && slices.Contains(kinds, any("integer")) {
			got = "integer"
		}
	case map[string]any:
		got = "object"
	case []any:
		got = "array"
	}
	if !slices.Contains(kinds, any(got)) {
		return fmt.Errorf("%s is %s, described as %v", at, got, kinds)
	}
	return nil
}

func (d *described) objectFits(schema map[string]any, v map[string]any, at string) error {
	properties, _ := schema["properties"].(map[string]any)
	required, _ := schema["required"].([]any)
	for _, name := range required {
		if _, ok := v[fmt.Sprint(name)]; !ok {
			return fmt.Errorf("%s.%s is missing", at, name)
		}
	}
	for name, value := range v {
		p, ok := properties[name].(map[string]any)
		if !ok {
			if p, ok = schema["additionalProperties"].(map[string]any); !ok {
				if len(properties) == 0 && schema["additionalProperties"] == nil {
					continue
				}
				return fmt.Errorf("%s.%s is not described", at, name)
			}
		}
		if err := d.fits(p, value, at+"."+name); err != nil {
			return err
		}
	}
	return nil
}

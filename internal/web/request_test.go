package web_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"vitrine.dev/vitrine/internal/web"
)

func TestCleanPath(t *testing.T) {
	for _, tt := range []struct {
		path, clean string
		is          bool
	}{
		{"/", "/", true},
		{"/v1/models", "/v1/models", true},
		{"/v1/models/", "/v1/models/", true},
		{"/v1/models/a%2F%2Fb", "/v1/models/a%2F%2Fb", true}, // ids hold slashes
		{"/v1/models/google:4@1", "/v1/models/google:4@1", true},
		{"//v1/models", "/v1/models", false},
		{"/v1//models", "/v1/models", false},
		{"/v1/models//", "/v1/models/", false},
		{"/v1/./models", "/v1/models", false},
		{"/v1/../models", "/models", false},
		{"//", "/", false},
	} {
		r := httptest.NewRequest("GET", "http://vitrine.example"+tt.path, nil)
		if clean, is := web.CleanPath(r); clean != tt.clean || is != tt.is {
			t.Errorf("%s: %s, %t, want %s, %t", tt.path, clean, is, tt.clean, tt.is)
		}
	}
}

func TestIdempotencyKey(t *testing.T) {
	for key, ok := range map[string]bool{"": true, "a key ~": true, strings.Repeat("k", 256): true, strings.Repeat("k", 257): false, "a\tb": false, "ключ": false} {
		r := httptest.NewRequest("POST", "/", nil)
		r.Header.Set("Idempotency-Key", key)
		if got, err := web.IdempotencyKey(r); (err == nil) != ok || ok && got != key {
			t.Errorf("%q: %q, %v", key, got, err)
		}
	}
}

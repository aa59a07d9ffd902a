package web

import (
	"fmt"
	"net/http"
	"path"
	"strings"

	"vitrine.dev/vitrine"
)

// maxIdempotencyKey bounds an idempotency key, in bytes.
const maxIdempotencyKey = 256

// IdempotencyKey is the key under which a request is carried out once; "" where
// it has none.
func IdempotencyKey(r *http.Request) (string, error) {
	key := r.Header.Get("Idempotency-Key")
	if len(key) > maxIdempotencyKey || strings.ContainsFunc(key, func(c rune) bool { return c < ' ' || c > '~' }) {
		return "", vitrine.Invalid("Idempotency-Key", "invalid_parameter_value",
			fmt.Sprintf("An idempotency key has at most %d plain characters.", maxIdempotencyKey))
	}
	return key, nil
}

// CleanPath is a request's path as routes are written: without // and dots. A
// front refuses a request whose path is another one. ServeMux would send such a
// request elsewhere, in HTML, and clients that follow send it once more with the
// key.
func CleanPath(r *http.Request) (clean string, is bool) {
	given := r.URL.EscapedPath()
	clean = path.Clean("/" + given)
	if strings.HasSuffix(given, "/") && clean != "/" {
		clean += "/"
	}
	return clean, clean == given
}

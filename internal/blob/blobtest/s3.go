package blobtest

import (
	"crypto/rand"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// S3 answers an empty place in the object store that VITRINE_TEST_S3 names
// (script/s3 starts one), and a file with the credentials for it. Without one
// the test is skipped, where tests need not be complete.
func S3(t testing.TB) (place, credentials string) {
	t.Helper()
	text := os.Getenv("VITRINE_TEST_S3")
	if text == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("VITRINE_TEST_S3 is not set: script/s3 start prints it")
		}
		t.Skip("VITRINE_TEST_S3 is not set: script/s3 start prints it")
	}
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	secret, _ := u.User.Password()
	credentials = filepath.Join(t.TempDir(), "s3")
	lines := "[default]\naws_access_key_id = " + u.User.Username() + "\naws_secret_access_key = " + secret + "\n"
	if err := os.WriteFile(credentials, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	u.User, u.Path = nil, "/"+strings.ToLower(rand.Text())
	return u.String(), credentials
}

package s3blob_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vitrine.dev/vitrine/internal/blob/blobtest"
	"vitrine.dev/vitrine/internal/blob/s3blob"
)

func TestParse(t *testing.T) {
	tests := []struct {
		text string
		want s3blob.Place
		err  string // a part of it
	}{
		{"s3://pictures", s3blob.Place{Bucket: "pictures", Endpoint: "s3.amazonaws.com", TLS: true, Region: "us-east-1"}, ""},
		{"s3://pictures/vitrine/a/?region=eu-central-1&auth=role", s3blob.Place{Bucket: "pictures", Prefix: "vitrine/a/", Endpoint: "s3.amazonaws.com", TLS: true, Region: "eu-central-1", Role: true}, ""},
		{"s3://pictures?endpoint=https://s3.example.com:9000", s3blob.Place{Bucket: "pictures", Endpoint: "s3.example.com:9000", TLS: true, Region: "us-east-1"}, ""},
		{"s3://pictures?endpoint=http://127.0.0.1:9000", s3blob.Place{Bucket: "pictures", Endpoint: "127.0.0.1:9000", Region: "us-east-1"}, ""},
		{"s3://pictures?endpoint=http://[::1]:9000", s3blob.Place{Bucket: "pictures", Endpoint: "[::1]:9000", Region: "us-east-1"}, ""},
		{"s3://pictures?endpoint=http://s3.example.com", s3blob.Place{}, "without TLS"},
		{"s3://pictures?endpoint=http://127.0.0.1.example.com", s3blob.Place{}, "without TLS"},
		{"s3://pictures?endpoint=http://s3.example.com&allow_http=true", s3blob.Place{Bucket: "pictures", Endpoint: "s3.example.com", Region: "us-east-1"}, ""},
		{"s3://key:secret@pictures", s3blob.Place{}, "credentials never stand"},
		{"s3://pictures?endpoint=https://key:secret@s3.example.com", s3blob.Place{}, "endpoint"},
		{"s3://pictures?endpoint=s3.example.com", s3blob.Place{}, "endpoint"},
		{"s3://pictures?region=a&region=b", s3blob.Place{}, "twice"},
		{"s3://pictures?path_style=1", s3blob.Place{}, "path_style"},
		{"s3://pictures/../x", s3blob.Place{}, "prefix"},
		{"s3://p", s3blob.Place{}, "bucket"},
		{"s3://Pictures", s3blob.Place{}, "bucket"},
		{"https://pictures.s3.amazonaws.com", s3blob.Place{}, "want a bucket"},
		{"", s3blob.Place{}, "want a bucket"},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			got, err := s3blob.Parse(tt.text)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), "secret@") {
					t.Errorf("got %+v, %v; want an error with %q", got, err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, *got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What is wrong with credentials is told when the bucket is opened, and none of
// them is told with it.
func TestCredentials(t *testing.T) {
	place, good := blobtest.S3(t)
	text, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	write := func(text string, mode os.FileMode) string {
		path := filepath.Join(t.TempDir(), "credentials")
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	tests := []struct {
		name, file string
		env        bool
		err        string // a part of it; "" is none
	}{
		{"right", good, false, ""},
		{"with comments and other settings", write("# s3\n[x]\nregion = y\n"+string(text)+"credential_process = touch /tmp/x\n", 0o600), false, ""},
		{"readable by others", write(string(text), 0o644), false, "chmod 600"},
		{"wrong", write("aws_access_key_id = nobody\naws_secret_access_key = hunter2\n", 0o600), false, "open bucket"},
		{"half", write("aws_access_key_id = nobody\n", 0o600), false, "aws_secret_access_key"},
		{"no file", filepath.Join(t.TempDir(), "none"), false, "no such file"},
		{"none", "", false, "AWS_ACCESS_KEY_ID"},
		{"in the environment", "", true, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("AWS_ACCESS_KEY_ID", "")
			t.Setenv("AWS_SECRET_ACCESS_KEY", "")
			if tt.env {
				for line := range strings.SplitSeq(string(text), "\n") {
					if name, value, ok := strings.Cut(line, " = "); ok {
						t.Setenv(strings.ToUpper(name), value)
					}
				}
			}
			_, err := s3blob.Open(t.Context(), place, tt.file)
			switch {
			case tt.err == "" && err != nil:
				t.Error(err)
			case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), "hunter2")):
				t.Errorf("got %v, want %q", err, tt.err)
			}
		})
	}
}

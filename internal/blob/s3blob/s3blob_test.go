package s3blob_test

import (
	"testing"

	"vitrine.dev/vitrine/internal/blob"
	"vitrine.dev/vitrine/internal/blob/blobtest"
	"vitrine.dev/vitrine/internal/blob/s3blob"
)

func open(t *testing.T) *s3blob.Bucket {
	t.Helper()
	place, credentials := blobtest.S3(t)
	b, err := s3blob.Open(t.Context(), place, credentials)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBucket(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blob.Bucket { return open(t) })
}

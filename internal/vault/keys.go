package vault

import (
	"crypto/hmac"
	"encoding/base64"
	"encoding/binary"
	"fmt"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/seal"
	"vitrine.dev/vitrine/internal/store"
)

// keys are derived from the installation key, one for each purpose.
type keys struct{ data, etag, cursor, prompt seal.Key }

func newKeys(k seal.Key) keys {
	return keys{k.Derive("vault/data"), k.Derive("vault/etag"), k.Derive("vault/cursor"), k.Derive("vault/prompt")}
}

// unwrap opens an image's data key.
func (k *keys) unwrap(m *store.ImageRow) (seal.Key, error) {
	data, err := k.data.Unwrap(m.Key, string(m.ID))
	if err != nil {
		return seal.Key{}, fmt.Errorf("key of image %s: %w", m.ID, err)
	}
	return data, nil
}

// formKey is the key of one form of an image. Bytes that stand where another
// image's, or another form's, should be do not open under it.
func formKey(data seal.Key, id vitrine.ID, form string) seal.Key {
	return data.Derive("form", string(id), form)
}

// blobName is the name of a form of an image, as row and in the bucket.
func blobName(id vitrine.ID, form string) string { return string(id) + "/" + form }

// tag is a blob's ETag. It is made of what the row says of the bytes and not of
// the bytes, which never change: who reads the database learns nothing from it,
// and who changes the row is found out.
func (k *keys) tag(b *store.BlobRow) string {
	var in []byte
	for _, s := range []string{b.Name, b.Format} {
		in = binary.BigEndian.AppendUint32(in, uint32(len(s)))
		in = append(in, s...)
	}
	for _, n := range []int64{int64(b.Width), int64(b.Height), b.PlainSize} {
		in = binary.BigEndian.AppendUint64(in, uint64(n))
	}
	sum := k.etag.Mac(in)
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// proves reports whether a row is one that this vault wrote for the form.
func (k *keys) proves(b *store.BlobRow, id vitrine.ID, form string) bool {
	return b.Image == id && b.Rendition == form && b.Name == blobName(id, form) && b.Size == seal.SealedSize(b.PlainSize) &&
		hmac.Equal([]byte(b.ETag), []byte(k.tag(b)))
}

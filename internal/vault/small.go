package vault

import (
	"context"
	"sync"

	"vitrine.dev/vitrine/internal/store"
)

// maxSmall is how many bytes of small blobs are remembered.
const maxSmall = 32 << 20

// small remembers blobs that stand in their rows, sealed as they are: thumbnails
// and small pictures are shown again and again. What a name stands for never
// changes, and nobody asks for it who has not found the image's own row, with
// the key, just before; so nothing is shown that is no more.
type small struct {
	mu    sync.Mutex
	blobs map[string]*store.BlobRow
	size  int64
}

func (s *small) find(name string) *store.BlobRow {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.blobs[name]
}

func (s *small) remember(b *store.BlobRow) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.blobs == nil || s.size+b.Size > maxSmall {
		s.blobs, s.size = map[string]*store.BlobRow{}, 0
	}
	if s.blobs[b.Name] == nil {
		s.blobs[b.Name] = b
		s.size += b.Size
	}
}

// blob is a blob's row, as store.Blob answers it; it is not to be changed.
func (v *Vault) blob(ctx context.Context, name string) (*store.BlobRow, error) {
	if b := v.small.find(name); b != nil {
		return b, nil
	}
	b, err := v.store.Blob(ctx, name)
	if err == nil && b.Inline != nil {
		v.small.remember(b)
	}
	return b, err
}

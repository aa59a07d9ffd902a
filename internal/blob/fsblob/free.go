package fsblob

import (
	"fmt"

	"golang.org/x/sys/unix"

	"vitrine.dev/vitrine/internal/blob"
)

var _ blob.Roomy = (*Bucket)(nil)

// Free implements blob.Roomy: what the file system leaves to this process.
func (b *Bucket) Free() (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(b.root.Name(), &st); err != nil {
		return 0, fmt.Errorf("room in %s: %w", b.root.Name(), err)
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}

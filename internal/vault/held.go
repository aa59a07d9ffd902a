package vault

import "io"

// maxHeld is how many plain bytes of drafts stay in memory at the same time.
const maxHeld = 64 << 20

// held are plain bytes of a draft that stay in memory until it ends, so that
// nobody unseals again what was sealed just now. They are in buffers that are
// used again, and wiped before.
type held struct {
	vault   *Vault
	buffers []*[windowSize]byte
	size    int64
}

// write takes further bytes, or answers that there is no room for them.
func (h *held) write(p []byte) bool {
	for len(p) > 0 {
		at := int(h.size % windowSize)
		if at == 0 {
			if !h.vault.memory.TryAcquire(windowSize) {
				return false
			}
			h.buffers = append(h.buffers, windows.Get().(*[windowSize]byte))
		}
		n := copy(h.buffers[len(h.buffers)-1][at:], p)
		h.size += int64(n)
		p = p[n:]
	}
	return true
}

// ReadAt implements io.ReaderAt.
func (h *held) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) {
		at := off + int64(n)
		if at < 0 || at >= h.size {
			return n, io.EOF
		}
		from := at % windowSize
		n += copy(p[n:], h.buffers[at/windowSize][from:min(windowSize, from+h.size-at)])
	}
	return n, nil
}

// free wipes the buffers and gives them back. Freeing twice does nothing.
func (h *held) free() {
	for _, b := range h.buffers {
		clear(b[:])
		windows.Put(b)
	}
	h.vault.memory.Release(int64(len(h.buffers)) * windowSize)
	h.buffers, h.size = nil, 0
}

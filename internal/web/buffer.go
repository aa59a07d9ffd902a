package web

import (
	"errors"
	"io"
	"sync"

	"golang.org/x/sys/unix"
)

// mapped is from where on a body's memory is its own mapping, in bytes.
const mapped = 64 << 10

// Body is the memory of one request's body. A large one lies outside the heap:
// it takes what was written to it and no more, and goes back to the system with
// Release, not when a collector finds the time. Pictures are megabytes, and
// garbage of that size would count twice.
type Body struct {
	mu    sync.RWMutex
	mem   []byte // all of it; nil once it was released
	used  []byte // what was read into it
	unmap bool
	after func()
}

// newBody makes memory for a body of at most size bytes.
func newBody(size int64, after func()) (*Body, error) {
	b := &Body{after: after}
	if size < mapped {
		b.mem = make([]byte, size)
		return b, nil
	}
	mem, err := unix.Mmap(-1, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, err
	}
	b.mem, b.unmap = mem, true
	return b, nil
}

// Memory is all the memory, to read a body into.
func (b *Body) Memory() []byte { return b.mem }

// Bytes is what Read read. It is good until Release.
func (b *Body) Bytes() []byte { return b.used }

// Lend is a part of the memory as a reader for whoever may still hold it when
// the memory is gone: an HTTP client goes on sending for a moment after it was
// told to stop. It then fails.
func (b *Body) Lend(part []byte) io.ReaderAt { return &lent{b, part} }

// Release gives the memory back; whoever reads what was lent is waited for.
// Releasing twice does nothing.
func (b *Body) Release() {
	b.mu.Lock()
	mem := b.mem
	b.mem, b.used = nil, nil
	if b.unmap && mem != nil {
		if err := unix.Munmap(mem); err != nil { // only of what was not mapped
			panic(err)
		}
	}
	b.mu.Unlock()
	if mem != nil {
		b.after()
	}
}

var errReleased = errors.New("web: the body of this request was released")

type lent struct {
	from *Body
	part []byte
}

// ReadAt implements io.ReaderAt.
func (l *lent) ReadAt(p []byte, off int64) (int, error) {
	l.from.mu.RLock()
	defer l.from.mu.RUnlock()
	switch {
	case l.from.mem == nil:
		return 0, errReleased
	case off < 0 || off > int64(len(l.part)):
		return 0, io.EOF
	}
	n := copy(p, l.part[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

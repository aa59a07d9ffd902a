package gateway

import (
	"bytes"
	"io"
	"sync"
	"sync/atomic"

	"vitrine.dev/vitrine/internal/provider"
	"vitrine.dev/vitrine/internal/render"
)

// Stream is how somebody follows a request that is under way. What comes of it
// is the same as without: kept and recorded before Generate answers.
type Stream struct {
	// Previews is how many earlier states of each image to ask for, 0 to 3.
	// Services that show none send none.
	Previews int
	// Begun is called once money is set aside and the service is about to be
	// asked: from then on the request ends in an answer or in a failed call.
	Begun func()
	// Preview takes a preview and whatever it has to do with it must be done
	// soon: the service's answer waits. Release what it takes.
	Preview func(*Preview)
}

// Preview is an earlier state of an image. It is shown to whoever asked and to
// nobody else, and is never kept: like the image it was paid for, and unlike it
// nobody could be asked about it later.
type Preview struct {
	Index  int
	Bytes  []byte
	Format string

	once sync.Once
	free func()
}

// Release gives the room of its bytes back.
func (p *Preview) Release() { p.once.Do(p.free) }

const (
	maxPreview  = 8 << 20  // bytes of one; a larger one is left out
	allPreviews = 64 << 20 // of all together
)

// room is what is left for previews.
type room struct{ used atomic.Int64 }

func (r *room) take(n int) bool {
	if r.used.Add(int64(n)) > allPreviews {
		r.used.Add(-int64(n))
		return false
	}
	return true
}

// taking is a preview on its way in.
type taking struct {
	room *room
	b    []byte
	over bool
}

// Write implements io.Writer. It never fails: a preview that there is no room
// for is left out, and the image comes all the same.
func (t *taking) Write(p []byte) (int, error) {
	need := len(t.b) + len(p)
	if t.over = t.over || need > maxPreview; t.over {
		return len(p), nil
	}
	if need > cap(t.b) {
		grown := min(max(64<<10, 2*cap(t.b), need), maxPreview)
		if t.over = !t.room.take(grown - cap(t.b)); t.over {
			return len(p), nil
		}
		b := make([]byte, len(t.b), grown)
		copy(b, t.b)
		t.b = b
	}
	t.b = append(t.b, p...)
	return len(p), nil
}

func (t *taking) release() {
	t.room.used.Add(-int64(cap(t.b)))
	t.b, t.over = nil, true
}

// previews has the previews of a call shown. The caller of what it answers calls
// end when the call is over.
func (g *Gateway) previews(m *generation) (end func()) {
	if m.Stream == nil || m.Stream.Previews == 0 || m.Stream.Preview == nil {
		return func() {}
	}
	var now *taking
	end = func() {
		if now != nil {
			now.release()
		}
		now = nil
	}
	m.ask.Preview = func() (io.Writer, func(int)) {
		end() // of one that never became whole
		t := &taking{room: &g.shown}
		now = t
		return t, func(index int) {
			if now == t && g.show(m, t, index) {
				now = nil
			}
		}
	}
	return end
}

// show passes a preview on: one that is a picture within the bounds, as long as
// the caller may still see what is being made.
func (g *Gateway) show(m *generation, t *taking, index int) bool {
	if t.over || index < 0 || index > provider.MaxImages*provider.MaxPreviews {
		return false
	}
	info, err := render.Inspect(bytes.NewReader(t.b), int64(len(t.b)), g.bounds)
	if err != nil || !g.guard.Stands(m.receipt) {
		return false
	}
	m.Stream.Preview(&Preview{Index: index, Bytes: t.b, Format: info.Format, free: t.release})
	return true
}

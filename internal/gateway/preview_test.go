package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/gateway"
	"vitrine.dev/vitrine/internal/provider/providertest"
	"vitrine.dev/vitrine/internal/store/storetest"
)

// follower collects what somebody who follows a request is shown.
type follower struct {
	begun int
	shown []*gateway.Preview
}

func (f *follower) stream(previews int, seen ...func()) *gateway.Stream {
	return &gateway.Stream{Previews: previews, Begun: func() { f.begun++ }, Preview: func(p *gateway.Preview) {
		f.shown = append(f.shown, p)
		for _, s := range seen {
			s()
		}
	}}
}

// release gives all room back, as whoever shows previews does.
func (f *follower) release() {
	for _, p := range f.shown {
		p.Release()
		p.Release() // twice is once
	}
}

// streams is a request for an image by a model that shows previews.
func streams(s *gateway.Stream, change ...func(*gateway.Request)) *gateway.Request {
	return asks(append(change, func(r *gateway.Request) { r.Model, r.Stream = "gpt-image-2", s })...)
}

var streaming = deployment("gpt-image-2", "fake", flat(4))

// TestPreviews: what is shown while a service draws is shown to the caller alone,
// and what is kept, recorded and paid is as if nobody had followed.
func TestPreviews(t *testing.T) {
	storetest.Each(t, func(t *testing.T, database string) {
		h := newHouse(t, database, budgetOfAll, streaming)
		var f follower
		by := anew(h.ann)
		a, err := h.Generate(t.Context(), by, streams(f.stream(3), func(r *gateway.Request) { r.N = 2 }))
		if err != nil {
			t.Fatal(err)
		}
		if f.begun != 1 || len(f.shown) != 3 {
			t.Errorf("begun %d times, %d previews, want once and 3", f.begun, len(f.shown))
		}
		for k, p := range f.shown {
			if p.Index != k || !bytes.Equal(p.Bytes, providertest.Preview(k)) || p.Format != "png" {
				t.Errorf("preview %d: number %d, %d bytes of %s", k, p.Index, len(p.Bytes), p.Format)
			}
		}
		f.release()
		if used := h.Shown(); used != 0 {
			t.Errorf("previews hold %d bytes that nobody has", used)
		}
		if len(a.Images) != 2 || a.Cost != cents(8) || h.balance("all").Spent != cents(8) || h.balance("all").Reserved != 0 {
			t.Errorf("answer %+v, balance %+v", a, h.balance("all"))
		}
		for i, m := range a.Images {
			if got := read(t, m, m.Size); !bytes.Equal(got, providertest.PNG(32, 32, i)) {
				t.Errorf("image %d has other bytes than the service sent", i)
			}
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		if log := h.of(by.Request); len(log) != 2 || log[1].Op != "generate done" || log[1].Cost != cents(8) {
			t.Errorf("the log has %+v", log)
		}
		if left, err := h.disk.List(t.Context(), "", 10); err != nil || len(left) != 0 {
			t.Errorf("something else is kept: %v, %v", left, err)
		}
	})
}

// TestPreviewsOfOthers: services that show none answer all the same, and studio
// shows what it draws in small.
func TestPreviewsOfOthers(t *testing.T) {
	h := newHouse(t, "")
	for model, want := range map[string]int{"hidream": 0, "told": 0, "drawn": 2} {
		var f follower
		r := streams(f.stream(2), func(r *gateway.Request) { r.Size = "256x256" })
		r.Model = model
		if a := h.make(h.ann, r); len(a.Images) != 1 || len(f.shown) != want {
			t.Errorf("%s: %d images, %d previews, want 1 and %d", model, len(a.Images), len(f.shown), want)
		}
		f.release()
	}
}

// TestPreviewIsNoPicture: what is no picture, or too large to be shown, is left
// out, and the image comes all the same.
func TestPreviewIsNoPicture(t *testing.T) {
	h := newHouse(t, "", streaming)
	preview := func(e *providertest.Events, b64 string) {
		e.Send("image_generation.partial_image", map[string]any{"b64_json": b64})
	}
	h.up.Script(providertest.Streamed(func(e *providertest.Events) {
		preview(e, "PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==") // a script
		preview(e, strings.Repeat("QUJD", gateway.MaxPreview/3+1))
		preview(e, "")
		e.Send("image_generation.partial_image", map[string]any{"b64_json": "iVBORw0KGgo="}, "partial_image_index", -1)
		e.Preview(0)
		e.Completed(0)
	}))
	var f follower
	a := h.make(h.ann, streams(f.stream(3)))
	if len(a.Images) != 1 || len(f.shown) != 1 || f.shown[0].Index != 0 {
		t.Errorf("%d images, %d previews, want one of each", len(a.Images), len(f.shown))
	}
	f.release()
	if used := h.Shown(); used != 0 {
		t.Errorf("previews hold %d bytes that nobody has", used)
	}
}

// TestPreviewRoom: previews that nobody takes away leave others none, but never
// keep an image from coming.
func TestPreviewRoom(t *testing.T) {
	h := newHouse(t, "", streaming)
	h.FillPreviews()
	var f follower
	if a := h.make(h.ann, streams(f.stream(3))); len(a.Images) != 1 || len(f.shown) != 0 {
		t.Errorf("%d images, %d previews, want the image alone", len(a.Images), len(f.shown))
	}
}

// TestPreviewsEndWithTheRight: whoever loses the right to see what is being made
// sees no more of it, from the next preview on.
func TestPreviewsEndWithTheRight(t *testing.T) {
	for name, lose := range map[string]func(h *house){
		"the binding goes": func(h *house) {
			h.Apply(h.Alice, vitrine.Delete(vitrine.Ref{Kind: vitrine.KindBinding, ID: "ann-0"}))
		},
		"a deny": func(h *house) {
			h.put(&vitrine.Deny{ID: "stop", Principals: []vitrine.ID{"ann"}, Permissions: []vitrine.Permission{vitrine.ImageOpen}, Scope: "renders"})
		},
		"she is disabled": func(h *house) {
			if _, err := h.Directory.SetDisabled(t.Context(), anew(h.Alice), "ann", true); err != nil {
				h.t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, "", streaming, budgetOfAll)
			var f follower
			seen := make(chan struct{})
			gone := make(chan struct{})
			h.up.Script(providertest.Streamed(func(e *providertest.Events) {
				e.Preview(0)
				e.Wait(gone)
				e.Preview(1)
				e.Completed(0)
			}))
			go func() {
				<-seen
				lose(h)
				close(gone)
			}()
			a, err := h.Generate(t.Context(), anew(h.ann), streams(f.stream(2, func() {
				if len(f.shown) == 1 {
					close(seen)
				}
			})))
			if err != nil {
				t.Fatal(err)
			}
			if len(f.shown) != 1 {
				t.Errorf("%d previews, want 1", len(f.shown))
			}
			f.release()
			if len(a.Images) != 1 || h.balance("all").Spent != cents(4) {
				t.Errorf("the image that was paid for is not kept: %+v, %+v", a, h.balance("all"))
			}
			if err := a.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestHangUpInStream: whenever a client goes, once money is set aside the image
// is kept and paid for.
func TestHangUpInStream(t *testing.T) {
	for _, at := range []string{"when it begins", "at the first preview", "at the last", "before it begins"} {
		t.Run(at, func(t *testing.T) {
			h := newHouse(t, "", budgetOfAll, streaming)
			ctx, hangUp := context.WithCancel(t.Context())
			defer hangUp()
			var f follower
			s := f.stream(3, func() {
				if at == "at the first preview" || at == "at the last" && len(f.shown) == 3 {
					hangUp()
				}
			})
			switch at {
			case "when it begins":
				s.Begun = hangUp
			case "before it begins":
				hangUp()
			}
			by := anew(h.ann)
			a, err := h.Generate(ctx, by, streams(s))
			f.release()
			if at == "before it begins" {
				if b := h.balance("all"); err == nil || h.up.Count() != 0 || b.Spent != 0 || b.Reserved != 0 {
					t.Errorf("got %v, asked %d times, balance %+v", err, h.up.Count(), b)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			id := a.Images[0].ID
			if err := a.Close(); err != nil {
				t.Error(err)
			}
			v, err := h.vault.Open(t.Context(), anew(h.ann), id, vitrine.Original)
			if err != nil {
				t.Fatalf("the image is not in the vault: %v", err)
			}
			if err := v.Close(); err != nil {
				t.Error(err)
			}
			if b := h.balance("all"); b.Spent != cents(4) || b.Reserved != 0 {
				t.Errorf("balance %+v", b)
			}
			if log := h.of(by.Request); len(log) != 2 || log[1].Op != "generate done" {
				t.Errorf("the log has %+v", log)
			}
		})
	}
}

// TestStreamFails: a stream that breaks off counts as spent, because nobody knows
// what was made; what came whole before it is kept.
func TestStreamFails(t *testing.T) {
	h := newHouse(t, "", budgetOfAll, streaming)
	for _, tt := range []struct {
		name  string
		act   func(e *providertest.Events)
		n     int
		kept  int
		kind  error
		spent vitrine.Micros
		says  string // of the entry
	}{
		{"cut after a preview", func(e *providertest.Events) { e.Preview(0); e.Cut() }, 1, 0, vitrine.ErrUpstream, cents(4), "counted as spent"},
		{"ends after a preview", func(e *providertest.Events) { e.Preview(0) }, 1, 0, vitrine.ErrUpstream, cents(4), "counted as spent"},
		{"cut after the first of two", func(e *providertest.Events) { e.Completed(0); e.Cut() }, 2, 1, nil, cents(8), "1 of the 2 images"},
		{"an error", func(e *providertest.Events) { e.Preview(0); e.Error("No.", "server_error", "overloaded") }, 1, 0, vitrine.ErrUpstream, 0, "owed nothing"},
		{"moderated at the end", func(e *providertest.Events) {
			e.Preview(0)
			e.Error("No.", "image_generation_user_error", "moderation_blocked")
		}, 1, 0, vitrine.ErrInvalid, cents(4), "counted as spent"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h.t, h.T = t, t
			h.up.Script(providertest.Streamed(tt.act))
			before := h.balance("all").Spent
			by := anew(h.ann)
			var f follower
			a, err := h.Generate(t.Context(), by, streams(f.stream(1), func(r *gateway.Request) { r.N = tt.n }))
			f.release()
			if tt.kind == nil && err != nil || !errors.Is(err, tt.kind) {
				t.Fatalf("got %v, want %v", err, tt.kind)
			}
			if a != nil {
				if len(a.Images) != tt.kept {
					t.Errorf("%d images, want %d", len(a.Images), tt.kept)
				}
				if err := a.Close(); err != nil {
					t.Error(err)
				}
			}
			if b := h.balance("all"); b.Spent-before != tt.spent || b.Reserved != 0 {
				t.Errorf("spent %s, reserved %s; want %s, nothing", b.Spent-before, b.Reserved, tt.spent)
			}
			log := h.of(by.Request)
			if len(log) != 2 || !strings.Contains(log[1].Detail, tt.says) || log[1].Cost != tt.spent {
				t.Errorf("the log has %+v, want one that says %q", log, tt.says)
			}
			if used := h.Shown(); used != 0 {
				t.Errorf("previews hold %d bytes that nobody has", used)
			}
		})
	}
}

// TestStreamOfLinks: a stream carries pictures.
func TestStreamOfLinks(t *testing.T) {
	h := newHouse(t, "", streaming)
	var f follower
	_, err := h.Generate(t.Context(), anew(h.ann), streams(f.stream(1), func(r *gateway.Request) { r.ResponseFormat = "url" }))
	if e := failure(t, err); e.Param != "response_format" || h.up.Count() != 0 || f.begun != 0 {
		t.Errorf("got %v, asked %d times, begun %d times", err, h.up.Count(), f.begun)
	}
}

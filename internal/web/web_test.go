package web_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/identity"
	"vitrine.dev/vitrine/internal/web"
)

// door is one that nobody has to be identified at.
func door(t *testing.T, proxies ...string) *web.Door {
	t.Helper()
	d, err := web.New(web.Config{Directory: new(identity.Directory), Guard: new(access.Guard), Proxies: proxies})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestAddress(t *testing.T) {
	for _, tt := range []struct {
		name    string
		proxies []string
		peer    string
		hops    []string
		want    string
	}{
		{"direct", nil, "192.0.2.1:5", nil, "192.0.2.1"},
		{"direct, with a lie", nil, "192.0.2.1:5", []string{"10.0.0.1"}, "192.0.2.1"},
		{"a lie to a peer that is no proxy", []string{"10.0.0.0/8"}, "192.0.2.1:5", []string{"10.0.0.9"}, "192.0.2.1"},
		{"one proxy", []string{"10.0.0.0/8"}, "10.0.0.1:5", []string{"192.0.2.7"}, "192.0.2.7"},
		{"two proxies", []string{"10.0.0.0/8"}, "10.0.0.1:5", []string{"192.0.2.7, 10.0.0.2"}, "192.0.2.7"},
		{"a lie before the proxy's word", []string{"10.0.0.0/8"}, "10.0.0.1:5", []string{"1.1.1.1", "192.0.2.7"}, "192.0.2.7"},
		{"garbage", []string{"10.0.0.0/8"}, "10.0.0.1:5", []string{"unknown"}, "10.0.0.1"},
		{"nothing said", []string{"10.0.0.0/8"}, "10.0.0.1:5", nil, "10.0.0.1"},
		{"mapped", nil, "[::ffff:192.0.2.1]:5", nil, "192.0.2.1"},
		{"six", []string{"fd00::/8"}, "[fd00::1]:5", []string{"2001:db8::7"}, "2001:db8::7"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = tt.peer
		for _, h := range tt.hops {
			r.Header.Add("X-Forwarded-For", h)
		}
		if got := door(t, tt.proxies...).Address(r).String(); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	if _, err := web.New(web.Config{Directory: new(identity.Directory), Guard: new(access.Guard), Proxies: []string{"10.0.0.1"}}); err == nil {
		t.Error("a proxy that is no network was taken")
	}
}

// The id is ours, whatever a client calls itself; a handler that panics answers.
func TestHandle(t *testing.T) {
	ids := make(map[string]bool)
	h := door(t).Handle(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ids[web.RequestID(w)] = true
		if r.URL.Path == "/panic" {
			panic("a mistake")
		}
	}), func(w http.ResponseWriter, _ *http.Request, err error) {
		w.WriteHeader(http.StatusInternalServerError)
	})
	for _, path := range []string{"/", "/", "/panic"} {
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("X-Request-Id", "mine\r\nX-Evil: 1")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if id := w.Header().Get("X-Request-Id"); !strings.HasPrefix(id, "req_") || len(id) != 28 || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("headers %v", w.Header())
		}
		if (path == "/panic") != (w.Code == http.StatusInternalServerError) {
			t.Errorf("%s answered %d", path, w.Code)
		}
	}
	if len(ids) != 3 {
		t.Errorf("ids %v are not different", ids)
	}
}

func TestBodies(t *testing.T) {
	bodies := web.NewBodies(1000)
	for _, tt := range []struct {
		name   string
		body   string
		length int64
		max    int64
		kind   error
	}{
		{"whole", "hello", 5, 100, nil},
		{"as long as may be", "hello", 5, 5, nil},
		{"of unknown length", "hello", -1, 100, nil},
		{"of unknown length, as long as may be", "hello", -1, 5, nil},
		{"empty", "", 0, 100, nil},
		{"too long", "hello", 5, 4, vitrine.ErrTooLarge},
		{"of unknown length, too long", "hello", -1, 4, vitrine.ErrTooLarge},
		{"cut", "hel", 5, 100, vitrine.ErrInvalid},
		{"larger than all room", strings.Repeat("x", 3000), 3000, 5000, nil},
	} {
		r := httptest.NewRequest("POST", "/", io.NopCloser(strings.NewReader(tt.body)))
		r.ContentLength = tt.length
		got, err := bodies.Read(httptest.NewRecorder(), r, tt.max)
		if tt.kind != nil {
			if !errors.Is(err, tt.kind) {
				t.Errorf("%s: %v, want %v", tt.name, err, tt.kind)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if string(got.Bytes()) != tt.body {
			t.Errorf("%s: %q", tt.name, got.Bytes())
		}
		got.Release()
	}
	// Whatever went wrong gave its room back, so all of it is there.
	r := httptest.NewRequest("POST", "/", strings.NewReader(strings.Repeat("x", 1000)))
	all, err := bodies.Read(httptest.NewRecorder(), r, 1000)
	if err != nil {
		t.Fatal(err)
	}
	defer all.Release()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	waiting := httptest.NewRequest("POST", "/", strings.NewReader("x")).WithContext(gone)
	if _, err := bodies.Read(httptest.NewRecorder(), waiting, 10); !errors.Is(err, vitrine.ErrUnavailable) {
		t.Errorf("read without room: %v", err)
	}
}

// A body that begins fast and then drips is cut, however much time its bytes so
// far would have given it: it holds room that others wait for.
func TestSlowBodies(t *testing.T) {
	web.Pace(t, 100*time.Millisecond, 1000)
	for _, tt := range []struct {
		name   string
		stride int64 // bytes of each step
		status int
	}{
		{"fast enough", 500, http.StatusOK},
		{"fast, then a drip", 1, http.StatusBadRequest},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bodies := web.NewBodies(1 << 20)
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, err := bodies.Read(w, r, 1<<20)
				if err != nil {
					w.WriteHeader(http.StatusBadRequest)
					return
				}
				body.Release()
			}))
			defer s.Close()
			in, out := io.Pipe()
			go func() {
				_, err := out.Write(make([]byte, 100_000)) // would have given it ten seconds
				tick := time.NewTicker(20 * time.Millisecond)
				defer tick.Stop()
				for range 20 {
					if err != nil {
						break
					}
					<-tick.C
					_, err = out.Write(make([]byte, tt.stride))
				}
				out.CloseWithError(err)
			}()
			resp, err := http.Post(s.URL, "image/png", in)
			if err != nil {
				t.Fatal(err)
			}
			if err := resp.Body.Close(); err != nil || resp.StatusCode != tt.status {
				t.Errorf("answered %d, %v, want %d", resp.StatusCode, err, tt.status)
			}
		})
	}
}

// While large bodies take all their room, and others wait for it, small ones
// are read.
func TestSmallBodiesDoNotWaitForLargeOnes(t *testing.T) {
	bodies := web.NewBodies(1 << 20)
	post := func(ctx context.Context, size int) (*web.Body, error) {
		r := httptest.NewRequest("POST", "/", bytes.NewReader(make([]byte, size))).WithContext(ctx)
		return bodies.Read(httptest.NewRecorder(), r, 1<<20)
	}
	large, err := post(t.Context(), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer large.Release()
	gone, hangUp := context.WithCancel(t.Context())
	waits := make(chan error, 1)
	go func() {
		_, err := post(gone, 1<<20)
		waits <- err
	}()
	for range 10 {
		small, err := post(t.Context(), 300)
		if err != nil {
			t.Fatal(err)
		}
		small.Release()
	}
	hangUp()
	if err := <-waits; !errors.Is(err, vitrine.ErrUnavailable) {
		t.Errorf("a second large one: %v, want that it waits", err)
	}
}

// What was lent of a body's memory fails once that is gone, and does no harm:
// whoever still reads is waited for.
func TestLent(t *testing.T) {
	for _, size := range []int{100, 1 << 20} { // in the heap, and a mapping of its own
		text := strings.Repeat("x", size)
		body, err := web.NewBodies(2<<20).Read(httptest.NewRecorder(), httptest.NewRequest("POST", "/", strings.NewReader(text)), 2<<20)
		if err != nil {
			t.Fatal(err)
		}
		r := body.Lend(body.Bytes()[size/2:])
		got, err := io.ReadAll(io.NewSectionReader(r, 0, int64(size)))
		if err != nil || string(got) != text[size/2:] {
			t.Errorf("lent %d bytes, %v, want the %d behind the middle", len(got), err, size/2)
		}
		var readers sync.WaitGroup
		for range 4 {
			readers.Go(func() {
				p := make([]byte, size/2)
				for n, err := r.ReadAt(p, 0); err == nil; n, err = r.ReadAt(p, 0) {
					if string(p[:n]) != text[size/2:] {
						t.Error("other bytes than were lent")
					}
				}
			})
		}
		body.Release()
		body.Release()
		readers.Wait()
		if n, err := r.ReadAt(make([]byte, 1), 0); n != 0 || err == nil || err == io.EOF {
			t.Errorf("after release: %d bytes, %v", n, err)
		}
	}
}

// serve answers 401 at once and drains.
func serve(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		web.Drain(w, r)
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, "who are you")
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// An early answer arrives whole while the body is still being sent.
func TestDrain(t *testing.T) {
	at := serve(t)
	for range 50 {
		resp, err := http.Post("http://"+at, "image/png", bytes.NewReader(make([]byte, 1<<20)))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		if err != nil || string(text) != "who are you" || resp.Close {
			t.Fatalf("%q, %v, closing %v", text, err, resp.Close)
		}
		if err := resp.Body.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A body that is too long to be read for nothing ends the connection.
func TestDrainHasAnEnd(t *testing.T) {
	c, err := net.Dial("tcp", serve(t))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", 1<<40)
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	sent := 0
	chunk := make([]byte, 1<<16)
	for ; sent < 1<<28; sent += len(chunk) {
		if _, err := c.Write(chunk); err != nil {
			break
		}
	}
	if sent >= 1<<28 {
		t.Errorf("the server read %d bytes that nobody wants", sent)
	}
}

func TestLimit(t *testing.T) {
	r := httptest.NewRequest("POST", "/", strings.NewReader("0123456789"))
	done := web.Limit(httptest.NewRecorder(), r, 4)
	defer done()
	got, err := io.ReadAll(r.Body)
	if string(got) != "0123" || !errors.Is(err, vitrine.ErrTooLarge) {
		t.Errorf("read %q, %v", got, err)
	}
}

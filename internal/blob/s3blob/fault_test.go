package s3blob_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vitrine.dev/vitrine/internal/blob"
	"vitrine.dev/vitrine/internal/blob/blobtest"
	"vitrine.dev/vitrine/internal/blob/s3blob"
)

// way is a real store with something on the way to it that fails requests.
type way struct {
	*s3blob.Bucket
	// spoil, where not nil, answers a request itself, or reports that it did not.
	spoil atomic.Pointer[func(w http.ResponseWriter, r *http.Request, pass http.Handler) bool]
}

func behind(t *testing.T) *way {
	t.Helper()
	place, credentials := blobtest.S3(t)
	u, err := url.Parse(place)
	if err != nil {
		t.Fatal(err)
	}
	store, err := url.Parse(u.Query().Get("endpoint"))
	if err != nil {
		t.Fatal(err)
	}
	pass := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host = store.Scheme, store.Host
		r.Out.Host = r.In.Host // it is signed
	}}
	d := new(way)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f := d.spoil.Load(); f == nil || !(*f)(w, r, pass) {
			pass.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	q := u.Query()
	q.Set("endpoint", server.URL)
	u.RawQuery = q.Encode()
	if d.Bucket, err = s3blob.Open(t.Context(), u.String(), credentials); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *way) fail(f func(w http.ResponseWriter, r *http.Request, pass http.Handler) bool) {
	d.spoil.Store(&f)
}

// once spoils the first request that which picks.
func (d *way) once(which func(*http.Request) bool, f func(w http.ResponseWriter, r *http.Request, pass http.Handler)) *atomic.Bool {
	var done atomic.Bool
	d.fail(func(w http.ResponseWriter, r *http.Request, pass http.Handler) bool {
		if !which(r) || done.Swap(true) {
			return false
		}
		f(w, r, pass)
		return true
	})
	return &done
}

func puts(r *http.Request) bool {
	return r.Method == http.MethodPut && r.URL.Query().Get("uploadId") == ""
}
func gets(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "!")
}
func completes(r *http.Request) bool {
	return r.Method == http.MethodPost && r.URL.Query().Get("uploadId") != ""
}

// lose does what is asked and answers nothing.
func lose(_ http.ResponseWriter, r *http.Request, pass http.Handler) {
	pass.ServeHTTP(httptest.NewRecorder(), r)
	panic(http.ErrAbortHandler)
}

func unavailable(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
	w.WriteHeader(http.StatusServiceUnavailable)
}

func put(t *testing.T, b blob.Bucket, name string, content []byte) error {
	t.Helper()
	w, err := b.Create(t.Context(), name)
	if err != nil {
		return err
	}
	if _, err := w.Write(content); err != nil {
		return errors.Join(err, w.Abort())
	}
	return w.Commit()
}

// What fails in passing is asked again; whose answer was lost is known again, so
// that a writer never takes its own blob for another's.
func TestPassingFaults(t *testing.T) {
	small, large := []byte("some bytes"), bytes.Repeat([]byte("0123456789abcdef"), 400_000)
	for _, tt := range []struct {
		name    string
		content []byte
		which   func(*http.Request) bool
		fault   func(http.ResponseWriter, *http.Request, http.Handler)
	}{
		{"a store that is busy", small, puts, unavailable},
		{"a lost answer", small, puts, lose},
		{"a store that is busy with a part", large, func(r *http.Request) bool { return r.URL.Query().Get("partNumber") == "1" }, unavailable},
		{"a lost answer to a part", large, func(r *http.Request) bool { return r.URL.Query().Get("partNumber") == "2" }, lose},
		{"a lost answer to the beginning of many", large, func(r *http.Request) bool { return r.Method == http.MethodPost && r.URL.Query().Has("uploads") }, lose},
		{"a lost answer to the end of many", large, completes, lose},
		{"a store that is busy when it is read", small, gets, unavailable},
		{"a body that breaks off", large, gets, func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
			rec := httptest.NewRecorder()
			pass.ServeHTTP(rec, r)
			for name, v := range rec.Header() {
				w.Header()[name] = v
			}
			w.WriteHeader(rec.Code)
			if _, err := w.Write(rec.Body.Bytes()[:1000]); err != nil {
				t.Error(err)
			}
			panic(http.ErrAbortHandler)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := behind(t)
			met := d.once(tt.which, tt.fault)
			if err := put(t, d, "img-1/original", tt.content); err != nil {
				t.Fatal(err)
			}
			if got := blobtest.Get(t, d, "img-1/original"); !bytes.Equal(got, tt.content) {
				t.Errorf("got %d bytes that are not the %d written", len(got), len(tt.content))
			}
			if !met.Load() {
				t.Error("nothing met the fault")
			}
			d.spoil.Store(nil)
			if err := put(t, d, "img-1/original", tt.content); !errors.Is(err, fs.ErrExist) {
				t.Errorf("another writer: %v", err)
			}
		})
	}
}

// Only the store's own word is absence.
func TestFailureIsNotAbsence(t *testing.T) {
	d := behind(t)
	blobtest.Put(t, d, "img-1/original", []byte("there"))
	for name, f := range map[string]func(http.ResponseWriter, *http.Request, http.Handler) bool{
		"a page of a proxy": func(w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
			http.Error(w, "<html>no such site</html>", http.StatusNotFound)
			return true
		},
		"no bucket": func(w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `<?xml version="1.0"?><Error><Code>NoSuchBucket</Code><Message>no</Message><RequestId>1</RequestId></Error>`)
			return true
		},
		"no right": func(w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
			w.WriteHeader(http.StatusForbidden)
			return true
		},
		"no store": func(http.ResponseWriter, *http.Request, http.Handler) bool { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			d.fail(f)
			defer d.spoil.Store(nil)
			if _, err := d.Open(t.Context(), "img-1/original"); err == nil || errors.Is(err, fs.ErrNotExist) {
				t.Errorf("open: %v", err)
			}
			if page, err := d.List(t.Context(), "", 10); err == nil {
				t.Errorf("list: %v", page)
			}
			if err := d.Delete(t.Context(), "img-1/original"); err == nil {
				t.Error("delete says that it is gone")
			}
			if err := put(t, d, "img-2/original", []byte("x")); err == nil || errors.Is(err, fs.ErrExist) {
				t.Errorf("put: %v", err)
			}
		})
	}
	if got := blobtest.Get(t, d, "img-1/original"); string(got) != "there" {
		t.Errorf("got %q", got)
	}
	if _, err := d.Open(t.Context(), "img-2/original"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what is not there: %v", err)
	}
}

// A byte that changes on its way up is found by the store, and nothing is there.
func TestChangedOnTheWay(t *testing.T) {
	for name, size := range map[string]int{"whole": 1000, "in parts": 6 << 20} {
		t.Run(name, func(t *testing.T) {
			d := behind(t)
			d.fail(func(w http.ResponseWriter, r *http.Request, pass http.Handler) bool {
				if r.Method != http.MethodPut {
					return false
				}
				b, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				b[len(b)/2] ^= 1
				r.Body = io.NopCloser(bytes.NewReader(b))
				return false
			})
			if err := put(t, d, "img-1/original", make([]byte, size)); err == nil || errors.Is(err, fs.ErrExist) {
				t.Errorf("put: %v", err)
			}
			d.spoil.Store(nil)
			if _, err := d.Open(t.Context(), "img-1/original"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("open: %v", err)
			}
		})
	}
}

// A reader reads the object that it opened, or fails.
func TestReaderSeesOneObject(t *testing.T) {
	b := open(t)
	was, is := bytes.Repeat([]byte("a"), 3<<20), bytes.Repeat([]byte("b"), 3<<20)
	blobtest.Put(t, b, "img-1/original", was)
	r, err := b.Open(t.Context(), "img-1/original")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close() // only read
	if err := b.Delete(t.Context(), "img-1/original"); err != nil {
		t.Fatal(err)
	}
	blobtest.Put(t, b, "img-1/original", is)
	for _, off := range []int64{0, 1 << 20, 2 << 20} {
		p := make([]byte, 1000)
		if n, err := r.ReadAt(p, off); slices.Contains(p[:n], 'b') || err == nil && off > 0 {
			t.Errorf("at %d: %d bytes, %v", off, n, err)
		}
	}
}

// Readers go back and forth, and many at once, and see the same bytes.
func TestRandomReads(t *testing.T) {
	b := open(t)
	content := make([]byte, 7<<20)
	for i := range content {
		content[i] = byte(i >> 8 * 31)
	}
	blobtest.Put(t, b, "img-1/original", content)
	r, err := b.Open(t.Context(), "img-1/original")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close() // only read
	for _, at := range []int{0, 1000, 70_000, 300_000, 100, 6 << 20, 1 << 20, 1<<20 + 5000, 7<<20 - 10, 0} {
		p := make([]byte, 64<<10)
		n, err := r.ReadAt(p, int64(at))
		want := content[at:min(at+len(p), len(content))]
		if !bytes.Equal(p[:n], want) || (err == io.EOF) != (len(want) < len(p)) || err != nil && err != io.EOF {
			t.Errorf("at %d: %d bytes, %v", at, n, err)
		}
	}
}

// What a writer left that died is tidied away once it is old.
func TestTidy(t *testing.T) {
	b := open(t)
	w, err := b.Create(t.Context(), "img-1/original")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 6<<20)); err != nil {
		t.Fatal(err)
	}
	if err := b.Tidy(t.Context(), time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 6<<20)); err != nil {
		t.Errorf("it was young: %v", err)
	}
	if err := b.Tidy(t.Context(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err == nil || errors.Is(err, fs.ErrExist) {
		t.Errorf("committed after it was tidied away: %v", err)
	}
	if _, err := b.Open(t.Context(), "img-1/original"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open: %v", err)
	}
}

// A store that replaces what is there is refused at once.
func TestStoreThatReplaces(t *testing.T) {
	place, credentials := blobtest.S3(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("ETag", `"x"`) }))
	defer server.Close()
	u, err := url.Parse(place)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("endpoint", server.URL)
	u.RawQuery = q.Encode()
	if _, err := s3blob.Open(t.Context(), u.String(), credentials); err == nil || !strings.Contains(err.Error(), "If-None-Match") {
		t.Errorf("got %v", err)
	}
}

func BenchmarkPut(b *testing.B) {
	for name, size := range map[string]int{"100KB": 100 << 10, "2MB": 2 << 20, "12MB": 12 << 20} {
		b.Run(name, func(b *testing.B) {
			place, credentials := blobtest.S3(b)
			bucket, err := s3blob.Open(b.Context(), place, credentials)
			if err != nil {
				b.Fatal(err)
			}
			content := make([]byte, size)
			b.SetBytes(int64(size))
			for b.Loop() {
				blobtest.Put(b, bucket, "img-1/original", content)
				b.StopTimer()
				if err := bucket.Delete(b.Context(), "img-1/original"); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}

func BenchmarkGet(b *testing.B) {
	for name, size := range map[string]int{"100KB": 100 << 10, "2MB": 2 << 20, "12MB": 12 << 20} {
		b.Run(name, func(b *testing.B) {
			place, credentials := blobtest.S3(b)
			bucket, err := s3blob.Open(b.Context(), place, credentials)
			if err != nil {
				b.Fatal(err)
			}
			blobtest.Put(b, bucket, "img-1/original", make([]byte, size))
			b.SetBytes(int64(size))
			for b.Loop() {
				blobtest.Get(b, bucket, "img-1/original")
			}
		})
	}
}

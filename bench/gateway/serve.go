package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"image"
	"image/png"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"
	"sync/atomic"
	"time"
)

// serveMock serves the mock of an image service: whatever is asked for, once
// the question was read, it answers one picture of the length that was set last.
func serveMock(address string) {
	var answer atomic.Pointer[[]byte]
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ready", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST /set", func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.FormValue("bytes"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		b := picture(n)
		answer.Store(&b)
	})
	mux.HandleFunc("POST "+route, func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		b := *answer.Load()
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(b)))
		if _, err := w.Write(b); err != nil {
			log.Print(err)
		}
	})
	log.Fatal(http.ListenAndServe(address, mux))
}

// picture is an answer of about so many bytes, with a PNG of noise in it.
func picture(bytesLong int) []byte {
	side := 1
	for side*side*3 < bytesLong*3/4-200 {
		side++
	}
	noise := rand.New(rand.NewPCG(1, 2))
	m := image.NewNRGBA(image.Rect(0, 0, side, side))
	for i := range m.Pix {
		if m.Pix[i] = byte(noise.Uint32()); i%4 == 3 {
			m.Pix[i] = 0xff
		}
	}
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.NoCompression}).Encode(&b, m); err != nil {
		log.Fatal(err)
	}
	return fmt.Appendf(nil, `{"created":1713833628,"data":[{"b64_json":"%s"}]}`, base64.StdEncoding.EncodeToString(b.Bytes()))
}

// serveProxy serves a reverse proxy as one would write it with Go's library. It
// reads the body of the request first: one that streams it loses some answers.
func serveProxy(address, upstream string) {
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: upstream})
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 512
	proxy.Transport = t
	log.Fatal(http.ListenAndServe(address, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(w, r)
	})))
}

// set tells the mock how long its answers are from now on.
func (p *process) set(ctx context.Context, n int64) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, fmt.Sprintf("http://%s/set?bytes=%d", p.address, n), nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the mock says %s", resp.Status)
	}
	return resp.Body.Close()
}

// self is this program.
func self() (string, error) { return os.Executable() }

package main

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// mostMemory is how far hostile bodies may drive the process above what it
// takes when idle, in bytes.
const mostMemory = 64 << 20

// TestHostileBodiesCostNoMemory sends a real server what should break it, many
// at a time and by every door that takes pictures: each is refused, and the
// process never grows by more than 64 MB.
func TestHostileBodiesCostNoMemory(t *testing.T) {
	s := startProcess(t)
	for range 20 { // a server that has answered before is what idle means
		s.send(t, hostile{"picture", smallPNG(t), 0, 201}, s.upload)
	}
	idle := s.memory(t, "VmRSS")
	var all sync.WaitGroup
	for round := range 3 {
		for _, h := range hostileBodies(t) {
			for _, door := range []func(*testing.T, hostile) *http.Request{s.upload, s.editJSON, s.editForm} {
				all.Go(func() { s.send(t, h, door) })
			}
		}
		if round > 0 { // once one by one, then two rounds together
			continue
		}
		all.Wait()
	}
	all.Wait()
	peak := s.memory(t, "VmHWM")
	t.Logf("idle %d MB, at most %d MB", idle>>20, peak>>20)
	if peak-idle > mostMemory {
		t.Errorf("the process grew by %d MB, from %d to %d", (peak-idle)>>20, idle>>20, peak>>20)
	}
	if got := s.send(t, hostile{"picture", smallPNG(t), 0, 201}, s.upload); got == "" {
		t.Error("it does not serve any more")
	}
}

// hostile is a body, and zeros that follow it.
type hostile struct {
	name   string
	body   []byte
	zeros  int64
	status int // of an upload; 0 is any refusal
}

func hostileBodies(t *testing.T) []hostile {
	good := smallPNG(t)
	return []hostile{
		{"a bomb of 30000 by 30000", pngOf(30000, 30000, 1<<20), 0, 413},
		{"a header that claims more than is there", pngOf(4000, 4000, 100), 0, 400},
		{"cut off", good[:len(good)/2], 0, 400},
		{"something behind it", append(bytes.Clone(good), "PK\x03\x04 and more"...), 0, 400},
		{"SVG", []byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>`), 0, 400},
		{"HTML that says it is a GIF", []byte("GIF89a<html><script>1</script>"), 0, 413},
		{"5000 frames", frames(t, 5000), 0, 413},
		{"a gigabyte", good[:8], 1 << 30, 413},
		{"nothing", nil, 0, 400},
	}
}

// process is a server in a process of its own.
type process struct {
	url, key string
	pid      int
}

const memoryPolicy = `
projects:
  renders:
    environment: staging
    datasets:
      drafts: {category: generated, birth_tier: internal}
    deployments:
      hidream: {provider: studio, price: 0.0001, edits: true}
providers:
  studio: {kind: studio}
people:
  ann: {email: ann@example.com}
bindings:
  - {role: ai-image-user, principal: ann, scope: renders}
`

// startProcess builds the program as it is shipped, without the race
// detector's memory, and serves an installation with it.
func startProcess(t *testing.T) *process {
	t.Helper()
	dir := t.TempDir()
	bin := filepath.Join(dir, "vitrine")
	run := func(name string, args ...string) []byte {
		t.Helper()
		c := exec.CommandContext(t.Context(), name, args...)
		c.Stderr = os.Stderr
		out, err := c.Output()
		if err != nil {
			t.Fatalf("%s %s: %v", name, strings.Join(args, " "), err)
		}
		return out
	}
	run("go", "build", "-o", bin, ".")
	data := filepath.Join(dir, "data")
	var made struct{ Owners []struct{ Key string } }
	fields(t, run(bin, "init", "--data", data, "--owner-email", "a@example.com", "--owner-email", "b@example.com", "--output", "json"), &made)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := ln.Addr().String()
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	s := &process{url: "http://" + at}
	c := exec.Command(bin, "serve", "--data", data, "--listen", at)
	c.Stderr = t.Output()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	s.pid = c.Process.Pid
	t.Cleanup(func() {
		if err := c.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := c.Wait(); err != nil {
			t.Errorf("the server did not end well: %v", err)
		}
	})
	s.wait(t)
	for _, o := range made.Owners {
		run(bin, "whoami", "--server", s.url, "--key", o.Key)
	}
	policy := filepath.Join(dir, "policy.yaml")
	if err := os.WriteFile(policy, []byte(memoryPolicy), 0o600); err != nil {
		t.Fatal(err)
	}
	owner := []string{"--server", s.url, "--key", made.Owners[0].Key, "--output", "json"}
	run(bin, append([]string{"policy", "apply", "-f", policy, "--yes"}, owner...)...)
	var key struct{ Key string }
	fields(t, run(bin, append([]string{"key", "create", "--principal", "ann", "--project", "renders", "--dataset", "drafts"}, owner...)...), &key)
	s.key = key.Key
	return s
}

func fields(t *testing.T, b []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
}

func (s *process) wait(t *testing.T) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-tick.C {
		if resp, err := http.Get(s.url + "/readyz"); err == nil {
			if err := resp.Body.Close(); err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
	}
	t.Fatal("the server is not ready")
}

// memory is a figure of the kernel's about the process, in bytes.
func (s *process) memory(t *testing.T, name string) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == name+":" {
			kb, err := strconv.ParseInt(f[1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kb << 10
		}
	}
	t.Fatalf("the kernel says no %s", name)
	return 0
}

// send sends a body by a door and answers what came back. A server may close
// the connection on who sends more than it will read.
func (s *process) send(t *testing.T, h hostile, door func(*testing.T, hostile) *http.Request) string {
	r := door(t, h)
	r.Header.Set("Authorization", "Bearer "+s.key)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		if h.zeros == 0 {
			t.Errorf("%s to %s: %v", h.name, r.URL.Path, err)
		}
		return ""
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil && h.zeros == 0 {
		t.Errorf("%s to %s: %v", h.name, r.URL.Path, err)
	}
	upload := r.URL.Path == "/api/v1/images"
	if upload && resp.StatusCode != h.status || !upload && (resp.StatusCode < 400 || resp.StatusCode >= 500) {
		t.Errorf("%s to %s: %d %.200s", h.name, r.URL.Path, resp.StatusCode, text)
	}
	return string(text)
}

func (s *process) request(t *testing.T, path, kind string, body io.Reader, size int64) *http.Request {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+path, body)
	if err != nil {
		t.Error(err)
	}
	r.ContentLength = size
	r.Header.Set("Content-Type", kind)
	return r
}

func (s *process) upload(t *testing.T, h hostile) *http.Request {
	return s.request(t, "/api/v1/images", "image/png", h.reader(), int64(len(h.body))+h.zeros)
}

// editJSON sends it as base64 in JSON, of unknown length.
func (s *process) editJSON(t *testing.T, h hostile) *http.Request {
	text := base64.StdEncoding.EncodeToString(h.body)
	body := io.MultiReader(strings.NewReader(`{"model":"hidream","prompt":"x","image":"data:image/png;base64,`+text),
		io.LimitReader(letters{}, h.zeros), strings.NewReader(`"}`))
	return s.request(t, "/v1/images/edits", "application/json", body, -1)
}

func (s *process) editForm(t *testing.T, h hostile) *http.Request {
	const head = "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nhidream\r\n--b\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\nx\r\n" +
		"--b\r\nContent-Disposition: form-data; name=\"image\"; filename=\"x.png\"\r\nContent-Type: image/png\r\n\r\n"
	body := io.MultiReader(strings.NewReader(head), h.reader(), strings.NewReader("\r\n--b--\r\n"))
	return s.request(t, "/v1/images/edits", "multipart/form-data; boundary=b", body, -1)
}

func (h hostile) reader() io.Reader {
	return io.MultiReader(bytes.NewReader(h.body), io.LimitReader(letters{}, h.zeros))
}

// letters are endless letters, good as bytes and as base64.
type letters struct{}

func (letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'A'
	}
	return len(p), nil
}

func smallPNG(t *testing.T) []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 16, 16))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// pngOf is a PNG that claims a size, with this many bytes of pixels in it.
func pngOf(width, height uint32, pixels int) []byte {
	var data bytes.Buffer
	z := zlib.NewWriter(&data)
	_, _ = z.Write(make([]byte, pixels)) // a bytes.Buffer takes all
	_ = z.Close()
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, width), height)
	out := []byte("\x89PNG\r\n\x1a\n")
	for _, c := range []struct {
		name string
		data []byte
	}{{"IHDR", append(head, 8, 2, 0, 0, 0)}, {"IDAT", data.Bytes()}, {"IEND", nil}} {
		out = binary.BigEndian.AppendUint32(out, uint32(len(c.data)))
		at := len(out)
		out = append(append(out, c.name...), c.data...)
		out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[at:]))
	}
	return out
}

func frames(t *testing.T, n int) []byte {
	g := &gif.GIF{}
	for range n {
		g.Image = append(g.Image, image.NewPaletted(image.Rect(0, 0, 4, 4), color.Palette{color.Black, color.White}))
		g.Delay = append(g.Delay, 1)
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, g); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

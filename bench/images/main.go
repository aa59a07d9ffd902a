// Command images measures opening an image and listing images, at the door of a
// served installation.
//
// Opening stands beside http.FileServer with the same file, in a process of its
// own: the limit of what Go's library sends. Vitrine decides, records the
// opening durably and unseals what it sends. Lists are pages of 50 among a
// million images in a thousand datasets, for somebody who may see one in a
// hundred.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"vitrine.dev/vitrine/bench/internal/commit"
	"vitrine.dev/vitrine/bench/internal/house"
	"vitrine.dev/vitrine/bench/internal/load"
	"vitrine.dev/vitrine/bench/internal/measure"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "serve-files" {
		log.Fatal(http.ListenAndServe(os.Args[2], http.FileServer(http.Dir(os.Args[3]))))
	}
	measure.Main("images", run)
}

// The columns.
const (
	latency   = "latency"
	p99       = "99 of 100"
	perSecond = "bytes/s"
	cpu       = "CPU an image"
)

func run(o *measure.Options, r *measure.Report) error {
	ctx := context.Background()
	bin, err := house.Build(ctx, o.Dir)
	if err != nil {
		return err
	}
	if err := opening(ctx, o, r, bin); err != nil {
		return err
	}
	return listing(ctx, o, r, bin)
}

// pictures are the sizes that are opened, and what share of a file server's
// bytes a second is to be reached with 64 connections.
var pictures = []struct {
	name  string
	bytes int
	share float64
}{{"64 KB", 64 << 10, 0.45}, {"4 MB", 4 << 20, 0.75}}

func opening(ctx context.Context, o *measure.Options, r *measure.Report, bin string) (err error) {
	h, err := house.Start(ctx, bin, house.Config{Dir: filepath.Join(o.Dir, "open")})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	files := filepath.Join(o.Dir, "files")
	if err := os.Mkdir(files, 0o755); err != nil {
		return err
	}
	at, pid, end, err := fileServer(ctx, files)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	bare, err := commit.SQLite(o.Dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bare.Close()) }()
	for _, p := range pictures {
		b, err := noise(p.bytes)
		if err != nil {
			return err
		}
		name := fmt.Sprintf("%d.png", p.bytes)
		if err := os.WriteFile(filepath.Join(files, name), b, 0o644); err != nil {
			return err
		}
		id, err := upload(ctx, h, b)
		if err != nil {
			return err
		}
		ours, theirs := load.Get(h.Address, "/api/v1/images/"+id+"/content", h.User), load.Get(at, "/"+name, "")
		ours.Bytes, theirs.Bytes = int64(len(b)), int64(len(b))
		s := &size{o, p.name, p.share, []contestant{{"http.FileServer", measure.Limit, theirs, pid}, {"vitrine", measure.Ours, ours, h.PID}}, bare}
		if err := s.measure(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// contestant is one that answers with a picture.
type contestant struct {
	name   string
	role   measure.Role
	target load.Target
	pid    int
}

// size is one size of picture, and who serves it.
type size struct {
	o     *measure.Options
	name  string
	share float64
	all   []contestant
	bare  *commit.Bare
}

var words = map[int]string{1: "one connection", 64: "64 connections"}

func (s *size) measure(ctx context.Context, r *measure.Report) error {
	const durable = "one durable commit, SQLite"
	for _, connections := range []int{1, 64} {
		measure.Progress("open %s, %d connections", s.name, connections)
		t := &measure.Table{Name: fmt.Sprintf("open-%s-%d", s.name, connections), Title: fmt.Sprintf("Open an image of %s, %s", s.name, words[connections])}
		columns := []measure.Column{{Name: perSecond, Unit: "bytes/s", More: true}, {Name: latency, Unit: "ns"}}
		if connections == 1 {
			columns[0], columns[1] = columns[1], columns[0]
		}
		t.Columns = append(columns, measure.Column{Name: p99, Unit: "ns"}, measure.Column{Name: cpu, Unit: "ns"})
		var rows []measure.Contestant
		for _, c := range s.all {
			rows = append(rows, measure.Contestant{Name: c.name, Role: c.role, Run: func() (measure.Sample, error) { return s.sample(ctx, &c, connections) }})
		}
		if connections == 1 {
			rows = append(rows, measure.Contestant{Name: durable, Role: measure.Limit, Run: func() (measure.Sample, error) {
				all, err := measure.Times(200, func(int) error { return s.bare.Commit() })
				return measure.Sample{latency: float64(measure.Quantile(all, 0.5)), p99: float64(measure.Quantile(all, 0.99))}, err
			}})
		}
		if err := t.Rounds(s.o.Rounds, rows...); err != nil {
			return err
		}
		r.Tables = append(r.Tables, t)
		if connections == 1 {
			more := t.Of("vitrine", latency) - t.Of("http.FileServer", latency)
			r.AtMost(s.name+": what opening adds at one connection, in durable commits", "×", more/t.Of(durable, latency), 1.3)
		} else {
			r.AtLeast(s.name+": share of http.FileServer's bytes a second at 64 connections", "%", 100*t.Of("vitrine", perSecond)/t.Of("http.FileServer", perSecond), 100*s.share)
		}
	}
	return nil
}

func (s *size) sample(ctx context.Context, c *contestant, connections int) (measure.Sample, error) {
	about := 2 * time.Second
	if s.o.Quick {
		about = 700 * time.Millisecond
	}
	before, err := measure.UsageOf(c.pid)
	if err != nil {
		return nil, err
	}
	got, err := load.For(ctx, c.target, connections, about)
	if err != nil {
		return nil, err
	}
	after, err := measure.UsageOf(c.pid)
	if err != nil {
		return nil, err
	}
	return measure.Sample{
		perSecond: got.BytesPerSecond(), latency: got.Quantile(0.5), p99: got.Quantile(0.99), cpu: float64(after.CPU-before.CPU) / float64(got.Count),
	}, nil
}

// fileServer starts this program again as a file server.
func fileServer(ctx context.Context, dir string) (at string, pid int, end func() error, err error) {
	bin, err := os.Executable()
	if err != nil {
		return "", 0, nil, err
	}
	if at, err = house.Free(); err != nil {
		return "", 0, nil, err
	}
	c := exec.Command(bin, "serve-files", at, dir)
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		return "", 0, nil, err
	}
	end = func() error {
		err := c.Process.Kill()
		_ = c.Wait() // it was killed
		return err
	}
	return at, c.Process.Pid, end, house.Ready(ctx, "http://"+at+"/")
}

// noise is a PNG of nearly so many bytes, and not more.
func noise(bytesLong int) ([]byte, error) {
	side := 1
	for (side+1)*(3*(side+1)+1)+200 < bytesLong-bytesLong/1000 { // a byte before each line, and the chunks' heads
		side++
	}
	random := rand.New(rand.NewPCG(1, 2))
	m := image.NewNRGBA(image.Rect(0, 0, side, side))
	for i := range m.Pix {
		if m.Pix[i] = byte(random.Uint32()); i%4 == 3 {
			m.Pix[i] = 0xff
		}
	}
	var b bytes.Buffer
	err := (&png.Encoder{CompressionLevel: png.NoCompression}).Encode(&b, m)
	return b.Bytes(), err
}

func upload(ctx context.Context, h *house.House, picture []byte) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL()+"/api/v1/images?dataset=drafts", bytes.NewReader(picture))
	if err != nil {
		return "", err
	}
	r.Header.Set("Authorization", "Bearer "+h.User)
	r.Header.Set("Content-Type", "image/png")
	var made struct{ ID string }
	err = do(r, &made)
	return made.ID, err
}

// do sends a request and reads its JSON.
func do(r *http.Request, v any) error {
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close() // read to its end
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", r.Method, r.URL.Path, resp.Status, text)
	}
	return json.Unmarshal(text, v)
}

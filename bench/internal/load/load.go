// Package load is the load generator: so many connections, kept alive, each
// asking again as soon as it has the whole answer.
//
// Every contestant is asked with the same bytes by the same code. A request is
// written with one write; an answer is read to its end and its length compared
// with what its head promised, so that a short body is an error and never a
// fast answer. It does as little else as it can, since it runs on the same
// processors as what it measures.
package load

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Target is what is asked for, and where.
type Target struct {
	Address string // host:port
	Request []byte // head and body, as it goes over the wire
	// Status is what every answer must have; 0 is 200.
	Status int
	// Bytes, where not zero, is the least that a body must hold.
	Bytes int64
}

// Post is a target that posts JSON with a bearer key.
func Post(address, path, key, body string, headers ...string) Target {
	return target(http.MethodPost, address, path, key, body, append(headers, "Content-Type: application/json"))
}

// Get is a target that gets a path with a bearer key; "" is none.
func Get(address, path, key string, headers ...string) Target {
	return target(http.MethodGet, address, path, key, "", headers)
}

func target(method, address, path, key, body string, headers []string) Target {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, path, address)
	if key != "" {
		headers = append(headers, "Authorization: Bearer "+key)
	}
	if body != "" {
		headers = append(headers, fmt.Sprintf("Content-Length: %d", len(body)))
	}
	for _, h := range headers {
		b.WriteString(h + "\r\n")
	}
	b.WriteString("\r\n" + body)
	return Target{Address: address, Request: []byte(b.String())}
}

// Result is what a run came to.
type Result struct {
	Count     int
	Bytes     int64 // of bodies
	Elapsed   time.Duration
	Latencies []time.Duration // sorted
}

// PerSecond is how many answers came a second.
func (r *Result) PerSecond() float64 { return float64(r.Count) / r.Elapsed.Seconds() }

// BytesPerSecond is how many bytes of bodies came a second.
func (r *Result) BytesPerSecond() float64 { return float64(r.Bytes) / r.Elapsed.Seconds() }

// Quantile is a quantile of the latencies, in nanoseconds.
func (r *Result) Quantile(q float64) float64 {
	if len(r.Latencies) == 0 {
		return 0
	}
	return float64(r.Latencies[min(len(r.Latencies)-1, int(q*float64(len(r.Latencies))))])
}

// For asks from so many connections for about so long. Answers that are under
// way when the time is over are waited for and count.
func For(ctx context.Context, t Target, connections int, about time.Duration) (*Result, error) {
	end := time.Now().Add(about)
	return run(ctx, t, connections, func() bool { return time.Now().Before(end) })
}

// Times asks n times in all.
func Times(ctx context.Context, t Target, connections, n int) (*Result, error) {
	var asked atomic.Int64
	return run(ctx, t, connections, func() bool { return asked.Add(1) <= int64(n) })
}

func run(ctx context.Context, t Target, connections int, more func() bool) (*Result, error) {
	all := make([]*client, connections)
	for i := range all {
		c, err := dial(ctx, t)
		if err != nil {
			return nil, err
		}
		defer c.conn.Close() // the end of a run
		all[i] = c
	}
	errs := make([]error, connections)
	began := time.Now()
	var wg sync.WaitGroup
	for i, c := range all {
		wg.Go(func() {
			for errs[i] == nil && more() {
				errs[i] = c.ask()
			}
		})
	}
	wg.Wait()
	r := &Result{Elapsed: time.Since(began)}
	for _, c := range all {
		r.Bytes += c.bytes
		r.Latencies = append(r.Latencies, c.took...)
	}
	r.Count = len(r.Latencies)
	slices.Sort(r.Latencies)
	return r, errors.Join(errs...)
}

// client is one connection.
type client struct {
	target Target
	conn   net.Conn
	in     *bufio.Reader
	buf    []byte
	bytes  int64
	took   []time.Duration
}

// longest is how long an answer may take.
const longest = 30 * time.Second

func dial(ctx context.Context, t Target) (*client, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", t.Address)
	if err != nil {
		return nil, err
	}
	return &client{target: t, conn: conn, in: bufio.NewReaderSize(conn, 64<<10), buf: make([]byte, 128<<10)}, nil
}

func (c *client) ask() error {
	began := time.Now()
	if err := c.conn.SetDeadline(began.Add(longest)); err != nil {
		return err
	}
	if _, err := c.conn.Write(c.target.Request); err != nil {
		return err
	}
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return fmt.Errorf("read the head of an answer: %w", err)
	}
	n, err := c.body(resp)
	if err != nil {
		return fmt.Errorf("read the body of an answer: %w", err)
	}
	c.took = append(c.took, time.Since(began))
	c.bytes += n
	return nil
}

// body reads a body to its end. A body that ends before its head said is
// io.ErrUnexpectedEOF.
func (c *client) body(resp *http.Response) (n int64, err error) {
	defer resp.Body.Close() // read to its end, or useless
	want := c.target.Status
	if want == 0 {
		want = http.StatusOK
	}
	if resp.StatusCode != want {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 512)) // for the message only
		return 0, fmt.Errorf("%s: %s", resp.Status, text)
	}
	for {
		k, err := resp.Body.Read(c.buf)
		n += int64(k)
		if err == io.EOF {
			break
		}
		if err != nil {
			return n, err
		}
	}
	if n < c.target.Bytes || resp.ContentLength >= 0 && n != resp.ContentLength {
		return n, fmt.Errorf("%w: %d bytes, promised %d, want at least %d", io.ErrUnexpectedEOF, n, resp.ContentLength, c.target.Bytes)
	}
	return n, nil
}

// Package client is the Go client of Vitrine's API, /api/v1. The command line
// is built on it.
//
// Make one for a server and a key, and call a method for each thing that the
// API does:
//
//	c, err := client.New("https://images.example.com", key)
//	if err != nil {
//		return err
//	}
//	me, err := c.Whoami(ctx)
//
// Nouns are those of package vitrine; what only the API says has a type here.
// Lists come in pages; Images walks over all of them.
//
// Every error that the server answered is an *Error, and errors.Is finds the
// kind in it:
//
//	_, err = c.Content(ctx, id, vitrine.Original)
//	if errors.Is(err, vitrine.ErrNotFound) { … }
//
// A client reads its own writes: it remembers the policy revision that its last
// change was answered with and demands one at least as new from then on, also
// when another node of the server answers. It is safe for concurrent use. It
// never follows a redirect, because the key would go along.
//
// To generate images any OpenAI client does; Generate is here so that scripts
// need none.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"

	"vitrine.dev/vitrine"
)

const (
	prefix         = "/api/v1"
	headerRevision = "X-Vitrine-Revision"
	maxAnswer      = 256 << 20 // of JSON that is held in memory
)

// Client speaks to one server with one key.
type Client struct {
	server    string
	key       vitrine.Secret
	http      *http.Client
	userAgent string
	revision  atomic.Int64
}

// Option changes how a client is made.
type Option func(*Client)

// HTTP gives the client a transport, for proxies and certificates of one's
// own.
func HTTP(t http.RoundTripper) Option { return func(c *Client) { c.http.Transport = t } }

// UserAgent names the program.
func UserAgent(name string) Option { return func(c *Client) { c.userAgent = name } }

// New makes a client for a server, such as https://images.example.com, and a
// key. It speaks to nobody yet.
func New(server string, key vitrine.Secret, options ...Option) (*Client, error) {
	u, err := url.Parse(server)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.User != nil {
		return nil, fmt.Errorf("server %q: want a URL such as https://images.example.com", server)
	}
	c := &Client{
		server: strings.TrimRight(server, "/"), key: key, userAgent: "vitrine-client",
		http: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
	for _, o := range options {
		o(c)
	}
	return c, nil
}

// Server is the URL that the client speaks to.
func (c *Client) Server() string { return c.server }

// AtLeast makes the client demand a policy revision at least as new.
func (c *Client) AtLeast(revision int64) {
	for {
		known := c.revision.Load()
		if revision <= known || c.revision.CompareAndSwap(known, revision) {
			return
		}
	}
}

// call is one request.
type call struct {
	method, path string // path below /api/v1, or from the root where it begins with //
	query        url.Values
	in           any       // sent as JSON, if not nil
	body         io.Reader // sent as it is, where in is nil
	kind         string    // of body
	header       http.Header
}

// to is a path of escaped segments.
func to(segments ...string) string {
	var b strings.Builder
	for _, s := range segments {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(s))
	}
	return b.String()
}

// send sends a request and answers a response with status 2xx, whose body the
// caller closes.
func (c *Client) send(ctx context.Context, q call) (*http.Response, error) {
	at := c.server + prefix + q.path
	if rest, root := strings.CutPrefix(q.path, "//"); root {
		at = c.server + "/" + rest
	}
	if len(q.query) > 0 {
		at += "?" + q.query.Encode()
	}
	body := q.body
	if q.in != nil {
		text, err := json.Marshal(q.in)
		if err != nil {
			return nil, fmt.Errorf("encode request: %w", err)
		}
		body, q.kind = bytes.NewReader(text), "application/json"
	}
	r, err := http.NewRequestWithContext(ctx, q.method, at, body)
	if err != nil {
		return nil, err
	}
	for name, values := range q.header {
		r.Header[name] = values
	}
	r.Header.Set("User-Agent", c.userAgent)
	if c.key != "" {
		r.Header.Set("Authorization", "Bearer "+c.key.Reveal())
	}
	if n := c.revision.Load(); n > 0 {
		r.Header.Set(headerRevision, strconv.FormatInt(n, 10))
	}
	if q.kind != "" {
		r.Header.Set("Content-Type", q.kind)
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return nil, c.unreachable(err)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, refusal(resp)
	}
	return resp, nil
}

// unreachable says which server it was; http's own error repeats the address
// of the request.
func (c *Client) unreachable(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return fmt.Errorf("no answer from %s: %w", c.server, err)
}

// do sends a request and decodes the answer into out, if that is not nil.
func (c *Client) do(ctx context.Context, q call, out any) error {
	resp, err := c.send(ctx, q)
	if err != nil {
		return err
	}
	defer resp.Body.Close() // read to its end, or of no more use
	if out == nil {
		_, err := io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
		return err
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(out); err != nil {
		return fmt.Errorf("%s answered no JSON to %s %s; is it a Vitrine server? (%w)", c.server, q.method, q.path, err)
	}
	return nil
}

// change is do for what answers the revision that it made.
func (c *Client) change(ctx context.Context, q call, out any) (int64, error) {
	var raw json.RawMessage
	if err := c.do(ctx, q, &raw); err != nil {
		return 0, err
	}
	var rev struct {
		Revision int64 `json:"revision"`
	}
	err := json.Unmarshal(raw, &rev)
	if err == nil && out != nil {
		err = json.Unmarshal(raw, out)
	}
	if err != nil {
		return 0, fmt.Errorf("decode the answer to %s %s: %w", q.method, q.path, err)
	}
	c.AtLeast(rev.Revision)
	return rev.Revision, nil
}

// ifMatch demands that what is changed last changed at a revision; 0 demands
// nothing.
func ifMatch(revision int64) http.Header {
	if revision == 0 {
		return nil
	}
	return http.Header{"If-Match": {`"` + strconv.FormatInt(revision, 10) + `"`}}
}

// Ready reports whether the server takes requests, and why not.
func (c *Client) Ready(ctx context.Context) error {
	return c.do(ctx, call{method: "GET", path: "//readyz"}, nil)
}

package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"vitrine.dev/vitrine"
)

// LogQuery says which entries to list; what is empty is any.
type LogQuery struct {
	After      int64 // the entry after which to list, with Back before which; -1 is from the end
	Back       bool  // newest first
	Limit      int
	Actor      vitrine.ID
	Act        string
	Outcome    vitrine.Outcome
	Resource   vitrine.ID
	Scope      vitrine.ID
	Request    string
	Credential vitrine.ID
	From, To   time.Time
}

// Log lists entries and says after which the next page begins; 0 is that there
// is none.
func (c *Client) Log(ctx context.Context, lq LogQuery) (entries []vitrine.Entry, next int64, err error) {
	q := url.Values{"after": {strconv.FormatInt(lq.After, 10)}}
	for name, value := range map[string]string{
		"actor": string(lq.Actor), "act": lq.Act, "outcome": string(lq.Outcome), "resource": string(lq.Resource),
		"scope": string(lq.Scope), "request": lq.Request, "credential": string(lq.Credential),
	} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if lq.Back {
		q.Set("back", "true")
	}
	if lq.Limit > 0 {
		q.Set("limit", strconv.Itoa(lq.Limit))
	}
	times(q, lq.From, lq.To)
	var out struct {
		Entries []vitrine.Entry `json:"entries"`
		Next    int64           `json:"next"`
	}
	err = c.do(ctx, call{method: "GET", path: "/log", query: q}, &out)
	return out.Entries, out.Next, err
}

// FollowLog calls fn with the entries after a place in the log (-1: from the
// start) and then with each as it is written, until ctx is done or fn fails.
func (c *Client) FollowLog(ctx context.Context, after int64, fn func(vitrine.Entry) error) error {
	q := url.Values{"after": {strconv.FormatInt(after, 10)}}
	resp, err := c.send(ctx, call{method: "GET", path: "/log/follow", query: q})
	if err != nil {
		return err
	}
	defer resp.Body.Close() // only read
	lines := json.NewDecoder(bufio.NewReader(resp.Body))
	for {
		var e vitrine.Entry
		if err := lines.Decode(&e); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return c.unreachable(err)
		}
		if err := fn(e); err != nil {
			return err
		}
	}
}

// ExportLog writes the entries [from, to) with their proof, for verifying
// offline; to 0 is up to now. What was written before an error is no export.
func (c *Client) ExportLog(ctx context.Context, from, to int64, w io.Writer) (int64, error) {
	q := url.Values{}
	if from > 0 {
		q.Set("from", strconv.FormatInt(from, 10))
	}
	if to > 0 {
		q.Set("to", strconv.FormatInt(to, 10))
	}
	resp, err := c.send(ctx, call{method: "GET", path: "/log/export", query: q})
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close() // only read
	n, err := io.Copy(w, resp.Body)
	if err != nil {
		return n, fmt.Errorf("export of the log: %w", c.unreachable(err))
	}
	return n, nil
}

// Checkpoint is the signed head of the log. Keep it: no entry before it can be
// changed unseen.
type Checkpoint struct {
	Checkpoint string `json:"checkpoint"`
	PublicKey  string `json:"public_key"`
	Origin     string `json:"origin"`
}

// Checkpoint answers the signed head of the log.
func (c *Client) Checkpoint(ctx context.Context) (*Checkpoint, error) {
	out := new(Checkpoint)
	return out, c.do(ctx, call{method: "GET", path: "/log/checkpoint"}, out)
}

// Inclusion proves that an entry stands in the log of a checkpoint.
type Inclusion struct {
	Origin     string   `json:"origin"`
	Index      int64    `json:"index"`
	Leaf       []byte   `json:"leaf"`
	Path       [][]byte `json:"path"` // RFC 6962 §2.1.1
	Checkpoint string   `json:"checkpoint"`
}

// Inclusion proves that an entry stands in the log of the checkpoint of a size;
// 0 is the newest. Whoever gets it verifies it: this is the server's word.
func (c *Client) Inclusion(ctx context.Context, index, size int64) (*Inclusion, error) {
	q := url.Values{"index": {strconv.FormatInt(index, 10)}, "size": {strconv.FormatInt(size, 10)}}
	out := new(Inclusion)
	return out, c.do(ctx, call{method: "GET", path: "/log/proof/inclusion", query: q}, out)
}

// Consistency proves that the log of a checkpoint continues that of an earlier
// one.
type Consistency struct {
	Origin string   `json:"origin"`
	From   string   `json:"from"` // checkpoints
	To     string   `json:"to"`
	Path   [][]byte `json:"path"` // RFC 6962 §2.1.2
}

// Consistency proves that the checkpoint of a size continues that of a smaller
// one; to 0 is the newest.
func (c *Client) Consistency(ctx context.Context, from, to int64) (*Consistency, error) {
	q := url.Values{"from": {strconv.FormatInt(from, 10)}, "to": {strconv.FormatInt(to, 10)}}
	out := new(Consistency)
	return out, c.do(ctx, call{method: "GET", path: "/log/proof/consistency", query: q}, out)
}

// ProofQuery says what to prove: what happened to one thing, or one entry.
type ProofQuery struct {
	Resource vitrine.ID
	Entry    int64 // where Resource is ""
	From     int64 // also that the log continues the checkpoint of this size; 0 does not ask
}

// ProveLog writes a proof file, for verifying offline. What was written before
// an error is none.
func (c *Client) ProveLog(ctx context.Context, pq ProofQuery, w io.Writer) (int64, error) {
	q := url.Values{}
	if pq.Resource != "" {
		q.Set("resource", string(pq.Resource))
	} else {
		q.Set("entry", strconv.FormatInt(pq.Entry, 10))
	}
	if pq.From > 0 {
		q.Set("from", strconv.FormatInt(pq.From, 10))
	}
	resp, err := c.send(ctx, call{method: "GET", path: "/log/proof", query: q})
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close() // only read
	n, err := io.Copy(w, resp.Body)
	if err != nil {
		return n, fmt.Errorf("proof file: %w", c.unreachable(err))
	}
	return n, nil
}

// decode reads an answer's JSON and closes it.
func decode(resp *http.Response, out any) error {
	defer resp.Body.Close() // read to its end, or of no more use
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(out); err != nil {
		return fmt.Errorf("the server's answer is no JSON: %w", err)
	}
	return nil
}

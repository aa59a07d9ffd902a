package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"vitrine.dev/vitrine"
)

// Policy is all objects of the policy that the caller may see.
type Policy struct {
	Revision int64
	Objects  []vitrine.Object
}

// named is an object with its kind, as it is sent.
type named struct {
	Kind   vitrine.Kind   `json:"kind"`
	Object vitrine.Object `json:"object"`
}

// UnmarshalJSON implements json.Unmarshaler.
func (n *named) UnmarshalJSON(b []byte) error {
	var raw struct {
		Kind   vitrine.Kind    `json:"kind"`
		Object json.RawMessage `json:"object"`
	}
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	n.Kind, n.Object = raw.Kind, vitrine.NewObject(raw.Kind)
	if n.Object == nil {
		return fmt.Errorf("unknown kind %q; is this client older than the server?", raw.Kind)
	}
	return json.Unmarshal(raw.Object, n.Object)
}

// Policy answers the policy as far as the caller may see it.
func (c *Client) Policy(ctx context.Context) (*Policy, error) {
	var out struct {
		Revision int64   `json:"revision"`
		Objects  []named `json:"objects"`
	}
	if err := c.do(ctx, call{method: "GET", path: "/policy"}, &out); err != nil {
		return nil, err
	}
	p := &Policy{Revision: out.Revision}
	for _, n := range out.Objects {
		p.Objects = append(p.Objects, n.Object)
	}
	return p, nil
}

// Plan answers the change set that would make the policy as declared. With
// prune what the caller may see and did not declare is deleted too.
func (c *Client) Plan(ctx context.Context, objects []vitrine.Object, prune bool) (*vitrine.ChangeSet, error) {
	in := struct {
		Objects []named `json:"objects"`
		Prune   bool    `json:"prune,omitempty"`
	}{Objects: []named{}, Prune: prune}
	for _, o := range objects {
		in.Objects = append(in.Objects, named{o.Ref().Kind, o})
	}
	set := new(vitrine.ChangeSet)
	if err := c.do(ctx, call{method: "POST", path: "/policy/plan", in: in}, set); err != nil {
		return nil, err
	}
	return set, nil
}

// Applied is what a change set became.
type Applied struct {
	Revision int64            `json:"revision"`
	Changes  []vitrine.Change `json:"changes"`
}

// Apply applies a change set, whole or not at all.
func (c *Client) Apply(ctx context.Context, set *vitrine.ChangeSet) (*Applied, error) {
	out := new(Applied)
	_, err := c.change(ctx, call{method: "POST", path: "/policy/apply", in: set}, out)
	return out, err
}

// Undo makes what a revision changed as it was before.
func (c *Client) Undo(ctx context.Context, revision int64) (*Applied, error) {
	out := new(Applied)
	_, err := c.change(ctx, call{method: "POST", path: "/policy/undo", in: map[string]int64{"revision": revision}}, out)
	return out, err
}

// PlanUndo answers the change set that Undo would apply.
func (c *Client) PlanUndo(ctx context.Context, revision int64) (*vitrine.ChangeSet, error) {
	set := new(vitrine.ChangeSet)
	if err := c.do(ctx, call{method: "POST", path: "/policy/undo/plan", in: map[string]int64{"revision": revision}}, set); err != nil {
		return nil, err
	}
	return set, nil
}

// PastSet is a change set that was applied.
type PastSet struct {
	Revision int64            `json:"revision"`
	Time     time.Time        `json:"time"`
	Actor    vitrine.ID       `json:"actor"`
	Reason   string           `json:"reason,omitempty"`
	Changes  []vitrine.Change `json:"changes"`
}

// History lists change sets after a revision, oldest first.
func (c *Client) History(ctx context.Context, after int64, limit int) ([]PastSet, error) {
	var out struct {
		Sets []PastSet `json:"sets"`
	}
	q := url.Values{"after": {strconv.FormatInt(after, 10)}}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	err := c.do(ctx, call{method: "GET", path: "/policy/history", query: q}, &out)
	return out.Sets, err
}

// Objects lists the objects of a kind that the caller may see.
func (c *Client) Objects(ctx context.Context, k vitrine.Kind) ([]vitrine.Object, error) {
	var out struct {
		Objects []json.RawMessage `json:"objects"`
	}
	if err := c.do(ctx, call{method: "GET", path: to("objects", string(k))}, &out); err != nil {
		return nil, err
	}
	all := make([]vitrine.Object, len(out.Objects))
	for i, raw := range out.Objects {
		if all[i] = vitrine.NewObject(k); all[i] == nil {
			return nil, fmt.Errorf("unknown kind %q", k)
		}
		if err := json.Unmarshal(raw, all[i]); err != nil {
			return nil, fmt.Errorf("decode %s: %w", k, err)
		}
	}
	return all, nil
}

// Object answers one object and the revision at which it last changed.
func (c *Client) Object(ctx context.Context, ref vitrine.Ref) (vitrine.Object, int64, error) {
	o := vitrine.NewObject(ref.Kind)
	if o == nil {
		return nil, 0, fmt.Errorf("unknown kind %q", ref.Kind)
	}
	resp, err := c.send(ctx, call{method: "GET", path: to("objects", string(ref.Kind), string(ref.ID))})
	if err != nil {
		return nil, 0, err
	}
	defer resp.Body.Close() // only read
	if err := json.NewDecoder(resp.Body).Decode(o); err != nil {
		return nil, 0, fmt.Errorf("decode %s: %w", ref, err)
	}
	revision, err := strconv.ParseInt(strings.Trim(resp.Header.Get("ETag"), `"`), 10, 64)
	if err != nil {
		return nil, 0, fmt.Errorf("the revision of %s: %w", ref, err)
	}
	return o, revision, nil
}

// Put puts an object; if revision is not 0, it must last have changed there.
func (c *Client) Put(ctx context.Context, o vitrine.Object, revision int64) (int64, error) {
	ref := o.Ref()
	return c.change(ctx, call{method: "PUT", path: to("objects", string(ref.Kind), string(ref.ID)), in: o, header: ifMatch(revision)}, nil)
}

// Remove deletes an object; if revision is not 0, it must last have changed
// there.
func (c *Client) Remove(ctx context.Context, ref vitrine.Ref, revision int64) (int64, error) {
	return c.change(ctx, call{method: "DELETE", path: to("objects", string(ref.Kind), string(ref.ID)), header: ifMatch(revision)}, nil)
}

// MatrixRow is what a role makes of data: for category and tier "nothing",
// "masked", "original" or "change".
type MatrixRow struct {
	Role  vitrine.ID                                   `json:"role"`
	Name  string                                       `json:"name"`
	Cells map[vitrine.Category]map[vitrine.Tier]string `json:"cells"`
}

// Matrix is the access control matrix.
func (c *Client) Matrix(ctx context.Context) ([]MatrixRow, error) {
	var out struct {
		Rows []MatrixRow `json:"rows"`
	}
	err := c.do(ctx, call{method: "GET", path: "/matrix"}, &out)
	return out.Rows, err
}

// Question is a question about access. Of a resource that is there kind and id
// are enough.
type Question struct {
	Subject    vitrine.ID         `json:"subject,omitempty"` // "" is the caller
	Permission vitrine.Permission `json:"permission"`
	Resource   vitrine.Resource   `json:"resource"`
}

// Answer is a decision with its reason in a sentence.
type Answer struct {
	vitrine.Decision
	Reason string `json:"reason"`
}

// Check answers whether somebody may do something.
func (c *Client) Check(ctx context.Context, q Question) (*Answer, error) {
	out := new(Answer)
	return out, c.do(ctx, call{method: "POST", path: "/check", in: q}, out)
}

// Explanation is a decision with everything that was considered.
type Explanation struct {
	Decision vitrine.Decision `json:"decision"`
	Bindings []Considered     `json:"bindings"`
	Denies   []vitrine.ID     `json:"denies,omitempty"`
}

// Considered is one binding and the condition that failed.
type Considered struct {
	Binding vitrine.ID     `json:"binding"`
	Role    vitrine.ID     `json:"role"`
	Scope   vitrine.ID     `json:"scope"`
	Path    []vitrine.ID   `json:"path"` // from the principal, through groups, to who is bound
	Code    vitrine.Code   `json:"code"`
	Failed  vitrine.Failed `json:"failed,omitempty"`
	Detail  string         `json:"detail,omitempty"`
}

// Explain answers why somebody may or may not do something.
func (c *Client) Explain(ctx context.Context, q Question) (*Explanation, error) {
	out := new(Explanation)
	return out, c.do(ctx, call{method: "POST", path: "/explain", in: q}, out)
}

// Holder is one who may.
type Holder struct {
	Principal   vitrine.ID            `json:"principal"`
	Kind        vitrine.PrincipalKind `json:"kind"`
	Binding     vitrine.ID            `json:"binding"`
	Role        vitrine.ID            `json:"role"`
	Path        []vitrine.ID          `json:"path"`
	Conditional bool                  `json:"conditional,omitempty"`
}

// Who answers who may do something.
func (c *Client) Who(ctx context.Context, p vitrine.Permission, r vitrine.Resource) ([]Holder, error) {
	var out struct {
		Holders []Holder `json:"holders"`
	}
	err := c.do(ctx, call{method: "POST", path: "/who", in: Question{Permission: p, Resource: r}}, &out)
	return out.Holders, err
}

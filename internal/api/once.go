package api

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/store"
	"vitrine.dev/vitrine/internal/web"
)

// Requests that make something may carry an Idempotency-Key: under one key a
// principal makes one thing. The key is claimed before the service is called and
// the answer is kept under it afterwards, sealed; in between, and if that end is
// never reached, the same request is refused, so it is at most once. A request
// that was refused or failed leaves its key free.
//
// What an answer shows once, a key or a link, is not kept: who asks again is
// told what was made, and to end it if its secret is lost.

const (
	onceDone  = 200             // the status of a reply that is kept; 0 is running
	onceTime  = 2 * time.Minute // that a request may take, beside its body
	onceWrite = 5 * time.Second
)

// done is what is kept of an answer.
type done struct {
	ID      vitrine.ID `json:"id"`
	Picture string     `json:"picture,omitempty"` // SHA-256 of an upload's body
	ETag    string     `json:"etag,omitempty"`
	At      string     `json:"location,omitempty"`
	Body    []byte     `json:"body,omitempty"` // none where it shows a secret
}

// once is a request under its idempotency key.
type once struct {
	a     *API
	r     *http.Request
	by    access.Caller
	act   access.Act
	reply store.Reply
	time  time.Duration // that it may take
}

// once begins a request that is carried out once; nil where it has no key.
// body is what else makes two requests the same.
func (a *API) once(r *http.Request, by access.Caller, act access.Act, body []byte, takes time.Duration) (*once, error) {
	key, err := web.IdempotencyKey(r)
	if err != nil || key == "" {
		return nil, err
	}
	h := sha256.New()
	for _, s := range []string{r.Method, r.URL.EscapedPath(), r.URL.Query().Encode(), string(by.Project), string(by.Dataset), string(by.For)} {
		fmt.Fprintf(h, "%d:%s", len(s), s) // writing to a hash cannot fail
	}
	h.Write(body)
	return &once{a: a, r: r, by: by, act: act, time: onceTime + takes,
		reply: store.Reply{Key: key, Principal: by.Principal, Request: hex.EncodeToString(h.Sum(nil))}}, nil
}

var errOnceRunning = &vitrine.Error{Kind: vitrine.ErrConflict, Code: "idempotency_key_in_use", RetryAfter: 1,
	Public: "A request with this idempotency key is still running."}

func reused() error {
	return &vitrine.Error{Kind: vitrine.ErrConflict, Code: "idempotency_key_reused", Param: "Idempotency-Key",
		Public: "This idempotency key was used with another request."}
}

// begin claims the key, or answers what was done under it before.
func (o *once) begin() (*done, error) {
	ctx := o.r.Context()
	old, err := o.a.Store.Reply(ctx, o.reply.Principal, o.reply.Key)
	switch {
	case errors.Is(err, vitrine.ErrNotFound):
		err = o.a.Store.Maintain(ctx, func(tx *store.Tx) error { return tx.ClaimReply(&o.reply) })
		if errors.Is(err, vitrine.ErrConflict) {
			err = errOnceRunning // somebody claimed it meanwhile
		}
		return nil, err
	case err != nil:
		return nil, err
	case old.Request != o.reply.Request:
		return nil, reused()
	case old.Status == 0 && time.Since(old.Created) < o.time:
		return nil, errOnceRunning
	case old.Status == 0:
		return nil, &vitrine.Error{Kind: vitrine.ErrConflict, Code: "idempotency_outcome_unknown", Param: "Idempotency-Key",
			Public: "What became of the request with this idempotency key is not known. Look whether it is there before you use a new key."}
	}
	was := new(done)
	if err := json.Unmarshal(old.Body, was); err != nil {
		return nil, fmt.Errorf("stored reply: %w", err)
	}
	return was, nil
}

// end keeps what was done, or frees the key where nothing was. Of an act that
// may or may not be in the log nobody knows; its key stays claimed.
func (o *once) end(made *done, failed error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(o.r.Context()), onceWrite)
	defer cancel()
	if failed != nil {
		if doubtful(failed) {
			return nil
		}
		return o.a.Store.Maintain(ctx, func(tx *store.Tx) error { return tx.DropReply(o.reply.Principal, o.reply.Key) })
	}
	var err error
	if o.reply.Body, err = json.Marshal(made); err != nil {
		return fmt.Errorf("encode a reply: %w", err)
	}
	o.reply.Status = onceDone
	return o.a.Store.Maintain(ctx, func(tx *store.Tx) error { return tx.FinishReply(&o.reply) })
}

// doubtful reports whether something may have been done in spite of an error.
func doubtful(err error) bool {
	var e *vitrine.Error
	return !errors.As(err, &e) || errors.Is(err, vitrine.ErrUnavailable) && e.Code == "unrecorded"
}

// settle is end, for who has an answer to give all the same.
func (o *once) settle(w http.ResponseWriter, made *done, failed error) {
	if err := o.end(made, failed); err != nil {
		o.a.Door.Unexpected(w, o.r, fmt.Errorf("keep a reply: %w", err))
	}
}

// again answers what was answered before. It is an attempt like any other: t is
// its ticket.
func (o *once) again(w http.ResponseWriter, t *access.Ticket, was *done, status int) error {
	t.Entry().Resource = was.ID
	if was.Body == nil {
		return t.Refuse(o.r.Context(), "idempotency_key_answered", &vitrine.Error{Kind: vitrine.ErrConflict, Code: "idempotency_key_answered", Param: "Idempotency-Key",
			Public: fmt.Sprintf("The request with this idempotency key was carried out: %s. Its secret was shown then and is kept nowhere. If it got lost, end that one and make another.", was.ID)})
	}
	if _, err := t.Record(o.r.Context()); err != nil {
		return err
	}
	h := &held{header: w.Header(), status: status, kind: "application/json"}
	h.header.Set(web.HeaderReplay, "true")
	for name, value := range map[string]string{"ETag": was.ETag, "Location": was.At} {
		if value != "" {
			h.header.Set(name, value)
		}
	}
	h.body.Write(was.Body)
	h.send(w)
	return nil
}

// replay answers a JSON request again. That the caller made something is about
// itself; what its answer told, ids and revisions, stays true.
func (o *once) replay(w http.ResponseWriter, was *done, status int) error {
	o.act.Op = "replay"
	t, err := o.a.Guard.Self(o.r.Context(), o.by, o.act)
	if err != nil {
		return err
	}
	return o.again(w, t, was, status)
}

// replayUpload answers an upload again, whose picture has to be the same. It is
// decided anew: the answer tells of an image, and what the caller may do where
// that lies may have changed.
func (o *once) replayUpload(w http.ResponseWriter, was *done) error {
	sum := sha256.New()
	if _, err := io.Copy(sum, o.r.Body); err != nil {
		return o.a.Door.Reject(o.r, o.by, o.act, err)
	}
	if hex.EncodeToString(sum.Sum(nil)) != was.Picture {
		return o.a.Door.Reject(o.r, o.by, o.act, reused())
	}
	o.act.Op = "replay"
	var err error
	if o.act.Resource, err = o.a.Vault.Find(o.r.Context(), was.ID); err != nil {
		return o.a.Door.Reject(o.r, o.by, o.act, err)
	}
	if o.act.Resource.ID == "" {
		o.act.Resource.ID = was.ID // deleted since
	}
	t, err := o.a.Guard.Check(o.r.Context(), o.by, o.act)
	if err != nil {
		return err
	}
	return o.again(w, t, was, http.StatusCreated)
}

// callOnce is call under the request's idempotency key.
func (a *API) callOnce(w http.ResponseWriter, inner *http.Request, q *request, route Route, body []byte, next func(http.ResponseWriter, *http.Request)) error {
	o, err := a.once(q.r, q.by, q.act, body, 0)
	var was *done
	if err == nil && o != nil {
		was, err = o.begin()
	}
	switch {
	case err != nil:
		return a.Door.Reject(q.r, q.by, q.act, err)
	case was != nil:
		return o.replay(w, was, cmp.Or(route.status, http.StatusOK))
	}
	h, err := a.call(w, inner, q, next)
	if o != nil && err != nil {
		o.settle(w, nil, err)
	} else if o != nil {
		o.settle(w, doneOf(h, route.secret), nil)
	}
	if err == nil {
		h.send(w)
	}
	return err
}

// doneOf is what is kept of an answer in JSON.
func doneOf(h *held, secret bool) *done {
	var body struct {
		ID vitrine.ID `json:"id"`
	}
	made := &done{ETag: h.header.Get("ETag"), At: h.header.Get("Location")}
	if err := json.Unmarshal(h.body.Bytes(), &body); err == nil {
		made.ID = body.ID
	}
	if !secret {
		made.Body = h.body.Bytes()
	}
	return made
}

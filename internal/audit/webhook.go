package audit

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"vitrine.dev/vitrine"
)

// Webhook is an address that is told of each checkpoint, as Standard Webhooks
// (standardwebhooks.com) has it: a POST of JSON with the headers webhook-id,
// webhook-timestamp (Unix seconds) and webhook-signature, which is "v1," and in
// base64 the HMAC-SHA256 of id "." timestamp "." body. The id of a checkpoint is
// always the same, so that whoever hears of it twice can tell.
type Webhook struct {
	URL    string
	Secret vitrine.Secret // the key of the HMAC; "whsec_" and base64, or the key itself
	// Plain allows http:// to loopback and private addresses.
	Plain bool
}

// minSecret is the shortest key of an HMAC, in bytes.
const minSecret = 16

// key is what signs.
func (w *Webhook) key() ([]byte, error) {
	key := []byte(w.Secret.Reveal())
	if text, ok := strings.CutPrefix(w.Secret.Reveal(), "whsec_"); ok {
		var err error
		if key, err = base64.StdEncoding.DecodeString(text); err != nil {
			return nil, errors.New("after whsec_ stands no base64")
		}
	}
	if len(key) < minSecret {
		return nil, fmt.Errorf("it has fewer than %d bytes", minSecret)
	}
	return key, nil
}

// webhook is the place behind a Webhook.
type webhook struct {
	log    *Log
	url    string
	key    []byte
	client *http.Client
}

// newWebhook refuses an address that is none, or over which a checkpoint would
// travel in clear.
func newWebhook(l *Log, w *Webhook) (*webhook, error) {
	u, err := url.Parse(w.URL)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("audit: webhook: want an address such as https://hooks.example.com/vitrine")
	case u.Scheme == "http" && !w.Plain:
		return nil, errors.New("audit: webhook: over http:// anybody on the way could keep checkpoints back; give an https:// address")
	}
	key, err := w.key()
	if err != nil {
		return nil, fmt.Errorf("audit: webhook: secret: %w", err)
	}
	return &webhook{log: l, url: w.URL, key: key, client: hookClient(u.Scheme == "http")}, nil
}

// hookClient follows nothing, takes no proxy from the environment, and over
// http dials nobody beyond the own network.
func hookClient(plain bool) *http.Client {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	if plain {
		dialer.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
			at, err := netip.ParseAddrPort(address)
			if ip := at.Addr().Unmap(); err == nil && !ip.IsLoopback() && !ip.IsPrivate() {
				err = errors.New("http:// goes to loopback and private addresses alone")
			}
			return err
		}
	}
	return &http.Client{
		Timeout:       10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSHandshakeTimeout: 5 * time.Second, ResponseHeaderTimeout: 10 * time.Second,
			MaxResponseHeaderBytes: 16 << 10, MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true,
		},
	}
}

func (w *webhook) name() string { return "webhook" }

// last is nothing: a webhook is told, and not asked.
func (w *webhook) last(context.Context) (string, error) { return "", nil }

// told is the body.
type told struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      toldData  `json:"data"`
}

type toldData struct {
	Origin     string `json:"origin"`
	Size       int64  `json:"size"`
	Root       string `json:"root"`
	Checkpoint string `json:"checkpoint"`
	PublicKey  string `json:"public_key"`
}

// publish tells of a checkpoint. Any answer of 2xx means that it was taken.
func (w *webhook) publish(ctx context.Context, h, _ head) error {
	now := w.log.now()
	body, err := json.Marshal(told{"log.checkpoint", now.UTC(), toldData{h.Origin, h.Size, h.Root.String(), h.text, w.log.public}})
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return hideURL(err)
	}
	id, at := fmt.Sprintf("chk_%d_%x", h.Size, h.Root[:4]), strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, w.key)
	fmt.Fprintf(mac, "%s.%s.", id, at)
	mac.Write(body)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "vitrine")
	r.Header.Set("webhook-id", id)
	r.Header.Set("webhook-timestamp", at)
	r.Header.Set("webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	resp, err := w.client.Do(r)
	if err != nil {
		return hideURL(err)
	}
	defer resp.Body.Close()                                       // only read
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be used again
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("the webhook answered %d", resp.StatusCode)
	}
	return nil
}

// hideURL leaves the address out of an error: its path may be a secret.
func hideURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return fmt.Errorf("tell the webhook: %w", err)
}

package provider

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"vitrine.dev/vitrine"
)

// service is what the dialects that speak HTTP share.
type service struct {
	kind   vitrine.ProviderKind
	base   *url.URL
	hosts  []string
	secret vitrine.Secret
	client *http.Client // for the service itself: follows nothing
	max    int64
	idle   time.Duration
}

func newService(c Config) (*service, error) {
	base, err := parseBase(c.BaseURL)
	if err != nil {
		return nil, err
	}
	if addr, err := netip.ParseAddr(base.Hostname()); err == nil && refused(addr, c.AllowPrivate) {
		return nil, vitrine.Invalid("base_url", "private_address", "The base URL is a private address; the server has to be started so that it allows those.")
	}
	if strings.ContainsFunc(c.Secret.Reveal(), unprintable) {
		return nil, vitrine.Invalid("secret", "bad_secret", "The credential holds characters that no HTTP header may hold.")
	}
	if c.Kind == vitrine.Automatic1111 && c.Secret != "" && !strings.Contains(c.Secret.Reveal(), ":") {
		return nil, vitrine.Invalid("secret", "bad_secret", "The credential of AUTOMATIC1111 is user:password, as its --api-auth says it.")
	}
	if base.Scheme == "http" && c.Secret != "" && !(c.AllowPrivate && near(base.Hostname())) {
		return nil, vitrine.Invalid("base_url", "insecure_base_url", "Over http:// the credential would travel in clear; give an https:// address. Only a service in the own network may do without.")
	}
	client := &http.Client{Transport: shared(c.AllowPrivate)}
	if c.Client != nil {
		client.Transport = c.Client.Transport
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &service{kind: c.Kind, base: base, hosts: c.Hosts, secret: c.Secret, client: client, max: c.MaxBytes, idle: c.Idle}, nil
}

// near reports whether a host is one of the own network by its name or address.
func near(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return refused(addr, false)
	}
	host = strings.TrimSuffix(host, ".")
	at := strings.LastIndexByte(host, '.')
	switch host[at+1:] { // of names that the public tree does not have
	case "localhost", "local", "internal", "lan", "arpa":
		return true
	}
	return at < 0
}

// parseBase reads a base URL: http or https, a host, no user, query or fragment.
func parseBase(text string) (*url.URL, error) {
	bad := func(why string) (*url.URL, error) {
		return nil, vitrine.Invalid("base_url", "bad_base_url", "The base URL "+why+".")
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || len(text) > 2000:
		return bad("cannot be read")
	case u.Scheme != "http" && u.Scheme != "https":
		return bad("has to begin with http:// or https://")
	case u.Hostname() == "" || u.Opaque != "":
		return bad("has no host")
	case u.User != nil:
		return bad("must not hold a user or password; give the credential apart")
	case u.RawQuery != "" || u.ForceQuery || strings.Contains(text, "#"):
		return bad("must not hold a query or a fragment")
	}
	u.Host = strings.ToLower(u.Host)
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), ""
	return u, nil
}

// Origin is scheme://host:port of a base URL, to which a credential is bound.
func Origin(baseURL string) (string, error) {
	u, err := parseBase(baseURL)
	if err != nil {
		return "", err
	}
	return u.Scheme + "://" + hostPort(u), nil
}

// hostPort is a URL's host with its port written out.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(strings.ToLower(strings.TrimSuffix(u.Hostname(), ".")), port)
}

// Transports are shared so that a provider costs nothing to make and idle
// connections are found again.
var (
	public  = sync.OnceValue(func() *http.Transport { return newTransport(false) })
	private = sync.OnceValue(func() *http.Transport { return newTransport(true) })
)

func shared(allowPrivate bool) *http.Transport {
	if allowPrivate {
		return private()
	}
	return public()
}

// newTransport bounds everything that happens before an answer. It takes no
// proxy from the environment: a proxy would dial for us, and past the check of
// addresses.
func newTransport(allowPrivate bool) *http.Transport {
	dialer := &net.Dialer{
		Timeout: 10 * time.Second,
		ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			return checkAddress(address, allowPrivate)
		},
	}
	return &http.Transport{
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    10 * time.Second,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:      true,
		ResponseHeaderTimeout:  defaultTimeout,
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConnsPerHost:    256, // to make a connection takes longer than to keep it
		ReadBufferSize:         64 << 10,
		IdleConnTimeout:        90 * time.Second,
		// A compressed answer could grow without bound, and pictures do not
		// get smaller by it.
		DisableCompression: true,
	}
}

// privateError says that an address was not dialled.
type privateError struct{ addr string }

func (e *privateError) Error() string { return "address " + e.addr + " is not public" }

func checkAddress(address string, allowPrivate bool) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("dial %s: %w", address, err)
	}
	if refused(ap.Addr(), allowPrivate) {
		return &privateError{ap.Addr().String()}
	}
	return nil
}

// Beyond what netip knows by name. The first list is never dialled, the
// second only where private addresses are allowed.
var (
	neverDialled = prefixes("0.0.0.0/8", "168.63.129.16/32", "192.0.0.0/24", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"fec0::/10", "fd00:ec2::/32", "100::/64", "2001::/32", "2001:db8::/32", "::/96")
	privateOnly = prefixes("100.64.0.0/10", "198.18.0.0/15", "64:ff9b:1::/48")
	// These carry an IPv4 address inside, which is judged in its place.
	nat64, sixToFour = netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("2002::/16")
)

func prefixes(texts ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, t := range texts {
		all = append(all, netip.MustParsePrefix(t))
	}
	return all
}

// refused reports whether an address must not be dialled. Link-local
// addresses, where clouds keep their metadata, never are.
func refused(a netip.Addr, allowPrivate bool) bool {
	a = a.Unmap().WithZone("")
	b := a.As16()
	switch {
	case nat64.Contains(a):
		return refused(netip.AddrFrom4([4]byte(b[12:16])), allowPrivate)
	case sixToFour.Contains(a):
		return refused(netip.AddrFrom4([4]byte(b[2:6])), allowPrivate)
	case a.IsLoopback() || a.IsPrivate() && !within(neverDialled, a) || within(privateOnly, a):
		return !allowPrivate
	}
	return a.IsUnspecified() || a.IsLinkLocalUnicast() || a.IsMulticast() || within(neverDialled, a)
}

func within(all []netip.Prefix, a netip.Addr) bool {
	for _, p := range all {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

var errIdle = errors.New("silence in the middle of an answer")

// exchange is one request with its bounded answer.
type exchange struct {
	*http.Response
	ctx   context.Context
	body  *watched // is Body
	close func()
}

// do sends a request. The answer's body ends with an error when it is silent
// for too long or the context ends. Close the exchange.
func (s *service) do(ctx context.Context, client *http.Client, req *http.Request) (*exchange, error) {
	stop := func() {}
	if _, ok := ctx.Deadline(); !ok {
		ctx, stop = context.WithTimeout(ctx, defaultTimeout)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var sent atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent.Store(true) }})
	resp, err := client.Do(req.WithContext(traced))
	if err != nil {
		failure := broken(ctx, sent.Load(), err)
		cancel(nil)
		stop()
		return nil, failure
	}
	body := resp.Body
	watch := &watched{ReadCloser: body, idle: s.idle, timeout: func() { cancel(errIdle) }}
	resp.Body = watch
	return &exchange{resp, ctx, watch, func() { body.Close(); cancel(nil); stop() }}, nil
}

// watched ends an answer that is silent for too long.
type watched struct {
	io.ReadCloser
	idle    time.Duration
	timeout func()
	patient bool // it may be silent as long as the context lets it
}

func (w *watched) Read(p []byte) (int, error) {
	if w.patient {
		return w.ReadCloser.Read(p)
	}
	t := time.AfterFunc(w.idle, w.timeout)
	defer t.Stop()
	return w.ReadCloser.Read(p)
}

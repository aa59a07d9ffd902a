package provider

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// fetch copies the picture behind a URL of an answer into its sink, at once:
// such URLs live for an hour. It carries no credential.
//
// A URL in an answer is the service's wish that we make a request from inside
// our network. So only the service's own host and those that the provider
// names are asked, over https or the scheme of the base URL, redirects stay
// within the same bounds, and addresses are judged when they are dialled.
func (s *service) fetch(ctx context.Context, text string, sink func() (io.Writer, error)) (int64, error) {
	u, err := url.Parse(text)
	if err != nil || !s.allowed(u) {
		return 0, forbiddenURL(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return 0, forbiddenURL(err)
	}
	req.Header.Set("User-Agent", agent)
	req.Header.Set("Accept", "image/*")
	client := *s.client
	client.CheckRedirect = func(next *http.Request, via []*http.Request) error {
		if len(via) > 3 || !s.allowed(next.URL) {
			return forbiddenURL(nil)
		}
		return nil
	}
	resp, err := s.do(ctx, &client, req)
	if err != nil {
		return 0, afterAnswer(err)
	}
	defer resp.close()
	kind, _, _ := strings.Cut(resp.Header.Get("Content-Type"), "/")
	switch {
	case resp.StatusCode != http.StatusOK:
		return 0, &Error{Status: resp.StatusCode, Code: CodeNotFetched, Charged: ChargedUnknown, Message: "The picture could not be fetched from where the service put it."}
	case kind == "text" || resp.Header.Get("Content-Encoding") != "":
		return 0, fail(CodeNotFetched, ChargedUnknown, "Where the service put the picture, there is something else.", nil)
	case resp.ContentLength > s.max:
		return 0, tooLarge()
	}
	return s.copy(resp, sink)
}

func (s *service) copy(resp *exchange, sink func() (io.Writer, error)) (int64, error) {
	w, err := sink()
	if err != nil {
		return 0, notKept(err)
	}
	to := &keeper{w: w}
	buf := windows.Get().(*window)
	defer windows.Put(buf)
	n, err := io.CopyBuffer(struct{ io.Writer }{to}, io.LimitReader(resp.Body, s.max+1), buf.text)
	switch {
	case to.err != nil:
		return n, notKept(to.err)
	case n > s.max:
		return n, tooLarge()
	case err != nil:
		return n, afterAnswer(broken(resp.ctx, true, err))
	case n == 0:
		return 0, fail(CodeNoImage, ChargedUnknown, "The service's URL holds nothing.", nil)
	}
	return n, nil
}

// keeper remembers whether it was the writing that failed.
type keeper struct {
	w   io.Writer
	err error
}

func (k *keeper) Write(p []byte) (int, error) {
	n, err := k.w.Write(p)
	if err != nil {
		k.err = err
	}
	return n, err
}

func tooLarge() *Error {
	return fail(CodeTooLarge, ChargedUnknown, "The service's picture is larger than is taken.", nil)
}

func forbiddenURL(err error) *Error {
	return fail(CodeForbiddenURL, ChargedUnknown, "The service's answer points to an address that it may not point to.", err)
}

// afterAnswer corrects what is known of the charge: the service had answered
// before the fetch failed.
func afterAnswer(err error) error {
	e := &Error{}
	if !errors.As(err, &e) {
		return err
	}
	c := *e
	c.Charged = ChargedUnknown
	if blocked := (&privateError{}); errors.As(err, &blocked) {
		c.Code, c.Message = CodeForbiddenURL, forbiddenURL(nil).Message
	}
	return &c
}

// allowed reports whether an answer may point to u.
func (s *service) allowed(u *url.URL) bool {
	if u.User != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != s.base.Scheme {
		return false
	}
	at := hostPort(u)
	if at == hostPort(s.base) {
		return true
	}
	for _, h := range s.hosts {
		if matchHost(strings.ToLower(h), at) {
			return true
		}
	}
	return false
}

// matchHost compares a named host with host:port. Without a port it stands for
// the usual ones.
func matchHost(pattern, at string) bool {
	host, port, err := net.SplitHostPort(at)
	if err != nil {
		return false
	}
	if h, p, err := net.SplitHostPort(pattern); err == nil {
		if p != port {
			return false
		}
		pattern = h
	} else if port != "443" && port != "80" {
		return false
	}
	if below, ok := strings.CutPrefix(pattern, "*."); ok {
		return below != "" && strings.HasSuffix(host, "."+below)
	}
	return pattern == host
}

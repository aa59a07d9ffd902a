package s3blob

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"github.com/minio/minio-go/v7/pkg/s3utils"

	"vitrine.dev/vitrine/internal/blob"
)

// amazon is the endpoint where none is named.
const amazon = "s3.amazonaws.com"

// Place is what a URL says.
type Place struct {
	Bucket   string
	Prefix   string // "" or with '/' behind it
	Endpoint string // host and port
	TLS      bool
	Region   string
	Role     bool // credentials are those of the machine, from its cloud
}

// Parse reads s3://BUCKET[/PREFIX] with these parameters, all of which may be
// left out:
//
//	endpoint    https://HOST[:PORT] of the store; Amazon's otherwise
//	region      of the bucket; us-east-1 otherwise
//	auth        role: the machine's own role, from its cloud's metadata
//	allow_http  true: an endpoint http:// that is not on this machine. Whoever
//	            is on the way then sees and changes which blobs there are, though
//	            nothing of what is in them
//
// Credentials never stand in it.
func Parse(text string) (*Place, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "s3" || u.Host == "" || u.Opaque != "" || u.Fragment != "" {
		return nil, errors.New("want a bucket such as s3://BUCKET/PREFIX?endpoint=https://HOST&region=REGION")
	}
	if u.User != nil {
		return nil, errors.New("credentials never stand in the bucket's URL: give blobs_credentials, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment")
	}
	p := &Place{Bucket: u.Host, Endpoint: amazon, TLS: true, Region: "us-east-1"}
	if err := s3utils.CheckValidBucketNameStrict(p.Bucket); err != nil {
		return nil, fmt.Errorf("bucket %q: %w", p.Bucket, err)
	}
	if prefix := strings.Trim(u.Path, "/"); prefix != "" {
		if err := blob.CheckName(prefix); err != nil {
			return nil, fmt.Errorf("prefix %q: want letters, digits, '.', '_', '-' and '/'", prefix)
		}
		p.Prefix = prefix + "/"
	}
	return p, p.parameters(u.RawQuery)
}

func (p *Place) parameters(query string) error {
	q, err := url.ParseQuery(query)
	if err != nil {
		return errors.New("the parameters behind ? cannot be read")
	}
	plain := false
	for name, values := range q {
		v := values[0]
		switch {
		case len(values) > 1:
			return fmt.Errorf("%s stands there twice", name)
		case name == "endpoint":
			err = p.endpoint(v)
		case name == "region" && v != "":
			p.Region = v
		case name == "auth" && v == "role":
			p.Role = true
		case name == "allow_http" && (v == "true" || v == "false"):
			plain = v == "true"
		default:
			return fmt.Errorf("%s=%s: want endpoint, region, auth=role or allow_http=true", name, v)
		}
		if err != nil {
			return err
		}
	}
	if !p.TLS && !plain && !loopback(p.Endpoint) {
		return fmt.Errorf("endpoint %s: without TLS whoever is on the way sees the requests; use https://, or say allow_http=true", p.Endpoint)
	}
	return nil
}

func (p *Place) endpoint(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
		return errors.New("endpoint: want https://HOST or https://HOST:PORT")
	}
	p.Endpoint, p.TLS = u.Host, u.Scheme == "https"
	return nil
}

func loopback(endpoint string) bool {
	host := endpoint
	if h, _, err := net.SplitHostPort(endpoint); err == nil {
		host = h
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// Package provider speaks to image services: one file for each dialect, and
// studio, which is built in and draws by itself.
//
// A Provider is one service with one credential. It sends a request that has
// already been decided and bounded, and streams the pictures of the answer
// into the request's sinks as they arrive: a megabyte of base64 is never held
// whole and never passes through a general JSON parser, because that parser,
// not the cipher behind the sink, would be the cost of a picture.
//
// Services are not trusted. Whatever one answers - a web page, an answer
// without end, a drip, more pictures than asked, a URL into the private
// network, its caller's own credential in an error text - becomes an *Error
// of bounded length that is safe to show and says what is known of the
// charge. Addresses are judged when a connection is made, on the address that
// is really dialled, so a name that resolves differently the second time gains
// nothing.
//
// The package decides nothing about people, budgets or policies, keeps no
// state beyond idle connections, and never retries: a retry may pay twice, so
// it belongs to whoever holds the budget.
package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"vitrine.dev/vitrine"
)

// Request is what is asked of a service, already decided and bounded.
type Request struct {
	Model   string // upstream name
	Prompt  vitrine.Prompt
	N       int    // 0 is 1
	Size    string // WIDTHxHEIGHT or "auto" or ""
	Quality string
	Format  string // png, jpeg, webp or ""
	EndUser string // opaque: a keyed hash, never the caller's own value
	Sources []Source
	Mask    *Source
	// Extra are further fields of the caller's request that the dialect passes
	// on (seed, background, guidance_scale, ...), by JSON name. Check says
	// which are known.
	Extra map[string]json.RawMessage
	// Sink answers where the i-th picture's bytes go; they are streamed,
	// decoded, never held whole. It is called once for each picture that
	// arrives, and may be called for some of them before an error.
	Sink func(i int) (io.Writer, error)
	// Previews is how many earlier states of each picture to ask for, 0 to 3;
	// services and models that show none are not asked. For each that comes
	// Preview answers where its bytes go - nil is nowhere - and what to call once
	// it is whole, with its number.
	Previews int
	Preview  func() (w io.Writer, whole func(index int))
}

// Source is a picture to edit.
type Source struct {
	io.ReaderAt
	Size   int64
	Format string // png, jpeg, webp, gif
}

// Result is what came back beside the bytes.
type Result struct {
	Images []Image
	Cost   *vitrine.Micros // what the service says it charged, or nil
	Usage  json.RawMessage // OpenAI's usage object, or nil
	// Echo are OpenAI's answer fields: size, quality, background, output_format.
	Echo map[string]string
}

// Image is one picture that was written to its sink.
type Image struct {
	Size          int64
	Seed          string
	RevisedPrompt string
}

// Model is what a service offers.
type Model struct {
	ID    string
	Price *vitrine.Price // when the service tells
}

// Provider is one service with one credential.
//
// Generate answers an *Error for what the service did and a *vitrine.Error of
// kind ErrInvalid for what Check would have refused; nothing was sent then.
type Provider interface {
	Generate(ctx context.Context, r *Request) (*Result, error) // Sources make it an edit
	Models(ctx context.Context) ([]Model, error)
}

// Balancer is a provider that can tell what is left on its account.
type Balancer interface {
	Balance(ctx context.Context) (vitrine.Micros, error)
}

// Config makes a provider.
type Config struct {
	Kind    vitrine.ProviderKind
	BaseURL string
	// Hosts are further hosts that answers may be fetched from: "host",
	// "host:port", or "*.domain" for the names below it.
	Hosts        []string
	Secret       vitrine.Secret // may be ""
	AllowPrivate bool           // base URLs on loopback and private addresses
	// Client may be nil: then it is a bounded one, shared between providers,
	// that refuses private addresses. Redirects are this package's in any case.
	Client   *http.Client
	MaxBytes int64         // of one picture; 0 is 64 MiB
	Idle     time.Duration // longest silence inside an answer; 0 is 30 s
}

const (
	defaultMaxBytes = 64 << 20
	defaultIdle     = 30 * time.Second
	// defaultTimeout holds where the caller's context has no deadline.
	defaultTimeout = 10 * time.Minute
)

// New checks the configuration and answers the provider. It dials nothing.
func New(c Config) (Provider, error) {
	if c.MaxBytes <= 0 {
		c.MaxBytes = defaultMaxBytes
	}
	if c.Idle <= 0 {
		c.Idle = defaultIdle
	}
	if c.Kind == vitrine.Studio {
		return studioProvider{}, nil
	}
	s, err := newService(c)
	if err != nil {
		return nil, err
	}
	switch c.Kind {
	case vitrine.OpenAI:
		return &openAI{s}, nil
	case vitrine.NanoGPT:
		return newNanoGPT(s), nil
	case vitrine.Automatic1111:
		return &automatic1111{s}, nil
	case vitrine.Stability:
		return &stability{s}, nil
	}
	return nil, vitrine.Invalid("kind", "unknown_kind", fmt.Sprintf("There is no provider kind %q; use openai, nanogpt, automatic1111, stability or studio.", c.Kind))
}

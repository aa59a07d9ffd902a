package gateway

import (
	"encoding/json"
	"errors"
	"io"
	"time"

	"vitrine.dev/vitrine"
)

// Request is a generation or an edit, parsed by a front from either dialect.
// The gateway checks all of it again.
type Request struct {
	Model          string
	Prompt         vitrine.Prompt
	N              int    // 0 is 1
	Size           string // WIDTHxHEIGHT or auto; "" is the deployment's first, else 1024x1024
	Quality        string // in the model's words
	OutputFormat   string // "" is the deployment's first, else the service's choice
	ResponseFormat string // b64_json or url; "" is b64_json
	EndUser        string // for whom the caller says that it asks
	Edit           bool
	Sources        []Source
	Mask           *Source
	// Extra are further fields by name; which are known depends on the service.
	Extra map[string]json.RawMessage

	Stream *Stream // nil where nobody follows it

	IdempotencyKey string
	BodyHash       string // of the whole request, to know it again by
}

// Source is a picture to edit: an image of the vault, or bytes that came with
// the request.
type Source struct {
	Image vitrine.ID
	Body  io.ReaderAt
	Size  int64
	Param string // the field that it came in
}

// Answer is what came of a request. Close it.
type Answer struct {
	Created       time.Time
	Images        []AnswerImage
	Cost          vitrine.Micros  // what the caller's budgets were charged
	Remaining     *vitrine.Micros // least left of the budgets that counted; nil where none did
	PaymentSource string          // the budget with the least left, else "USD"
	Usage         json.RawMessage // OpenAI's usage object, or nil
	Echo          map[string]string
	Request       string // id under which the log has it
	Revision      int64  // of the policy that it was decided by
	// Replayed says that the same idempotency key was answered before: nothing
	// was made or charged this time.
	Replayed bool
}

// AnswerImage is one image of an answer; it stands in the vault under ID.
type AnswerImage struct {
	ID            vitrine.ID
	Size          int64
	Format        string
	io.ReaderAt          // its bytes; nil where LinkPath is set
	LinkPath      string // for response_format url
	RevisedPrompt string
	Seed          string
	Tier          vitrine.Tier
}

// Close lets go of what the images are read from.
func (a *Answer) Close() error {
	var err error
	for i := range a.Images {
		switch from := a.Images[i].ReaderAt.(type) {
		case io.Closer:
			err = errors.Join(err, from.Close())
		case interface{ Abort() }: // a draft; once kept, only its buffers go
			from.Abort()
		}
	}
	return err
}

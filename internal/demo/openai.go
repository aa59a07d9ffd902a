package demo

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"vitrine.dev/vitrine"
)

// drawn is what OpenAI's client got.
type drawn struct {
	id      vitrine.ID
	picture []byte
	cost    string // dollars, as the answer writes it
	left    string
}

// refusal is what OpenAI's client makes of a refused request.
type refusal struct {
	status        int
	code, message string
}

// Error is the status with its text.
func (r *refusal) Error() string { return fmt.Sprintf("%d %s: %s", r.status, r.code, r.message) }

// openAI is the official client as anybody makes one: a base URL and a key.
// Settings of the real service that may stand in the reader's environment are
// taken out.
func openAI(url, key string) openai.Client {
	return openai.NewClient(option.WithBaseURL(url+"/v1"), option.WithAPIKey(key),
		option.WithHeaderDel("OpenAI-Project"), option.WithHeaderDel("OpenAI-Organization"))
}

// draw makes one image with the official client. A refusal is a *refusal.
func draw(ctx context.Context, url, key, model, size, prompt string) (*drawn, error) {
	c := openAI(url, key)
	var raw *http.Response
	res, err := c.Images.Generate(ctx, openai.ImageGenerateParams{
		Model: model, Prompt: prompt, N: openai.Int(1), Size: openai.ImageGenerateParamsSize(size),
	}, option.WithResponseInto(&raw))
	if err != nil {
		return nil, refused(err)
	}
	if len(res.Data) != 1 {
		return nil, &surprise{"one image", "one", fmt.Sprint(len(res.Data))}
	}
	picture, err := base64.StdEncoding.DecodeString(res.Data[0].B64JSON)
	if err != nil {
		return nil, fmt.Errorf("the image in the answer: %w", err)
	}
	return &drawn{
		id: vitrine.ID(raw.Header.Get("X-Vitrine-Image-Ids")), picture: picture,
		cost: res.JSON.ExtraFields["cost"].Raw(), left: res.JSON.ExtraFields["remainingBalance"].Raw(),
	}, nil
}

// models lists what the official client sees, by id.
func models(ctx context.Context, url, key string) (string, error) {
	c := openAI(url, key)
	page, err := c.Models.List(ctx)
	if err != nil {
		return "", refused(err)
	}
	var ids []string
	for _, m := range page.Data {
		ids = append(ids, m.ID)
	}
	return strings.Join(ids, ", "), nil
}

func refused(err error) error {
	var e *openai.Error
	if errors.As(err, &e) {
		return &refusal{e.StatusCode, e.Code, e.Message}
	}
	return err
}

package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"vitrine.dev/vitrine"
)

// Preview is an earlier state of an image that is being made. The server keeps
// none; whoever is shown one may.
type Preview struct {
	Index   int    `json:"partial_image_index"`
	Format  string `json:"output_format"`
	Picture []byte `json:"b64_json"`
}

// GenerateStream is Generate with a look at what is being made: it asks for so
// many previews of each image, 0 to 3, and calls show with each that comes.
// Models that show none make their images all the same, and of a slow client some
// are left out.
func (c *Client) GenerateStream(ctx context.Context, g Generation, previews int, show func(Preview)) (*Generated, error) {
	in := struct {
		Generation
		Stream   bool `json:"stream"`
		Previews int  `json:"partial_images"`
	}{g, true, previews}
	resp, err := c.send(ctx, call{method: "POST", path: "//v1/images/generations", in: in, header: g.header()})
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() // read to its end, or of no more use
	made := &Generated{}
	lines := bufio.NewReaderSize(io.LimitReader(resp.Body, maxAnswer), 64<<10)
	for {
		data, err := event(lines)
		switch {
		case errors.Is(err, io.EOF) && len(made.Images) > 0:
			return made, nil
		case errors.Is(err, io.EOF):
			return nil, fmt.Errorf("%s: the stream ended without an image; look for it in the vault before asking again", c.server)
		case err != nil:
			return nil, c.unreachable(err)
		}
		if err := made.take(data, show); err != nil {
			return nil, err
		}
	}
}

// event is the data of the next event of a stream.
func event(lines *bufio.Reader) ([]byte, error) {
	var data []byte
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return nil, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if rest, ok := bytes.CutPrefix(line, []byte("data:")); ok {
			data = append(data, rest...)
		}
		if len(line) == 0 && len(data) > 0 {
			return data, nil
		}
	}
}

// take adds what an event tells.
func (made *Generated) take(data []byte, show func(Preview)) error {
	var e struct {
		Preview
		Type          string     `json:"type"`
		ID            vitrine.ID `json:"image_id"`
		RevisedPrompt string     `json:"revised_prompt"`
		Cost          float64    `json:"cost"`
		Remaining     *float64   `json:"remainingBalance"`
		Error         *struct {
			Message string `json:"message"`
			Code    string `json:"code"`
			Param   string `json:"param"`
		} `json:"error"`
	}
	if err := json.Unmarshal(data, &e); err != nil {
		return fmt.Errorf("decode an event: %w", err)
	}
	switch {
	case e.Error != nil:
		return &Error{Status: http.StatusBadGateway, Detail: e.Error.Message, Code: e.Error.Code, Param: e.Error.Param}
	case strings.HasSuffix(e.Type, ".partial_image") && show != nil:
		show(e.Preview)
	case strings.HasSuffix(e.Type, ".completed"):
		made.Images = append(made.Images, GeneratedImage{ID: e.ID, Picture: e.Picture, RevisedPrompt: e.RevisedPrompt})
		if made.Cost += e.Cost; e.Remaining != nil {
			made.Remaining = e.Remaining
		}
	}
	return nil
}

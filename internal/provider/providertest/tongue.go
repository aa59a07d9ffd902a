package providertest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"strconv"
	"strings"
)

// tongue is how a dialect is spoken: what the fake reads in it and says in it.
type tongue struct {
	read     func(c *Call) error
	pictures func(u *Upstream, w http.ResponseWriter, r *http.Request, c *Call, n int)
	failure  func(message, kind, code string) any
	// kind, begin and more are of an answer that begins, and goes on and on.
	kind, begin, more string
}

var openAITongue = tongue{
	read: readOpenAI, pictures: (*Upstream).openAIPictures, failure: openAIFailure,
	kind: "application/json", begin: `{"created":1,"data":[{"b64_json":"`, more: "QUJD",
}

func readOpenAI(c *Call) (err error) {
	c.Model, c.Size = c.Text("model"), c.Text("size")
	c.EndUser = cmp.Or(c.Text("user"), c.Text("safety_identifier"))
	if raw, ok := c.Fields["n"]; ok {
		if c.N, err = strconv.Atoi(strings.Trim(string(raw), `"`)); err != nil {
			return fmt.Errorf("n: %w", err)
		}
	}
	return nil
}

func openAIFailure(message, kind, code string) any {
	return map[string]any{"error": map[string]any{"message": message, "type": kind, "code": code, "param": nil}}
}

func (u *Upstream) openAIPictures(w http.ResponseWriter, r *http.Request, c *Call, n int) {
	if strings.Trim(string(c.Fields["stream"]), `"`) == "true" {
		more := *c
		more.N = n
		Streamed(stream)(u, w, r, &more)
		return
	}
	data := []map[string]any{}
	for i := range n {
		data = append(data, map[string]any{"b64_json": encoded(u.Picture(i, c)), "revised_prompt": "revised " + strconv.Itoa(i)})
	}
	u.json(w, http.StatusOK, u.answer(c, data))
}

var webuiTongue = tongue{
	read: readWebUI, pictures: (*Upstream).webuiPictures, failure: webuiFailure,
	kind: "application/json", begin: `{"images":["`, more: "QUJD",
}

// readWebUI reads stable-diffusion-webui's request. One for a checkpoint that it
// does not have draws with whichever is loaded, as the real one does.
func readWebUI(c *Call) (err error) {
	var in struct {
		N        int `json:"n_iter"`
		Batch    int `json:"batch_size"`
		Width    int `json:"width"`
		Height   int `json:"height"`
		Settings struct {
			Checkpoint string `json:"sd_model_checkpoint"`
		} `json:"override_settings"`
	}
	if err := json.Unmarshal(c.Body, &in); err != nil {
		return err
	}
	if file, _, titled := strings.Cut(in.Settings.Checkpoint, ".safetensors ["); titled {
		c.Model = file
	}
	c.N = max(in.N, 1) * max(in.Batch, 1)
	c.Size = fmt.Sprintf("%dx%d", cmp.Or(in.Width, 512), cmp.Or(in.Height, 512))
	return nil
}

func webuiFailure(message, _, _ string) any {
	return map[string]any{"error": "HTTPException", "detail": message, "body": "", "errors": ""}
}

func (u *Upstream) webuiPictures(w http.ResponseWriter, _ *http.Request, c *Call, n int) {
	var all []string
	var seeds []int
	for i := range n {
		all, seeds = append(all, encoded(u.Picture(i, c))), append(seeds, 42+i)
	}
	info, err := json.Marshal(map[string]any{"prompt": c.Prompt, "all_seeds": seeds, "sd_model_name": c.Model})
	if err != nil {
		panic("a list of numbers is not JSON: " + err.Error())
	}
	u.json(w, http.StatusOK, map[string]any{"images": all, "parameters": map[string]any{"prompt": c.Prompt, "images": []string{"none"}}, "info": string(info)})
}

// checkpoints is what stable-diffusion-webui says that it has.
func (u *Upstream) checkpoints() []map[string]any {
	var all []map[string]any
	for _, id := range u.Models {
		all = append(all, map[string]any{"title": id + ".safetensors [6ce0161689]", "model_name": id, "hash": "6ce0161689", "sha256": nil,
			"filename": "/models/" + id + ".safetensors", "config": nil})
	}
	return all
}

var stabilityTongue = tongue{
	read: readStability, pictures: (*Upstream).stabilityPictures, failure: stabilityFailure,
	kind: "image/png", begin: "\x89PNG\r\n\x1a\n", more: "more",
}

func readStability(c *Call) error {
	c.Model, c.Size = cmp.Or(c.Text("model"), path.Base(c.Path)), c.Text("aspect_ratio")
	c.EndUser = c.Header.Get("Stability-Client-User-Id")
	if c.Header.Get("Accept") != "image/*" || c.Body != nil {
		return fmt.Errorf("want multipart/form-data, and that image/* is accepted")
	}
	return nil
}

func stabilityFailure(message, _, code string) any {
	if code == "moderation_blocked" {
		code = "content_moderation"
	}
	return map[string]any{"id": "a91892196cc28735", "name": code, "errors": []string{message}}
}

// stabilityPictures answers the one picture that a call makes.
func (u *Upstream) stabilityPictures(w http.ResponseWriter, _ *http.Request, c *Call, _ int) {
	w.Header().Set("Finish-Reason", "SUCCESS")
	w.Header().Set("Seed", c.Text("seed"))
	w.Header().Set("Content-Type", "image/png")
	if _, err := w.Write(u.Picture(len(u.Calls())-1, c)); err != nil {
		return // the client has gone
	}
}

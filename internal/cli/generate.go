package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/client"
)

// maxPrompt bounds a prompt from standard input.
const maxPrompt = 1 << 20

func newGenerate() *cobra.Command {
	var g client.Generation
	var dir, dataset, project string
	var seed int64
	var noSave, force bool
	cmd := remote(&cobra.Command{
		Use: "generate --model MODEL PROMPT", Short: "Generate images through the gateway",
		Long: `Generate images through the gateway, as any OpenAI client does. They are kept in
the vault, and written here too unless --no-save is given. A PROMPT of - is read
from standard input: others on the machine can read a command line.`,
		Example: `  vitrine generate --model hidream "a lighthouse in fog"
  echo "a lighthouse in fog" | vitrine generate --model hidream --n 2 --size 1024x1024 -f out/ -`,
		Args: exactly("PROMPT"),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
		g.Prompt, g.Dataset, g.Project = args[0], vitrine.ID(dataset), vitrine.ID(project)
		if g.Model == "" {
			return usage("--model is missing: vitrine generate --help")
		}
		if args[0] == "-" {
			text, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), maxPrompt))
			if err != nil {
				return err
			}
			g.Prompt = strings.TrimSpace(string(text))
		}
		if cmd.Flags().Changed("seed") {
			g.Seed = &seed
		}
		if !noSave { // before anything is paid for
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
		}
		made, err := waitFor(ctx, cmd, c, g)
		if err != nil {
			return err
		}
		files := make([]string, len(made.Images))
		for i, m := range made.Images {
			if noSave || m.Picture == nil {
				continue
			}
			files[i] = filepath.Join(dir, fileOf(m, i))
			if _, err := save(files[i], bytes.NewReader(m.Picture), force); err != nil {
				return fmt.Errorf("the images are in the vault, but: %w", err)
			}
		}
		return showGenerated(cmd, made, files)
	})
	f := cmd.Flags()
	f.StringVar(&g.Model, "model", "", "model to ask")
	f.IntVar(&g.N, "n", 0, "how many images")
	f.StringVar(&g.Size, "size", "", "size, such as 1024x1024")
	f.StringVar(&g.Quality, "quality", "", "quality, in the model's words")
	f.StringVar(&g.OutputFormat, "format", "", "png, jpeg or webp")
	f.StringVar(&g.ResponseFormat, "response-format", "", "b64_json or url")
	f.StringVar(&g.User, "user", "", "end user for whom this is")
	f.Int64Var(&seed, "seed", 0, "seed, for models that take one")
	f.StringVar(&dataset, "dataset", "", "where the images are kept; the key's default otherwise")
	f.StringVar(&project, "project", "", "whose deployment is used; the key's default otherwise")
	f.StringVar(&g.IdempotencyKey, "idempotency-key", "", "the same key with the same request is paid once")
	f.StringVarP(&dir, "file", "f", ".", "directory to write the pictures to")
	f.BoolVar(&noSave, "no-save", false, "keep them in the vault only")
	f.BoolVar(&force, "force", false, "overwrite files that are there")
	return cmd
}

// waitFor generates while a person sees that it goes on.
func waitFor(ctx context.Context, cmd *cobra.Command, c *client.Client, g client.Generation) (*client.Generated, error) {
	p := newProgress(cmd, "generating")
	done := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		begun := time.Now()
		for {
			select {
			case <-tick.C:
				p.say(time.Since(begun).Round(time.Second).String())
			case <-done:
				p.done()
				return
			}
		}
	}()
	made, err := c.Generate(ctx, g)
	close(done)
	<-stopped
	return made, err
}

func fileOf(m client.GeneratedImage, i int) string {
	name := string(m.ID)
	if name == "" || !m.ID.Valid() {
		name = fmt.Sprintf("image-%d", i+1)
	}
	switch {
	case bytes.HasPrefix(m.Picture, []byte("\x89PNG")):
		return name + ".png"
	case bytes.HasPrefix(m.Picture, []byte("\xff\xd8")):
		return name + ".jpg"
	case len(m.Picture) > 12 && string(m.Picture[8:12]) == "WEBP":
		return name + ".webp"
	case bytes.HasPrefix(m.Picture, []byte("GIF8")):
		return name + ".gif"
	}
	return name + ".bin"
}

func showGenerated(cmd *cobra.Command, made *client.Generated, files []string) error {
	type image struct {
		client.GeneratedImage
		File string `json:"file,omitempty"`
	}
	out := struct {
		Images    []image  `json:"images"`
		Cost      float64  `json:"cost"`
		Remaining *float64 `json:"remaining,omitempty"`
	}{Images: []image{}, Cost: made.Cost, Remaining: made.Remaining}
	for i, m := range made.Images {
		out.Images = append(out.Images, image{m, files[i]})
	}
	return show(cmd, out, func(w io.Writer) {
		for _, m := range out.Images {
			fmt.Fprintf(w, "%s  %s\n", m.ID, m.File+clean(m.URL))
		}
		left := ""
		if made.Remaining != nil {
			left = fmt.Sprintf(", $%.6g left", *made.Remaining)
		}
		fmt.Fprintf(w, "cost $%.6g%s\n", made.Cost, left)
	})
}

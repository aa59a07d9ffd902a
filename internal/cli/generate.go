package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
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
	var previews int
	cmd := remote(&cobra.Command{
		Use: "generate --model MODEL PROMPT", Short: "Generate images through the gateway",
		Long: `Generate images through the gateway, as any OpenAI client does. They are kept in
the vault, and written here too unless --no-save is given. A PROMPT of - is read
from standard input: others on the machine can read a command line.

With --previews the images are followed while they are made: of each so many earlier
states are written as preview-1 and so on, over those of the time before. Models that
show none make their images all the same.`,
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
		s := shown{dir: dir, lost: noSave}
		made, err := waitFor(cmd, &s.n, func() (*client.Generated, error) {
			if previews == 0 {
				return c.Generate(ctx, g)
			}
			return c.GenerateStream(ctx, g, previews, s.show)
		})
		if err != nil {
			return err
		}
		if s.err != nil {
			fmt.Fprintf(cmd.ErrOrStderr(), "warning: a preview could not be written: %v\n", s.err)
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
	f.IntVar(&previews, "previews", 0, "how many earlier states of each image to show while it is made, 0 to 3")
	f.BoolVar(&noSave, "no-save", false, "keep them in the vault only")
	f.BoolVar(&force, "force", false, "overwrite files that are there")
	return cmd
}

// shown takes previews.
type shown struct {
	dir  string
	lost bool // they are not written
	n    atomic.Int32
	err  error
}

func (s *shown) show(p client.Preview) {
	n := s.n.Add(1)
	if s.lost || s.err != nil {
		return
	}
	// An earlier run's preview is nothing to keep.
	_, s.err = save(filepath.Join(s.dir, fmt.Sprintf("preview-%d%s", n, extension(p.Picture))), bytes.NewReader(p.Picture), true)
}

// waitFor generates while a person sees that it goes on.
func waitFor(cmd *cobra.Command, previews *atomic.Int32, generate func() (*client.Generated, error)) (*client.Generated, error) {
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
				where := time.Since(begun).Round(time.Second).String()
				if n := previews.Load(); n > 0 {
					where += fmt.Sprintf(", %s so far", count(int(n), "preview"))
				}
				p.say(where)
			case <-done:
				p.done()
				return
			}
		}
	}()
	made, err := generate()
	close(done)
	<-stopped
	return made, err
}

func fileOf(m client.GeneratedImage, i int) string {
	name := string(m.ID)
	if name == "" || !m.ID.Valid() {
		name = fmt.Sprintf("image-%d", i+1)
	}
	return name + extension(m.Picture)
}

// extension is a picture's, by its first bytes.
func extension(picture []byte) string {
	switch {
	case bytes.HasPrefix(picture, []byte("\x89PNG")):
		return ".png"
	case bytes.HasPrefix(picture, []byte("\xff\xd8")):
		return ".jpg"
	case len(picture) > 12 && string(picture[8:12]) == "WEBP":
		return ".webp"
	case bytes.HasPrefix(picture, []byte("GIF8")):
		return ".gif"
	}
	return ".bin"
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

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/client"
)

func newImagePut() *cobra.Command {
	var u client.Upload
	var dataset, tier, first string
	var sources []string
	cmd := remote(&cobra.Command{
		Use: "put FILE...", Short: "Put pictures into a dataset",
		Long: `Put pictures - PNG, JPEG, WebP or GIF - into a dataset. - is standard input. The
bytes are kept exactly. Without --tier a picture has the dataset's birth tier.

Where the server takes no more for now it is waited for, five minutes a picture
at most. If a picture is refused the answer says which are in and which are left,
and the exit status is 5; with --from the same command goes on where it stopped.`,
		Example: `  vitrine image put --dataset drafts hero.png
  vitrine image put --dataset scans --tier restricted --label face *.jpg
  vitrine image put --dataset scans --from 0042.jpg *.jpg`,
		Args: atLeast("FILE"),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
		u.Dataset, u.Sources = vitrine.ID(dataset), ids(sources)
		if err := u.Tier.UnmarshalText([]byte(tier)); err != nil {
			return usage("--tier: %v", err)
		}
		if u.Name != "" && len(args) > 1 {
			return usage("--name names one picture, not %d", len(args))
		}
		if first != "" {
			i := slices.Index(args, first)
			if i < 0 {
				return usage("--from %s is none of the pictures", first)
			}
			args = args[i:]
		}
		return putAll(ctx, cmd, c, u, args)
	})
	f := cmd.Flags()
	f.StringVar(&dataset, "dataset", "", "dataset; the key's default otherwise")
	f.StringVar(&tier, "tier", "", "public, internal, confidential or restricted")
	f.StringVar(&u.Name, "name", "", "name; the file's otherwise")
	f.StringArrayVar(&u.Labels, "label", nil, "label; may be repeated")
	f.StringArrayVar(&sources, "source", nil, "image that it was made from; may be repeated")
	f.StringVar(&first, "from", "", "leave out the pictures before this one: they are in")
	return cmd
}

// putAll puts one picture after the other and stops at the first that is
// refused: the next would be refused for the same reason.
func putAll(ctx context.Context, cmd *cobra.Command, c *client.Client, u client.Upload, files []string) error {
	out := struct {
		Images []*client.Image `json:"images"`
		Left   []string        `json:"left,omitempty"` // the first is the one that was refused
	}{Images: []*client.Image{}}
	p := newProgress(cmd, "put")
	var failed error
	for i, file := range files {
		p.say(fmt.Sprintf("%d of %d", i+1, len(files)))
		m, err := putFile(ctx, cmd, c, u, file, p)
		if err != nil {
			out.Left = files[i:]
			failed = fmt.Errorf("%s (%d of %d are in): %w", file, i, len(files), err)
			break
		}
		out.Images = append(out.Images, m)
	}
	p.done()
	if failed != nil && len(out.Images) == 0 {
		return failed // nothing is in, so there is nothing to answer
	}
	err := show(cmd, out, func(w io.Writer) {
		for i, m := range out.Images {
			fmt.Fprintf(w, "%s  %s  %s  %s\n", m.ID, m.Dataset, m.Tier, clean(files[i]))
		}
	})
	if err == nil && failed != nil {
		return partly{fmt.Errorf("%w\n  Go on with --from %s", failed, out.Left[0])}
	}
	return errors.Join(failed, err)
}

// putFile puts one picture. A server that takes no more for now has done
// nothing with it, so it is asked again when it said; standard input cannot be
// read twice.
func putFile(ctx context.Context, cmd *cobra.Command, c *client.Client, u client.Upload, file string, p *progress) (*client.Image, error) {
	if file == "-" {
		return c.Upload(ctx, u, cmd.InOrStdin())
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close() // only read
	if u.Name == "" {
		u.Name = filepath.Base(file)
	}
	for waited := time.Duration(0); ; {
		m, err := c.Upload(ctx, u, struct{ io.Reader }{f}) // which the transport must not close
		var e *client.Error
		if err == nil || !errors.As(err, &e) || e.Status != http.StatusTooManyRequests {
			return m, err
		}
		wait := max(time.Second, time.Duration(e.RetryAfter)*time.Second)
		if waited += wait; waited > longestWait {
			return nil, err
		}
		if _, serr := f.Seek(0, io.SeekStart); serr != nil {
			return nil, err // a pipe
		}
		p.now(fmt.Sprintf("%s: the server takes no more for now, waiting %s", file, wait))
		if err := pause(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// longestWait is how long one picture waits for a server that takes no more.
const longestWait = 5 * time.Minute

// pause waits, unless ctx is done; tests need not.
var pause = func(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

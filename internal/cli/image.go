package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/client"
)

func newImage() *cobra.Command {
	return family("image", "Images: put, get, ls, rm, restore, link", "Images in the vault. You see, list and count only what you may see.",
		newImagePut(), newImageGet(), newImageLs(), newImageShow(), newImageTier(), newImageRm(), newImageRestore(), newImageLink(), newImageLinks(), newImageUnlink())
}

func newImageGet() *cobra.Command {
	var file, rendition string
	var force bool
	cmd := remote(&cobra.Command{
		Use: "get IMAGE", Short: "Get a picture, as far as you may see it",
		Long: `Get a picture: the original if you may open it, else the masked view if you may
see that. A rendition that you name is that one or an error.`,
		Example: `  vitrine image get img-1
  vitrine image get img-1 --rendition masked -f preview.png
  vitrine image get img-1 -f - | display`,
		Args: exactly("IMAGE"),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
		if err := oneOf("rendition", vitrine.Rendition(rendition), vitrine.Original, vitrine.Masked, vitrine.Thumbnail); err != nil {
			return err
		}
		v, err := c.Content(ctx, vitrine.ID(args[0]), vitrine.Rendition(rendition))
		if err != nil {
			return err
		}
		defer v.Close() // only read
		if file == "-" {
			_, err := io.Copy(cmd.OutOrStdout(), v)
			return err
		}
		if file == "" {
			file = args[0] + "." + v.Format
		}
		p := newProgress(cmd, "get")
		n, err := save(file, io.TeeReader(v, p), force)
		p.done()
		if err != nil {
			return err
		}
		out := map[string]any{"id": args[0], "rendition": v.Rendition, "format": v.Format, "bytes": n, "file": file}
		return show(cmd, out, func(w io.Writer) { fmt.Fprintf(w, "%s  %s  %s\n", file, v.Rendition, size(n)) })
	})
	f := cmd.Flags()
	f.StringVarP(&file, "file", "f", "", "file to write to; - is standard output")
	f.StringVar(&rendition, "rendition", "", "original, masked or thumbnail")
	f.BoolVar(&force, "force", false, "overwrite a file that is there")
	return cmd
}

// save writes a file that only its owner can read; half a picture is removed.
func save(file string, from io.Reader, force bool) (int64, error) {
	how := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if force {
		how = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(file, how, 0o600)
	if errors.Is(err, os.ErrExist) {
		return 0, fmt.Errorf("%s is there already: --force overwrites it, -f writes elsewhere", file)
	}
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(f, from)
	if err = errors.Join(err, f.Close()); err != nil {
		err = errors.Join(err, os.Remove(file))
	}
	return n, err
}

func newImageLs() *cobra.Command {
	var q client.ImageQuery
	var project, dataset, category, tier string
	var limit int
	cmd := remote(&cobra.Command{
		Use: "ls", Short: "List images that you may see, newest first",
		Example: `  vitrine image ls --dataset drafts
  vitrine image ls --project renders --tier confidential --limit 500 --output json
  vitrine image ls --deleted`,
		Args: exactly(),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, _ []string) error {
		q.Project, q.Dataset = vitrine.ID(project), vitrine.ID(dataset)
		if err := q.Category.UnmarshalText([]byte(category)); err != nil {
			return usage("--category: %v", err)
		}
		if err := q.Tier.UnmarshalText([]byte(tier)); err != nil {
			return usage("--tier: %v", err)
		}
		if limit < 1 {
			return usage("--limit %d: want 1 or more", limit)
		}
		q.Limit = min(limit, 1000)
		all, more, err := listImages(ctx, cmd, c, q, limit)
		if err != nil {
			return err
		}
		return show(cmd, map[string]any{"images": all, "more": more}, func(w io.Writer) {
			g := newGrid("ID", "DATASET", "CATEGORY", "TIER", "SEES", "CREATED", "SIZE", "NAME").numbers(6)
			for _, m := range all {
				bytes := "-"
				if m.Detail.Size > 0 {
					bytes = size(m.Detail.Size)
				}
				g.row(string(m.ID), string(m.Dataset), m.Category.String(), m.Tier.String(), string(m.Sees), stamp(m.Created), bytes, dash(m.Detail.Name))
			}
			if q.Deleted {
				g = deletedGrid(all)
			}
			g.print(w, map[bool]string{false: "No images that you may see.", true: "No images that you may restore."}[q.Deleted])
			if more {
				fmt.Fprintf(w, "There are more: --limit %d\n", limit*10)
			}
		})
	})
	f := cmd.Flags()
	f.StringVar(&project, "project", "", "only of this project")
	f.StringVar(&dataset, "dataset", "", "only of this dataset")
	f.StringVar(&category, "category", "", "only of this category")
	f.StringVar(&tier, "tier", "", "only of this tier")
	f.IntVar(&limit, "limit", 100, "at most this many")
	f.BoolVar(&q.Deleted, "deleted", false, "those instead that were deleted and that you may restore")
	return cmd
}

func listImages(ctx context.Context, cmd *cobra.Command, c *client.Client, q client.ImageQuery, limit int) ([]client.Image, bool, error) {
	all := []client.Image{}
	p := newProgress(cmd, "list")
	defer p.done()
	for m, err := range c.Images(ctx, q) {
		if err != nil {
			return nil, false, err
		}
		if len(all) == limit {
			return all, true, nil
		}
		all = append(all, m)
		p.say(count(len(all), "image"))
	}
	return all, false, nil
}

func newImageShow() *cobra.Command {
	return remote(&cobra.Command{
		Use: "show IMAGE", Short: "What you may know of an image",
		Example: "  vitrine image show img-1 --output json", Args: exactly("IMAGE"),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
		m, err := c.Image(ctx, vitrine.ID(args[0]))
		if err != nil {
			return err
		}
		return show(cmd, m, func(w io.Writer) { printImage(w, m) })
	})
}

func printImage(w io.Writer, m *client.Image) {
	d, l := m.Detail, m.Detail.Lineage
	dimensions := ""
	if d.Width > 0 {
		dimensions = fmt.Sprintf("%d × %d", d.Width, d.Height)
	}
	bytes := ""
	if d.Size > 0 {
		bytes = size(d.Size)
	}
	tier := m.Tier.String()
	if m.TierBy != "" {
		tier += " (by " + string(m.TierBy) + ")"
	}
	pairs(w, "id", string(m.ID), "project", string(m.Project), "dataset", string(m.Dataset), "category", m.Category.String(), "tier", tier,
		"you see", string(m.Sees), "owner", string(m.Owner), "created", stamp(m.Created), "goes", stamp(m.Expires), "held by", string(m.Hold), "name", d.Name, "labels", strings.Join(d.Labels, ", "),
		"format", d.Format, "pixels", dimensions, "size", bytes, "sha256", d.SHA256, "prompt", l.Prompt, "model", l.Model,
		"provider", string(l.Provider), "seed", l.Seed, "made from", join(l.Sources, ", "), "end user", l.EndUser)
}

func newImageTier() *cobra.Command {
	var reason string
	cmd := remote(&cobra.Command{
		Use: "tier IMAGE TIER", Short: "Change an image's tier",
		Long:    "Change an image's tier. Lowering it needs a reason.",
		Example: `  vitrine image tier img-1 public --reason "approved for the web site"`,
		Args:    exactly("IMAGE", "TIER"),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
		var t vitrine.Tier
		if err := t.UnmarshalText([]byte(args[1])); err != nil || t == vitrine.TierUnknown {
			return usage("TIER %q: want public, internal, confidential or restricted", args[1])
		}
		m, err := c.Classify(ctx, vitrine.ID(args[0]), t, reason)
		if err != nil {
			return err
		}
		return show(cmd, m, func(w io.Writer) { fmt.Fprintf(w, "%s is %s.\n", m.ID, m.Tier) })
	})
	cmd.Flags().StringVar(&reason, "reason", "", "why")
	return cmd
}

func newImageLink() *cobra.Command {
	var rendition string
	var ttl time.Duration
	cmd := remote(&cobra.Command{
		Use: "link IMAGE", Short: "Make a link that shows an image for some minutes",
		Long: `Make a link that shows an image, to whoever has it, for some minutes. It shows one
rendition, is checked against the policy at each use, and dies with the key that
made it. The link is shown this once.`,
		Example: `  vitrine image link img-1 --ttl 15m
  vitrine image link img-1 --rendition masked --output json`,
		Args: exactly("IMAGE"),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
		if err := oneOf("rendition", vitrine.Rendition(rendition), vitrine.Original, vitrine.Masked, vitrine.Thumbnail); err != nil {
			return err
		}
		if ttl < 0 {
			return usage("--ttl %s: want a time such as 15m", ttl)
		}
		l, err := c.MakeLink(ctx, vitrine.ID(args[0]), vitrine.Rendition(rendition), ttl)
		if err != nil {
			return err
		}
		return show(cmd, l, func(w io.Writer) {
			fmt.Fprintf(w, "%s\n", l.URL)
			fmt.Fprintf(cmd.ErrOrStderr(), "%s, until %s; end it with vitrine image unlink %s %s\n", l.Rendition, stamp(l.Expires), args[0], l.ID)
		})
	})
	cmd.Flags().StringVar(&rendition, "rendition", "", "original, masked or thumbnail")
	cmd.Flags().DurationVar(&ttl, "ttl", 0, "how long it works, such as 15m")
	return cmd
}

func newImageLinks() *cobra.Command {
	return remote(&cobra.Command{
		Use: "links IMAGE", Short: "The links to an image",
		Example: "  vitrine image links img-1", Args: exactly("IMAGE"),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
		all, err := c.Links(ctx, vitrine.ID(args[0]))
		if err != nil {
			return err
		}
		return show(cmd, map[string]any{"links": all}, func(w io.Writer) {
			g := newGrid("LINK", "RENDITION", "UNTIL", "USES").numbers(3)
			for _, l := range all {
				g.row(string(l.ID), string(l.Rendition), stamp(l.Expires), fmt.Sprint(l.Uses))
			}
			g.print(w, "No links.")
		})
	})
}

func newImageUnlink() *cobra.Command {
	return remote(&cobra.Command{
		Use: "unlink IMAGE LINK", Short: "End a link",
		Example: "  vitrine image unlink img-1 lnk-1", Args: exactly("IMAGE", "LINK"),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
		if err := c.RevokeLink(ctx, vitrine.ID(args[0]), vitrine.ID(args[1])); err != nil {
			return err
		}
		return show(cmd, map[string]any{"ended": args[1]}, func(w io.Writer) { fmt.Fprintf(w, "%s shows nothing any more.\n", clean(args[1])) })
	})
}

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"

	"github.com/spf13/cobra"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/client"
)

// repriced is a deployment whose service takes another price than the policy
// says.
type repriced struct {
	Deployment vitrine.ID     `json:"deployment"`
	Was        *vitrine.Price `json:"was,omitempty"`
	Price      *vitrine.Price `json:"price"`
}

// prices is what comes of asking a service for its prices.
type prices struct {
	Changes  []repriced   `json:"changes"`
	Unpriced []vitrine.ID `json:"unpriced"` // deployments whose price the service does not tell
	Applied  bool         `json:"applied"`
	Revision int64        `json:"revision,omitempty"`
	set      vitrine.ChangeSet
}

func newProviderPrices() *cobra.Command {
	var project string
	var yes bool
	cmd := remote(&cobra.Command{
		Use: "prices ID", Short: "Take a service's own prices into the policy",
		Long: `Ask an image service for its prices and compare them with the prices of its
deployments. What differs is shown and, once you agree, put into the policy as one
change set. A price never changes by itself: what is reserved is what the policy
says, and a service that takes more leaves a debt that stops further use.

A model whose price the service tells by another unit than the image has none
here; give its deployment a price in a policy file, or it is refused.`,
		Example: `  vitrine provider prices nano
  vitrine provider prices nano --project renders --yes --output json`,
		Args: exactly("ID"),
	}, func(ctx context.Context, cmd *cobra.Command, c *client.Client, args []string) error {
		id := vitrine.ID(args[0])
		offered, err := c.TestProvider(ctx, id)
		if err != nil {
			return err
		}
		deployments, err := c.Objects(ctx, vitrine.KindDeployment)
		if err != nil {
			return err
		}
		p := compare(id, vitrine.ID(project), offered, deployments)
		if err := p.apply(ctx, cmd, c, yes); err != nil {
			return err
		}
		return show(cmd, p, func(w io.Writer) {
			if p.Applied {
				fmt.Fprintf(w, "The prices stand in the policy since revision %d.\n", p.Revision)
			} else {
				p.print(w)
			}
		})
	})
	cmd.Flags().StringVar(&project, "project", "", "deployments of this project only")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

// compare finds the deployments of a provider that cost something else than it
// says.
func compare(provider, project vitrine.ID, offered []vitrine.Offered, deployments []vitrine.Object) *prices {
	told := make(map[string]*vitrine.Price, len(offered))
	for _, o := range offered {
		told[o.Model] = o.Price
	}
	p := &prices{Changes: []repriced{}, Unpriced: []vitrine.ID{}}
	p.set.Reason = "prices of " + string(provider)
	for _, o := range deployments {
		d, ok := o.(*vitrine.Deployment)
		if !ok || d.Provider != provider || project != "" && d.Project != project {
			continue
		}
		upstream := d.Upstream
		if upstream == "" {
			upstream = d.Model
		}
		switch now := told[upstream]; {
		case now == nil:
			p.Unpriced = append(p.Unpriced, d.ID)
		case !reflect.DeepEqual(now, d.Price):
			p.Changes = append(p.Changes, repriced{d.ID, d.Price, now})
			next := *d
			next.Price = now
			p.set.Changes = append(p.set.Changes, vitrine.Put(&next))
		}
	}
	return p
}

func (p *prices) apply(ctx context.Context, cmd *cobra.Command, c *client.Client, yes bool) error {
	if len(p.Changes) == 0 {
		return nil
	}
	if output(cmd) != "json" {
		p.print(cmd.ErrOrStderr())
	}
	sure, err := confirm(cmd, yes, fmt.Sprintf("%s to change. Apply?", count(len(p.Changes), "price")))
	if err != nil {
		return err
	}
	if !sure {
		return errors.New("nothing was changed")
	}
	done, err := c.Apply(ctx, &p.set)
	if err != nil {
		return fmt.Errorf("nothing was changed: %w", err)
	}
	p.Applied, p.Revision = true, done.Revision
	return nil
}

func (p *prices) print(w io.Writer) {
	g := newGrid("DEPLOYMENT", "WAS", "THE SERVICE TAKES")
	for _, c := range p.Changes {
		g.row(string(c.Deployment), priceText(c.Was), priceText(c.Price))
	}
	g.print(w, "No price differs from what the service tells.")
	for _, id := range p.Unpriced {
		fmt.Fprintf(w, "%s: the service tells no price for it\n", id)
	}
}

// priceText is a price for people: the dearest image, and that there are others.
func priceText(p *vitrine.Price) string {
	if p == nil {
		return "-"
	}
	s := "$" + p.Image.String()
	if len(p.Rules) > 0 {
		s += fmt.Sprintf(" and %s", count(len(p.Rules), "rule"))
	}
	return s
}

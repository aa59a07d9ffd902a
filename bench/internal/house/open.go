package house

import (
	"context"
	"errors"

	"vitrine.dev/vitrine/internal/app"
	"vitrine.dev/vitrine/internal/config"
)

// Fill closes the server, opens the installation in this process for fn to put
// into it what would take too long by the door, and serves it again.
func (h *House) Fill(ctx context.Context, fn func(*app.App) error) error {
	if err := h.Close(); err != nil {
		return err
	}
	c, err := config.Load("", []string{"VITRINE_DATA=" + h.Data()})
	if err != nil {
		return err
	}
	a, err := app.Open(ctx, c, app.Options{})
	if err != nil {
		return err
	}
	if err := errors.Join(fn(a), a.Close()); err != nil {
		return err
	}
	return h.Serve(ctx)
}

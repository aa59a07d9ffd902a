package blob

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
)

// Probe finds out whether a bucket does what it should: it writes a small blob
// under a name of its own, reads it and removes it. What a probe leaves that dies
// in between no row names, so that a sweep removes it.
func Probe(ctx context.Context, b Bucket) error {
	text := []byte(rand.Text())
	name := "probe-" + strings.ToLower(rand.Text())
	w, err := b.Create(ctx, name)
	if err != nil {
		return fmt.Errorf("write a probe: %w", err)
	}
	_, err = w.Write(text)
	if err == nil {
		err = w.Commit()
	}
	if err = errors.Join(err, w.Abort()); err != nil {
		return fmt.Errorf("write a probe: %w", err)
	}
	if err := readProbe(ctx, b, name, text); err != nil {
		return fmt.Errorf("read a probe: %w", errors.Join(err, b.Delete(context.WithoutCancel(ctx), name)))
	}
	if err := b.Delete(ctx, name); err != nil {
		return fmt.Errorf("remove a probe: %w", err)
	}
	return nil
}

func readProbe(ctx context.Context, b Bucket, name string, want []byte) error {
	r, err := b.Open(ctx, name)
	if err != nil {
		return err
	}
	got := make([]byte, len(want))
	_, err = r.ReadAt(got, 0)
	if err = errors.Join(err, r.Close()); err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return errors.New("other bytes came back than were written")
	}
	return nil
}

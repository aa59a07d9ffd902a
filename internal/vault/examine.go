package vault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/store"
)

// Damage is an image, or one form of it, that cannot be given any more.
type Damage struct {
	Image vitrine.ID
	Form  string // "" is the image's row
	Err   error
}

// Error implements error.
func (d Damage) Error() string {
	if d.Form == "" {
		return fmt.Sprintf("image %s: %v", d.Image, d.Err)
	}
	return fmt.Sprintf("%s of image %s: %v", d.Form, d.Image, d.Err)
}

// Unwrap answers why.
func (d Damage) Unwrap() error { return d.Err }

// Examine looks, for whoever holds the machine, whether every image could be
// given: its row opens, its original is named, and each of its forms is there
// with the right size and opens at its head. Of a form it reads 64 KB at most.
// Nothing of any image is answered. found is told each damage; done, how many
// rows were looked at. An error is that looking itself went wrong.
//
// It is no method, as those act for a caller.
func Examine(ctx context.Context, v *Vault, done func(rows int64), found func(Damage)) error {
	var n int64
	step := func() {
		n++
		done(n)
	}
	var missing []string // the names of originals that no row was seen for yet
	look := func() error {
		named, err := v.store.BlobNamed(ctx, missing)
		if err != nil {
			return err
		}
		for _, name := range missing {
			if !named[name] {
				id, form := splitBlob(name)
				found(Damage{id, form, errors.New("no row names it")})
			}
		}
		missing = missing[:0]
		return nil
	}
	err := v.store.EachImage(ctx, func(m *store.ImageRow, damage error) error {
		step()
		if damage != nil {
			found(Damage{Image: m.ID, Err: damage})
		}
		if missing = append(missing, blobName(m.ID, string(vitrine.Original))); len(missing) == 1000 {
			return look()
		}
		return nil
	})
	if err == nil {
		err = look()
	}
	if err != nil {
		return err
	}
	return v.store.EachBlob(ctx, func(b *store.BlobRow, key []byte) error {
		step()
		if err := v.examine(ctx, b, key); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			found(Damage{b.Image, b.Rendition, err})
		}
		return nil
	})
}

// examine opens the head of one form.
func (v *Vault) examine(ctx context.Context, b *store.BlobRow, key []byte) error {
	data, err := v.keys.data.Unwrap(key, string(b.Image))
	if err != nil {
		return fmt.Errorf("its key: %w", err)
	}
	if !v.keys.proves(b, b.Image, b.Rendition) {
		return errors.New("its row was changed outside")
	}
	size := int64(len(b.Inline))
	if b.Inline == nil {
		f, err := v.bucket.Open(ctx, b.Name)
		if errors.Is(err, fs.ErrNotExist) {
			return errors.New("its file is missing")
		}
		if err != nil {
			return err
		}
		size = f.Size()
		if err := f.Close(); err != nil {
			return err
		}
	}
	if size != b.Size {
		return fmt.Errorf("it has %d bytes sealed, not %d", size, b.Size)
	}
	c, err := v.unseal(ctx, b, formKey(data, b.Image, b.Rendition))
	if err != nil {
		return err
	}
	var head [1]byte
	_, err = c.ReadAt(head[:], 0)
	if err == io.EOF && b.PlainSize == 0 {
		err = nil
	}
	return errors.Join(err, c.Close())
}

// splitBlob is the image and the form of a blob's name.
func splitBlob(name string) (vitrine.ID, string) {
	for i := range name {
		if name[i] == '/' {
			return vitrine.ID(name[:i]), name[i+1:]
		}
	}
	return vitrine.ID(name), ""
}

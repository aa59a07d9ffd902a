package vault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/access"
	"vitrine.dev/vitrine/internal/render"
	"vitrine.dev/vitrine/internal/seal"
	"vitrine.dev/vitrine/internal/store"
)

// The forms in which images are kept. A style's number rises whenever what it
// makes changes, so that old and new never stand under one name. Until images
// are analysed nobody knows what is where in one, so every masked view hides
// all kinds of finding, whichever of them the caller might be shown.
const (
	formOriginal        = "original"
	formMasked          = "masked/p1-all"
	formThumbnail       = "thumbnail/t1"
	formMaskedThumbnail = "masked-thumbnail/p1-all-t1"
)

const (
	thumbnailEdge = 320              // pixels, of the longer side
	decodeQueue   = 30 * time.Second // for room to decode
)

var forms = map[vitrine.Rendition]string{
	vitrine.Original: formOriginal, vitrine.Masked: formMasked,
	vitrine.Thumbnail: formThumbnail, vitrine.MaskedThumbnail: formMaskedThumbnail,
}

// render answers a rendition of an image, making it where it was never asked
// for. It is ErrNotFound where the image was deleted meanwhile, ErrDamaged where
// its bytes are missing or do not open.
func (v *Vault) render(ctx context.Context, m *store.ImageRow, r vitrine.Rendition) (*content, error) {
	data, err := v.keys.unwrap(m)
	var c *content
	if err == nil {
		c, err = v.form(ctx, m, data, r)
	}
	missing := errors.Is(err, errNone) || errors.Is(err, fs.ErrNotExist)
	if !missing && !errors.Is(err, seal.ErrSealed) {
		return c, err
	}
	if now, rerr := v.row(ctx, m.ID); rerr == nil && now == nil {
		return nil, access.NotFound()
	}
	if missing {
		err = fmt.Errorf("the bytes of image %s are missing: %w", m.ID, err)
	}
	v.damaged(ctx, m.ID, bytesWrong)
	return nil, damage(err)
}

func (v *Vault) form(ctx context.Context, m *store.ImageRow, data seal.Key, r vitrine.Rendition) (*content, error) {
	c, err := v.stored(ctx, m.ID, data, forms[r])
	if r == vitrine.Original || !unmade(err) {
		return c, err
	}
	from := vitrine.Original
	if r == vitrine.MaskedThumbnail {
		from = vitrine.Masked
	}
	src, err := v.form(ctx, m, data, from)
	if err != nil {
		return nil, err
	}
	c, err = v.derive(ctx, m, data, r, src)
	if err := errors.Join(err, src.Close()); err != nil {
		return nil, err
	}
	return c, nil
}

// unmade reports whether a derived form is to be made: it never was, or its file
// is gone. It can be made again, unlike an original.
func unmade(err error) bool { return errors.Is(err, errNone) || errors.Is(err, fs.ErrNotExist) }

// derive makes a rendition and keeps it for the next who asks. How much is
// decoded at the same time is bounded.
func (v *Vault) derive(ctx context.Context, m *store.ImageRow, data seal.Key, r vitrine.Rendition, src *content) (*content, error) {
	pixels := min(int64(src.Width)*int64(src.Height), v.bounds.Pixels)
	waiting, cancel := context.WithTimeout(ctx, decodeQueue)
	defer cancel()
	if err := v.decoding.Acquire(waiting, pixels); err != nil {
		return nil, &vitrine.Error{Kind: vitrine.ErrUnavailable, Code: "busy", RetryAfter: 5, Err: err,
			Public: "Too many renditions are being made. Try again in a moment."}
	}
	defer v.decoding.Release(pixels)
	if c, err := v.stored(ctx, m.ID, data, forms[r]); !unmade(err) {
		return c, err // another was faster while this one waited
	}
	plain, b, err := v.draw(r, src)
	if err != nil {
		return nil, fmt.Errorf("make %s of image %s: %w", forms[r], m.ID, err)
	}
	b.Name, b.Image, b.Rendition, b.PlainSize = blobName(m.ID, forms[r]), m.ID, forms[r], int64(len(plain))
	b.ETag = v.keys.tag(&b)
	if err := v.cache(ctx, &b, plain, formKey(data, m.ID, forms[r])); errors.Is(err, vitrine.ErrNotFound) {
		return nil, access.NotFound()
	}
	return &content{bytes.NewReader(plain), b, nothing}, nil
}

// draw makes the pixels. What was accepted once may be shown, also where the
// bounds are narrower today.
func (v *Vault) draw(r vitrine.Rendition, src *content) (plain []byte, b store.BlobRow, err error) {
	bounds := v.bounds
	bounds.Bytes, bounds.Pixels = max(bounds.Bytes, src.PlainSize), max(bounds.Pixels, int64(src.Width)*int64(src.Height))
	var info render.Info
	if r == vitrine.Masked {
		plain, info, err = render.Pixelate(src, src.PlainSize, bounds)
	} else {
		plain, info, err = render.Thumbnail(src, src.PlainSize, bounds, thumbnailEdge)
	}
	if errors.Is(err, vitrine.ErrInvalid) || errors.Is(err, vitrine.ErrTooLarge) {
		err = &vitrine.Error{Kind: vitrine.ErrInvalid, Code: "undecodable", Param: "rendition", Err: err,
			Public: "The pixels of this picture cannot be decoded, so there is nothing but the original."}
	}
	return plain, store.BlobRow{Format: info.Format, Width: info.Width, Height: info.Height}, err
}

// cache keeps a rendition sealed. It is a convenience: one that cannot be kept,
// or that another maker kept first, is the same to who asked for it, and is
// made again when it is asked for again. Only ErrNotFound, for an image that was
// deleted meanwhile, says something.
func (v *Vault) cache(ctx context.Context, b *store.BlobRow, plain []byte, k seal.Key) (err error) {
	b.Size = seal.SealedSize(b.PlainSize)
	if len(plain) <= inline {
		if b.Inline, err = sealed(plain, k); err != nil {
			return err
		}
	} else if err := v.write(ctx, b.Name, plain, k); err != nil {
		return err // fs.ErrExist too: of another maker, or of one that died, for the sweep
	}
	err = v.store.Maintain(ctx, func(tx *store.Tx) error {
		// A row without its file is in the way; whoever made the file just now
		// names it.
		if err := tx.DeleteBlob(b.Name); err != nil && !errors.Is(err, vitrine.ErrNotFound) {
			return err
		}
		return tx.PutBlob(b)
	})
	if errors.Is(err, vitrine.ErrNotFound) && b.Inline == nil {
		return errors.Join(err, v.bucket.Delete(context.WithoutCancel(ctx), b.Name))
	}
	return err
}

// write writes a sealed blob into the bucket.
func (v *Vault) write(ctx context.Context, name string, plain []byte, k seal.Key) error {
	f, err := v.bucket.Create(ctx, name)
	if err != nil {
		return err
	}
	w, err := seal.NewWriter(f, k)
	if err == nil {
		_, err = io.Copy(w, bytes.NewReader(plain))
	}
	if err == nil {
		err = w.Close()
	}
	if err == nil {
		err = f.Commit()
	}
	return errors.Join(err, f.Abort())
}

package vault

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/blob"
	"vitrine.dev/vitrine/internal/render"
	"vitrine.dev/vitrine/internal/seal"
	"vitrine.dev/vitrine/internal/store"
)

// inline is up to how many bytes stay in memory and then in the row.
const inline = 64 << 10

// Draft is an image on its way in: bytes are bounded, hashed and sealed as they
// come, and nothing is known of it until it is kept. What does not fit into 64
// KB is sealed into the bucket under its later name; what is never kept Abort
// removes, or the sweep.
//
// Write, Finish, Keep, Abort, in this order and from one goroutine; ReadAt is
// safe for concurrent use between Finish and Abort.
type Draft struct {
	vault *Vault
	ctx   context.Context // of the bucket; it does not end with the request
	id    vitrine.ID
	data  seal.Key

	sum   hash.Hash
	size  int64
	small []byte // all bytes, while they are few
	plain *held  // all bytes, while there is room for them
	file  blob.Writer
	seal  io.WriteCloser

	mu     sync.Mutex
	opened *content // after Finish
	doubt  bool     // it may have been kept
	kept   bool
}

// Draft begins an image. It outlives ctx: an image that was paid for is kept
// even if the client has gone.
func (v *Vault) Draft(ctx context.Context) (*Draft, error) {
	return &Draft{vault: v, ctx: context.WithoutCancel(ctx), id: newID("img-", v.now()), data: seal.NewKey(), sum: sha256.New()}, nil
}

// ID is the id that the image will have.
func (d *Draft) ID() vitrine.ID { return d.id }

// Size is how many bytes were written.
func (d *Draft) Size() int64 { return d.size }

// Write takes further bytes. ErrTooLarge beyond the bound on a picture's
// bytes; other errors are the bucket's.
func (d *Draft) Write(p []byte) (int, error) {
	if d.size+int64(len(p)) > d.vault.bounds.Bytes {
		return 0, &vitrine.Error{Kind: vitrine.ErrTooLarge, Code: "too_many_bytes", Param: "image",
			Public: fmt.Sprintf("A picture may have at most %d bytes.", d.vault.bounds.Bytes)}
	}
	d.sum.Write(p) // never fails
	d.size += int64(len(p))
	if d.seal == nil && d.size <= inline {
		d.small = append(d.small, p...)
		return len(p), nil
	}
	if d.seal == nil {
		if err := d.spill(); err != nil {
			return 0, err
		}
	}
	d.hold(p)
	return d.seal.Write(p)
}

// hold keeps bytes in memory. Where there is no room for all, none stay.
func (d *Draft) hold(p []byte) {
	if d.plain != nil && !d.plain.write(p) {
		d.plain.free()
		d.plain = nil
	}
}

// spill goes on in the bucket.
func (d *Draft) spill() (err error) {
	if d.file, err = d.vault.bucket.Create(d.ctx, blobName(d.id, formOriginal)); err != nil {
		return fmt.Errorf("begin the sealed bytes: %w", err)
	}
	if d.seal, err = seal.NewWriter(d.file, formKey(d.data, d.id, formOriginal)); err != nil {
		return err
	}
	d.plain = &held{vault: d.vault}
	d.hold(d.small)
	_, err = d.seal.Write(d.small)
	d.small = nil
	return err
}

// Finish ends the bytes, makes them durable and inspects them. Errors about the
// picture are as render.Inspect's; after any error the draft can only be aborted.
func (d *Draft) Finish() (render.Info, error) {
	if d.size == 0 {
		return render.Info{}, vitrine.Invalid("image", "empty", "There is no picture.")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	b := store.BlobRow{Name: blobName(d.id, formOriginal), Image: d.id, Rendition: formOriginal,
		PlainSize: d.size, Size: seal.SealedSize(d.size)}
	c := &content{bytes.NewReader(d.small), b, nothing}
	if d.seal != nil {
		err := d.seal.Close()
		if err == nil {
			err = d.file.Commit()
		}
		if err != nil {
			return render.Info{}, fmt.Errorf("keep the sealed bytes: %w", err)
		}
		if d.plain != nil {
			c.ReaderAt = d.plain
		} else if c, err = d.vault.unseal(d.ctx, &b, formKey(d.data, d.id, formOriginal)); err != nil {
			return render.Info{}, err
		}
	}
	d.opened = c
	info, err := render.Inspect(c, d.size, d.vault.bounds)
	if err != nil {
		return render.Info{}, err
	}
	c.Format, c.Width, c.Height = info.Format, info.Width, info.Height
	c.ETag = d.vault.keys.tag(&c.BlobRow)
	if d.seal == nil {
		c.Inline, err = sealed(d.small, formKey(d.data, d.id, formOriginal))
	}
	return info, err
}

// sealed seals a few bytes as a stream.
func sealed(plain []byte, k seal.Key) ([]byte, error) {
	var out bytes.Buffer
	out.Grow(int(seal.SealedSize(int64(len(plain)))))
	w, err := seal.NewWriter(&out, k)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(plain); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// ReadAt reads the plain bytes back, after Finish, also after Keep.
func (d *Draft) ReadAt(p []byte, off int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.opened == nil {
		return 0, errors.New("vault: the draft is not finished, or aborted")
	}
	return d.opened.ReadAt(p, off)
}

// Abort ends the draft. What was not kept is removed; where that cannot be
// known, or fails, the sweep finds out. After Keep it only closes what ReadAt
// read from. Aborting twice does nothing.
func (d *Draft) Abort() {
	d.mu.Lock()
	defer d.mu.Unlock()
	// Each error here leaves at worst a sealed file that nobody names and nobody
	// has the key of. The sweep removes it.
	if d.opened != nil {
		_ = d.opened.Close()
		d.opened = nil
	}
	if d.plain != nil {
		d.plain.free()
		d.plain = nil
	}
	if d.file != nil && !d.kept && !d.doubt {
		_ = d.file.Abort()
		_ = d.vault.bucket.Delete(d.ctx, blobName(d.id, formOriginal))
	}
	d.small, d.file = nil, nil
}

// put writes the rows of a finished draft. m says what the image is; id, key
// and what the bytes tell are the draft's.
func (d *Draft) put(tx *store.Tx, m *vitrine.Image) error {
	row := store.ImageRow{Image: *m, Key: d.vault.keys.data.Wrap(d.data, string(d.id))}
	if err := tx.PutImage(&row); err != nil {
		return err
	}
	*m = row.Image
	return tx.PutBlob(&d.opened.BlobRow)
}

// describe completes the metadata of a finished draft.
func (d *Draft) describe(m *vitrine.Image) error {
	if d.opened == nil || d.opened.ETag == "" {
		return errors.New("vault: the draft is not finished")
	}
	m.ID, m.Created = d.id, d.vault.now()
	m.Detail.Format, m.Detail.Width, m.Detail.Height = d.opened.Format, d.opened.Width, d.opened.Height
	m.Detail.Size, m.Detail.SHA256 = d.size, fmt.Sprintf("%x", d.sum.Sum(nil))
	return nil
}

// settled remembers how the transaction with the draft's rows ended.
func (d *Draft) settled(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.kept = d.kept || err == nil
	// A refusal undid the rows for sure; of a commit that failed nobody knows,
	// and a second attempt that finds the id in use does not either.
	d.doubt = d.doubt || errors.Is(err, vitrine.ErrUnavailable)
}

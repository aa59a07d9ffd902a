package backup

import (
	"bytes"
	"context"
	"errors"
)

// Forge makes a backup of what is to be inside, announced as another and signed.
func Forge(ctx context.Context, b *Backups, inside, as []byte) ([]byte, error) {
	info, err := announcement(bytes.NewReader(as))
	if err != nil {
		return nil, err
	}
	known, err := b.Known(ctx)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	o, err := newOutput(&out, known.Epoch.Recipients, info)
	if err != nil {
		return nil, err
	}
	_, err = o.age.Write(inside)
	if err := errors.Join(err, o.age.Close()); err != nil {
		return nil, err
	}
	k := &taking{Backups: b, out: o, taken: Taken{Info: info}}
	err = errors.Join(k.seal(), o.buf.Flush())
	return out.Bytes(), err
}

// AppendRow and ReadRows are the form of rows.
var (
	AppendRow = appendRow
	ReadRows  = readRows
)

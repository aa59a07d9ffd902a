package seal

import (
	"errors"
	"fmt"
	"io"

	"github.com/minio/sio"
)

// The shape of a sealed stream.
const (
	packagePlain  = 64 << 10
	packageHeader = 16
	packageSize   = packageHeader + packagePlain + tagSize
	finalFlag     = 0x80 // in the fifth byte of a package's header
)

func (k *Key) stream() sio.Config {
	return sio.Config{
		MinVersion: sio.Version20, MaxVersion: sio.Version20,
		CipherSuites: []byte{sio.AES_256_GCM}, Key: k[:],
	}
}

// NewWriter seals what is written to it into dst. Close writes the last
// package; it does not close dst. An empty stream is an error at Close, since
// one could not tell it from a stream cut to nothing.
func NewWriter(dst io.Writer, k Key) (io.WriteCloser, error) {
	w, err := sio.EncryptWriter(keepOpen{dst}, k.stream())
	if err != nil {
		return nil, err
	}
	return &writer{WriteCloser: w}, nil
}

type writer struct {
	io.WriteCloser
	some bool
}

func (w *writer) Write(p []byte) (int, error) {
	w.some = w.some || len(p) > 0
	return w.WriteCloser.Write(p)
}

func (w *writer) Close() error {
	err := w.WriteCloser.Close()
	if !w.some && err == nil {
		return errors.New("seal: nothing was written")
	}
	return err
}

// keepOpen hides Close from sio, which would close what it writes to.
type keepOpen struct{ io.Writer }

// SealedSize is how many bytes a stream of plain bytes takes when sealed.
func SealedSize(plain int64) int64 {
	packages := (plain + packagePlain - 1) / packagePlain
	return plain + packages*(packageHeader+tagSize)
}

// plainSize is the inverse; ok is false for sizes that no stream has.
func plainSize(sealed int64) (plain int64, ok bool) {
	packages := (sealed + packageSize - 1) / packageSize
	plain = sealed - packages*(packageHeader+tagSize)
	return plain, sealed > 0 && plain > 0 && SealedSize(plain) == sealed
}

// NewReaderAt reads any range of a stream that NewWriter sealed under k.
// sealedSize is the size of src. The last package is opened and checked to be
// the last before anything is answered, so a stream that was cut is ErrSealed
// here; a byte changed elsewhere is ErrSealed when its package is read.
func NewReaderAt(src io.ReaderAt, sealedSize int64, k Key) (r io.ReaderAt, plain int64, err error) {
	plain, ok := plainSize(sealedSize)
	if !ok {
		return nil, 0, ErrSealed
	}
	var head [packageHeader]byte
	last := (plain - 1) / packagePlain * packageSize
	if _, err := src.ReadAt(head[:], last); err != nil {
		return nil, 0, fmt.Errorf("read sealed stream: %w", err)
	}
	if head[4]&finalFlag == 0 {
		return nil, 0, ErrSealed
	}
	in, err := sio.DecryptReaderAt(src, k.stream())
	if err != nil {
		return nil, 0, err
	}
	r = &reader{in: in, size: plain}
	var b [1]byte
	if _, err := r.ReadAt(b[:], plain-1); err != nil && err != io.EOF {
		return nil, 0, err
	}
	return r, plain, nil
}

type reader struct {
	in   io.ReaderAt
	size int64
}

// ReadAt implements io.ReaderAt with its contract about io.EOF.
func (r *reader) ReadAt(p []byte, off int64) (int, error) {
	switch {
	case off < 0:
		return 0, errors.New("seal: negative offset")
	case off >= r.size:
		return 0, io.EOF
	case len(p) == 0:
		return 0, nil
	}
	want := int(min(int64(len(p)), r.size-off))
	n, err := r.in.ReadAt(p[:want], off)
	var broken sio.Error
	switch {
	case errors.As(err, &broken), n < want && (err == nil || err == io.EOF):
		return 0, ErrSealed
	case err != nil && err != io.EOF:
		return 0, fmt.Errorf("read sealed stream: %w", err)
	case want < len(p):
		return want, io.EOF
	}
	return want, nil
}

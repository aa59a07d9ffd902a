package seal

import (
	"errors"
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

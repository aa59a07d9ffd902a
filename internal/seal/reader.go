package seal

import (
	"bytes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
)

// A package of DARE 2.0 is a header - version 0x20, cipher 0 (AES-256-GCM), the
// length of its plain bytes less one as 2 bytes, little-endian, and 12 bytes that
// are the same in all packages of a stream but for the flag of the last one - and
// the ciphertext with its tag. The nonce is those 12 bytes with the package's
// number XORed into the last 4, the additional data the first 4 of the header.
const dareVersion = 0x20

// reader opens the packages of a stream one by one, straight into where their
// bytes are wanted.
type reader struct {
	src   io.ReaderAt
	aead  cipher.AEAD
	head  [packageHeader]byte // of the last package
	plain int64
}

// packages are buffers for sealed packages, and for plain ones of which only a
// part is wanted.
var packages = sync.Pool{New: func() any { return new([packageSize]byte) }}

// NewReaderAt reads any range of a stream that NewWriter sealed under k.
// sealedSize is the size of src. The last package is opened and checked to be
// the last before anything is answered, so a stream that was cut is ErrSealed
// here; a byte changed elsewhere is ErrSealed when its package is read. Reading
// whole packages, from where one begins, copies nothing.
func NewReaderAt(src io.ReaderAt, sealedSize int64, k Key) (r io.ReaderAt, plain int64, err error) {
	s, err := newReader(src, sealedSize, k)
	if err != nil {
		return nil, 0, err
	}
	buf := packages.Get().(*[packageSize]byte)
	defer packages.Put(buf)
	last := (s.plain - 1) / packagePlain
	if err := s.open(buf[:s.size(last)], last); err != nil {
		return nil, 0, err
	}
	clear(buf[:])
	return s, s.plain, nil
}

func newReader(src io.ReaderAt, sealedSize int64, k Key) (*reader, error) {
	plain, ok := plainSize(sealedSize)
	if !ok {
		return nil, ErrSealed
	}
	s := &reader{src: src, aead: k.aead(), plain: plain}
	if _, err := src.ReadAt(s.head[:], (plain-1)/packagePlain*packageSize); err != nil {
		return nil, fmt.Errorf("read sealed stream: %w", err)
	}
	if s.head[0] != dareVersion || s.head[1] != 0 || s.head[4]&finalFlag == 0 {
		return nil, ErrSealed
	}
	return s, nil
}

// size is how many plain bytes the n-th package holds.
func (s *reader) size(n int64) int { return int(min(packagePlain, s.plain-n*packagePlain)) }

// open reads the n-th package and opens it into dst, which is as long.
func (s *reader) open(dst []byte, n int64) error {
	buf := packages.Get().(*[packageSize]byte)
	defer packages.Put(buf)
	sealed := buf[:packageHeader+len(dst)+tagSize]
	if got, err := s.src.ReadAt(sealed, n*packageSize); got < len(sealed) {
		if err == nil || errors.Is(err, io.EOF) {
			return ErrSealed
		}
		return fmt.Errorf("read sealed stream: %w", err)
	}
	return s.unseal(dst, sealed, n)
}

// unseal opens the n-th package, whose header can only be one.
func (s *reader) unseal(dst, sealed []byte, n int64) error {
	want := s.head
	binary.LittleEndian.PutUint16(want[2:], uint16(len(dst)-1))
	if (n+1)*packagePlain < s.plain {
		want[4] &^= finalFlag
	}
	if !bytes.Equal(sealed[:packageHeader], want[:]) {
		return ErrSealed
	}
	nonce := [nonceSize]byte(want[4:])
	binary.LittleEndian.PutUint32(nonce[8:], binary.LittleEndian.Uint32(nonce[8:])^uint32(n))
	if _, err := s.aead.Open(dst[:0], nonce[:], sealed[packageHeader:], want[:4]); err != nil {
		return ErrSealed
	}
	return nil
}

// ReadAt implements io.ReaderAt.
func (s *reader) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, errors.New("seal: negative offset")
	}
	for n < len(p) && off < s.plain {
		number, at := off/packagePlain, int(off%packagePlain)
		size, got := s.size(number), 0
		if at == 0 && len(p)-n >= size {
			got, err = size, s.open(p[n:n+size], number)
		} else {
			got, err = s.part(p[n:], number, at, size)
		}
		if err != nil {
			return n, err
		}
		n, off = n+got, off+int64(got)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// part copies what is wanted of a package.
func (s *reader) part(p []byte, number int64, at, size int) (int, error) {
	buf := packages.Get().(*[packageSize]byte)
	defer packages.Put(buf)
	defer clear(buf[:size])
	if err := s.open(buf[:size], number); err != nil {
		return 0, err
	}
	return copy(p, buf[at:size]), nil
}

// AppendOpen appends the plain bytes of a whole stream in memory.
func AppendOpen(dst, sealed []byte, k Key) ([]byte, error) {
	s, err := newReader(bytes.NewReader(sealed), int64(len(sealed)), k)
	if err != nil {
		return dst, err
	}
	for n := int64(0); n*packagePlain < s.plain; n++ {
		size, from := s.size(n), n*packageSize
		at := len(dst)
		dst = append(dst, make([]byte, size)...)
		if err := s.unseal(dst[at:], sealed[from:from+packageHeader+int64(size)+tagSize], n); err != nil {
			return dst[:at], err
		}
	}
	return dst, nil
}

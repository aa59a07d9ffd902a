// Package seal encrypts: small values whole, and streams so that any range can
// be read without what stands before it. It is pure; where keys come from and
// where bytes go is the caller's business.
//
// A small value is sealed as
//
//	version byte 0x01 | nonce, 12 bytes | AES-256-GCM ciphertext and tag
//
// with the caller's context (which row, which field) as additional data, so
// that a sealed value moved to another place does not open there.
//
// A stream is sealed in DARE 2.0 (package sio): packages of 64 KB, each
// authenticated with its place in the stream, the last one marked. NewReaderAt
// looks at the last package first, so a stream that was cut does not open. The
// format does not authenticate a name; use a key of its own for each stream
// (Key.Derive), and a stream under another name does not open.
//
// Every byte that comes out was authenticated before. A key never prints.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
)

// ErrSealed is the error for whatever does not open: another key, another
// context, a changed or missing byte. It does not say which.
var ErrSealed = errors.New("sealed data does not open: it was changed, cut, or sealed for another place or under another key")

// Key is a 256-bit key. It prints as "[key]" whatever the verb.
type Key [32]byte

const (
	version   = 1
	nonceSize = 12
	tagSize   = 16
)

// NewKey is a random key.
func NewKey() Key {
	var k Key
	_, _ = rand.Read(k[:]) // never fails: it ends the process where it would
	return k
}

// String implements fmt.Stringer.
func (Key) String() string { return "[key]" }

// Format implements fmt.Formatter, so that no verb shows the bytes.
func (Key) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[key]")) }

// LogValue implements slog.LogValuer.
func (Key) LogValue() slog.Value { return slog.StringValue("[key]") }

// MarshalText implements encoding.TextMarshaler, so that no encoder writes it.
func (Key) MarshalText() ([]byte, error) { return []byte("[key]"), nil }

// IsZero reports whether k is the zero key, which was never made by NewKey.
func (k Key) IsZero() bool { return k == Key{} }

// Derive is a key for a purpose and the things it is for, by HKDF-SHA-256
// (RFC 5869). The parts are length-prefixed: ("ab", "c") and ("a", "bc") give
// different keys.
func (k Key) Derive(purpose string, parts ...string) Key {
	info := appendPart(nil, purpose)
	for _, p := range parts {
		info = appendPart(info, p)
	}
	b, err := hkdf.Key(sha256.New, k[:], nil, string(info), len(k))
	if err != nil {
		panic(err) // only for lengths that HKDF cannot give
	}
	return Key(b)
}

func appendPart(b []byte, part string) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(part)))
	return append(b, part...)
}

// Mac is HMAC-SHA-256 of data, for keyed hashes.
func (k Key) Mac(data []byte) [32]byte {
	h := hmac.New(sha256.New, k[:])
	_, _ = h.Write(data) // never fails
	return [32]byte(h.Sum(nil))
}

func (k Key) aead() cipher.AEAD {
	block, err := aes.NewCipher(k[:])
	if err != nil {
		panic(err) // only for other key sizes
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return gcm
}

// Seal seals a small value for the context ad.
func (k Key) Seal(plain []byte, ad string) []byte {
	out := make([]byte, 1+nonceSize, 1+nonceSize+len(plain)+tagSize)
	out[0] = version
	_, _ = rand.Read(out[1:]) // never fails
	return k.aead().Seal(out, out[1:1+nonceSize], plain, []byte(ad))
}

// Open opens what Seal made under the same key for the same context; otherwise
// ErrSealed.
func (k Key) Open(sealed []byte, ad string) ([]byte, error) {
	if len(sealed) < 1+nonceSize+tagSize || sealed[0] != version {
		return nil, ErrSealed
	}
	plain, err := k.aead().Open(nil, sealed[1:1+nonceSize], sealed[1+nonceSize:], []byte(ad))
	if err != nil {
		return nil, ErrSealed
	}
	return plain, nil
}

// Wrap seals a key for the context ad.
func (k Key) Wrap(inner Key, ad string) []byte { return k.Seal(inner[:], "key:"+ad) }

// Unwrap opens what Wrap made; otherwise ErrSealed.
func (k Key) Unwrap(wrapped []byte, ad string) (Key, error) {
	b, err := k.Open(wrapped, "key:"+ad)
	if err != nil || len(b) != len(Key{}) {
		return Key{}, ErrSealed
	}
	return Key(b), nil
}

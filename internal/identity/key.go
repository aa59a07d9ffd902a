package identity

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"hash/crc32"
	"slices"
	"strings"

	"vitrine.dev/vitrine"
)

// A key is written
//
//	vtr_<kind>_<id>_<secret><sum>
//
// kind is user, svc, first or ses and tells a reader of a leaked file what leaked;
// id is the key's id, lower-case letters and digits; secret is 30 characters of
// base62 (178 bits); sum is the CRC-32 (IEEE) of all before it as 6 characters
// of base62, most significant first. A scanner needs no database to tell a key
// from noise, a double click selects it whole, and a mistyped one is refused
// before anything is looked up. Kept is the SHA-256 of the whole text.
const (
	keyPrefix  = "vtr_"
	secretSize = 30
	sumSize    = 6
	keyIDSize  = 16
	maxKey     = 160
	maxKeyID   = 64
)

// The kinds of key.
const (
	kindUser    = "user"
	kindService = "svc"
	kindFirst   = "first"
	kindSession = "ses"
)

var kinds = []string{kindUser, kindService, kindFirst, kindSession}

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// ParseKey takes a key apart. ok is false for any text that a key cannot be;
// it says nothing about whether there is such a key. It allocates nothing, and
// kind and id are parts of text: keep neither.
func ParseKey(text string) (kind string, id vitrine.ID, ok bool) {
	if len(text) > maxKey {
		return "", "", false
	}
	rest, ok := strings.CutPrefix(text, keyPrefix)
	if !ok {
		return "", "", false
	}
	kind, rest, ok = strings.Cut(rest, "_")
	if !ok || !slices.Contains(kinds, kind) {
		return "", "", false
	}
	name, secret, ok := strings.Cut(rest, "_")
	if !ok || len(name) == 0 || len(name) > maxKeyID || !all(name, lowerAlnum) {
		return "", "", false
	}
	if len(secret) != secretSize+sumSize || !all(secret, alnum) {
		return "", "", false
	}
	body := text[:len(text)-sumSize]
	want := keySum(body)
	if string(want[:]) != text[len(text)-sumSize:] {
		return "", "", false
	}
	return kind, vitrine.ID(name), true
}

// keySum is the check sum of a key's text without it. The loop is crc32's own,
// over a string: a copy for its sake would be the one allocation of a request's
// authentication.
func keySum(body string) [sumSize]byte {
	sum := ^uint32(0)
	for i := range len(body) {
		sum = crc32.IEEETable[byte(sum)^body[i]] ^ sum>>8
	}
	sum = ^sum
	var out [sumSize]byte
	for i := sumSize - 1; i >= 0; i-- {
		out[i] = base62[sum%62]
		sum /= 62
	}
	return out
}

func all(s string, ok func(byte) bool) bool {
	for i := range len(s) {
		if !ok(s[i]) {
			return false
		}
	}
	return true
}

func lowerAlnum(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }
func alnum(c byte) bool      { return lowerAlnum(c) || 'A' <= c && c <= 'Z' }

// newKeyText makes the text of a new key.
func newKeyText(kind string, id vitrine.ID) vitrine.Secret {
	body := keyPrefix + kind + "_" + string(id) + "_" + random(secretSize, base62)
	sum := keySum(body)
	return vitrine.Secret(body + string(sum[:]))
}

// newID is an id that was never used before: 82 random bits.
func newID(prefix string) vitrine.ID {
	return vitrine.ID(prefix + random(keyIDSize, base62[:10]+base62[36:]))
}

// random is n characters of an alphabet, all equally likely.
func random(n int, alphabet string) string {
	out := make([]byte, 0, n)
	var buf [64]byte
	limit := 256 - 256%len(alphabet)
	for len(out) < n {
		rand.Read(buf[:]) // never fails: it ends the process instead
		for _, b := range buf {
			if int(b) < limit && len(out) < n {
				out = append(out, alphabet[int(b)%len(alphabet)])
			}
		}
	}
	return string(out)
}

// digest is the SHA-256 of a key's text. What is too long to be a key is cut:
// it is refused all the same, after the same work.
func digest(text string) [sha256.Size]byte {
	var buf [maxKey]byte
	return sha256.Sum256(buf[:copy(buf[:], text)])
}

// hash is what is kept of a key.
func hash(s vitrine.Secret) string {
	sum := digest(s.Reveal())
	return hex.EncodeToString(sum[:])
}

// matches compares a digest with a kept hash in constant time. No hash matches
// nothing.
func matches(kept string, sum *[sha256.Size]byte) bool {
	var want, text [2 * sha256.Size]byte
	n := copy(text[:], kept)
	hex.Encode(want[:], sum[:])
	return subtle.ConstantTimeCompare(want[:], text[:])&subtle.ConstantTimeEq(int32(n), int32(len(kept))) == 1
}

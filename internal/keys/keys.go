// Package keys keeps key-encryption keys: the keys that open the installation
// key and nothing else, so that what lies in the data directory cannot be read
// with the data directory alone.
//
// At start a Keeper unwraps the installation key, once; from then on it is not
// asked. The package does not say where the wrapped key is stored, makes no
// other keys (package seal does) and touches no data. Keepers other than a file
// - a transit service, a KMS - implement the same interface and pass keystest.
//
// The file that CreateFile makes is one line of text, so that it can be printed
// and locked away:
//
//	vitrine-key-1 BASE64 \n
//
// without the spaces around the line's end, where BASE64 is 32 random bytes and
// the first four bytes of their SHA-256, in base64url without padding, so that
// a damaged copy is told from the key of another installation. What wraps is a
// key derived from these bytes, as is the keeper's name; a wrapped key is
// sealed by package seal for the context "installation".
//
// The invariant: a key is read only from a file that its owner alone can read,
// who is the user that asks. A file that others may read is refused and not
// repaired: nobody knows who has read it.
package keys

import (
	"context"

	"vitrine.dev/vitrine/internal/seal"
)

// Keeper wraps and unwraps the installation key. It is safe for concurrent use.
type Keeper interface {
	// Name tells keepers apart, in messages and for rotation: equal keys have
	// equal names. It tells nothing of the key.
	Name() string

	// Wrap seals a key so that Unwrap of the same keeper opens it. Wrapping the
	// zero key, which nobody made, is an error.
	Wrap(ctx context.Context, k seal.Key) ([]byte, error)

	// Unwrap opens what Wrap made. seal.ErrSealed where it was wrapped by another
	// keeper or changed; any other error says that the keeper cannot be asked now.
	Unwrap(ctx context.Context, wrapped []byte) (seal.Key, error)
}

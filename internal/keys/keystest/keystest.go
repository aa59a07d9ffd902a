// Package keystest is the suite that every keys.Keeper passes: what one keeper
// wrapped it unwraps, unchanged, and nobody else does.
package keystest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"vitrine.dev/vitrine/internal/keys"
	"vitrine.dev/vitrine/internal/seal"
)

// Run tests keepers. open answers one with a key of its own at each call.
func Run(t *testing.T, open func(t *testing.T) keys.Keeper) {
	t.Run("what it wraps it unwraps", func(t *testing.T) {
		k, key := open(t), seal.NewKey()
		if got := unwrap(t, k, wrap(t, k, key)); got != key {
			t.Error("it unwrapped another key")
		}
	})
	t.Run("each wrapping differs and hides the key", func(t *testing.T) {
		k, key := open(t), seal.NewKey()
		one, two := wrap(t, k, key), wrap(t, k, key)
		if slices.Equal(one, two) {
			t.Error("one key wrapped twice is the same bytes")
		}
		if strings.Contains(string(one), string(key[:])) {
			t.Error("the key stands in what is wrapped")
		}
	})
	t.Run("another keeper does not unwrap it", func(t *testing.T) {
		k, other := open(t), open(t)
		if _, err := other.Unwrap(t.Context(), wrap(t, k, seal.NewKey())); !errors.Is(err, seal.ErrSealed) {
			t.Errorf("got %v; want seal.ErrSealed", err)
		}
	})
	t.Run("names tell keepers apart", func(t *testing.T) {
		k, other := open(t), open(t)
		if first, again := k.Name(), k.Name(); first == "" || first != again || strings.ContainsAny(k.Name(), " \n") {
			t.Errorf("name %q: want one word, the same each time", k.Name())
		}
		if k.Name() == other.Name() {
			t.Errorf("two keepers are called %s", k.Name())
		}
	})
	t.Run("what was changed or cut does not open", func(t *testing.T) { testChanged(t, open(t)) })
	t.Run("the zero key is not wrapped", func(t *testing.T) {
		if _, err := open(t).Wrap(t.Context(), seal.Key{}); err == nil {
			t.Error("want an error")
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		k := open(t)
		wrapped := wrap(t, k, seal.NewKey())
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := k.Wrap(ctx, seal.NewKey()); !errors.Is(err, context.Canceled) {
			t.Errorf("wrap: got %v", err)
		}
		if got, err := k.Unwrap(ctx, wrapped); !errors.Is(err, context.Canceled) || !got.IsZero() {
			t.Errorf("unwrap: got %v", err)
		}
	})
	t.Run("concurrent", func(t *testing.T) {
		k := open(t)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				key := seal.NewKey()
				wrapped, err := k.Wrap(t.Context(), key)
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := k.Unwrap(t.Context(), wrapped); err != nil || got != key {
					t.Errorf("unwrap: %v", err)
				}
			})
		}
		wg.Wait()
	})
}

func testChanged(t *testing.T, k keys.Keeper) {
	wrapped := wrap(t, k, seal.NewKey())
	refuse := func(what string, b []byte) {
		t.Helper()
		if got, err := k.Unwrap(t.Context(), b); !errors.Is(err, seal.ErrSealed) || !got.IsZero() {
			t.Errorf("%s: got %v; want seal.ErrSealed and no key", what, err)
		}
	}
	refuse("nothing", nil)
	refuse("one byte more", append(slices.Clone(wrapped), 0))
	for i := range wrapped {
		b := slices.Clone(wrapped)
		b[i] ^= 1
		refuse("a changed byte", b)
		refuse("cut", wrapped[:i])
	}
}

func wrap(t *testing.T, k keys.Keeper, key seal.Key) []byte {
	t.Helper()
	wrapped, err := k.Wrap(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return wrapped
}

func unwrap(t *testing.T, k keys.Keeper, wrapped []byte) seal.Key {
	t.Helper()
	key, err := k.Unwrap(t.Context(), wrapped)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

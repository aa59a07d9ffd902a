package blobtest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"vitrine.dev/vitrine/internal/blob"
)

func testList(t *testing.T, b blob.Bucket) {
	want := []string{
		// In the order of bytes: '-' and '.' come before '/', '_' after letters'
		// capitals; short names before those that they begin.
		"A/1", "Z/1", "a", "a-b/1", "a.b/1", "a/1", "a/2/x", "a/2x", "a0/1", "aB/1", "a_b/1", "ab/1",
		"img-aaaaaaaaaa/original", "img-aaaaaaaaab/masked/1", "img-aaaaaaaaab/original", "img-ab/original", "img-b", "z.z",
	}
	shuffled := slices.Clone(want)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	for _, name := range shuffled {
		Put(t, b, name, []byte(name))
	}
	if got := names(t, b); !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	for _, limit := range []int{1, 2, 5, len(want), len(want) + 1} {
		var got []string
		for after := ""; ; after = got[len(got)-1] {
			page, err := b.List(t.Context(), after, limit)
			if err != nil || len(page) > limit {
				t.Fatalf("page of %d after %q: got %d, %v", limit, after, len(page), err)
			}
			for _, n := range page {
				got = append(got, n.Name)
				if n.Size != int64(len(n.Name)) {
					t.Errorf("%s: size %d; want %d", n.Name, n.Size, len(n.Name))
				}
			}
			if len(page) < limit {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("pages of %d: got %q\nwant %q", limit, got, want)
		}
	}
	for i, after := range want {
		for _, after := range []string{after, after + "\x00"} {
			if page, err := b.List(t.Context(), after, len(want)); err != nil || len(page) != len(want)-i-1 {
				t.Errorf("after %q: got %d names, %v; want %d", after, len(page), err, len(want)-i-1)
			}
		}
	}
	for _, limit := range []int{0, -1} {
		if page, err := b.List(t.Context(), "", limit); err != nil || len(page) != 0 {
			t.Errorf("limit %d: got %v, %v; want nothing", limit, page, err)
		}
	}
}

func testListChanging(t *testing.T, b blob.Bucket) {
	for i := range 20 {
		Put(t, b, fmt.Sprintf("stays-%02d/original", i), nil)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 30 {
			name := fmt.Sprintf("stays-%02d/passing", i%20)
			if err := errors.Join(put(t.Context(), b, name, nil), b.Delete(t.Context(), name)); err != nil {
				t.Error(err)
			}
		}
	})
	for range 30 {
		got := slices.DeleteFunc(names(t, b), func(n string) bool { return strings.HasSuffix(n, "/passing") })
		if len(got) != 20 {
			t.Errorf("got %q; want the 20 that were there all the time", got)
			break
		}
	}
	wg.Wait()
}

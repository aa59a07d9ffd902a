package rbac

import "slices"

// pages is a list that is not changed any more once it stands in a policy. The
// next policy's list shares all its pages but those in which something changed:
// so that a change costs the same in a large policy as in a small one, give or
// take the list of the pages.
type pages[T any] struct {
	list []*[pageSize]T
	own  []bool // by page: it was made for this policy, which is still being made
	n    int32
}

const (
	pageBits = 7
	pageSize = 1 << pageBits
	pageMask = pageSize - 1
)

// pagesOf is n zero values.
func pagesOf[T any](n int) pages[T] {
	p := pages[T]{n: int32(n)}
	for ; n > 0; n -= pageSize {
		p.list, p.own = append(p.list, new([pageSize]T)), append(p.own, true)
	}
	return p
}

// at is element i, to be read. It stays as it is for whoever holds it.
func (p *pages[T]) at(i int32) *T { return &p.list[uint32(i)>>pageBits][uint32(i)&pageMask] }

// fork is the list for the next policy.
func (p pages[T]) fork() pages[T] {
	p.own = nil
	return p
}

// open makes the list of pages one that may be written to.
func (p *pages[T]) open() {
	if p.own == nil {
		p.list, p.own = slices.Clone(p.list), make([]bool, len(p.list))
	}
}

// edit is element i, to be written to.
func (p *pages[T]) edit(i int32) *T {
	p.open()
	n := uint32(i) >> pageBits
	if !p.own[n] {
		c := *p.list[n]
		p.list[n], p.own[n] = &c, true
	}
	return &p.list[n][uint32(i)&pageMask]
}

// add appends an element.
func (p *pages[T]) add(v T) {
	p.open()
	if int(p.n)>>pageBits == len(p.list) {
		p.list, p.own = append(p.list, new([pageSize]T)), append(p.own, true)
	}
	p.n++
	*p.edit(p.n - 1) = v
}

package rbac

import (
	"hash/maphash"

	"vitrine.dev/vitrine"
)

// index finds numbers by the hash of an id. It does not hold the ids: whoever
// asks compares. It is a table with open addressing, mostly no fuller than two
// thirds, because a decision looks into two, and pages of it are shared from one
// policy to the next.
type index struct {
	slots pages[slot]
	size  uint32 // how many slots there are
	used  uint32 // of them that are not free
	most  uint32 // that may be used before it must grow
}

// slot holds a number by a part of the hash of its id.
type slot struct {
	tag    uint32
	number int32 // free, dropped, or the number and first
}

const (
	free    int32 = 0
	dropped int32 = -1
	first   int32 = 1
)

var seed = maphash.MakeSeed()

func hash(id vitrine.ID) uint64 { return maphash.String(seed, string(id)) }

// indexOf is an index with room for n numbers, and some that come later.
func indexOf(n int) index { return indexWith(n + n/8*5 + 16) }

// denseIndexOf is an index with room for n numbers that takes longer to find
// them in less memory.
func denseIndexOf(n int) index {
	x := indexWith(n + n/5)
	x.most = x.size / 8 * 7
	return x
}

func indexWith(slots int) index {
	size := max(8, slots)
	return index{slots: pagesOf[slot](size), size: uint32(size), most: uint32(size) / 3 * 2}
}

// start is where the search for a hash begins, next where it goes on.
func (x *index) start(h uint64) int32 { return int32(uint64(uint32(h)) * uint64(x.size) >> 32) }

func (x *index) next(i int32) int32 {
	if i++; uint32(i) == x.size {
		return 0
	}
	return i
}

// full reports whether the index must grow before a number is added.
func (x *index) full() bool { return !x.room(1) }

// room reports whether so many numbers can be added before the index must grow.
func (x *index) room(n int) bool { return int(x.used)+n <= int(x.most) }

// put adds a number. The index is not full.
func (x *index) put(h uint64, number int32) {
	for i := x.start(h); ; i = x.next(i) {
		if x.slots.at(i).number == free {
			*x.slots.edit(i) = slot{uint32(h >> 32), number + first}
			x.used++
			return
		}
	}
}

// find is the slot of the number of which ok holds, or none.
func (x *index) find(h uint64, ok func(number int32) bool) int32 {
	if x.size == 0 {
		return none
	}
	for i := x.start(h); ; i = x.next(i) {
		switch s := x.slots.at(i); {
		case s.number == free:
			return none
		case s.tag == uint32(h>>32) && s.number != dropped && ok(s.number-first):
			return i
		}
	}
}

// table gives ids numbers, rising from 0, and holds something for each. A
// number is never used again, nor is its id.
type table[T any] struct {
	rows  pages[row[T]]
	index index
	n     int32
}

type row[T any] struct {
	id    vitrine.ID
	value T
}

// tableOf is a table with room for n ids.
func tableOf[T any](n int) table[T] { return table[T]{index: indexOf(n)} }

func (t table[T]) fork() table[T] {
	t.rows, t.index.slots = t.rows.fork(), t.index.slots.fork()
	return t
}

// find is the number of an id and what is held for it, to be read.
func (t *table[T]) find(id vitrine.ID) (int32, *T) {
	if t.n == 0 {
		return none, nil
	}
	h := hash(id)
	for i := t.index.start(h); ; i = t.index.next(i) {
		s := t.index.slots.at(i)
		if s.number == free {
			return none, nil
		}
		if s.tag == uint32(h>>32) {
			if r := t.rows.at(s.number - first); r.id == id {
				return s.number - first, &r.value
			}
		}
	}
}

// at is what is held for a number, to be read.
func (t *table[T]) at(n int32) *T { return &t.rows.at(n).value }

// id is the id that has a number.
func (t *table[T]) id(n int32) vitrine.ID { return t.rows.at(n).id }

// edit is what is held for a number, to be written to.
func (t *table[T]) edit(n int32) *T { return &t.rows.edit(n).value }

// add is the number of an id, a new one where it has none.
func (t *table[T]) add(id vitrine.ID) int32 {
	if n, _ := t.find(id); n != none {
		return n
	}
	if t.index.full() {
		t.index = indexOf(2*int(t.n) + 2)
		for i := range t.n {
			t.index.put(hash(t.id(i)), i)
		}
	}
	n := t.n
	t.rows.add(row[T]{id: id})
	t.index.put(hash(id), n)
	t.n++
	return n
}

// tidy makes room for n more ids in a table of which nobody remembers numbers:
// where it must grow, what is not live is forgotten.
func (t *table[T]) tidy(n int, live func(*T) bool) {
	if t.index.room(n) {
		return
	}
	alive := 0
	for i := range t.n {
		if live(t.at(i)) {
			alive++
		}
	}
	kept := tableOf[T](2*alive + n)
	for i := range t.n {
		if r := t.rows.at(i); live(&r.value) {
			*kept.edit(kept.add(r.id)) = r.value
		}
	}
	*t = kept
}

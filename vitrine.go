// Package vitrine holds the nouns of the system: what is protected, who asks,
// what a role may do, what was decided, and what the log remembers of it.
//
// It imports the standard library only and does no I/O, so it is the place to
// start reading. One file holds one noun. The words are those of the access
// model in docs/model.md, and they are the same in code, API, page and log.
//
// The zero value of every type here is safe: the zero Tier counts as
// restricted, the zero Decision denies, the zero Grant grants nothing.
package vitrine

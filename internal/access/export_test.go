package access

// MaxStrangers is for tests of the bound.
const MaxStrangers = maxStrangers

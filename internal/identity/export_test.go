package identity

// MaxSessions is how many a key has at a time.
const MaxSessions = maxSessions

// What tests look at from outside.
var (
	KeySum     = keySum
	NewKeyText = newKeyText
	NewID      = newID
	Matches    = matches
	Digest     = digest
	Sweep      = (*Directory).sweep
)

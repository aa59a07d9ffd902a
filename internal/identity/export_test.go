package identity

// What tests look at from outside.
var (
	KeySum     = keySum
	NewKeyText = newKeyText
	NewID      = newID
	Matches    = matches
	Digest     = digest
)

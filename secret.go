package vitrine

import "log/slog"

const redacted = "[redacted]"

// Secret is text that must never be printed or logged: a key, a token, a
// provider's credential. It prints, marshals and logs as "[redacted]".
type Secret string

// String implements fmt.Stringer.
func (Secret) String() string { return redacted }

// GoString implements fmt.GoStringer.
func (Secret) GoString() string { return redacted }

// MarshalText implements encoding.TextMarshaler.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// Reveal is the text itself.
func (s Secret) Reveal() string { return string(s) }

// Prompt is what a picture was asked for with. It lives with the image under
// the image's protection; it prints and logs as "[redacted]".
type Prompt string

// String implements fmt.Stringer.
func (Prompt) String() string { return redacted }

// GoString implements fmt.GoStringer.
func (Prompt) GoString() string { return redacted }

// LogValue implements slog.LogValuer.
func (Prompt) LogValue() slog.Value { return slog.StringValue(redacted) }

// Reveal is the text itself.
func (p Prompt) Reveal() string { return string(p) }

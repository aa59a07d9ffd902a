package render

import (
	"errors"
	"fmt"
	"io"

	"vitrine.dev/vitrine"
)

// Codes of what is refused here; stable, for programs.
const (
	CodeUnsupported = "unsupported_image"   // not PNG, JPEG, WebP or GIF, or a variant that nothing shows
	CodeTruncated   = "image_truncated"     // ends before its end
	CodeBroken      = "image_broken"        // breaks the rules of its format
	CodeMismatch    = "image_mismatch"      // parts contradict each other, or the header the data
	CodeTrailing    = "image_trailing_data" // bytes after the end
	CodeBytes       = "image_too_large"
	CodePixels      = "image_too_many_pixels"
	CodeFrames      = "image_too_many_frames"
	CodeParts       = "image_too_many_parts"
	CodeMemory      = "image_too_costly" // decoding would take too much memory, or too many passes
)

const param = "image"

func invalid(code, public string, cause error) error {
	return &vitrine.Error{Kind: vitrine.ErrInvalid, Code: code, Param: param, Public: public, Err: cause}
}

func tooLarge(code, format string, args ...any) error {
	return &vitrine.Error{Kind: vitrine.ErrTooLarge, Code: code, Param: param, Public: fmt.Sprintf(format, args...)}
}

func truncated() error {
	return invalid(CodeTruncated, "The picture ends too early. Send the whole file.", nil)
}

func broken(format string, args ...any) error {
	return invalid(CodeBroken, "The picture is damaged. Save it again and send that.", fmt.Errorf(format, args...))
}

func mismatch(format string, args ...any) error {
	return invalid(CodeMismatch, "The picture's header does not match its content. Save it again and send that.", fmt.Errorf(format, args...))
}

func trailing() error {
	return invalid(CodeTrailing, "Bytes follow the end of the picture. Save it again without them.", nil)
}

func unsupported(what string) error {
	return invalid(CodeUnsupported, "This looks like "+what+". Send a PNG, JPEG, WebP or GIF picture.", nil)
}

// variant is a member of a known format that the decoders do not read.
func variant(what string) error {
	return invalid(CodeUnsupported, "The picture is "+what+", which is not taken. Save it in a common form.", nil)
}

// reading turns the end of the input into what it means for a picture.
func reading(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return truncated()
	}
	return fmt.Errorf("read picture: %w", err)
}

package backup

import (
	"encoding/binary"
	"errors"
	"iter"

	"vitrine.dev/vitrine/internal/store"
)

// A row is its values in the order of its table's columns, each a byte that says
// what follows and then that:
//
//	0  nothing
//	1  an integer, as a signed varint
//	2  a text: its length as an unsigned varint, and its bytes
//	3  bytes, likewise
const (
	tagNull = iota
	tagInteger
	tagText
	tagBytes
)

var errRow = errors.New("a row in the backup cannot be read")

// appendRow appends a row.
func appendRow(b []byte, values []any) ([]byte, error) {
	for _, v := range values {
		switch v := v.(type) {
		case nil:
			b = append(b, tagNull)
		case int64:
			b = binary.AppendVarint(append(b, tagInteger), v)
		case string:
			b = append(binary.AppendUvarint(append(b, tagText), uint64(len(v))), v...)
		case []byte:
			b = append(binary.AppendUvarint(append(b, tagBytes), uint64(len(v))), v...)
		default:
			return b, errors.New("a column holds what no backup can")
		}
	}
	return b, nil
}

// readRows goes through the rows of a page. Bytes are those of the page.
func readRows(page []byte, t *store.Table) iter.Seq2[[]any, error] {
	return func(yield func([]any, error) bool) {
		values := make([]any, len(t.Columns))
		for len(page) > 0 {
			for i, c := range t.Columns {
				var err error
				if values[i], page, err = readValue(page, c); err != nil {
					yield(nil, err)
					return
				}
			}
			if !yield(values, nil) {
				return
			}
		}
	}
}

// readValue reads one value, which must be of its column's type.
func readValue(b []byte, c store.Column) (any, []byte, error) {
	if len(b) == 0 {
		return nil, nil, errRow
	}
	tag, b := b[0], b[1:]
	switch {
	case tag == tagNull && c.Null:
		return nil, b, nil
	case tag == tagInteger && c.Type == store.Integer:
		v, n := binary.Varint(b)
		if n <= 0 {
			return nil, nil, errRow
		}
		return v, b[n:], nil
	case tag == tagText && c.Type == store.Text, tag == tagBytes && c.Type == store.Bytes:
		size, n := binary.Uvarint(b)
		if n <= 0 || size > uint64(len(b)-n) {
			return nil, nil, errRow
		}
		v, rest := b[n:n+int(size):n+int(size)], b[n+int(size):]
		if tag == tagText {
			return string(v), rest, nil
		}
		return v, rest, nil
	}
	return nil, nil, errRow
}

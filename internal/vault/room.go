package vault

import (
	"fmt"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/blob"
)

// likely is what one picture takes, as a rule.
const likely = 8 << 20

// Room makes sure, as far as one can, that n more pictures can be kept, and
// answers ErrUnavailable where they cannot; leave ends the claim. It is asked
// before something is paid for: a picture that finds no room then is lost. As
// much as the largest picture may have stays free in any case, so that a disk
// that holds the log too can still record what is refused.
func (v *Vault) Room(n int) (leave func(), err error) {
	bucket, ok := v.bucket.(blob.Roomy)
	if !ok {
		return func() {}, nil
	}
	free, err := bucket.Free()
	if err != nil {
		return nil, err
	}
	claim := int64(n) * likely
	claimed := v.claimed.Add(claim)
	leave = func() { v.claimed.Add(-claim) }
	if free-claimed < v.bounds.Bytes {
		leave()
		return nil, &vitrine.Error{Kind: vitrine.ErrUnavailable, Code: "no_room", RetryAfter: 60, Err: fmt.Errorf("%d bytes are free", free),
			Public: "There is no room left to keep pictures. An operator has to make some."}
	}
	return leave, nil
}

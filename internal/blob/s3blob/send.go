package s3blob

import (
	"bytes"
	"context"
	"net/http"
	"time"

	"github.com/minio/minio-go/v7"
)

// Between attempts to send something.
const (
	pauseFirst = 200 * time.Millisecond
	pauseMost  = 2 * time.Second
)

// send sends a body, and sends it again where that failed in passing. Each
// attempt has a reader of its own: when an answer comes early the transport may
// go on reading the body of the attempt before. So, where it was not the first
// attempt that succeeded, the bytes of the body must not be written over; once
// reports that it was.
func send(ctx context.Context, body []byte, request func(*bytes.Reader) error) (once bool, err error) {
	pause := pauseFirst
	for n := range retries {
		err = request(bytes.NewReader(body))
		if err == nil || n == retries-1 || ctx.Err() != nil || !passing(err) {
			return n == 0 && err == nil, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, pauseMost)
	}
	return false, err
}

// passing reports whether a request that failed may succeed when it is asked
// again: nothing was answered, the store was busy, or another write of the same
// key was under way.
func passing(err error) bool {
	switch s := minio.ToErrorResponse(err).StatusCode; s {
	case 0, http.StatusRequestTimeout, http.StatusConflict, http.StatusTooManyRequests:
		return true
	default:
		return s >= http.StatusInternalServerError
	}
}

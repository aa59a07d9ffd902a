package client

import (
	"context"
	"fmt"
	"io"
	"time"
)

// BackupStatus is the backup epoch and the last backup.
type BackupStatus struct {
	Epoch *BackupEpoch `json:"epoch,omitempty"` // nil: there is no recovery recipient, so none can be taken
	Last  *BackupTaken `json:"last,omitempty"`  // nil: none was taken
}

// BackupEpoch is a span of time in which backups are encrypted to the same
// recipients.
type BackupEpoch struct {
	Number     int64     `json:"number"`
	Recipients []string  `json:"recipients"`
	Since      time.Time `json:"since"`
}

// BackupTaken is a backup that the server has written.
type BackupTaken struct {
	Epoch   int64     `json:"epoch"`
	Taken   time.Time `json:"taken"`
	Size    int64     `json:"size"` // entries of the log
	Images  int64     `json:"images"`
	Blobs   int64     `json:"blobs"`
	Bytes   int64     `json:"bytes"`
	SHA256  string    `json:"sha256"`
	Damaged []string  `json:"damaged,omitempty"` // blobs that could not be read
}

// BackupStatus answers the backup epoch and the last backup.
func (c *Client) BackupStatus(ctx context.Context) (*BackupStatus, error) {
	out := new(BackupStatus)
	return out, c.do(ctx, call{method: "GET", path: "/backup/status"}, out)
}

// Backup writes a backup of everything, which only the recovery identity opens.
// What was written before an error is no backup.
func (c *Client) Backup(ctx context.Context, w io.Writer) (int64, error) {
	resp, err := c.send(ctx, call{method: "GET", path: "/backup"})
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close() // only read
	n, err := io.Copy(w, resp.Body)
	if err != nil {
		return n, fmt.Errorf("backup: %w", c.unreachable(err))
	}
	return n, nil
}

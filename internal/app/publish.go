package app

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"vitrine.dev/vitrine"
	"vitrine.dev/vitrine/internal/audit"
	"vitrine.dev/vitrine/internal/blob/s3blob"
	"vitrine.dev/vitrine/internal/config"
)

// mirrorOf is where the log is mirrored to, or nil.
func mirrorOf(c *config.Config) (audit.Target, error) {
	switch {
	case c.CheckpointsMirror == "":
		return nil, nil
	case strings.HasPrefix(c.CheckpointsMirror, "s3://"):
		files, err := s3blob.OpenFiles(c.CheckpointsMirror, c.CheckpointsCredentials)
		if err != nil {
			return nil, fmt.Errorf("checkpoints_mirror: %w", err)
		}
		return files, nil
	}
	return audit.NewDirectory(c.CheckpointsMirror), nil
}

// webhookOf is what is told of checkpoints, or nil.
func webhookOf(c *config.Config) (*audit.Webhook, error) {
	if c.CheckpointsWebhook == "" {
		return nil, nil
	}
	secret, err := readSecret(c.CheckpointsWebhookSecret)
	if err != nil {
		return nil, fmt.Errorf("checkpoints_webhook_secret: %w", err)
	}
	return &audit.Webhook{URL: c.CheckpointsWebhook, Secret: secret, Plain: c.AllowPrivateProviders}, nil
}

// maxSecret bounds a file that holds a secret.
const maxSecret = 4096

// readSecret reads a secret from a file that its owner alone can read.
func readSecret(path string) (secret vitrine.Secret, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	st, err := f.Stat()
	if err != nil {
		return "", err
	}
	if st.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("%s can be read by others (mode %o): chmod 600 it", path, st.Mode().Perm())
	}
	b, err := io.ReadAll(io.LimitReader(f, maxSecret))
	return vitrine.Secret(strings.TrimSpace(string(b))), err
}

package s3blob

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"
)

const (
	maxCredentials = 64 << 10
	reread         = time.Minute // after which a file is read again: keys are rotated
)

// credentialsOf are where a place's credentials come from. They are read once
// here, so that what is missing is told at start.
func credentialsOf(p *Place, file string) (*credentials.Credentials, error) {
	var c *credentials.Credentials
	switch {
	case p.Role:
		return credentials.NewIAM(""), nil
	case file != "":
		c = credentials.New(&fromFile{path: file})
	default:
		c = credentials.NewEnvAWS()
	}
	v, err := c.GetWithContext(nil)
	if err != nil {
		return nil, err
	}
	if v.AccessKeyID == "" || v.SecretAccessKey == "" {
		return nil, errors.New("no credentials for the bucket: give blobs_credentials, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment")
	}
	return c, nil
}

// fromFile reads credentials from a file as Amazon's tools write it:
//
//	aws_access_key_id = ...
//	aws_secret_access_key = ...
//	aws_session_token = ...
//
// Sections, comments and other settings are passed over; nothing of it is run.
type fromFile struct {
	path string
	read time.Time
}

// IsExpired implements credentials.Provider.
func (f *fromFile) IsExpired() bool { return time.Since(f.read) > reread }

// Retrieve implements credentials.Provider.
func (f *fromFile) Retrieve() (credentials.Value, error) { return f.RetrieveWithCredContext(nil) }

// RetrieveWithCredContext implements credentials.Provider.
func (f *fromFile) RetrieveWithCredContext(*credentials.CredContext) (credentials.Value, error) {
	v := credentials.Value{SignerType: credentials.SignatureV4}
	text, err := readPrivate(f.path)
	if err != nil {
		return v, fmt.Errorf("the bucket's credentials: %w", err)
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), "=")
		value = strings.TrimSpace(value)
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "aws_access_key_id":
			v.AccessKeyID = value
		case "aws_secret_access_key":
			v.SecretAccessKey = value
		case "aws_session_token":
			v.SessionToken = value
		}
	}
	if v.AccessKeyID == "" || v.SecretAccessKey == "" {
		return v, fmt.Errorf("%s: want lines aws_access_key_id = … and aws_secret_access_key = …", f.path)
	}
	f.read = time.Now()
	return v, nil
}

// readPrivate reads a small file that its owner alone can read.
func readPrivate(path string) (text []byte, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	st, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if st.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s can be read by others (mode %o): chmod 600 it", path, st.Mode().Perm())
	}
	return io.ReadAll(io.LimitReader(file, maxCredentials))
}

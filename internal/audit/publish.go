package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// The files of a publishing directory: the newest checkpoint, replaced whole,
// and all of them, each followed by an empty line.
const (
	newestFile  = "checkpoint"
	historyFile = "checkpoints"
)

// publisher writes checkpoints to a directory, durably: a reader finds the
// former newest or the new one, never half of one, also after a crash.
type publisher struct {
	dir  string
	done head  // what was published last
	end  int64 // of the history then
}

// last is the newest checkpoint that was published; "" where there is none.
func (p *publisher) last() (string, error) {
	b, err := os.ReadFile(filepath.Join(p.dir, newestFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("published checkpoint: %w", err)
	}
	return string(b), nil
}

// missing tells what became of the files since they were written here: "" where
// they are as they were, or newer by another node.
func (p *publisher) missing(own func(string) (head, error)) (string, error) {
	if p.done.text == "" {
		return "", nil // nothing was written yet
	}
	text, err := p.last()
	if err != nil {
		return "", err
	}
	if text == "" {
		return "the newest checkpoint is gone", nil
	}
	if c, err := own(text); text != p.done.text && (err != nil || c.Size < p.done.Size) {
		return "the newest checkpoint was replaced by another", nil
	}
	st, err := os.Stat(filepath.Join(p.dir, historyFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "the history of checkpoints is gone", nil
	case err != nil:
		return "", fmt.Errorf("published checkpoints: %w", err)
	case st.Size() < p.end:
		return "the history of checkpoints was cut", nil
	}
	return "", nil
}

// put publishes a checkpoint, once.
func (p *publisher) put(h head) error {
	if h.text == p.done.text {
		return nil
	}
	text := h.text
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return fmt.Errorf("publish checkpoint: %w", err)
	}
	// History first: whatever was newest once stands in it.
	if err := p.remember(text); err != nil {
		return fmt.Errorf("publish checkpoint: %w", err)
	}
	if err := p.replace(text); err != nil {
		return fmt.Errorf("publish checkpoint: %w", err)
	}
	p.done = h
	return nil
}

func (p *publisher) remember(text string) (err error) {
	f, err := os.OpenFile(filepath.Join(p.dir, historyFile), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := mend(f); err != nil {
		return err
	}
	if _, err := f.WriteString(text + "\n"); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	p.end, err = f.Seek(0, io.SeekEnd)
	return err
}

// maxTorn bounds what a crash can have left half written.
const maxTorn = 4096

// mend cuts off what a crash left torn after the last whole checkpoint, so that
// the next one begins on its own.
func mend(f *os.File) error {
	st, err := f.Stat()
	if err != nil || st.Size() == 0 {
		return err
	}
	from := max(0, st.Size()-maxTorn)
	b := make([]byte, st.Size()-from)
	if _, err := f.ReadAt(b, from); err != nil {
		return err
	}
	for end := len(b); end > 0; {
		i := bytes.LastIndex(b[:end], []byte("\n\n"))
		if i < 0 {
			break
		}
		if line := b[bytes.LastIndexByte(b[:i], '\n')+1 : i]; bytes.HasPrefix(line, signatureLine) {
			if whole := from + int64(i) + 2; whole < st.Size() {
				return f.Truncate(whole)
			}
			return nil
		}
		end = i + 1
	}
	if from > 0 {
		return errors.New(f.Name() + " holds what is no checkpoint")
	}
	return f.Truncate(0)
}

func (p *publisher) replace(text string) (err error) {
	tmp, err := os.CreateTemp(p.dir, ".checkpoint-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(tmp.Name()))
		}
	}()
	_, err = tmp.WriteString(text)
	if err = errors.Join(err, tmp.Chmod(0o644), tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err = os.Rename(tmp.Name(), filepath.Join(p.dir, newestFile)); err != nil {
		return err
	}
	dir, err := os.Open(p.dir)
	if err != nil {
		return nil // renamed all the same; some file systems open no directories
	}
	return errors.Join(dir.Sync(), dir.Close())
}

package audit

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"runtime"
	"slices"
	"sync"
)

// maxLine is the longest line that is read, in bytes; the longest leaf makes less
// than half of it.
const maxLine = 1 << 20

// batch is a run of whole lines that one worker reads.
type batch struct {
	text  []byte
	lines []read
	done  chan struct{} // has room for one
}

// stream takes all lines in order, while several workers hash them. The error
// is the reader's.
func (v *verifier) stream(r io.Reader) error {
	in := bufio.NewReaderSize(r, maxLine)
	first, err := in.ReadSlice('\n')
	if err != nil && err != io.EOF && !errors.Is(err, bufio.ErrBufferFull) {
		return err
	}
	if !v.begin(first) {
		return nil
	}
	workers := runtime.GOMAXPROCS(0)
	ordered, work := make(chan *batch, 2*workers), make(chan *batch, 2*workers)
	free := make(chan *batch, 4*workers+2)
	for range cap(free) {
		free <- &batch{done: make(chan struct{}, 1)}
	}
	var failed error // written before ordered is closed
	go func() {
		failed = readBatches(in, free, func(b *batch) { work <- b; ordered <- b })
		close(work)
		close(ordered)
	}()
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			var s scratch
			for b := range work {
				b.read(&s)
			}
		})
	}
	for b := range ordered {
		<-b.done
		for i := range b.lines {
			v.take(&b.lines[i])
		}
		free <- b
	}
	all.Wait()
	return failed
}

func (b *batch) read(s *scratch) {
	b.lines = b.lines[:0]
	for rest := b.text; len(rest) > 0; {
		line := rest
		if i := bytes.IndexByte(rest, '\n'); i >= 0 {
			line = rest[:i+1]
		}
		rest = rest[len(line):]
		b.lines = append(b.lines, readLine(line, s))
	}
	b.done <- struct{}{}
}

// batchBytes is how much is read at a time, beside what a line was cut off.
const batchBytes = 256 << 10

// readBatches cuts the input into batches that end with a line. A line that is
// too long becomes an empty one, which nothing can read.
func readBatches(in *bufio.Reader, free <-chan *batch, send func(*batch)) error {
	var cut []byte // the beginning of a line
	for {
		b := <-free
		b.text = append(b.text[:0], cut...)
		n, err := readFull(in, &b.text)
		if err != nil && err != io.EOF {
			return err
		}
		end := bytes.LastIndexByte(b.text, '\n') + 1
		switch {
		case err == io.EOF:
			end = len(b.text)
		case end == 0 && n > 0 && len(b.text) <= maxLine:
			cut = append(cut[:0], b.text...) // read on
			b.text = b.text[:0]
			send(b)
			continue
		case end == 0:
			b.text, end = append(b.text[:0], '\n'), 1
			if err = skipLine(in); err != nil && err != io.EOF {
				return err
			}
		}
		cut = append(cut[:0], b.text[end:]...)
		b.text = b.text[:end]
		send(b)
		if err == io.EOF {
			return nil
		}
	}
}

// readFull appends up to batchBytes to a buffer. The error is io.EOF where the
// input has ended.
func readFull(in *bufio.Reader, to *[]byte) (n int, err error) {
	from := len(*to)
	*to = slices.Grow(*to, batchBytes)
	n, err = io.ReadFull(in, (*to)[from:from+batchBytes])
	*to = (*to)[:from+n]
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return n, err
}

// skipLine reads to the end of a line.
func skipLine(in *bufio.Reader) error {
	for {
		_, err := in.ReadSlice('\n')
		if !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
}

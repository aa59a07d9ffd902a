package audit

import (
	"bufio"
	"errors"
	"io"
	"runtime"
	"sync"
)

// Bounds of reading an export.
const (
	maxLine    = 1 << 20 // bytes; the longest leaf makes less than half of it
	batchLines = 512
	batchBytes = 512 << 10
)

// batch is a run of lines that one worker reads.
type batch struct {
	text  []byte
	ends  []int // of each line in text
	lines []read
	done  chan struct{}
}

func (b *batch) full() bool { return len(b.ends) >= batchLines || len(b.text) >= batchBytes }

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
	ordered := make(chan *batch, 2*workers)
	work := make(chan *batch, 2*workers)
	var failed error // written before ordered is closed
	go func() {
		failed = readBatches(in, func(b *batch) { work <- b; ordered <- b })
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
		for _, l := range b.lines {
			v.take(l)
		}
	}
	all.Wait()
	return failed
}

func (b *batch) read(s *scratch) {
	defer close(b.done)
	b.lines = make([]read, 0, len(b.ends))
	from := 0
	for _, end := range b.ends {
		b.lines = append(b.lines, readLine(b.text[from:end], s))
		from = end
	}
}

// readBatches cuts the input into batches. A line that is too long becomes an
// empty one, which nothing can read.
func readBatches(in *bufio.Reader, send func(*batch)) error {
	b := &batch{done: make(chan struct{})}
	for {
		line, err := in.ReadSlice('\n')
		for errors.Is(err, bufio.ErrBufferFull) {
			line = nil
			_, err = in.ReadSlice('\n')
		}
		if err != nil && err != io.EOF {
			if len(b.ends) > 0 {
				send(b)
			}
			return err
		}
		if err == nil || len(line) > 0 {
			b.text = append(b.text, line...)
			b.ends = append(b.ends, len(b.text))
		}
		if len(b.ends) > 0 && (b.full() || err == io.EOF) {
			send(b)
			b = &batch{done: make(chan struct{})}
		}
		if err == io.EOF {
			return nil
		}
	}
}

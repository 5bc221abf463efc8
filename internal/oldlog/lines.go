package oldlog

import (
	"bufio"
	"errors"
	"io"

	"github.com/syslane/syslane/internal/syslog"
)

// lines cuts a stream into messages: lines without their end. Empty ones are none.
type lines struct {
	r   *bufio.Reader
	max int
	buf []byte // of a line longer than the reader's buffer
}

func newLines(r io.Reader, maxSize int) *lines {
	if maxSize <= 0 {
		maxSize = syslog.DefaultMaxMessageSize
	}
	return &lines{r: bufio.NewReaderSize(r, 256<<10), max: maxSize}
}

// next returns the next message and what was wrong with it; it is valid until the
// next call. At the end the error is io.EOF. Before a failure, what there is of a
// line is dropped: nobody knows how it went on.
func (l *lines) next() ([]byte, syslog.Warnings, error) {
	for {
		line, err := l.r.ReadSlice('\n')
		var w syslog.Warnings
		if errors.Is(err, bufio.ErrBufferFull) {
			line, err = l.long(line)
		}
		if err != nil && (err != io.EOF || len(line) == 0) {
			return nil, 0, err
		}
		line = syslog.TrimTrailer(line)
		if len(line) > l.max {
			line, w = line[:l.max], syslog.WarnTruncated
		}
		if len(line) > 0 {
			return line, w, nil
		}
	}
}

// long reads a line to its end of which start is the first part. It keeps a little
// more than fits a message.
func (l *lines) long(start []byte) ([]byte, error) {
	l.buf = append(l.buf[:0], start...)
	for {
		part, err := l.r.ReadSlice('\n')
		if keep := l.max + 3 - len(l.buf); keep > 0 {
			l.buf = append(l.buf, part[:min(keep, len(part))]...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return l.buf, err
		}
	}
}

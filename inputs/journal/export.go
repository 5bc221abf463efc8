package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The journal export format, systemd's JOURNAL_EXPORT_FORMATS:
//
//	entry  = 1*field LF
//	field  = name "=" text LF              text without LF
//	       / name LF length octets LF      length is 64 bits, little-endian
//
// The order of fields has no meaning, and a name may occur several times.

// A formatError says where a stream departs from the format.
type formatError struct {
	offset int64
	what   string
}

func (e *formatError) Error() string {
	return fmt.Sprintf("not in the journal export format, at octet %d: %s", e.offset, e.what)
}

var (
	// errEntryTooLarge: what is read goes on for ever.
	errEntryTooLarge = fmt.Errorf("an entry has more than %d octets", int64(maxEntrySize))
	// errWithinEntry: the stream ends where it should not.
	errWithinEntry = errors.New("the upload ends within an entry")
)

// reader takes entries out of a stream. It holds one buffer, however long they are.
type reader struct {
	src io.Reader
	buf []byte
	// buf[at:end] was read and not yet taken.
	at, end int
	// before is how many octets of the stream came before buf[0].
	before int64
	// passed is how many octets of values were passed over that are not kept.
	passed int64
	// tooMuch, where it is set, tells whether more was read than so much passed over
	// allows.
	tooMuch func(passed int64) error
	// err is how src ended.
	err error
}

func newReader(src io.Reader) *reader { return &reader{src: src, buf: make([]byte, readBuffer)} }

// next reads one entry into e. It returns io.EOF where the stream ends between
// entries, errWithinEntry where it ends elsewhere, a *formatError,
// errEntryTooLarge, or the error of the stream.
func (r *reader) next(e *entry) error {
	e.reset()
	start := int64(-1) // where the entry began
	for {
		if !r.more() {
			if r.err == io.EOF && start >= 0 {
				return errWithinEntry
			}
			return r.err
		}
		if r.buf[r.at] == '\n' {
			r.at++
			if start < 0 {
				continue // an empty line between entries
			}
			return nil
		}
		if start < 0 {
			start = r.offset()
		}
		if err := r.field(e); err != nil {
			if err == io.EOF {
				return errWithinEntry
			}
			return err
		}
		if r.offset()-start > maxEntrySize {
			return errEntryTooLarge
		}
	}
}

// field reads one field.
func (r *reader) field(e *entry) error {
	text, err := r.name(e)
	if err != nil {
		return err
	}
	if text {
		err = r.text(e)
	} else {
		err = r.octets(e)
	}
	if err != nil {
		return err
	}
	e.endField()
	return nil
}

// name reads the name of a field and what ends it, and begins the field in e.
func (r *reader) name(e *entry) (text bool, err error) {
	start := r.offset()
	n := 0
	for ; ; n++ {
		if n > maxNameSize {
			return false, &formatError{start, fmt.Sprintf("a field's name has more than %d octets", maxNameSize)}
		}
		if r.at+n == r.end && !r.read() {
			return false, r.err
		}
		c := r.buf[r.at+n]
		if c == '=' || c == '\n' {
			break
		}
		if c < ' ' || c >= 0x7f {
			return false, &formatError{start + int64(n), fmt.Sprintf("octet %#02x in the name of a field", c)}
		}
	}
	name := r.buf[r.at : r.at+n]
	text = r.buf[r.at+n] == '='
	if !text && !validName(name) {
		return false, &formatError{start, fmt.Sprintf("%.64q is neither NAME=value nor the name of a field", name)}
	}
	e.beginField(name)
	r.at += n + 1
	return text, nil
}

// text reads a value that a line feed ends.
func (r *reader) text(e *entry) error {
	start := r.offset()
	for {
		i := bytes.IndexByte(r.buf[r.at:r.end], '\n')
		if i >= 0 {
			r.passed += e.add(r.buf[r.at : r.at+i])
			r.at += i + 1
			return nil
		}
		r.passed += e.add(r.buf[r.at:r.end])
		r.at = r.end
		if r.offset()-start > maxValueSize {
			return errEntryTooLarge
		}
		if !r.read() {
			return r.err
		}
	}
}

// octets reads a value with its length before it.
func (r *reader) octets(e *entry) error {
	start := r.offset()
	for r.end-r.at < 8 {
		if !r.read() {
			return r.err
		}
	}
	n := binary.LittleEndian.Uint64(r.buf[r.at:])
	r.at += 8
	if n > maxValueSize {
		return &formatError{start, fmt.Sprintf("a field of %d octets; at most %d are possible", n, maxValueSize)}
	}
	for n > 0 {
		if !r.more() {
			return r.err
		}
		k := int(min(n, uint64(r.end-r.at)))
		r.passed += e.add(r.buf[r.at : r.at+k])
		r.at += k
		n -= uint64(k)
	}
	if !r.more() {
		return r.err
	}
	if c := r.buf[r.at]; c != '\n' {
		return &formatError{r.offset(), fmt.Sprintf("octet %#02x in place of the line feed after a field", c)}
	}
	r.at++
	return nil
}

// validName tells whether journald would accept the name.
func validName(name []byte) bool {
	if len(name) == 0 || len(name) > 64 || name[0] >= '0' && name[0] <= '9' {
		return false
	}
	for _, c := range name {
		if c != '_' && (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// offset is the place in the stream of what is taken next.
func (r *reader) offset() int64 { return r.before + int64(r.at) }

// more makes sure that there is an octet to take.
func (r *reader) more() bool { return r.at < r.end || r.read() }

// read adds to what is in the buffer, of which never more than maxNameSize
// octets are waiting for more. It returns false where the stream has ended.
func (r *reader) read() bool {
	if r.at == r.end {
		r.before += int64(r.at)
		r.at, r.end = 0, 0
	} else if r.end == len(r.buf) {
		r.before += int64(r.at)
		r.end = copy(r.buf, r.buf[r.at:r.end])
		r.at = 0
	}
	for empty := 0; r.err == nil; empty++ {
		var n int
		n, r.err = r.src.Read(r.buf[r.end:])
		r.end += n
		if r.tooMuch != nil {
			if err := r.tooMuch(r.passed); err != nil {
				r.err = err
				return false
			}
		}
		if n > 0 {
			return true
		}
		if empty > 100 {
			r.err = io.ErrNoProgress
		}
	}
	return false
}

package elasticsearch

import (
	"bytes"
	"fmt"
	"io"
)

// maxReason is how much of a string is kept, in octets: those that matter are short,
// but for the type or reason of an error.
const maxReason = 1024

// maxDepth bounds how deep values may nest.
const maxDepth = 100

// jsonReader reads a JSON value as it arrives, without a copy of the whole and without
// an allocation once its buffers have grown.
type jsonReader struct {
	r        io.Reader
	buf      []byte
	pos, end int
	err      error // of r, once buf is used up
	// text holds what string returned last.
	text []byte
}

// begin makes r what is read.
func (j *jsonReader) begin(r io.Reader) {
	if j.buf == nil {
		j.buf = make([]byte, 32<<10)
	}
	j.r, j.pos, j.end, j.err = r, 0, 0, nil
}

// finish returns an error where more than white space follows.
func (j *jsonReader) finish() error {
	if j.space(); j.pos < j.end || j.err != io.EOF {
		return j.unexpected()
	}
	return nil
}

// took passes s and returns true if just that comes next, and all of it has arrived.
func (j *jsonReader) took(s string) bool {
	if rest := j.buf[j.pos:j.end]; len(rest) < len(s) || string(rest[:len(s)]) != s {
		return false
	}
	j.pos += len(s)
	return true
}

// peek returns the next octet that is no white space.
func (j *jsonReader) peek() (byte, bool) {
	j.space()
	if j.pos >= j.end {
		return 0, false
	}
	return j.buf[j.pos], true
}

func (j *jsonReader) space() {
	for {
		for j.pos < j.end {
			switch j.buf[j.pos] {
			case ' ', '\t', '\n', '\r':
				j.pos++
			default:
				return
			}
		}
		if !j.fill() {
			return
		}
	}
}

// fill reads more into the buffer, all of which has been used up.
func (j *jsonReader) fill() bool {
	for range 100 {
		if j.err != nil {
			return false
		}
		var n int
		n, j.err = j.r.Read(j.buf)
		if j.pos, j.end = 0, n; n > 0 {
			return true
		}
	}
	j.err = io.ErrNoProgress
	return false
}

// unexpected describes what stands where something else should.
func (j *jsonReader) unexpected() error {
	if j.pos < j.end {
		return fmt.Errorf("unexpected %.40q", j.buf[j.pos:min(j.end, j.pos+40)])
	}
	if j.err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return j.err
}

func (j *jsonReader) expect(c byte) error {
	if got, ok := j.peek(); !ok || got != c {
		return j.unexpected()
	}
	j.pos++
	return nil
}

// object reads an object; value must read the value of each key. The key is valid
// until more is read.
func (j *jsonReader) object(value func(key []byte) error) error {
	if err := j.expect('{'); err != nil {
		return err
	}
	return j.members('}', func() error {
		key, err := j.string()
		if err != nil {
			return err
		}
		// Keys matter up to the length of the longest that is known; they are
		// compared before the buffer moves on.
		if err := j.expect(':'); err != nil {
			return err
		}
		return value(key)
	})
}

func (j *jsonReader) array(element func() error) error {
	if err := j.expect('['); err != nil {
		return err
	}
	return j.members(']', element)
}

// members reads members separated by commas up to the closing bracket.
func (j *jsonReader) members(closing byte, member func() error) error {
	for n := 0; ; n++ {
		c, ok := j.peek()
		if !ok {
			return j.unexpected()
		}
		if c == closing && n == 0 {
			j.pos++
			return nil
		}
		if err := member(); err != nil {
			return err
		}
		if c, ok = j.peek(); !ok || c != ',' && c != closing {
			return j.unexpected()
		}
		j.pos++
		if c == closing {
			return nil
		}
	}
}

// string reads a string and returns it without its escapes, cut after maxReason
// octets. It is valid until the next call.
func (j *jsonReader) string() ([]byte, error) {
	if err := j.expect('"'); err != nil {
		return nil, err
	}
	j.text = j.text[:0]
	for {
		if j.pos >= j.end && !j.fill() {
			return nil, j.unexpected()
		}
		run := j.buf[j.pos:j.end]
		i := 0
		for i < len(run) && run[i] != '"' && run[i] != '\\' && run[i] >= ' ' {
			i++
		}
		j.keep(run[:i])
		j.pos += i
		if i == len(run) {
			continue
		}
		switch run[i] {
		case '"':
			j.pos++
			return j.text, nil
		case '\\':
			j.pos++
			if err := j.escape(); err != nil {
				return nil, err
			}
		default:
			return nil, j.unexpected()
		}
	}
}

func (j *jsonReader) keep(b []byte) {
	j.text = append(j.text, b[:min(len(b), max(0, maxReason-len(j.text)))]...)
}

// octet takes the next octet.
func (j *jsonReader) octet() (byte, error) {
	if j.pos >= j.end && !j.fill() {
		return 0, j.unexpected()
	}
	j.pos++
	return j.buf[j.pos-1], nil
}

// escape reads what follows a backslash. Surrogates are not joined: reasons are
// for people, and a rare character may become two U+FFFD.
func (j *jsonReader) escape() error {
	c, err := j.octet()
	if err != nil {
		return err
	}
	if c != 'u' {
		i := bytes.IndexByte([]byte(`"\/bfnrt`), c)
		if i < 0 {
			j.pos--
			return j.unexpected()
		}
		one := [1]byte{"\"\\/\b\f\n\r\t"[i]}
		j.keep(one[:])
		return nil
	}
	r := rune(0)
	for range 4 {
		c, err := j.octet()
		if err != nil {
			return err
		}
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			j.pos--
			return j.unexpected()
		}
		r = r<<4 | rune(c)
	}
	var b [4]byte
	j.keep(append(b[:0], string(r)...))
	return nil
}

// integer reads a number of at most nine digits.
func (j *jsonReader) integer() (int, error) {
	c, ok := j.peek()
	if !ok || c < '0' || c > '9' {
		return 0, j.unexpected()
	}
	v := 0
	for digits := 0; ; digits++ {
		if j.pos >= j.end && !j.fill() {
			return 0, j.unexpected() // a number never ends an answer
		}
		c := j.buf[j.pos]
		if c < '0' || c > '9' {
			return v, nil
		}
		if digits == 9 {
			return 0, j.unexpected()
		}
		v = v*10 + int(c-'0')
		j.pos++
	}
}

// skip reads over any value.
func (j *jsonReader) skip(depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("values nest more than %d deep", maxDepth)
	}
	c, ok := j.peek()
	switch {
	case !ok:
		return j.unexpected()
	case c == '{':
		return j.object(func([]byte) error { return j.skip(depth + 1) })
	case c == '[':
		return j.array(func() error { return j.skip(depth + 1) })
	case c == '"':
		_, err := j.string()
		return err
	}
	// A number, true, false or null. Which of them, and whether it is a good
	// one, makes no difference to what the items say.
	n := 0
	for {
		if j.pos >= j.end && !j.fill() {
			return j.unexpected()
		}
		c := j.buf[j.pos]
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c == 'E' || c == '+' || c == '-' || c == '.') {
			break
		}
		j.pos++
		n++
	}
	if n == 0 {
		return j.unexpected()
	}
	return nil
}

package elasticsearch

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// The answer to a bulk request is one object with an array "items", which has an
// object for each action, in order:
//
//	{"took":7,"errors":true,"items":[
//	  {"create":{"_index":"…","_id":"…","status":201}},
//	  {"create":{"status":400,"error":{"type":"…","reason":"…","caused_by":{…}}}}]}
//
// "errors" is not looked at: an item's own status says what became of it, and
// only an answer that is whole and has as many items as were sent says anything.

// errAnswer is wrapped by the errors of answers that are not whole: what became
// of the documents is unknown.
var errAnswer = errors.New("not a whole bulk answer")

// maxReason is how much of a type or reason is kept, in octets.
const maxReason = 1024

// maxDepth bounds how deep values in an answer may nest.
const maxDepth = 100

// itemAnswer is what the answer says of one document. Its slices are valid until
// the next item is read.
type itemAnswer struct {
	status int
	// errType and reason are those of the error, the other two those of its
	// innermost cause; "" where there is none.
	errType, reason, causeType, causeReason []byte
	// failureStore tells that the document went to the failure store instead.
	failureStore bool
}

// answerReader reads a bulk answer as it arrives. It allocates nothing once its
// buffers have grown.
type answerReader struct {
	r        io.Reader
	buf      []byte
	pos, end int
	err      error // of r, once buf is used up
	item     itemAnswer
	// text holds what text returned last.
	text []byte
}

// read reads the answer to a bulk request of want documents and calls f for each.
// After an error nothing that f was told holds.
func (a *answerReader) read(r io.Reader, want int, f func(i int, item *itemAnswer)) error {
	if a.buf == nil {
		a.buf = make([]byte, 32<<10)
	}
	a.r, a.pos, a.end, a.err = r, 0, 0, nil
	defer func() { a.r = nil }()
	n := -1
	err := a.object(func(key []byte) error {
		if string(key) != "items" || n >= 0 {
			return a.skip(0)
		}
		n = 0
		return a.array(func() error {
			if err := a.readItem(); err != nil {
				return err
			}
			if n < want {
				f(n, &a.item)
			}
			n++
			return nil
		})
	})
	if err == nil {
		if a.space(); a.pos < a.end || a.err != io.EOF {
			err = a.unexpected()
		}
	}
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", errAnswer, err)
	case n < 0:
		return fmt.Errorf("%w: it has no items", errAnswer)
	case n != want:
		return fmt.Errorf("%w: it has %d items for %d documents", errAnswer, n, want)
	}
	return nil
}

// plainItem is what nearly all items are, as servers write it where filterPath is
// asked for: it need not be taken apart.
const plainItem = `{"create":{"status":201}}`

func (a *answerReader) readItem() error {
	it := &a.item
	it.status, it.failureStore = 0, false
	it.errType, it.reason = it.errType[:0], it.reason[:0]
	it.causeType, it.causeReason = it.causeType[:0], it.causeReason[:0]
	if rest := a.buf[a.pos:a.end]; len(rest) >= len(plainItem) && string(rest[:len(plainItem)]) == plainItem {
		a.pos += len(plainItem)
		it.status = http.StatusCreated
		return nil
	}
	actions := 0
	err := a.object(func([]byte) error {
		actions++
		return a.object(func(key []byte) error {
			switch string(key) {
			case "status":
				var err error
				it.status, err = a.integer()
				return err
			case "failure_store":
				s, err := a.string()
				it.failureStore = string(s) == "used"
				return err
			case "error":
				return a.readError()
			}
			return a.skip(0)
		})
	})
	if err == nil && (actions != 1 || it.status < 100 || it.status > 599) {
		err = fmt.Errorf("an item has no status")
	}
	return err
}

// readError reads an error, which is an object, or in old servers a string.
func (a *answerReader) readError() error {
	it := &a.item
	if c, ok := a.peek(); !ok || c != '{' {
		return a.stringInto(&it.reason)
	}
	return a.object(func(key []byte) error {
		switch string(key) {
		case "type":
			return a.stringInto(&it.errType)
		case "reason":
			return a.stringInto(&it.reason)
		case "caused_by":
			return a.readCause(0)
		}
		return a.skip(0)
	})
}

// readCause reads what caused an error, and keeps the innermost.
func (a *answerReader) readCause(depth int) error {
	if c, ok := a.peek(); !ok || c != '{' || depth > maxDepth {
		return a.skip(depth)
	}
	return a.object(func(key []byte) error {
		switch string(key) {
		case "type":
			return a.stringInto(&a.item.causeType)
		case "reason":
			return a.stringInto(&a.item.causeReason)
		case "caused_by":
			return a.readCause(depth + 1)
		}
		return a.skip(0)
	})
}

// stringInto appends a string, or nothing where there is another value.
func (a *answerReader) stringInto(dst *[]byte) error {
	if c, ok := a.peek(); !ok || c != '"' {
		return a.skip(0)
	}
	s, err := a.string()
	*dst = append((*dst)[:0], s...)
	return err
}

// peek returns the next octet that is no white space.
func (a *answerReader) peek() (byte, bool) {
	a.space()
	if a.pos >= a.end {
		return 0, false
	}
	return a.buf[a.pos], true
}

func (a *answerReader) space() {
	for {
		for a.pos < a.end {
			switch a.buf[a.pos] {
			case ' ', '\t', '\n', '\r':
				a.pos++
			default:
				return
			}
		}
		if !a.fill() {
			return
		}
	}
}

// fill reads more into the buffer, all of which has been used up.
func (a *answerReader) fill() bool {
	for range 100 {
		if a.err != nil {
			return false
		}
		var n int
		n, a.err = a.r.Read(a.buf)
		if a.pos, a.end = 0, n; n > 0 {
			return true
		}
	}
	a.err = io.ErrNoProgress
	return false
}

// unexpected describes what stands where something else should.
func (a *answerReader) unexpected() error {
	if a.pos < a.end {
		return fmt.Errorf("unexpected %.40q", a.buf[a.pos:min(a.end, a.pos+40)])
	}
	if a.err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return a.err
}

func (a *answerReader) expect(c byte) error {
	if got, ok := a.peek(); !ok || got != c {
		return a.unexpected()
	}
	a.pos++
	return nil
}

// object reads an object; value must read the value of each key. The key is valid
// until more is read.
func (a *answerReader) object(value func(key []byte) error) error {
	if err := a.expect('{'); err != nil {
		return err
	}
	return a.members('}', func() error {
		key, err := a.string()
		if err != nil {
			return err
		}
		// Keys matter up to the length of the longest that is known; they are
		// compared before the buffer moves on.
		if err := a.expect(':'); err != nil {
			return err
		}
		return value(key)
	})
}

func (a *answerReader) array(element func() error) error {
	if err := a.expect('['); err != nil {
		return err
	}
	return a.members(']', element)
}

// members reads members separated by commas up to the closing bracket.
func (a *answerReader) members(closing byte, member func() error) error {
	for n := 0; ; n++ {
		c, ok := a.peek()
		if !ok {
			return a.unexpected()
		}
		if c == closing && n == 0 {
			a.pos++
			return nil
		}
		if err := member(); err != nil {
			return err
		}
		if c, ok = a.peek(); !ok || c != ',' && c != closing {
			return a.unexpected()
		}
		a.pos++
		if c == closing {
			return nil
		}
	}
}

// string reads a string and returns it without its escapes, cut after maxReason
// octets. It is valid until the next call.
func (a *answerReader) string() ([]byte, error) {
	if err := a.expect('"'); err != nil {
		return nil, err
	}
	a.text = a.text[:0]
	for {
		if a.pos >= a.end && !a.fill() {
			return nil, a.unexpected()
		}
		run := a.buf[a.pos:a.end]
		i := 0
		for i < len(run) && run[i] != '"' && run[i] != '\\' && run[i] >= ' ' {
			i++
		}
		a.keep(run[:i])
		a.pos += i
		if i == len(run) {
			continue
		}
		switch run[i] {
		case '"':
			a.pos++
			return a.text, nil
		case '\\':
			a.pos++
			if err := a.escape(); err != nil {
				return nil, err
			}
		default:
			return nil, a.unexpected()
		}
	}
}

func (a *answerReader) keep(b []byte) {
	a.text = append(a.text, b[:min(len(b), max(0, maxReason-len(a.text)))]...)
}

// octet takes the next octet.
func (a *answerReader) octet() (byte, error) {
	if a.pos >= a.end && !a.fill() {
		return 0, a.unexpected()
	}
	a.pos++
	return a.buf[a.pos-1], nil
}

// escape reads what follows a backslash. Surrogates are not joined: reasons are
// for people, and a rare character may become two U+FFFD.
func (a *answerReader) escape() error {
	c, err := a.octet()
	if err != nil {
		return err
	}
	if c != 'u' {
		i := bytes.IndexByte([]byte(`"\/bfnrt`), c)
		if i < 0 {
			a.pos--
			return a.unexpected()
		}
		one := [1]byte{"\"\\/\b\f\n\r\t"[i]}
		a.keep(one[:])
		return nil
	}
	r := rune(0)
	for range 4 {
		c, err := a.octet()
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
			a.pos--
			return a.unexpected()
		}
		r = r<<4 | rune(c)
	}
	var b [4]byte
	a.keep(append(b[:0], string(r)...))
	return nil
}

// integer reads a number of at most nine digits.
func (a *answerReader) integer() (int, error) {
	c, ok := a.peek()
	if !ok || c < '0' || c > '9' {
		return 0, a.unexpected()
	}
	v := 0
	for digits := 0; ; digits++ {
		if a.pos >= a.end && !a.fill() {
			return 0, a.unexpected() // a number never ends an answer
		}
		c := a.buf[a.pos]
		if c < '0' || c > '9' {
			return v, nil
		}
		if digits == 9 {
			return 0, a.unexpected()
		}
		v = v*10 + int(c-'0')
		a.pos++
	}
}

// skip reads over any value.
func (a *answerReader) skip(depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("values nest more than %d deep", maxDepth)
	}
	c, ok := a.peek()
	switch {
	case !ok:
		return a.unexpected()
	case c == '{':
		return a.object(func([]byte) error { return a.skip(depth + 1) })
	case c == '[':
		return a.array(func() error { return a.skip(depth + 1) })
	case c == '"':
		_, err := a.string()
		return err
	}
	// A number, true, false or null. Which of them, and whether it is a good
	// one, makes no difference to what the items say.
	n := 0
	for {
		if a.pos >= a.end && !a.fill() {
			return a.unexpected()
		}
		c := a.buf[a.pos]
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c == 'E' || c == '+' || c == '-' || c == '.') {
			break
		}
		a.pos++
		n++
	}
	if n == 0 {
		return a.unexpected()
	}
	return nil
}

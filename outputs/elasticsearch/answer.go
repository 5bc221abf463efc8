package elasticsearch

import (
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
	jsonReader
	item itemAnswer
}

// read reads the answer to a bulk request of want documents and calls f for each.
// After an error nothing that f was told holds.
func (a *answerReader) read(r io.Reader, want int, f func(i int, item *itemAnswer)) error {
	a.begin(r)
	defer a.begin(nil)
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
		err = a.finish()
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
	if a.took(plainItem) {
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

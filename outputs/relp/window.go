package relp

import (
	"errors"
	"sync"

	"github.com/syslane/syslane/internal/relp"
)

// Errors of a server that answers what it was not asked.
var (
	errUnasked = errors.New("the server answered a transaction that does not wait for an answer")
	errLost    = errors.New("connection lost")
)

// request is a command on its way: which records of the batch it carries, and
// once it is settled, what the server answered.
type request struct {
	first, count int
	settled      bool
	// taken is set when Write has seen the answer.
	taken bool
	code  int
	text  string
}

// window holds the requests on their way, in the order of their transaction
// numbers. The writing side adds them, the reading side settles them, in any
// order: RELP leaves it to the server.
type window struct {
	mu   sync.Mutex
	ring []request
	// head is the index of the oldest request, n how many there are.
	head, n int
	// oldest and next are the transaction numbers of the oldest and next request.
	oldest, next uint32
	// answers is how many requests were ever settled.
	answers int
	err     error
	// changed gets a token when a request was settled or the connection was lost.
	changed chan struct{}
}

func newWindow(size int) *window {
	return &window{ring: make([]request, size), oldest: 1, next: 1, changed: make(chan struct{}, 1)}
}

// inFlight returns how many requests are on their way, and room for how many more there is.
func (w *window) inFlight() (n, room int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.n, len(w.ring) - w.n
}

// add takes a request up and returns its transaction number. There must be room.
func (w *window) add(first, count int) uint32 {
	w.mu.Lock()
	defer w.mu.Unlock()
	txnr := w.next
	if w.n == 0 {
		w.oldest = txnr
	}
	w.ring[(w.head+w.n)%len(w.ring)] = request{first: first, count: count}
	w.n++
	w.next = relp.NextTxnr(txnr)
	return txnr
}

// settle takes an answer.
func (w *window) settle(txnr uint32, code int, text []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	offset := int(txnr) - int(w.oldest)
	if offset < 0 {
		offset += relp.MaxTxnr
	}
	if offset >= w.n {
		return errUnasked
	}
	r := &w.ring[(w.head+offset)%len(w.ring)]
	if r.settled {
		return errUnasked
	}
	r.settled, r.code = true, code
	w.answers++
	if code != relp.CodeOK {
		r.text = string(text)
	}
	w.signal()
	return nil
}

// fail marks the connection as lost. The first error counts.
func (w *window) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
	w.signal()
}

func (w *window) signal() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// failed returns why the connection is lost, or nil.
func (w *window) failed() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// answered returns how many requests the server has answered since the session began.
func (w *window) answered() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.answers
}

// collect calls f for every answer not seen before and frees the requests that
// have no older one before them. It returns how many answers there were.
func (w *window) collect(f func(*request)) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	answers := 0
	for i := range w.n {
		if r := &w.ring[(w.head+i)%len(w.ring)]; r.settled && !r.taken {
			r.taken = true
			answers++
			f(r)
		}
	}
	for w.n > 0 && w.ring[w.head].settled {
		w.head = (w.head + 1) % len(w.ring)
		w.n--
		w.oldest = relp.NextTxnr(w.oldest)
	}
	return answers
}

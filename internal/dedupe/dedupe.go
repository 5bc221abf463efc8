// Package dedupe tells which messages repeat one that came shortly before.
//
// Within a window, messages of one source and host that are equal in some fields
// pass once: the first, at once. The others are only counted. When the window
// closes the count is told, if there is one.
//
//   - Messages of two sources, or with two hosts, never count as equal.
//   - The first message of a window always passes.
//   - A window is closed early where there would be too many, and its count told:
//     memory is bounded, and the counts stay exact.
//   - A repeat passes where there is no room to keep what it was (Batch.Describe).
//   - A message is said to repeat another only with what tells when that other is
//     durable (Batch.Wait): it must not be acknowledged before.
//   - A window's count is told once every batch that added to it is done.
//
// The counts themselves are kept by whoever stores them, under Window.ID.
package dedupe

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/syslane/syslane/internal/match"
	"github.com/syslane/syslane/internal/syslog"
)

// DefaultFields are those in which messages must be equal.
var DefaultFields = []string{"app", "procid", "facility", "severity", "message"}

const (
	// defaultWindows bounds the windows that are open, and defaultRepeats those of
	// them in which something was repeated.
	defaultWindows = 1 << 16
	defaultRepeats = 1 << 12
	// maxKeyOctets bounds what the open windows remember of their messages.
	maxKeyOctets = 32 << 20
	// maxPlain is the most octets of a field that are compared as they are; of
	// longer ones it is their SHA-256.
	maxPlain = 1 << 10
)

// Config says which messages are equal, and for how long.
type Config struct {
	// Window is how long a window is open.
	Window time.Duration
	// Fields return what must be equal besides source and host; see match.Text.
	Fields []func(*match.Message) string
	// MaxWindows and MaxRepeats bound the memory; 0 takes the defaults.
	MaxWindows, MaxRepeats int
}

// Table holds the windows of one setting. It may be used by many goroutines at
// once.
type Table struct {
	cfg  Config
	host func(*match.Message) string

	mu      sync.Mutex
	windows map[string]*Window
	// open are the windows in the order in which they were opened, and so in which
	// they close; repeated are those of them with repeats.
	open, repeated queue
	octets         int
	// busy is the sum of that of all windows.
	busy int
	// closed are those whose count is to be told.
	closed []*Window
}

// Window is the time in which messages equal to one are counted.
type Window struct {
	// ID is unique.
	ID uint64

	key    string
	opened time.Time
	// first tells when the first message is durable; nil once it is.
	first *Batch
	// busy are the batches that have repeats in the window and are not done;
	// repeats says that there were any.
	busy    int
	repeats bool
	// described says that a batch has stored what the window's messages are.
	described bool
	// gone says that the window takes no more.
	gone bool
}

var lastID = struct {
	sync.Mutex
	n uint64
}{n: rand.Uint64()}

// New returns an empty table.
func New(c Config) *Table {
	if c.MaxWindows <= 0 {
		c.MaxWindows = defaultWindows
	}
	if c.MaxRepeats <= 0 {
		c.MaxRepeats = defaultRepeats
	}
	return &Table{cfg: c, host: match.Text("host"), windows: make(map[string]*Window)}
}

// appendKey appends what makes messages equal.
func (t *Table) appendKey(key []byte, m *match.Message, e *syslog.Event) []byte {
	addr := e.Source.Addr().As16() // of the zero Addr too
	key = append(key, addr[:]...)
	key = appendField(key, t.host(m))
	for _, f := range t.cfg.Fields {
		key = appendField(key, f(m))
	}
	return key
}

func appendField(key []byte, s string) []byte {
	if len(s) > maxPlain {
		sum := sha256.Sum256([]byte(s))
		return append(append(key, 0xff), sum[:]...) // no length begins so
	}
	return append(binary.BigEndian.AppendUint16(key, uint16(len(s))), s...)
}

// Repeats adds m, which stands for e, to the open window of the messages that it
// equals, and returns what b adds to that so far, valid until the next call. Where
// there is none, it opens one and returns nil: the message passes, and b.Done must
// say what became of it. It also passes where b.Describe has no room.
func (t *Table) Repeats(b *Batch, m *match.Message, e *syslog.Event) *Repeat {
	b.key, b.opens = t.appendKey(b.key[:0], m, e), false
	t.mu.Lock()
	defer t.mu.Unlock()
	w := t.windows[string(b.key)]
	if w != nil && b.now.Sub(w.opened) >= t.cfg.Window {
		t.close(w)
		w = nil
	}
	if w == nil {
		t.add(b)
		return nil
	}
	at := e.TimeNano()
	if r := b.of(w); r != nil {
		return r.add(at)
	}
	r := Repeat{Window: w, Count: 1, First: at, Last: at, table: t}
	if !w.described && b.Describe != nil {
		var ok bool
		if r.Description, ok = b.Describe(e); !ok {
			return nil
		}
	}
	if w.first != nil && w.first != b {
		b.await(w.first)
	}
	t.busy++
	if w.busy++; !w.repeats {
		w.repeats = true
		t.repeated.push(w)
	}
	for t.repeated.len() > t.cfg.MaxRepeats {
		t.close(t.repeated.front())
	}
	return b.begin(r)
}

// add opens a window for the message whose key b holds.
func (t *Table) add(b *Batch) {
	lastID.Lock()
	lastID.n++
	w := &Window{ID: lastID.n, key: string(b.key), opened: b.now, first: b}
	lastID.Unlock()
	b.opened, b.opens = append(b.opened, opened{t, w}), true
	t.windows[w.key] = w
	t.open.push(w)
	t.octets += len(w.key)
	for t.open.len() > t.cfg.MaxWindows || t.octets > maxKeyOctets && t.open.len() > 1 {
		t.close(t.open.front())
	}
}

// close takes a window out of the table. t.mu is held.
func (t *Table) close(w *Window) {
	if w.gone {
		return
	}
	w.gone = true
	delete(t.windows, w.key)
	t.octets -= len(w.key)
	t.open.trim()
	t.repeated.trim()
	if w.repeats && w.busy == 0 {
		t.closed = append(t.closed, w)
	}
}

// Expire closes the windows whose time is over at now, all of them where it is the
// zero time, and returns those whose count is to be told.
func (t *Table) Expire(now time.Time) []*Window {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.open.len() > 0 {
		w := t.open.front()
		if !now.IsZero() && now.Sub(w.opened) < t.cfg.Window {
			break
		}
		t.close(w)
	}
	closed := t.closed
	t.closed = nil
	return closed
}

// Idle tells whether there will be nothing to tell unless messages come: no window is
// open, no batch that added to one is under way, and Expire has returned the rest.
func (t *Table) Idle() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.open.len() == 0 && t.busy == 0 && len(t.closed) == 0
}

// queue is a list of windows in their order; those that are gone leave it when they
// come to its front.
type queue struct {
	windows []*Window
	start   int
}

func (q *queue) push(w *Window) {
	if q.start > 64 && q.start > len(q.windows)/2 {
		n := copy(q.windows, q.windows[q.start:])
		clear(q.windows[n:])
		q.windows, q.start = q.windows[:n], 0
	}
	q.windows = append(q.windows, w)
}

// len returns how many windows there are, with those that are gone behind the front.
func (q *queue) len() int { return len(q.windows) - q.start }

func (q *queue) front() *Window { return q.windows[q.start] }

// trim drops what is gone from the front.
func (q *queue) trim() {
	for q.start < len(q.windows) && q.windows[q.start].gone {
		q.windows[q.start] = nil
		q.start++
	}
}

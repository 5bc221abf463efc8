package relp

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"time"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/internal/syslog"
)

const (
	// maxHeld bounds the octets of messages that wait for the end of a run to
	// show. A run beyond it is stored again.
	maxHeld = 4 << 20
	// holdTime is how long the first of them may wait. librelp sends all that it
	// resends at once, with nothing between.
	holdTime = 5 * time.Second
)

// sender is whose tails the peer can go on with.
func (in *Input) sender(o *inputs.Origin) (digest [16]byte) {
	h := sha256.New()
	for _, part := range []string{"relp", in.cfg.Name, o.Identity} {
		h.Write(binary.AppendUvarint(nil, uint64(len(part))))
		h.Write([]byte(part))
	}
	if o.Identity == "" {
		address := o.Source.Addr().Unmap().As16()
		h.Write(address[:])
	}
	copy(digest[:], h.Sum(nil))
	return digest
}

// newTail names a tail that begins.
func newTail(sender [16]byte) inputs.TailID {
	return inputs.TailID{Sender: sender, Number: rand.Uint64()}
}

// hashOf returns the hash of a message as it is stored.
func hashOf(data []byte) uint64 {
	sum := sha256.Sum256(data)
	return binary.LittleEndian.Uint64(sum[:])
}

// run holds the first messages of a session against the ends of what the same
// peer has brought before.
type run struct {
	tails []runTail
	// length is how many messages matched so far.
	length int
	// stamped are the hashes of those that carry a fraction of a second.
	stamped []uint64
}

type runTail struct {
	inputs.Tail
	// starts are where in the tail the run may have begun, ascending.
	starts []int
}

func newRun(tails []inputs.Tail) *run {
	r := &run{}
	for _, t := range tails {
		starts := make([]int, len(t.Hashes))
		for i := range starts {
			starts[i] = i
		}
		r.tails = append(r.tails, runTail{t, starts})
	}
	return r
}

// add takes the next message. It returns the tail whose end the run has reached,
// which means that the whole run was resent. Otherwise open tells whether it may
// still turn out so.
func (r *run) add(hash uint64, stamped bool) (reached *inputs.Tail, open bool) {
	if stamped {
		r.stamped = append(r.stamped, hash)
	}
	for i := range r.tails {
		t := &r.tails[i]
		left := t.starts[:0]
		for _, start := range t.starts {
			at := start + r.length
			switch {
			case t.Hashes[at] != hash:
			case at < len(t.Hashes)-1:
				left = append(left, start)
			case r.witnessed(t.Hashes):
				return &t.Tail, false
			}
		}
		t.starts = left
		open = open || len(left) > 0
	}
	r.length++
	return nil, open
}

// witnessed tells whether a message of the run cannot but be one of the tail: it
// carries a fraction of a second, and is there once.
func (r *run) witnessed(tail []uint64) bool {
	for _, witness := range r.stamped {
		n := 0
		for _, hash := range tail {
			if hash == witness {
				n++
			}
		}
		if n == 1 {
			return true
		}
	}
	return false
}

// isStamped tells whether the header of a message has a timestamp of RFC 3339
// with at least three digits of a fraction, be it in the form of RFC 5424 or
// where RFC 3164 has its own.
func isStamped(data []byte) bool {
	const layout = "dddd-dd-ddTdd:dd:dd.ddd"
	if len(data) == 0 || data[0] != '<' {
		return false
	}
	i := 1
	for i < len(data) && i < 5 && data[i] != '>' {
		i++
	}
	if i++; i+2 <= len(data) && data[i] == '1' && data[i+1] == ' ' {
		i += 2
	}
	if len(data) < i+len(layout) {
		return false
	}
	for j, want := range []byte(layout) {
		got := data[i+j]
		if want == 'd' && (got < '0' || got > '9') || want != 'd' && got != want {
			return false
		}
	}
	return true
}

// held is a message that waits for the end of a run to show.
type held struct {
	txnr     uint32
	warnings syslog.Warnings
	end      int // in resumption.data; it begins where the one before ends
}

// resumption is what a connection has to find out before anything of it is
// stored: whether it begins with what its peer resends.
type resumption struct {
	run   *run
	data  []byte
	held  []held
	until time.Time
}

// hold takes a message while it is not known whether it is new. The caller holds
// the lock of the queue.
func (c *conn) hold(data []byte, txnr uint32, warnings syslog.Warnings) error {
	r := c.resuming
	if r.run == nil {
		// What the peer's former connections still submit will be stored, and is
		// resent on this one.
		r.run = newRun(c.in.sessions.ended(c.tail.Sender, c.sink.(inputs.TailSink)))
		r.until = time.Now().Add(holdTime)
	}
	r.data = append(r.data, data...)
	r.held = append(r.held, held{txnr: txnr, warnings: warnings, end: len(r.data)})
	if len(data) == 0 {
		return nil
	}
	reached, open := r.run.add(hashOf(data), isStamped(data))
	switch {
	case reached != nil && c.in.sessions.claim(reached.ID):
		c.in.sessions.release(c.tail)
		c.tail = reached.ID
		return c.acknowledgeHeld()
	case reached != nil || !open || len(r.data) > maxHeld || len(r.held) > inputs.MaxTail:
		return c.storeHeld()
	}
	return nil
}

// acknowledgeHeld has the messages held answered: they are stored.
func (c *conn) acknowledgeHeld() error {
	r := c.resuming
	c.resuming = nil
	start := 0
	for _, h := range r.held {
		w := c.queue.messages(0)
		if w == nil {
			return errStopped
		}
		w.txnrs = append(w.txnrs, h.txnr)
		if octets := h.end - start; octets > 0 {
			w.batch.Input = c.in.cfg.Name
			w.tail.ID = c.tail
			w.tail.Resent++
			w.tail.ResentOctets += octets
		}
		start = h.end
	}
	return nil
}

// storeHeld has the messages held stored: they are new, or it cannot be told.
func (c *conn) storeHeld() error {
	r := c.resuming
	c.resuming = nil
	if r == nil {
		return nil
	}
	start := 0
	for _, h := range r.held {
		if err := c.add(r.data[start:h.end], h.txnr, h.warnings); err != nil {
			return err
		}
		start = h.end
	}
	return nil
}

// heldUntil is when messages held are to be stored; zero where none are.
func (c *conn) heldUntil() time.Time {
	if c.resuming == nil {
		return time.Time{}
	}
	return c.resuming.until
}

func (c *conn) heldMessages() []held {
	if c.resuming == nil {
		return nil
	}
	return c.resuming.held
}

package relp

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"time"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/internal/syslog"
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

// resumption is what a connection has to find out before anything of it is
// stored: whether it begins with what its peer sends again. The lock of the queue
// guards it.
type resumption struct {
	run   *run
	data  []byte
	held  []held
	until time.Time
	// arrived is how many octets of a second message had come when until was last put off.
	arrived int
}

// held is a message that waits for the end of a run to show.
type held struct {
	txnr     uint32
	warnings syslog.Warnings
	end      int // in resumption.data; it begins where the one before ends
	hash     uint64
}

// hashOf returns the hash of a message as it is stored. The seed keeps others
// from making two messages that have one hash.
func (c *conn) hashOf(data []byte) uint64 {
	c.digest.ResetWithSeed(c.seed)
	c.digest.Write(data)
	return c.digest.Sum64()
}

// hold takes a message while it is not known whether it is new. The caller holds
// the lock of the queue, which is given up while former connections come to their
// end: what they still submit is stored, and sent again on this one.
func (c *conn) hold(data []byte, hash uint64, txnr uint32, warnings syslog.Warnings) error {
	r := c.resuming
	r.data = append(r.data, data...)
	r.held = append(r.held, held{txnr: txnr, warnings: warnings, end: len(r.data), hash: hash})
	if len(data) == 0 {
		return nil
	}
	if r.run == nil {
		c.queue.more.Signal()
		c.queue.mu.Unlock()
		ok := c.in.sessions.settle(c, hash)
		c.queue.mu.Lock()
		if !ok {
			return errStopped
		}
		r.run = newRun(c.in.sessions.ended(c), hash)
		r.until = time.Now().Add(c.in.cfg.holdTime)
	} else if len(r.held) == 1 { // the ones before are answered
		r.until = time.Now().Add(c.in.cfg.holdTime)
	}
	reached := r.run.add(hash, stampOf(data))
	switch {
	case reached != nil && c.in.sessions.claim(c, reached):
		return c.acknowledgeHeld()
	case !r.run.open() || len(r.data) > maxHeld || len(r.held) > inputs.MaxTail:
		return c.storeHeld()
	}
	return nil
}

// acknowledgeHeld has the messages held answered: they are stored, and are all that
// was sent again.
func (c *conn) acknowledgeHeld() error {
	r := c.resuming
	c.resuming = nil
	return c.answerHeld(r)
}

// answerHeld has the messages held answered.
func (c *conn) answerHeld(r *resumption) error {
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
	r.data, r.held = r.data[:0], r.held[:0]
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
		if err := c.add(r.data[start:h.end], h.hash, h.txnr, h.warnings); err != nil {
			return err
		}
		start = h.end
	}
	return nil
}

// secondComes tells whether the first message is held for a second one that is still
// coming in, as on a slow line: the two may show that they were sent again. The time
// for it is put off for as long as there is more of it each time.
func (c *conn) secondComes() bool {
	r, arrived := c.resuming, c.reader.Buffered()
	if r.run.length > 1 || arrived <= r.arrived {
		return false
	}
	r.arrived, r.until = arrived, time.Now().Add(c.in.cfg.holdTime)
	return true
}

// giveUpHolding ends the waiting for the run to go on. rsyslogd sends again what
// librelp has no answer for, and then waits for one before it sends what it still has
// of its own batch: a part of a tail is answered, and the run may go on.
func (c *conn) giveUpHolding() error {
	c.queue.mu.Lock()
	defer c.queue.mu.Unlock()
	defer c.queue.more.Signal()
	if c.resuming.run.isPart() {
		return c.answerHeld(c.resuming)
	}
	return c.storeHeld()
}

// isHolding tells whether messages wait for the end of a run to show.
func (c *conn) isHolding() bool { return c.resuming != nil && len(c.resuming.held) > 0 }

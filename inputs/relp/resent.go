package relp

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"slices"
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
// guards it, but for ok, which is read when settled is closed.
type resumption struct {
	// settled is closed when the former connections have come to their end; where ok is
	// false then, the connection is to stop. It is nil before the first message. Until
	// it is closed messages are held, so that later connections see them, and run is nil.
	settled chan struct{}
	ok      bool
	run     *run
	data    []byte
	held    []held
	// until is when the waiting for more of the run ends; zero while there is none.
	until time.Time
	// arrived is how many octets of a second message had come when until was last put off.
	arrived int
	// end is when the run is given up, wherever it is.
	end time.Time
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
// the lock of the queue.
func (c *conn) hold(data []byte, hash uint64, txnr uint32, warnings syslog.Warnings) error {
	r := c.resuming
	r.data = append(r.data, data...)
	r.held = append(r.held, held{txnr: txnr, warnings: warnings, end: len(r.data), hash: hash})
	c.queue.hold(len(r.data) + len(r.held)*perMessage)
	switch {
	case r.settled == nil:
		return c.settle(hash)
	case r.run == nil && c.exceeds(r, len(r.held)-1):
		return c.awaitSettled()
	case r.run == nil:
		return nil
	case len(r.held) == 1: // the ones before are answered
		r.putOff(c.in.cfg.holdTime)
	}
	return c.compare(len(r.held) - 1)
}

// putOff gives the run time for its next message.
func (r *resumption) putOff(hold time.Duration) {
	if r.until = time.Now().Add(hold); r.until.After(r.end) {
		r.until = r.end
	}
}

// exceeds tells whether the message that is held with an index lies behind what is
// ever compared.
func (c *conn) exceeds(r *resumption, i int) bool {
	most := maxHeld
	if c.in.memory.isShort() {
		most = littleHeld
	}
	return r.held[i].end > most || i >= inputs.MaxTail
}

// settle has former connections come to their end: what they still submit is stored,
// and sent again on this one. The caller holds the lock of the queue, which is given up
// for a while.
func (c *conn) settle(first uint64) error {
	r := c.resuming
	r.settled, r.ok = make(chan struct{}), true
	c.queue.more.Signal()
	c.queue.mu.Unlock()
	all := c.in.sessions.formerOf(c, first)
	c.queue.mu.Lock()
	if len(all) == 0 {
		close(r.settled)
		return c.goOn()
	}
	go func() {
		ok := c.in.sessions.settle(c, first, all)
		c.mu.Lock() // the reading side arms itself again before it looks
		defer c.mu.Unlock()
		c.net.SetReadDeadline(time.Unix(1, 0))
		r.ok = ok
		close(r.settled)
	}()
	return nil
}

// isSettled tells whether former connections have come to their end, and what is held
// was not yet compared with what they brought. It is for the reading side.
func (c *conn) isSettled() bool {
	if c.resuming == nil || c.resuming.settled == nil || c.resuming.run != nil {
		return false
	}
	select {
	case <-c.resuming.settled:
		return true
	default:
		return false
	}
}

// awaitSettled waits, where a message is held, for the end of former connections and
// compares what is held with what they brought. The caller holds the lock of the queue,
// which is given up while it waits.
func (c *conn) awaitSettled() error {
	r := c.resuming
	if r == nil || r.settled == nil || r.run != nil {
		return nil
	}
	c.queue.more.Signal()
	c.queue.mu.Unlock()
	<-r.settled
	c.queue.mu.Lock()
	return c.goOn()
}

// resume is goOn for one who does not hold the lock.
func (c *conn) resume() error {
	c.queue.mu.Lock()
	defer c.queue.mu.Unlock()
	defer c.queue.more.Signal()
	return c.goOn()
}

// goOn compares what is held with what former connections brought, now that they have
// come to their end. The caller holds the lock of the queue.
func (c *conn) goOn() error {
	r := c.resuming
	if !r.ok {
		return errStopped
	}
	r.run = newRun(c.in.sessions.ended(c), r.held[0].hash)
	r.end = time.Now().Add(maxHolds * c.in.cfg.holdTime)
	r.putOff(c.in.cfg.holdTime)
	for i := 0; i < len(r.held) && c.resuming == r; i++ {
		before := len(r.held)
		if err := c.compare(i); err != nil {
			return err
		}
		i -= before - len(r.held)
	}
	return nil
}

// compare takes the next message that is held, that with an index, into the run.
func (c *conn) compare(i int) error {
	r := c.resuming
	var reached *inputs.Tail
	if data := r.messageAt(i); len(data) > 0 { // tails have none that are empty
		reached = r.run.add(r.held[i].hash, stampOf(data))
	}
	switch {
	case reached != nil && c.in.sessions.claim(c, reached):
		return c.acknowledgeHeld(i + 1)
	case r.run.open() && !c.exceeds(r, i):
	case r.run.open() && r.run.isPart():
		return c.answerPart(i + 1)
	default:
		return c.storeHeld()
	}
	return nil
}

// messageAt returns the message that is held with an index.
func (r *resumption) messageAt(i int) []byte {
	start := 0
	if i > 0 {
		start = r.held[i-1].end
	}
	return r.data[start:r.held[i].end]
}

// acknowledgeHeld has the first n messages held answered: they are stored, and are all
// that was sent again. What follows them is new.
func (c *conn) acknowledgeHeld(n int) error {
	r := c.resuming
	c.resuming = nil
	defer c.queue.hold(0)
	if err := c.answerHeld(r, n); err != nil {
		return err
	}
	return c.addHeld(r, n)
}

// answerPart has the first n messages held answered: they are a part of a tail, and stored,
// and the run goes on with those behind them.
func (c *conn) answerPart(n int) error {
	r := c.resuming
	if err := c.answerHeld(r, n); err != nil {
		return err
	}
	octets := r.held[n-1].end
	r.data, r.held = slices.Delete(r.data, 0, octets), slices.Delete(r.held, 0, n)
	for i := range r.held {
		r.held[i].end -= octets
	}
	c.queue.hold(len(r.data) + len(r.held)*perMessage)
	return nil
}

// storeHeld has the messages held stored: they are new, or it cannot be told.
func (c *conn) storeHeld() error {
	r := c.resuming
	c.resuming = nil
	if r == nil {
		return nil
	}
	defer c.queue.hold(0) // they may wait for room in the queue
	return c.addHeld(r, 0)
}

// answerHeld has the first n messages held answered.
func (c *conn) answerHeld(r *resumption, n int) error {
	for i, h := range r.held[:n] {
		w := c.queue.messages(0)
		if w == nil {
			return errStopped
		}
		w.txnrs = append(w.txnrs, h.txnr)
		if octets := len(r.messageAt(i)); octets > 0 {
			w.batch.Input = c.in.cfg.Name
			w.tail.ID = c.tail
			w.tail.Resent++
			w.tail.ResentOctets += octets
		}
	}
	return nil
}

// addHeld has the messages held stored, from that with an index on.
func (c *conn) addHeld(r *resumption, from int) error {
	for i := from; i < len(r.held); i++ {
		if err := c.add(r.messageAt(i), r.held[i].hash, r.held[i].txnr, r.held[i].warnings); err != nil {
			return err
		}
	}
	return nil
}

// secondComes tells whether the first message is held for a second one that is still
// coming in, as on a slow line: the two may show that they were sent again. The time
// for it is put off as long as there is more of it each time, and the run not at its end.
func (c *conn) secondComes() bool {
	r, arrived := c.resuming, c.reader.Buffered()
	if r.run.length > 1 || arrived <= r.arrived || r.isOver() {
		return false
	}
	r.arrived = arrived
	r.putOff(c.in.cfg.holdTime)
	return true
}

// isOver tells whether the run has had its time.
func (r *resumption) isOver() bool { return !time.Now().Before(r.end) }

// mayGoOn tells whether a run of which all that has come is answered waits for more.
func (c *conn) mayGoOn() bool { return c.resuming != nil && c.resuming.run != nil && !c.isHolding() }

// endRunning ends the waiting for such a run: what comes is new, or it cannot be told.
// The answers that its peer may wait for wait for no log.
func (c *conn) endRunning() {
	c.queue.mu.Lock()
	defer c.queue.mu.Unlock()
	c.endHolding()
}

// giveUpHolding ends the waiting for the run to go on.
func (c *conn) giveUpHolding() error {
	c.queue.mu.Lock()
	defer c.queue.mu.Unlock()
	defer c.queue.more.Signal()
	return c.endRun()
}

// endRun has what is held answered or stored, though the run did not come to its end.
// rsyslogd sends again what librelp has no answer for, and then waits for one before it
// sends what it still has of its own batch: a part of a tail is answered, and the run may
// go on. The caller holds the lock of the queue.
func (c *conn) endRun() error {
	r := c.resuming
	if r == nil || !r.run.isPart() {
		return c.storeHeld()
	}
	err := c.answerHeld(r, len(r.held))
	r.data, r.held = r.data[:0], r.held[:0]
	c.queue.hold(0)
	if r.isOver() {
		c.resuming = nil
	}
	return err
}

// endHolding ends that messages are held. The caller holds the lock of the queue.
func (c *conn) endHolding() {
	c.resuming = nil
	c.queue.hold(0)
}

// isHolding tells whether messages wait for the end of a run to show.
func (c *conn) isHolding() bool { return c.resuming != nil && len(c.resuming.held) > 0 }

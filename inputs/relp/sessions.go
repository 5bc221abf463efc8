package relp

import (
	"slices"
	"sync"
	"time"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/internal/receive"
)

// sessions knows the connections of each sender and the tails that are theirs, so
// that none goes on with another's while that lives, nor two with the same.
type sessions struct {
	mu sync.Mutex
	// conns are the connections of each sender in the order of their arrival.
	conns map[[16]byte][]*conn
	// live are the tails of connections.
	live map[inputs.TailID]bool
	// fewer is closed, and made anew, when a connection of a sender has gone. Only
	// senders that are waited for have one.
	fewer map[[16]byte]chan struct{}
}

func newSessions() *sessions {
	return &sessions{conns: make(map[[16]byte][]*conn), live: make(map[inputs.TailID]bool), fewer: make(map[[16]byte]chan struct{})}
}

// enter adds a connection.
func (s *sessions) enter(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[c.tail.Sender] = append(s.conns[c.tail.Sender], c)
	s.live[c.tail] = true
}

// leave says that the connection brings nothing more.
func (s *sessions) leave(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.leaving = true
}

// gone says that all it had brought is stored, or never will be.
func (s *sessions) gone(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sender := c.tail.Sender
	delete(s.live, c.tail)
	c.gone = true
	s.conns[sender] = slices.DeleteFunc(s.conns[sender], func(o *conn) bool { return o == c })
	if len(s.conns[sender]) == 0 {
		delete(s.conns, sender)
	}
	if fewer := s.fewer[sender]; fewer != nil {
		close(fewer)
		delete(s.fewer, sender)
	}
}

// whenFewer returns a channel that is closed when a connection of a sender has gone.
func (s *sessions) whenFewer(sender [16]byte) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fewer[sender] == nil {
		s.fewer[sender] = make(chan struct{})
	}
	return s.fewer[sender]
}

// claim gives the connection a tail that it found to be nobody's instead of its
// own; false where that has changed since.
func (s *sessions) claim(c *conn, found *inputs.Tail) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	unmoved := func(t inputs.Tail) bool { return t.ID == found.ID && t.Moved == found.Moved }
	if s.live[found.ID] || !slices.ContainsFunc(c.tails.Tails(found.ID.Sender), unmoved) {
		return false
	}
	delete(s.live, c.tail)
	c.tail = found.ID
	s.live[c.tail] = true
	return true
}

// ended returns those tails of the sender of c that are nobody's.
func (s *sessions) ended(c *conn) []inputs.Tail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(c.tails.Tails(c.tail.Sender), func(t inputs.Tail) bool { return s.live[t.ID] })
}

// former is a connection that a later one of the same sender may have come to replace.
type former struct {
	*conn
	// stored is how many works its queue will have let go once what was under way
	// when it was first looked at is stored.
	stored uint64
	// brought says that it has brought the first message of the later one, stored or
	// not, underWay that this is not stored yet.
	brought, underWay bool
	// receipt is what the kernel of its peer had confirmed at a time: the zero time
	// as long as it is not asked.
	receipt receive.Receipt
	asked   time.Time
}

// settle waits until each former connection of c's peer that c may have come to
// replace has ended and all it brought is stored or given up. first is the hash of
// the first message of c. It returns false when c is to stop, or its peer sends
// nothing more while the log is what all wait for: what c holds is not stored then.
func (s *sessions) settle(c *conn, first uint64) bool {
	all := s.formerOf(c)
	if len(all) == 0 {
		return true
	}
	defer func() {
		for _, f := range all {
			if !f.asked.IsZero() {
				s.probe(f.conn, -1)
			}
		}
	}()
	patience := time.NewTicker(c.in.cfg.settleTime)
	defer patience.Stop()
	waiting, pause := slices.Clone(all), lookAgain
	for {
		fewer := s.whenFewer(c.tail.Sender)
		lookFor(first, c, waiting)
		waiting = slices.DeleteFunc(waiting, func(f *former) bool { return !s.mayBeReplaced(f) })
		if len(waiting) == 0 {
			return true
		}
		select {
		case <-fewer:
		case <-time.After(pause):
			pause = min(2*pause, lookAgainMost)
		case <-patience.C:
			waiting = slices.DeleteFunc(waiting, func(f *former) bool { return !s.isEnding(f) && !f.waitsForLog() && !f.isLeft() })
			_, ended := c.net.Pending()
			if ended && slices.ContainsFunc(waiting, (*former).waitsForLog) {
				return false
			}
		case <-c.stopping:
			return false
		}
	}
}

// formerOf returns the connections of c's sender that were there before it.
func (s *sessions) formerOf(c *conn) (list []*former) {
	s.mu.Lock()
	conns := s.conns[c.tail.Sender]
	before := slices.Clone(conns[:slices.Index(conns, c)])
	s.mu.Unlock()
	for _, o := range before {
		stored, _ := o.queue.turn()
		list = append(list, &former{conn: o, stored: stored})
	}
	return list
}

// lookFor finds out which connections have brought a message. What is stored leaves
// the queue after it has come into the tail, so the queues are looked at first.
func lookFor(hash uint64, c *conn, list []*former) {
	for _, f := range list {
		f.underWay = f.hasUnderWay(hash)
	}
	tails := make(map[inputs.TailID]bool)
	for _, t := range c.tails.Tails(c.tail.Sender) {
		if slices.Contains(t.Hashes, hash) {
			tails[t.ID] = true
		}
	}
	c.in.sessions.mu.Lock()
	defer c.in.sessions.mu.Unlock()
	for _, f := range list {
		f.brought = f.underWay || tails[f.tail]
	}
}

// mayBeReplaced tells whether a connection is at its end, or may be where there
// are octets to read before it shows, or where it has brought the message that a
// later one begins with: then the news of its end may be late, or never come, and
// the kernel of its peer is asked.
func (s *sessions) mayBeReplaced(f *former) bool {
	s.mu.Lock()
	gone, leaving := f.gone, f.leaving
	s.mu.Unlock()
	if gone || leaving {
		return !gone
	}
	if f.brought && f.asked.IsZero() {
		s.probe(f.conn, 1)
		f.asked, f.receipt = time.Now(), f.net.Receipt()
	}
	octets, ended := f.net.Pending()
	return octets || ended || f.brought
}

// probe adds to those that have the kernel of a connection's peer asked.
func (s *sessions) probe(o *conn, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := o.probing
	if o.probing += n; (before == 0) != (o.probing == 0) {
		o.net.Probe(o.probing > 0)
	}
}

// isEnding tells whether a connection comes to its end, once what it brought is stored.
func (s *sessions) isEnding(f *former) bool {
	s.mu.Lock()
	leaving := f.leaving
	s.mu.Unlock()
	_, ended := f.net.Pending()
	return leaving || ended || f.isStopping()
}

// waitsForLog tells whether the message that was sought has been under way since
// the connection was first looked at: c could store it no sooner. Another one like
// it that comes later is not waited for.
func (f *former) waitsForLog() bool {
	_, stored := f.queue.turn()
	return f.underWay && (stored < f.stored || f.isResuming())
}

// isLeft tells whether the peer of a connection that has brought the message does
// not confirm what it is sent, and ends the connection then.
func (f *former) isLeft() bool {
	if !f.brought || f.asked.IsZero() {
		return false
	}
	now := f.net.Receipt()
	switch {
	case now.Octets != f.receipt.Octets:
		return false // it lives
	case time.Since(f.asked) < f.in.cfg.settleTime/2, now.Waiting && !f.receipt.Waiting:
		// Too little time to tell.
		f.asked, f.receipt = time.Now(), now
		return true
	case !now.Waiting && now.Unanswered < 2:
		return false
	}
	f.in.log.Debug().Str("peer", f.peer()).Msg("relp connection is given up: its peer has come back on another")
	f.stop()
	return true
}

// isResuming tells whether the connection itself waits for former ones.
func (c *conn) isResuming() bool {
	c.queue.mu.Lock()
	defer c.queue.mu.Unlock()
	return c.isHolding()
}

// hasUnderWay tells whether the connection has brought a message that is not
// stored yet.
func (c *conn) hasUnderWay(hash uint64) bool {
	c.queue.mu.Lock()
	defer c.queue.mu.Unlock()
	if c.resuming != nil && slices.ContainsFunc(c.resuming.held, func(h held) bool { return h.hash == hash }) {
		return true
	}
	return c.queue.holds(hash)
}

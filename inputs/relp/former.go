package relp

import (
	"slices"
	"time"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/internal/receive"
)

// former is a connection that a later one of the same sender may have come to replace.
type former struct {
	*conn
	// stored is how many works its queue will have let go once what was under way
	// when it was first looked at is stored.
	stored uint64
	// brought says that it has brought the first message of the later one, stored or
	// not, underWay that this is not stored yet.
	brought, underWay bool
	// atEnd says that it brings nothing more: it is waited for, and not looked at again.
	atEnd bool
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
	turns := 0 // how often patience ended in a row with none but those that wait themselves, or live
	for {
		lookFor(first, c, waiting)
		waiting = slices.DeleteFunc(waiting, func(f *former) bool { return !s.mayBeReplaced(f, first) })
		var again <-chan time.Time
		if slices.ContainsFunc(waiting, func(f *former) bool { return !f.atEnd }) {
			again = time.After(pause)
			pause = min(2*pause, lookAgainMost)
		}
		// One end is waited for after the other: a look at each of many connections at
		// each end of one of them would take for ever.
		for look := false; !look; {
			if len(waiting) == 0 {
				return true
			}
			select {
			case <-waiting[0].ended:
				waiting = waiting[1:]
			case <-again:
				look = true
			case <-patience.C:
				turns++
				if slices.ContainsFunc(waiting, func(f *former) bool { return s.isEnding(f) || f.waitsForLog() }) {
					turns = 0
				}
				waiting = slices.DeleteFunc(waiting, func(f *former) bool {
					return !s.isEnding(f) && !f.waitsForLog() && !f.isLeft() && (turns >= maxTurns || !f.isResuming())
				})
				// The peer keeps what a former one has not stored by now, nor c will.
				_, ended := c.net.Pending()
				if ended && slices.ContainsFunc(waiting, func(f *former) bool { return f.atEnd || f.waitsForLog() }) {
					return false
				}
			case <-c.stopping:
				return false
			}
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
		if f.atEnd {
			continue
		}
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
func (s *sessions) mayBeReplaced(f *former, first uint64) bool {
	s.mu.Lock()
	gone, leaving := f.gone, f.leaving
	s.mu.Unlock()
	if leaving && !f.atEnd {
		f.atEnd, f.underWay = true, f.hasUnderWay(first)
		f.stored, _ = f.queue.turn()
	}
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
	if f.atEnd || f.isStopping() {
		return true
	}
	s.mu.Lock()
	leaving := f.leaving
	s.mu.Unlock()
	_, ended := f.net.Pending()
	return leaving || ended
}

// waitsForLog tells whether the message that was sought has been under way since
// the connection was first looked at: c could store it no sooner. Another one like
// it that comes later is not waited for.
func (f *former) waitsForLog() bool {
	_, stored := f.queue.turn()
	return f.underWay && stored < f.stored
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

// isResuming tells whether the connection holds the message that was sought: it
// waits for former ones itself, or for the end of a run.
func (f *former) isResuming() bool {
	f.queue.mu.Lock()
	defer f.queue.mu.Unlock()
	return f.underWay && f.isHolding()
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

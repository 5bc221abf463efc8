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
	// seen is what the last look at it showed.
	seen sight
	// stored is how many works its queue will have let go once what was under way
	// when it was first looked at is stored.
	stored uint64
	// atEnd says that it brings nothing more: it is waited for, and not looked at again.
	atEnd bool
	// asked is when the kernel of its peer was first asked or, later, when receipt was
	// taken: the zero time as long as it is not asked.
	receipt receive.Progress
	asked   time.Time
	// since is how far it had come when it was first seen to have octets to read, and
	// past says that all that had come by then was read.
	since *receive.Progress
	past  bool
}

// sight is what one look at a connection shows.
type sight struct {
	receive.Pending
	// leaving and gone are what the sessions know.
	leaving, gone bool
	// brought says that it has brought the message that is sought, stored or not,
	// underWay that this is not stored yet.
	brought, underWay bool
}

// settle waits until each of the former connections has ended and all it brought is
// stored or given up. first is the hash of the first message of c. It returns false
// when c is to stop, or its peer sends nothing more while the log is what all wait
// for: what c holds is not stored then.
func (s *sessions) settle(c *conn, first uint64, all []*former) bool {
	defer func() {
		for _, f := range all {
			if !f.asked.IsZero() {
				s.probe(f.conn, -1)
			}
		}
	}()
	patience := time.NewTicker(c.in.cfg.settleTime)
	defer patience.Stop()
	waiting, pause, looking := slices.Clone(all), lookAgain, s.turns(c.tail.Sender)
	turns := 0 // how often patience ended in a row with none but those that wait themselves, or live
	for {
		waiting = slices.DeleteFunc(waiting, func(f *former) bool { return !s.mayBeReplaced(f, first) })
		var again <-chan time.Time
		var turn chan<- struct{}
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
				turn = looking
			case turn <- struct{}{}:
				look = true
			case <-patience.C:
				turns++
				for _, f := range waiting { // the last look may be of a while ago
					f.seen.underWay = f.hasUnderWay(first)
				}
				if slices.ContainsFunc(waiting, func(f *former) bool { return s.isEnding(f) || f.waitsForLog() }) {
					turns = 0
				}
				waiting = slices.DeleteFunc(waiting, func(f *former) bool {
					return !s.isEnding(f) && !f.isLeft() && !f.waitsForLog() && (turns >= maxTurns || !f.isResuming())
				})
				// The peer keeps what a former one has not stored by now, nor c will.
				if c.net.Pending().Ended && slices.ContainsFunc(waiting, func(f *former) bool { return f.atEnd || f.waitsForLog() }) {
					return false
				}
			case <-c.stopping:
				return false
			}
		}
		began := time.Now()
		conns := make([]*conn, len(waiting))
		for i, f := range waiting {
			conns[i] = f.conn
		}
		for i, seen := range s.look(conns, c, first) {
			if f := waiting[i]; !f.atEnd {
				f.seen = seen
			}
		}
		time.AfterFunc(time.Since(began), func() { <-looking })
	}
}

// formerOf returns those connections of c's sender that were there before it and that
// it may have come to replace. There may be thousands that it has not.
func (s *sessions) formerOf(c *conn, first uint64) (list []*former) {
	s.mu.Lock()
	conns := s.conns[c.tail.Sender]
	before := slices.Clone(conns[:slices.Index(conns, c)])
	s.mu.Unlock()
	for i, seen := range s.look(before, c, first) {
		if !seen.gone && (seen.Octets || seen.Ended || seen.leaving || seen.brought) {
			stored, _ := before[i].queue.turn()
			list = append(list, &former{conn: before[i], seen: seen, stored: stored})
		}
	}
	return list
}

// look sees what there is of connections of c's sender, and which of them have brought
// a message. The message is looked for where it comes by: first in the kernel, then in
// the queues, which it leaves after it has come into the tail.
func (s *sessions) look(conns []*conn, c *conn, hash uint64) []sight {
	all := make([]sight, len(conns))
	s.mu.Lock()
	var there []*receive.Conn // none of them is closed before it is gone
	for i, o := range conns {
		all[i].leaving, all[i].gone = o.leaving, o.gone
		if !o.gone {
			there = append(there, o.net)
		}
	}
	pending := receive.PendingOf(there)
	s.mu.Unlock()
	for i, o := range conns {
		if !all[i].gone {
			all[i].Pending, pending = pending[0], pending[1:]
		}
		all[i].underWay = o.hasUnderWay(hash)
	}
	tails := make(map[inputs.TailID]bool)
	for _, t := range c.tails.Tails(c.tail.Sender) {
		if slices.Contains(t.Hashes, hash) {
			tails[t.ID] = true
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, o := range conns {
		all[i].brought = all[i].underWay || tails[o.tail]
	}
	return all
}

// mayBeReplaced tells whether a connection is at its end, or may be where there
// are octets to read before it shows, or where it has brought the message that a
// later one begins with: then the news of its end may be late, or never come, and
// the kernel of its peer is asked.
func (s *sessions) mayBeReplaced(f *former, first uint64) bool {
	switch {
	case f.seen.gone:
		return false
	case f.seen.leaving:
		if !f.atEnd {
			f.atEnd, f.seen.underWay = true, f.hasUnderWay(first)
			f.stored, _ = f.queue.turn()
		}
		return true
	case f.seen.brought:
		if f.asked.IsZero() {
			s.probe(f.conn, 1)
			f.asked, f.receipt = time.Now(), f.net.Progress()
		}
		return true
	}
	return f.seen.Ended || f.seen.Octets && !f.lives()
}

// lives tells whether a connection that has octets to read is no former one: its peer
// has confirmed what it was sent since the later one is there, which the kernel of a
// peer that has left does not, and the message that is sought was not in what had come
// until then. The look after that at which it was read shows it where it was.
func (f *former) lives() bool {
	now := f.net.Progress()
	switch {
	case f.since == nil:
		f.since = &now
	case f.past && now.Confirmed > f.since.Written:
		return true
	}
	f.past = now.Read >= f.since.Arrived
	return false
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
	return leaving || f.net.Pending().Ended
}

// waitsForLog tells whether the message that was sought has been under way since
// the connection was first looked at: c could store it no sooner. Another one like
// it that comes later is not waited for.
func (f *former) waitsForLog() bool {
	_, stored := f.queue.turn()
	return f.seen.underWay && stored < f.stored
}

// isLeft tells whether the peer of a connection that has brought the message does
// not confirm what it is sent, and ends the connection then.
func (f *former) isLeft() bool {
	if !f.seen.brought || f.asked.IsZero() {
		return false
	}
	now := f.net.Progress()
	switch {
	case now.Confirmed != f.receipt.Confirmed:
		return false // it lives
	case time.Since(f.asked) < f.in.cfg.settleTime/2, now.Waiting && !f.receipt.Waiting:
		// Too little time to tell.
		f.asked, f.receipt = time.Now(), now
		return true
	case !now.Waiting && now.Unanswered < 2:
		return false
	}
	f.in.log.Debug().Str("peer", f.peer()).Msg("relp connection is given up: its peer has come back on another")
	f.giveUp()
	return true
}

// isResuming tells whether the connection holds the message that was sought: it
// waits for former ones itself, or for the end of a run.
func (f *former) isResuming() bool {
	f.queue.mu.Lock()
	defer f.queue.mu.Unlock()
	return f.seen.underWay && f.isHolding()
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

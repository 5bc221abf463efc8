package relp

import (
	"slices"
	"sync"
	"time"

	"github.com/syslane/syslane/inputs"
)

// sessions knows the connections of each sender and the tails that are theirs, so
// that none goes on with another's while that lives, nor two with the same.
type sessions struct {
	mu sync.Mutex
	// conns are the connections of each sender in the order of their arrival.
	conns map[[16]byte][]*conn
	// live are the tails of connections.
	live map[inputs.TailID]bool
	// fewer is closed, and made anew, when a connection has gone.
	fewer chan struct{}
}

func newSessions() *sessions {
	return &sessions{conns: make(map[[16]byte][]*conn), live: make(map[inputs.TailID]bool), fewer: make(chan struct{})}
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
	close(s.fewer)
	s.fewer = make(chan struct{})
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

// settle waits until each former connection of c's peer that c may have come to
// replace has ended and all it brought is stored or given up. first is the hash of
// the first message of c. It returns false when c is to stop, or its own peer has
// gone: what c holds is not stored then, and the peer keeps it.
func (s *sessions) settle(c *conn, first uint64) bool {
	s.mu.Lock()
	conns := s.conns[c.tail.Sender]
	former := slices.Clone(conns[:slices.Index(conns, c)])
	s.mu.Unlock()
	if len(former) == 0 {
		return true
	}
	var asked []*conn
	defer func() {
		for _, o := range asked {
			o.net.Probe(false)
		}
	}()
	patience := time.NewTicker(c.in.cfg.settleTime)
	defer patience.Stop()
	for pause := lookAgain; ; pause = min(2*pause, lookAgainMost) {
		s.mu.Lock()
		fewer := s.fewer
		s.mu.Unlock()
		former = slices.DeleteFunc(former, func(o *conn) bool { return !s.mayBeReplaced(o, first) })
		if len(former) == 0 {
			return true
		}
		for _, o := range former {
			if !slices.Contains(asked, o) && s.hasBrought(o, first) {
				asked = append(asked, o)
				o.net.Probe(true)
			}
		}
		select {
		case <-fewer:
		case <-time.After(pause):
		case <-patience.C:
			if _, ended := c.net.Pending(); ended {
				return false
			}
			former = slices.DeleteFunc(former, func(o *conn) bool { return !s.replace(o, first) })
		case <-c.stopping:
			return false
		}
	}
}

// mayBeReplaced tells whether a connection is at its end, or may be where there
// are octets to read before it shows, or where it has brought the message that a
// later one begins with: then the news of its end may be late, or never come.
func (s *sessions) mayBeReplaced(o *conn, first uint64) bool {
	s.mu.Lock()
	gone, leaving := o.gone, o.leaving
	s.mu.Unlock()
	if gone || leaving {
		return !gone
	}
	octets, ended := o.net.Pending()
	return octets || ended || s.hasBrought(o, first)
}

// hasBrought tells whether a connection has brought a message, stored or not.
func (s *sessions) hasBrought(o *conn, hash uint64) bool {
	s.mu.Lock()
	tail := o.tail
	s.mu.Unlock()
	return o.hasUnderWay(hash) || slices.ContainsFunc(o.tails.Tails(tail.Sender), func(t inputs.Tail) bool {
		return t.ID == tail && slices.Contains(t.Hashes, hash)
	})
}

// replace ends a connection whose peer had time enough to confirm what it was
// answered, and has not. It returns false where nothing says that it does not live:
// it is not waited for any longer.
func (s *sessions) replace(o *conn, first uint64) bool {
	s.mu.Lock()
	leaving := o.leaving
	s.mu.Unlock()
	switch {
	case leaving || o.hasUnderWay(first): // the log is what it waits for, and c would as well
		return true
	case s.hasBrought(o, first) && o.net.Unconfirmed():
		o.in.log.Debug().Str("peer", o.peer()).Msg("relp connection is given up: its peer has come back on another")
		o.stop()
		return true
	}
	return false
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

package relp

import (
	"slices"
	"sync"

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
	// looking are, for each sender, what holds one while a session looks again at what is
	// left of former ones, and as long after: however many do, that takes half of a
	// processor at most.
	looking map[[16]byte]chan struct{}
}

func newSessions() *sessions {
	return &sessions{conns: make(map[[16]byte][]*conn), live: make(map[inputs.TailID]bool), looking: make(map[[16]byte]chan struct{})}
}

// enter adds a connection.
func (s *sessions) enter(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[c.tail.Sender] = append(s.conns[c.tail.Sender], c)
	if s.looking[c.tail.Sender] == nil {
		s.looking[c.tail.Sender] = make(chan struct{}, 1)
	}
	s.live[c.tail] = true
}

// turns is what a session of a sender puts one into while it looks.
func (s *sessions) turns(sender [16]byte) chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.looking[sender]
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
		delete(s.looking, sender)
	}
	close(c.ended)
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

package relp

import (
	"sync"

	"github.com/syslane/syslane/inputs"
)

// sessions knows which tails belong to connections, so that none goes on with
// another's while that lives, nor two with the same.
type sessions struct {
	mu   sync.Mutex
	less sync.Cond // signals that a connection has gone
	// live are the tails of connections.
	live map[inputs.TailID]bool
	// leaving counts, by sender, the connections that bring nothing more and
	// still submit what they had brought.
	leaving map[[16]byte]int
}

func newSessions() *sessions {
	s := &sessions{live: make(map[inputs.TailID]bool), leaving: make(map[[16]byte]int)}
	s.less.L = &s.mu
	return s
}

// claim makes a tail the caller's, and tells whether it was nobody's.
func (s *sessions) claim(id inputs.TailID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live[id] {
		return false
	}
	s.live[id] = true
	return true
}

func (s *sessions) release(id inputs.TailID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.live, id)
}

// leave says that the connection which has the tail brings nothing more.
func (s *sessions) leave(id inputs.TailID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leaving[id.Sender]++
}

// gone says that all it had brought is stored, or never will be.
func (s *sessions) gone(id inputs.TailID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.live, id)
	if s.leaving[id.Sender]--; s.leaving[id.Sender] == 0 {
		delete(s.leaving, id.Sender)
	}
	s.less.Broadcast()
}

// ended waits until no connection of the sender is leaving, and returns those of
// its tails that are nobody's. The wait ends, since submits do when the input is
// stopped.
func (s *sessions) ended(sender [16]byte, sink inputs.TailSink) []inputs.Tail {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.leaving[sender] > 0 {
		s.less.Wait()
	}
	var ended []inputs.Tail
	for _, t := range sink.Tails(sender) {
		if !s.live[t.ID] {
			ended = append(ended, t)
		}
	}
	return ended
}

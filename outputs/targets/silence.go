package targets

import (
	"sync/atomic"
	"time"
)

// Silence is how long a target has owed an answer, for Lane.Silent.
type Silence struct{ since atomic.Pointer[time.Time] }

// Heard says that an answer is owed from now on: the first, or the next one.
func (s *Silence) Heard() {
	now := time.Now()
	s.since.Store(&now)
}

// End says that no answer is owed.
func (s *Silence) End() { s.since.Store(nil) }

// Silent implements Lane.
func (s *Silence) Silent() time.Duration {
	if since := s.since.Load(); since != nil {
		return time.Since(*since)
	}
	return 0
}

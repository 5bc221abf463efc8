package receive

import (
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// repeatInterval is how often one kind of complaint is logged at most: peers that
// come again and again must not fill the log.
const repeatInterval = 10 * time.Second

// Repeats logs what goes wrong with peers, and sums up what repeats. It is safe
// for concurrent use.
type Repeats struct {
	log zerolog.Logger

	mu sync.Mutex // guards what follows
	// kinds is keyed by phrase. Phrases are constants, so it stays small.
	kinds map[string]*complaint
}

type complaint struct {
	logged  time.Time
	repeats int // not logged since
	peer    string
	err     error
}

// NewRepeats returns a Repeats that logs to log.
func NewRepeats(log zerolog.Logger) *Repeats {
	return &Repeats{log: log, kinds: make(map[string]*complaint)}
}

// Warn logs phrase, a constant, or counts it where it was logged just before.
func (r *Repeats) Warn(phrase, peer string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.kinds[phrase]
	if c == nil {
		c = &complaint{}
		r.kinds[phrase] = c
	}
	c.peer, c.err = peer, err
	if time.Since(c.logged) < repeatInterval {
		c.repeats++
		return
	}
	c.write(r.log, phrase)
}

// Flush logs what was counted and has not been logged.
func (r *Repeats) Flush() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for phrase, c := range r.kinds {
		if c.repeats > 0 {
			c.write(r.log, phrase)
		}
	}
}

func (c *complaint) write(log zerolog.Logger, phrase string) {
	e := log.Warn().Err(c.err)
	if c.peer != "" {
		e = e.Str("peer", c.peer)
	}
	if c.repeats > 0 {
		e = e.Int("repeats", c.repeats)
	}
	e.Msg(phrase)
	c.logged, c.repeats = time.Now(), 0
}

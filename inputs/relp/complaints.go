package relp

import (
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// complaintInterval is how often one kind of complaint is logged at most: peers
// that reconnect in a loop must not fill the log.
const complaintInterval = 10 * time.Second

// complaints logs what goes wrong with peers, and sums up repeats.
type complaints struct {
	log zerolog.Logger
	mu  sync.Mutex
	// kinds is keyed by phrase; phrases are constants, so it stays small.
	kinds map[string]*complaint
}

type complaint struct {
	logged time.Time
	// repeats counts those not logged since, peer and err are of the last.
	repeats int
	peer    string
	err     error
}

func newComplaints(log zerolog.Logger) *complaints {
	return &complaints{log: log, kinds: make(map[string]*complaint)}
}

// warn logs a complaint, or counts it where one of the kind was logged just before.
func (c *complaints) warn(phrase, peer string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.kinds[phrase]
	if k == nil {
		k = &complaint{}
		c.kinds[phrase] = k
	}
	k.peer, k.err = peer, err
	if time.Since(k.logged) < complaintInterval {
		k.repeats++
		return
	}
	k.write(c.log, phrase)
}

// flush logs what has been counted and not logged.
func (c *complaints) flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for phrase, k := range c.kinds {
		if k.repeats > 0 {
			k.write(c.log, phrase)
		}
	}
}

func (k *complaint) write(log zerolog.Logger, phrase string) {
	e := log.Warn().Err(k.err)
	if k.peer != "" {
		e = e.Str("peer", k.peer)
	}
	if k.repeats > 0 {
		e = e.Int("repeats", k.repeats)
	}
	e.Msg(phrase)
	k.logged, k.repeats = time.Now(), 0
}

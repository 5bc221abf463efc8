package relp

import "time"

// WithPatience returns c with other times for which a session waits for the rest
// of what its peer may send again, and for former connections; 0 leaves one as it is.
func WithPatience(c Config, hold, settle time.Duration) Config {
	c.holdTime, c.settleTime = hold, settle
	return c
}

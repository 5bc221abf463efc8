package relp

import "time"

// WithPatience returns c with other times for which a session waits for the rest
// of what its peer may send again, and for former connections; 0 leaves one as it is.
func WithPatience(c Config, hold, settle time.Duration) Config {
	c.holdTime, c.settleTime = hold, settle
	return c
}

// Memory returns what the input counts as held by its connections.
func Memory(in *Input) (queued, buffers int64) {
	return in.memory.queued.Load(), in.memory.buffers.Load()
}

// InflatesNothing tells whether no batch is decompressed and not yet stored.
func InflatesNothing(in *Input) bool {
	if !in.memory.inflated.TryAcquire(maxInflated) {
		return false
	}
	in.memory.inflated.Release(maxInflated)
	return true
}

// Hold lets the input count more octets as held.
func Hold(in *Input, n int64) { in.memory.queued.Add(n) }

// MaxMemory is what n connections may hold together, as they are counted.
func MaxMemory(n int) (queued, buffers int64) {
	return maxQueued + int64(n)*(2*littleOctets+2*littleMessages*perMessage), maxBuffers + int64(n)*(16<<10)
}

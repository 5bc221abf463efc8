package elasticsearch

import (
	"context"
	"sync"
	"time"
)

// pace is how much the cluster is given to do at a time. It learns: when work is
// turned away, half as many requests of half the size go out; each success gives
// a little back. Additive increase and multiplicative decrease share a cluster
// fairly between all who write to it so.
type pace struct {
	workers int // bound of limit
	maxSize int // bound of size, octets

	mu       sync.Mutex // guards what follows
	limit    float64    // requests that may be under way
	size     int        // octets of one request
	ceiling  int        // what size must stay below, as 413 taught
	inFlight int
	slowed   time.Time     // when the pace was last reduced
	free     chan struct{} // closed when a request ends
}

const minSize = 64 << 10

func newPace(workers, maxSize int) *pace {
	return &pace{workers: workers, maxSize: maxSize, limit: float64(workers), size: maxSize, ceiling: maxSize, free: make(chan struct{})}
}

// begin waits for its turn to send a request.
func (p *pace) begin(ctx context.Context) error {
	for {
		p.mu.Lock()
		if p.inFlight < int(p.limit) {
			p.inFlight++
			p.mu.Unlock()
			return nil
		}
		free := p.free
		p.mu.Unlock()
		select {
		case <-free:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// end is told how the request that began at start went.
func (p *pace) end(start time.Time, turnedAway bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inFlight--
	switch {
	case !turnedAway:
		p.limit = min(float64(p.workers), p.limit+1/p.limit)
		p.size = min(p.ceiling, p.size+p.maxSize/16)
	case start.After(p.slowed):
		// Requests that were under way when the pace was reduced say nothing new.
		p.limit = max(1, p.limit/2)
		p.size = min(p.ceiling, max(minSize, p.size/2))
		p.slowed = time.Now()
	}
	close(p.free)
	p.free = make(chan struct{})
}

// tooLarge is told that a request of size octets was too large for the server.
func (p *pace) tooLarge(size int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ceiling = max(1, min(p.ceiling, size/2))
	p.size = min(p.size, p.ceiling)
}

// request returns how many octets the next request may have.
func (p *pace) request() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.size
}

// concurrency returns how many requests may be under way.
func (p *pace) concurrency() float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.limit
}

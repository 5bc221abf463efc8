package elasticsearch

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/outputs"
)

// progress is what is known of the events of a batch. It outlives a Write that
// failed: when the batch is written again, only what is open is sent.
//
// Workers write the states of different events, each its own; the rest is
// guarded by mu.
type progress struct {
	stream string
	first  uint64
	ids    []syslog.ID
	states []verdict // pending, created, duplicate or rejected
	// accepted says that the destination took one of the events.
	accepted atomic.Bool

	mu         sync.Mutex
	rejections map[int]outputs.Rejection
	failures   map[int]failure
}

// failure is how often and since when the server failed on a document.
type failure struct {
	count int
	since time.Time
}

// A document on which the server fails again and again (500), while it takes
// others of the same batch, is rejected after that many times and that long.
const (
	failuresMin = 10
	failuresFor = time.Minute
)

// resume takes over a batch of count events, and forgets what it knows of others.
func (p *progress) resume(stream string, first uint64, count int) {
	if p.stream != stream || p.first != first {
		p.forget()
		p.stream, p.first = stream, first
	}
	if n := len(p.states); n < count {
		p.states = slices.Grow(p.states, count-n)[:count]
		p.ids = slices.Grow(p.ids, count-n)[:count]
		clear(p.states[n:])
		clear(p.ids[n:])
	}
}

func (p *progress) forget() {
	p.stream, p.first, p.ids, p.states, p.rejections, p.failures = "", 0, p.ids[:0], p.states[:0], nil, nil
	p.accepted.Store(false)
}

// done tells whether event n, which has this id, needs no more.
func (p *progress) done(n int, id syslog.ID) bool {
	switch p.ids[n] {
	case id:
		return p.states[n] != pending
	case syslog.ID{}:
		// seen for the first time
	default:
		p.mu.Lock()
		delete(p.rejections, n)
		delete(p.failures, n)
		p.mu.Unlock()
	}
	p.ids[n], p.states[n] = id, pending
	return false
}

// reject notes that event n will never be taken.
func (p *progress) reject(n, status int, reason string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rejections == nil {
		p.rejections = make(map[int]outputs.Rejection)
	}
	p.rejections[n] = outputs.Rejection{Index: n, Status: status, Reason: reason}
	p.states[n] = rejected
}

// failed notes that the server failed on event n, and tells whether that was
// once too often.
func (p *progress) failed(n int, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.failures[n]
	if f.count++; f.count == 1 {
		f.since = now
	}
	if p.failures == nil {
		p.failures = make(map[int]failure)
	}
	p.failures[n] = f
	return f.count >= failuresMin && now.Sub(f.since) >= failuresFor && p.accepted.Load()
}

// result returns nil or the rejected events, in order.
func (p *progress) result() error {
	if len(p.rejections) == 0 {
		return nil
	}
	r := &outputs.Rejected{Items: make([]outputs.Rejection, 0, len(p.rejections))}
	for n := range p.states {
		if rej, ok := p.rejections[n]; ok {
			r.Items = append(r.Items, rej)
		}
	}
	return r
}

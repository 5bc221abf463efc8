package elasticsearch

import (
	"slices"
	"sync"
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

	mu         sync.Mutex
	rejections map[int]outputs.Rejection
	failures   map[int]failure
}

// of tells whether p is of a batch that begins there.
func (p *progress) of(stream string, first uint64) bool {
	return p.stream == stream && p.first == first
}

// resume takes over a batch of count events, and forgets what it knows of others.
func (p *progress) resume(stream string, first uint64, count int) {
	if !p.of(stream, first) {
		p.forget()
		p.stream, p.first = stream, first
	}
	for n := count; n < len(p.states); n++ { // the batch is shorter this time
		delete(p.rejections, n)
		delete(p.failures, n)
	}
	p.states, p.ids = p.states[:min(count, len(p.states))], p.ids[:min(count, len(p.ids))]
	if n := len(p.states); n < count {
		p.states = slices.Grow(p.states, count-n)[:count]
		p.ids = slices.Grow(p.ids, count-n)[:count]
		clear(p.states[n:])
		clear(p.ids[n:])
	}
}

func (p *progress) forget() {
	p.stream, p.first, p.ids, p.states, p.rejections, p.failures = "", 0, p.ids[:0], p.states[:0], nil, nil
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

// failed notes that the server failed on event n in a way of a kind, and returns how
// often it did since it last took none between. took is when it last took one.
func (p *progress) failed(n int, kind string, now, took time.Time) failure {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.failures[n]
	if f.count == 0 || took.Before(f.since) {
		f = failure{since: now}
	}
	f.count++
	f.kind = kind
	if p.failures == nil {
		p.failures = make(map[int]failure)
	}
	p.failures[n] = f
	return f
}

// passed forgets that the server failed on event n, and returns the kind of failure, or
// false where it never did.
func (p *progress) passed(n int) (kind string, failed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f, failed := p.failures[n]
	delete(p.failures, n)
	return f.kind, failed
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

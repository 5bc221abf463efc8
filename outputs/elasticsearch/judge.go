package elasticsearch

import (
	"bytes"
	"sync"
	"time"
)

// A document on which the server fails again and again (500), while it takes others, is
// rejected after that many times and that long; one of a kind that is known after fewer.
const (
	failuresMin   = 10
	failuresFor   = time.Minute
	failuresKnown = 3
)

// What is known of failures of a kind holds for so long, and of so many kinds.
const (
	kindFor  = 10 * time.Minute
	kindsMax = 64
)

// failure is how often and since when the server failed on a document, and the kind of
// the last time.
type failure struct {
	count int
	since time.Time
	kind  string
}

// lesson is what became of a document with a failure of some kind.
type lesson struct {
	at time.Time
	// passes says that it was taken in the end.
	passes bool
}

// judge tells a document that the server fails on from a server that fails. What it
// goes by is whether the server took another since: one that fails on all has nothing
// rejected, however long it lasts, and what counts begins when it takes some again.
type judge struct {
	mu sync.Mutex // guards what follows
	// took is when the server last took a document.
	took time.Time
	// kinds spare the documents behind one that was rejected, and fail like it, as long
	// a trial, unless some of that kind passed.
	kinds map[string]lesson
}

// accepted tells j whether the server has taken a document, and returns when it last did.
func (j *judge) accepted(some bool, now time.Time) time.Time {
	j.mu.Lock()
	defer j.mu.Unlock()
	if some {
		j.took = now
	}
	return j.took
}

// passed tells j that the server has taken a document on which it had failed.
func (j *judge) passed(kind string, now time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.learn(kind, lesson{now, true})
}

// rejects tells whether a document with these failures will never be taken.
func (j *judge) rejects(f failure, now time.Time) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.took.Before(f.since) {
		return false
	}
	known, ok := j.kinds[f.kind]
	ok = ok && now.Sub(known.at) < kindFor
	if ok && !known.passes && f.count >= failuresKnown {
		return true
	}
	if f.count < failuresMin || now.Sub(f.since) < failuresFor {
		return false
	}
	if !ok {
		j.learn(f.kind, lesson{now, false})
	}
	return true
}

// learn keeps what is known of a kind, in place of the oldest where there are many.
func (j *judge) learn(kind string, l lesson) {
	if kind == "" { // the server gave no reason
		return
	}
	if j.kinds == nil {
		j.kinds = make(map[string]lesson)
	}
	if _, known := j.kinds[kind]; !known && len(j.kinds) >= kindsMax {
		oldest, at := "", l.at
		for k, other := range j.kinds {
			if !other.at.After(at) {
				oldest, at = k, other.at
			}
		}
		delete(j.kinds, oldest)
	}
	j.kinds[kind] = l
}

// kind names failures that are alike: the type, and how the reason begins, up to what
// may be of the document.
func (it *itemAnswer) kind() string {
	reason := it.reason
	if end := bytes.IndexAny(reason, "[(\"'`0123456789"); end >= 0 {
		reason = reason[:end]
	}
	return join(string(it.errType), string(reason), string(it.causeType))
}

package search

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"time"

	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/spool"
)

// Merged searches a log on this machine, and asks Elasticsearch for what the log no
// longer holds.
//
// The two meet at a time, the seam: what is of it or later is found in the log, what
// is older in Elasticsearch. The seam is when the oldest segment of the log was
// started, and a minute later where segments have been deleted, for clocks that are
// ahead. Older messages that are in the log all the same, such as those that a relay
// has held back, are found once: events are told by their ids, and counts leave to the
// log only what Elasticsearch has not been given yet.
//
// Where Elasticsearch does not answer, the results are those of the log, and an
// *IncompleteError tells from when on they are whole.
type Merged struct {
	*Local
	Elastic *Elastic
	// Undelivered returns the positions of the log whose events Elasticsearch has not
	// been given; nil: it has all.
	Undelivered func() []spool.Span
	// Skew is how far the seam lies behind the start of the oldest segment. Default 1m.
	Skew time.Duration
}

// defaultSkew is that of Merged.Skew.
const defaultSkew = time.Minute

// Search implements Searcher.
func (m *Merged) Search(ctx context.Context, r Request, found func(doc []byte) error) (Stats, error) {
	q, err := Parse(r.Query)
	if err != nil {
		return Stats{}, err
	}
	seam, err := m.seam()
	if err != nil {
		return Stats{}, err
	}
	if b := boundsOf(q, r); r.Before > 0 || b.since >= seam {
		return m.Local.Search(ctx, r, found)
	}
	s := &mergedSearch{merged: m, query: q, log: m.Local.viewLog(q), seam: time.Unix(0, seam)}
	if q.pipe.group != nil {
		err = s.count(ctx, r, found)
	} else {
		s.stats.Matched, err = q.runEvents(r, found, func(scanning Request, emit func(e *syslog.Event, doc []byte) error) error {
			return s.each(ctx, scanning, emit)
		})
	}
	switch {
	case err != nil:
		return s.stats, err
	case s.failure != nil && s.stats.incomplete() == nil && m.whole():
		return s.stats, &IncompleteError{Whole: true, Text: fmt.Sprintf("all that this log was ever given was searched; what Elasticsearch may have from before %s could not be asked for (%v)",
			s.seam.UTC().Format(time.RFC3339), s.failure)}
	case s.failure != nil:
		return s.stats, &IncompleteError{Text: fmt.Sprintf("the results are incomplete: of what is older than %s only what the log still holds was searched, for Elasticsearch could not be asked (%v)",
			s.seam.UTC().Format(time.RFC3339), s.failure)}
	}
	return s.stats, s.stats.incomplete()
}

// seam returns the time from which on events are found in the log, in whole
// milliseconds.
func (m *Merged) seam() (int64, error) {
	segments, err := m.view.Segments()
	if err != nil {
		return 0, err
	}
	for i := len(segments) - 1; i >= 0; i-- {
		created := segments[i].Created
		if created == 0 {
			continue // its header is damaged
		}
		if segments[len(segments)-1].First > 1 {
			skew := m.Skew
			if skew == 0 {
				skew = defaultSkew
			}
			created += int64(skew)
		}
		return -floorTo(-created, 1e6), nil
	}
	return math.MaxInt64, nil // the log is empty
}

// whole tells that nothing of the log has been deleted.
func (m *Merged) whole() bool {
	segments, err := m.view.Segments()
	return err == nil && (len(segments) == 0 || segments[len(segments)-1].First <= 1)
}

// mergedSearch is one search.
type mergedSearch struct {
	merged *Merged
	query  *Query
	log    log
	seam   time.Time
	stats  Stats
	// failure is why Elasticsearch could not be asked.
	failure error
}

// older is the part of a request that lies before the seam, newer the other.
func (s *mergedSearch) older(r Request) Request {
	if r.Until.IsZero() || r.Until.After(s.seam) {
		r.Until = s.seam
	}
	return r
}

func (s *mergedSearch) newer(r Request) Request {
	if r.Since.Before(s.seam) {
		r.Since = s.seam
	}
	return r
}

// errEnough ends a search that has found enough.
var errEnough = errors.New("enough")

// each calls f for each event that matches, in order, until there are enough.
func (s *mergedSearch) each(ctx context.Context, r Request, f func(e *syslog.Event, doc []byte) error) error {
	n := 0
	emit := func(e *syslog.Event, doc []byte) error {
		if err := f(e, doc); err != nil {
			return err
		}
		if n++; n == r.Limit {
			return errEnough
		}
		return nil
	}
	parts := []func() error{
		func() error { return s.query.eachLocal(ctx, s.log, s.newer(r), &s.stats, emit) },
		func() error { return s.eachOlder(ctx, s.older(r), emit) },
	}
	if r.Order == OldestFirst {
		parts[0], parts[1] = parts[1], parts[0]
	}
	for _, part := range parts {
		if err := part(); errors.Is(err, errEnough) {
			return nil
		} else if err != nil {
			return err
		}
	}
	return nil
}

// eachOlder merges what Elasticsearch and the log have of the time before the seam.
// Where Elasticsearch fails, the rest is that of the log.
func (s *mergedSearch) eachOlder(ctx context.Context, r Request, emit func(e *syslog.Event, doc []byte) error) error {
	var scanned error
	scanning := r
	scanning.Progress = nil
	next, stop := iter.Pull(func(yield func(*syslog.Event) bool) {
		scanned = s.query.eachLocal(ctx, s.log, scanning, &s.stats, func(e *syslog.Event, _ []byte) error {
			if !yield(e) {
				return errEnough
			}
			return nil
		})
	})
	defer stop()
	// Elasticsearch orders by the millisecond: those of one that are in the log come
	// first, and are remembered.
	seen, seenAt := make(map[syslog.ID]bool), int64(math.MinInt64)
	own, there := next()
	upTo := func(at int64, all bool) error {
		for ; there; own, there = next() {
			ms := millis(own.TimeNano())
			if !all && (r.Order == OldestFirst && ms > at || r.Order != OldestFirst && ms < at) {
				return nil
			}
			if ms != seenAt {
				clear(seen)
				seenAt = ms
			}
			seen[own.ID] = true
			if err := emit(own, nil); err != nil {
				return err
			}
		}
		return scanned
	}
	asking := *s.merged.Elastic
	if r.Limit > 0 {
		asking.Page = min(asking.page(), max(r.Limit, 50))
	}
	all := r
	all.Limit = 0 // what the log has, too, does not count
	var emitted error
	err := asking.each(ctx, s.query, all, func(e *syslog.Event, doc []byte) error {
		at := millis(e.TimeNano())
		if emitted = upTo(at, false); emitted == nil && !(at == seenAt && seen[e.ID]) {
			emitted = emit(e, doc)
		}
		return emitted
	})
	switch {
	case emitted != nil:
		return emitted
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		s.failure = err
	}
	return upTo(0, true)
}

// count counts what the query finds: in the log from the seam on, and of the time
// before in Elasticsearch, with what that has not been given yet.
func (s *mergedSearch) count(ctx context.Context, r Request, found func(doc []byte) error) error {
	q, x := s.query, s.merged.Elastic
	var undelivered []spool.Span
	if s.merged.Undelivered != nil {
		undelivered = s.merged.Undelivered()
	}
	b, before := boundsOf(q, r), boundsOf(q, s.older(r))
	filter, exact := elasticFilter(q, before)
	blocks, err := q.blocksToCount(ctx, s.log, b, &s.stats)
	if err != nil {
		return err
	}
	step := int64(q.pipe.group.step)
	if q.pipe.group.overTime() && step == 0 {
		least, most := timesOfBlocks(blocks)
		from, to, err := x.times(ctx, filter)
		if s.failed(ctx, err) != nil {
			return err
		}
		step = int64(b.stepFor(min(least, from), max(most, to)))
	}
	s.stats.Step = time.Duration(step)
	all := countsOf(q.pipe.group, step)
	if s.failure == nil {
		theirs := countsOf(q.pipe.group, step)
		if err := s.failed(ctx, q.countInto(ctx, x, s.older(r), filter, exact, theirs)); err != nil {
			return err
		}
		if s.failure == nil {
			for i := range all {
				all[i] = theirs[i]
			}
		}
	}
	parts := []bounds{b} // without Elasticsearch, all that the log has
	if s.failure == nil {
		parts = []bounds{boundsOf(q, s.newer(r))}
		for _, span := range undelivered {
			before.from, before.below = span.From, span.To
			parts = append(parts, before)
		}
	}
	for _, part := range parts {
		if err := q.countBlocks(ctx, s.log, part, part.among(blocks), r.Progress, all, &s.stats); err != nil {
			return err
		}
	}
	out := &output{found: found}
	err = writeCounts(q, all, r, out)
	s.stats.Matched = out.n
	return err
}

// failed takes note of a failure of Elasticsearch. It returns an error only where the
// search has been ended.
func (s *mergedSearch) failed(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		s.failure = err
	}
	return nil
}

// among returns the blocks that may hold events within the bounds.
func (b bounds) among(blocks []blockInfo) (within []blockInfo) {
	for _, info := range blocks {
		if info.MaxTime >= b.since && info.MinTime <= b.until && info.First < b.below && info.First+uint64(info.Count) > b.from {
			within = append(within, info)
		}
	}
	return within
}

package search

import "github.com/syslane/syslane/internal/syslog"

// Sieve finds which of several queries each event of a log matches, in one go. It is
// for one goroutine.
type Sieve struct {
	queries  []*Query
	matchers []*Matcher
	names    syslog.Interner
	// hits are where the literal of each query stands next in the run: at or behind
	// the record that is looked at, or 0 where that is not known.
	hits []int
}

// NewSieve returns a sieve of queries, of which only the terms count.
func NewSieve(queries []*Query) *Sieve {
	s := &Sieve{queries: queries, hits: make([]int, len(queries))}
	for _, q := range queries {
		s.matchers = append(s.matchers, q.Matcher())
	}
	return s
}

// May tells whether an event of a block with this skip data can match one of the
// queries; true where that is not known.
func (s *Sieve) May(skip []byte) bool {
	if skip == nil {
		return true
	}
	for _, q := range s.queries {
		if q.may(skip) {
			return true
		}
	}
	return false
}

// Each calls found for each event of a run of records and each query that it
// matches, in the order of the run. The event is valid during the call. unreadable is
// how many events could not be read. Events that hold no query's rarest text are not
// even decoded.
func (s *Sieve) Each(records []byte, found func(query int, e *syslog.Event)) (unreadable int) {
	clear(s.hits)
	var e syslog.Event
	for start := 0; start < len(records); {
		record, rest := syslog.NextRecord(records[start:])
		if record == nil {
			return unreadable + 1
		}
		from := start
		start = len(records) - len(rest)
		decoded := false
		for i, q := range s.queries {
			if q.literal != nil && !s.holds(i, records, from, start) {
				continue
			}
			if !decoded {
				if e.Decode(record, &s.names) != nil {
					unreadable++
					break
				}
				decoded = true
			}
			if s.matchers[i].Match(&e) {
				found(i, &e)
			}
		}
	}
	return unreadable
}

// holds tells whether the literal of a query begins between from and end.
func (s *Sieve) holds(i int, records []byte, from, end int) bool {
	if s.hits[i] < from || s.hits[i] == 0 {
		at, _ := s.queries[i].literal.index(records, from)
		if at < 0 {
			at = len(records)
		}
		s.hits[i] = at
	}
	return s.hits[i] < end
}

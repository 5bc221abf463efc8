package pipeline

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/spool"
)

// The bounds of the memory for sequences, and of their part of a checkpoint. A host
// has one for each boot and journal of which it sent something; those that moved
// longest ago are forgotten, and would be stored twice if they were sent again. Each
// has a range more for what was jumped over in it, up to maxRanges; where there are
// too many in all, each sequence is left the later half of its own.
const (
	maxSequences      = 1 << 15
	maxSequenceRanges = 1 << 17
)

// turnPatience is how long a submit waits for others of the same sequence, which take so
// long only where the log takes nothing. A sender that comes again meanwhile has left the
// connection before, whose end may stand behind more than the sockets hold, and so does
// not show: it must not be waited with once for each time that it came.
const turnPatience = 30 * time.Second

var errTurn = errors.New("another delivery of the same entries waits for the log to take them")

// sequences remembers which numbers of each sequence have been stored
// (inputs.Place). As with streams its truth is the log: every batch carries what
// it adds to them as a note.
type sequences struct {
	mu sync.Mutex
	// turns are those of the sequences that submits hold or wait for.
	turns turns[inputs.SequenceID]
	// durable is the table as the log knows it.
	durable map[inputs.SequenceID]stretch
	// ranges counts those of all sequences, clock the changes of durable.
	ranges int
	clock  uint64
}

// stretch is what is known of a sequence, or added to that: the numbers that are
// stored, with holes where some were jumped over, and the latest time among them. The
// zero stretch is empty.
type stretch struct {
	have   ranges
	latest int64
	// anew says that nothing of what was known before counts any more.
	anew bool
	// moved is when the stretch changed, by sequences.clock.
	moved uint64
}

// take tells whether the message at p is stored already; otherwise it adds it, and to
// more, which is what has been added.
func (s *stretch) take(p *inputs.Place, more *stretch) (known bool) {
	late := s.spans(p.Number) && p.Time <= s.latest
	switch {
	case late && s.have.has(p.Number):
		return true
	case late, // it was jumped over
		len(s.have) > 0 && p.Number == s.have.end(),
		p.Number > s.have.end() && s.spans(p.After):
	default:
		*s, *more = stretch{}, stretch{anew: true}
	}
	s.add(span{p.Number, p.Number + 1}, p.Time)
	more.add(span{p.Number, p.Number + 1}, p.Time)
	return false
}

// spans tells whether a number lies between the first and the last.
func (s *stretch) spans(number uint64) bool {
	return len(s.have) > 0 && number >= s.have[0].first && number < s.have.end()
}

// add adds numbers of which latest is the latest time.
func (s *stretch) add(numbers span, latest int64) {
	if len(s.have) == 0 || latest > s.latest {
		s.latest = latest
	}
	s.have = s.have.add(numbers)
}

func newSequences() sequences {
	return sequences{durable: make(map[inputs.SequenceID]stretch)}
}

// of returns what is durable of the sequences.
func (s *sequences) of(ids []inputs.SequenceID) []stretch {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := make([]stretch, len(ids))
	for i, id := range ids {
		known[i] = s.durable[id]
		known[i].have = slices.Clone(known[i].have)
	}
	return known
}

// set adds what has become durable of a sequence.
func (s *sequences) set(id inputs.SequenceID, more stretch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.durable[id]
	s.ranges -= len(known.have)
	if more.anew {
		known = stretch{}
	}
	for _, numbers := range more.have {
		known.add(numbers, more.latest)
	}
	s.ranges += len(known.have)
	s.clock++
	known.moved = s.clock
	s.durable[id] = known
	if len(s.durable) > maxSequences {
		s.forget()
	}
	for s.ranges > maxSequenceRanges {
		s.shorten()
	}
}

// shorten leaves each sequence the later half of its ranges. What was jumped over
// before them counts as stored.
func (s *sequences) shorten() {
	for id, known := range s.durable {
		kept := known.have.last(max(len(known.have)/2, 1))
		s.ranges -= len(known.have) - len(kept)
		known.have = kept
		s.durable[id] = known
	}
}

// forget drops the eighth of the sequences that moved longest ago. It depends on
// nothing but the order of the notes, so that a restart comes to the same table.
func (s *sequences) forget() {
	order := make([]uint64, 0, len(s.durable))
	for _, known := range s.durable {
		order = append(order, known.moved)
	}
	slices.Sort(order)
	last := order[len(order)/8]
	for id, known := range s.durable {
		if known.moved <= last {
			s.ranges -= len(known.have)
			delete(s.durable, id)
		}
	}
}

// checkpoint appends the whole table, the sequence that moved last at the end.
func (s *sequences) checkpoint(dst []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := make([]inputs.SequenceID, 0, len(s.durable))
	for id := range s.durable {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b inputs.SequenceID) int {
		return cmp.Compare(s.durable[a].moved, s.durable[b].moved)
	})
	for _, id := range ids {
		known := s.durable[id]
		known.anew = true
		dst = appendSequence(dst, id, known)
	}
	return dst
}

// lock waits for the turn on every sequence of ids, which are in ascending
// order: submits that share sequences then never wait for each other in a circle.
func (s *sequences) lock(turn, closing context.Context, ids []inputs.SequenceID) error {
	turn, cancel := context.WithTimeoutCause(turn, turnPatience, errTurn)
	defer cancel()
	for i, id := range ids {
		if err := s.turns.take(turn, closing, id); err != nil {
			s.unlock(ids[:i])
			return err
		}
	}
	return nil
}

func (s *sequences) unlock(ids []inputs.SequenceID) {
	for _, id := range ids {
		s.turns.end(id)
	}
}

// SubmitSequence implements inputs.SequenceSink.
func (p *Pipeline) SubmitSequence(ctx, turn context.Context, b *inputs.Batch, places []inputs.Place) error {
	var ids []inputs.SequenceID
	for i := range places {
		if id := places[i].Sequence; id != (inputs.SequenceID{}) && (len(ids) == 0 || ids[len(ids)-1] != id) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b inputs.SequenceID) int { return slices.Compare(a[:], b[:]) })
	ids = slices.Compact(ids)
	counters := p.metrics.of(b.Input)
	if len(ids) > inputs.MaxSequences || len(places) != len(b.Frames) {
		counters.receive(len(b.Frames), len(b.Data))
		counters.drop(errPlaces, len(b.Frames))
		return errPlaces
	}

	sequences := &p.cfg.Streams.sequences
	if err := sequences.lock(turn, p.closing, ids); err != nil {
		return err
	}
	defer sequences.unlock(ids)
	counters.receive(len(b.Frames), len(b.Data))

	known := sequences.of(ids)
	more := make([]stretch, len(ids))
	fresh := *b
	fresh.Frames = make([]inputs.Frame, 0, len(b.Frames))
	at := 0 // neighbours mostly belong to one sequence
	for i := range places {
		id := places[i].Sequence
		if id != (inputs.SequenceID{}) {
			if ids[at] != id {
				at, _ = slices.BinarySearchFunc(ids, id, func(a, b inputs.SequenceID) int { return slices.Compare(a[:], b[:]) })
			}
			if known[at].take(&places[i], &more[at]) {
				continue
			}
		}
		fresh.Frames = append(fresh.Frames, b.Frames[i])
	}
	counters.redelivered.Add(float64(len(b.Frames) - len(fresh.Frames)))
	return p.take(ctx, &fresh, counters, noteOfSequences(ids, more))
}

// noteOfSequences returns what the log keeps of what is added to sequences.
func noteOfSequences(ids []inputs.SequenceID, more []stretch) (note []byte) {
	for n := maxRanges; ; n /= 2 {
		for i, id := range ids {
			more[i].have = more[i].have.last(n)
			note = appendSequence(note, id, more[i])
		}
		if len(note) <= spool.MaxNote {
			return note
		}
		note = note[:0]
	}
}

// The entry of a sequence in a note or checkpoint is told from that of a stream
// by the empty name before it. It says that of the sequence one range is known, and
// nothing else:
//
//	0        1 octet
//	id       16 octets
//	first    uvarint
//	length   uvarint, next-first
//	latest   varint
//
// or, where first is 0, which no number is, what is known besides:
//
//	0        1 octet
//	id       16 octets
//	0        1 octet
//	count    uvarint, number of ranges
//	ranges   each: uvarint numbers since the end of the range before, uvarint length
//	latest   varint
func appendSequence(dst []byte, id inputs.SequenceID, s stretch) []byte {
	have := s.have
	if s.anew && len(have) > 0 {
		dst = appendRange(append(append(dst, 0), id[:]...), 0, have[0])
		dst = binary.AppendVarint(dst, s.latest)
		have = have[1:]
	}
	if len(have) == 0 {
		return dst
	}
	dst = append(append(append(dst, 0), id[:]...), 0)
	dst = binary.AppendUvarint(dst, uint64(len(have)))
	at := uint64(0)
	for _, r := range have {
		dst = appendRange(dst, at, r)
		at = r.next
	}
	return binary.AppendVarint(dst, s.latest)
}

func readSequence(b []byte) (id inputs.SequenceID, s stretch, rest []byte, err error) {
	if len(b) < 2+len(id) {
		return id, s, nil, errBadNote
	}
	copy(id[:], b[1:])
	b = b[1+len(id):]
	count := uint64(1)
	if s.anew = b[0] != 0; !s.anew {
		n, w := binary.Uvarint(b[1:])
		if w <= 0 || n == 0 || n > maxRanges {
			return id, s, nil, errBadNote
		}
		count, b = n, b[1+w:]
	}
	at := uint64(0)
	for range count {
		var r span
		if r, b, err = readRange(b, at); err != nil || r.first <= at || r.next <= r.first {
			return id, s, nil, errBadNote
		}
		s.have = append(s.have, r)
		at = r.next
	}
	latest, w := binary.Varint(b)
	if w <= 0 {
		return id, s, nil, errBadNote
	}
	s.latest = latest
	return id, s, b[w:], nil
}

package pipeline

import (
	"cmp"
	"context"
	"encoding/binary"
	"slices"
	"sync"

	"github.com/syslane/syslane/inputs"
)

// maxSequences bounds the memory for sequences. A host has one for each boot and
// journal of which it sent something; those that moved longest ago are
// forgotten, and would be stored twice if they were sent again.
const maxSequences = 1 << 15

// sequences remembers which numbers of each sequence have been stored
// (inputs.Place). As with streams its truth is the log: every batch carries the
// stretches that it prolongs as a note.
type sequences struct {
	mu sync.Mutex
	// turns are those of the sequences that submits hold or wait for.
	turns map[inputs.SequenceID]*turn
	// durable is the table as the log knows it.
	durable map[inputs.SequenceID]stretch
	// clock counts the changes of durable.
	clock uint64
}

// turn lets one submit at a time work on a sequence.
type turn struct {
	// token holds one: who took it may submit.
	token chan struct{}
	// users hold the token or wait for it; guarded by sequences.mu.
	users int
}

// stretch is what is known of a sequence: the numbers from first to before next
// are stored, and the latest time among them. The zero stretch is empty.
type stretch struct {
	first, next uint64
	latest      int64
	// moved is when the stretch changed, by sequences.clock.
	moved uint64
}

// take tells whether the message at p is stored already; otherwise it adds it.
func (s *stretch) take(p *inputs.Place) (known bool) {
	switch {
	case p.Number >= s.first && p.Number < s.next && p.Time <= s.latest:
		return true
	case s.next > 0 && p.Number == s.next,
		p.Number > s.next && p.After >= s.first && p.After < s.next:
		s.next, s.latest = p.Number+1, max(s.latest, p.Time)
	default:
		*s = stretch{first: p.Number, next: p.Number + 1, latest: p.Time}
	}
	return false
}

func newSequences() sequences {
	return sequences{turns: make(map[inputs.SequenceID]*turn), durable: make(map[inputs.SequenceID]stretch)}
}

// of returns what is durable of the sequences.
func (s *sequences) of(ids []inputs.SequenceID) []stretch {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := make([]stretch, len(ids))
	for i, id := range ids {
		known[i] = s.durable[id]
	}
	return known
}

// set replaces what is durable of a sequence.
func (s *sequences) set(id inputs.SequenceID, known stretch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock++
	known.moved = s.clock
	s.durable[id] = known
	if len(s.durable) > maxSequences {
		s.forget()
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
		dst = appendSequence(dst, id, s.durable[id])
	}
	return dst
}

// lock waits for the turn on every sequence of ids, which are in ascending
// order: submits that share sequences then never wait for each other in a circle.
func (s *sequences) lock(ctx context.Context, ids []inputs.SequenceID) error {
	for i, id := range ids {
		s.mu.Lock()
		t := s.turns[id]
		if t == nil {
			t = &turn{token: make(chan struct{}, 1)}
			s.turns[id] = t
		}
		t.users++
		s.mu.Unlock()
		select {
		case t.token <- struct{}{}:
		case <-ctx.Done():
			s.leave(id)
			s.unlock(ids[:i])
			return inputs.ErrClosed
		}
	}
	return nil
}

func (s *sequences) unlock(ids []inputs.SequenceID) {
	for _, id := range ids {
		s.mu.Lock()
		t := s.turns[id]
		s.mu.Unlock()
		<-t.token
		s.leave(id)
	}
}

// leave gives up the use of a turn whose token the caller does not hold.
func (s *sequences) leave(id inputs.SequenceID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.turns[id]; t.users > 1 {
		t.users--
	} else {
		delete(s.turns, id)
	}
}

// SubmitSequence implements inputs.SequenceSink.
func (p *Pipeline) SubmitSequence(ctx context.Context, b *inputs.Batch, places []inputs.Place) error {
	counters := p.metrics.of(b.Input)
	counters.receive(len(b.Frames), len(b.Data))
	var ids []inputs.SequenceID
	for i := range places {
		if id := places[i].Sequence; id != (inputs.SequenceID{}) && (len(ids) == 0 || ids[len(ids)-1] != id) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b inputs.SequenceID) int { return slices.Compare(a[:], b[:]) })
	ids = slices.Compact(ids)
	if len(ids) > inputs.MaxSequences || len(places) != len(b.Frames) {
		counters.drop(errPlaces, len(b.Frames))
		return errPlaces
	}

	sequences := &p.cfg.Streams.sequences
	if err := sequences.lock(p.closing, ids); err != nil {
		counters.drop(err, len(b.Frames))
		return err
	}
	defer sequences.unlock(ids)

	known := sequences.of(ids)
	moved := make([]bool, len(ids))
	fresh := *b
	fresh.Frames = make([]inputs.Frame, 0, len(b.Frames))
	at := 0 // neighbours mostly belong to one sequence
	for i := range places {
		id := places[i].Sequence
		if id != (inputs.SequenceID{}) {
			if ids[at] != id {
				at, _ = slices.BinarySearchFunc(ids, id, func(a, b inputs.SequenceID) int { return slices.Compare(a[:], b[:]) })
			}
			if known[at].take(&places[i]) {
				continue
			}
			moved[at] = true
		}
		fresh.Frames = append(fresh.Frames, b.Frames[i])
	}
	counters.redelivered.Add(float64(len(b.Frames) - len(fresh.Frames)))
	var note []byte
	for i, id := range ids {
		if moved[i] {
			note = appendSequence(note, id, known[i])
		}
	}
	return p.take(ctx, &fresh, counters, note)
}

// The entry of a sequence in a note or checkpoint is told from that of a stream
// by the empty name before it:
//
//	0        1 octet
//	id       16 octets
//	first    uvarint
//	length   uvarint, next-first
//	latest   varint
func appendSequence(dst []byte, id inputs.SequenceID, s stretch) []byte {
	dst = append(append(dst, 0), id[:]...)
	dst = binary.AppendUvarint(dst, s.first)
	dst = binary.AppendUvarint(dst, s.next-s.first)
	return binary.AppendVarint(dst, s.latest)
}

func readSequence(b []byte) (id inputs.SequenceID, s stretch, rest []byte, err error) {
	if len(b) < 1+len(id) {
		return id, s, nil, errBadNote
	}
	copy(id[:], b[1:])
	b = b[1+len(id):]
	var n [2]uint64
	for i := range n {
		v, w := binary.Uvarint(b)
		if w <= 0 {
			return id, s, nil, errBadNote
		}
		n[i], b = v, b[w:]
	}
	latest, w := binary.Varint(b)
	if w <= 0 {
		return id, s, nil, errBadNote
	}
	return id, stretch{first: n[0], next: n[0] + n[1], latest: latest}, b[w:], nil
}

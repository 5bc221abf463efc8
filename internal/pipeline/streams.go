package pipeline

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/spool"
)

var (
	errPlaces  = fmt.Errorf("the batch has more than %d sequences, or not one place for each message", inputs.MaxSequences)
	errBadNote = errors.New("the note in the log is damaged")
	errOverlap = errors.New("the batch overlaps what is already stored: reconnect to learn where to resume")
)

// Streams remembers which positions of each stream of another Syslane have been
// stored, so that what is sent again after a crash or a lost answer is stored
// once. A sender that shares its stream among several receivers leaves gaps, and
// may fill them later when another receiver fails. The truth is the log: every
// batch carries its positions as a note in the same block, durable with the
// events or not at all, and each new segment begins with the whole table. So it is
// with the sequences and tails of other senders, with the marks of inputs, and with the
// counts of repeats.
//
// The table of a checkpoint is made from the notes that the log reports as
// durable (Note), in the log's own order, never from what submitters believe:
// it then neither runs ahead of the events (they would be lost) nor lags behind
// (they would be stored twice).
type Streams struct {
	turns turns[string] // of streams, by their name
	mu    sync.Mutex
	// durable is the table as the log knows it.
	durable map[string]history
	// marks are those of inputs (inputs.MarkSink), as the log knows them.
	marks map[string]mark
	// clock counts the changes of durable and marks.
	clock uint64

	sequences sequences
	repeats   repeats
	tails     tails
}

// stream is one sender's log and output, in its turn.
type stream struct {
	name string
	// have are the positions stored.
	have ranges
}

// history is what is known of a stream.
type history struct {
	have ranges
	// last is the id of the last event at these positions.
	last syslog.ID
	// moved is when the stream brought something, by Streams.clock.
	moved uint64
}

// NewStreams returns an empty table.
func NewStreams() *Streams {
	return &Streams{durable: make(map[string]history),
		marks: make(map[string]mark), sequences: newSequences(), tails: newTails(), repeats: repeats{untold: make(map[uint64]*count)}}
}

// Restore sets the tables from a checkpoint of the log.
func (s *Streams) Restore(checkpoint []byte) error { return s.Note(checkpoint) }

// Note takes a note that has become durable in the log, or was found there at
// the start: entries of streams, sequences, marks, repeats and tails, one after
// the other.
func (s *Streams) Note(note []byte) error {
	for len(note) > 0 {
		if isRepeat(note) {
			rest, err := s.repeats.note(note)
			if err != nil {
				return err
			}
			note = rest
			continue
		}
		if isTail(note) {
			id, hashes, rest, err := readTail(note)
			if err != nil {
				return err
			}
			s.tails.prolong(id, hashes)
			note = rest
			continue
		}
		if isMark(note) {
			m, rest, err := readMark(note)
			if err != nil {
				return err
			}
			s.setMark(m)
			note = rest
			continue
		}
		if note[0] == 0 {
			id, known, rest, err := readSequence(note)
			if err != nil {
				return err
			}
			s.sequences.set(id, known)
			note = rest
			continue
		}
		name, known, rest, err := readStream(note)
		if err != nil {
			return err
		}
		s.set(name, known)
		note = rest
	}
	return nil
}

// Checkpoint returns the tables as the next segment of the log shall keep them, in no
// more than that takes. Sequences, repeats and tails have bounds of their own; where
// streams and marks find no room beside them, it forgets those that moved longest ago,
// and streams first: what a relay then sends again may be stored twice, but after a mark
// it is a whole file.
func (s *Streams) Checkpoint() []byte {
	b := s.tails.checkpoint(s.repeats.checkpoint(s.sequences.checkpoint(nil)))
	s.mu.Lock()
	defer s.mu.Unlock()
	streams, marks := make([]dated, 0, len(s.durable)), make([]dated, 0, len(s.marks))
	for name, known := range s.durable {
		streams = append(streams, dated{name, known.moved})
	}
	for key, m := range s.marks {
		marks = append(marks, dated{key, m.moved})
	}
	slices.SortFunc(streams, dated.compare)
	slices.SortFunc(marks, dated.compare)
	var own []byte
	ends := make([]int, 0, len(streams)+len(marks))
	for _, d := range streams {
		own = appendStream(own, d.name, s.durable[d.name])
		ends = append(ends, len(own))
	}
	for _, d := range marks {
		own = appendMark(own, inputs.Mark{Key: d.name, Value: s.marks[d.name].value})
		ends = append(ends, len(own))
	}
	over, cut := len(b)+len(own)-spool.MaxCheckpoint, 0
	for i := 0; i < len(ends) && cut < over; i++ {
		cut = ends[i]
		if i < len(streams) {
			delete(s.durable, streams[i].name)
		} else {
			delete(s.marks, marks[i-len(streams)].name)
		}
	}
	return append(b, own[cut:]...)
}

// dated is the name of a stream or mark, and when it moved.
type dated struct {
	name  string
	moved uint64
}

func (d dated) compare(e dated) int { return cmp.Compare(d.moved, e.moved) }

// set adds what has become durable of a stream.
func (s *Streams) set(name string, more history) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.durable[name]
	if more.have.end() >= known.have.end() {
		known.last = more.last
	}
	for _, r := range more.have {
		known.have = known.have.add(r)
	}
	s.clock++
	known.moved = s.clock
	s.durable[name] = known
}

// resume tells a sender that goes on at position from what is durable here.
func (s *Streams) resume(name string, from uint64) inputs.Resume {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.durable[name]
	r := inputs.Resume{End: known.have.end(), Last: known.last}
	for _, have := range known.have {
		if have.next > from {
			r.Have = append(r.Have, inputs.Range{First: max(have.first, from), Next: have.next})
		}
	}
	return r
}

// begin waits for the turn on a stream, which lasts until end.
func (s *Streams) begin(closing context.Context, name string) (*stream, error) {
	if err := s.turns.take(closing, closing, name); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return &stream{name: name, have: slices.Clone(s.durable[name].have)}, nil
}

func (s *Streams) end(st *stream) { s.turns.end(st.name) }

// fresh returns the events of b that the stream has not brought before, and how
// many were left out.
func (st *stream) fresh(b *inputs.EventBatch) (events []byte, skipped int, err error) {
	gaps := st.have.missing(span{b.First, b.Next})
	switch {
	case len(gaps) == 0:
		return nil, b.Count, nil
	case gaps[0] == span{b.First, b.Next}:
		return b.Events, 0, nil
	case uint64(b.Count) != b.Next-b.First:
		// Positions of the single events are unknown where there are gaps.
		return nil, 0, errOverlap
	}
	run, at, kept := b.Events, b.First, 0
	for _, g := range gaps {
		var part []byte
		if run, err = skipRecords(run, int(g.first-at)); err != nil {
			return nil, 0, err
		}
		rest, err := skipRecords(run, int(g.next-g.first))
		if err != nil {
			return nil, 0, err
		}
		part, run, at = run[:len(run)-len(rest)], rest, g.next
		kept += int(g.next - g.first)
		if events == nil {
			events = part[:len(part):len(part)]
		} else {
			events = append(events, part...)
		}
	}
	return events, b.Count - kept, nil
}

// note is what the log keeps beside the events of b, also where the last of them was
// there before.
func (st *stream) note(b *inputs.EventBatch) []byte {
	return appendStream(nil, st.name, history{have: ranges{{b.First, b.Next}}, last: lastID(b.Events)})
}

// The entry of a stream in a note or checkpoint. Its name is not empty, by which
// it is told from the other entries:
//
//	name     uvarint length, octets
//	count    uvarint, number of ranges
//	ranges   each: uvarint positions since the end of the range before, uvarint length
//	last     16 octets, id of the last event
func appendStream(dst []byte, name string, s history) []byte {
	dst = binary.AppendUvarint(appendString(dst, name), uint64(len(s.have)))
	at := uint64(0)
	for _, r := range s.have {
		dst = appendRange(dst, at, r)
		at = r.next
	}
	return append(dst, s.last[:]...)
}

// appendRange appends a range after the end of another one.
func appendRange(dst []byte, end uint64, r span) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(dst, r.first-end), r.next-r.first)
}

func readStream(b []byte) (name string, s history, rest []byte, err error) {
	name, count, b, err := readEntry(b)
	if err != nil || count > maxRanges {
		return "", s, nil, errBadNote
	}
	at := uint64(0)
	for range count {
		var r span
		if r, b, err = readRange(b, at); err != nil {
			return "", s, nil, err
		}
		s.have = append(s.have, r)
		at = r.next
	}
	if len(b) < len(s.last) {
		return "", s, nil, errBadNote
	}
	return name, s, b[copy(s.last[:], b):], nil
}

// readRange reads a range after the end of another one.
func readRange(b []byte, end uint64) (r span, rest []byte, err error) {
	gap, v := binary.Uvarint(b)
	if v <= 0 {
		return r, nil, errBadNote
	}
	n, w := binary.Uvarint(b[v:])
	if w <= 0 {
		return r, nil, errBadNote
	}
	return span{end + gap, end + gap + n}, b[v+w:], nil
}

// readEntry reads a name of at least one octet and a number.
func readEntry(b []byte) (name string, number uint64, rest []byte, err error) {
	n, w := binary.Uvarint(b)
	if w <= 0 || n == 0 || n > uint64(len(b)-w) {
		return "", 0, nil, errBadNote
	}
	name, b = string(b[w:w+int(n)]), b[w+int(n):]
	if number, w = binary.Uvarint(b); w <= 0 {
		return "", 0, nil, errBadNote
	}
	return name, number, b[w:], nil
}

package pipeline

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/syslane/syslane/inputs"
)

// maxStreams bounds the memory for streams of other Syslanes. Only peers allowed
// to set an envelope can open one.
const maxStreams = 1 << 16

var (
	errTooManyStreams = fmt.Errorf("more than %d streams from other relays: remove this log's unused relays", maxStreams)
	errPlaces         = fmt.Errorf("the batch has more than %d sequences, or not one place for each message", inputs.MaxSequences)
	errBadNote        = errors.New("the note in the log is damaged")
	errOverlap        = errors.New("the batch overlaps what is already stored: reconnect to learn where to resume")
)

// Streams remembers how far each stream of another Syslane has been stored, so
// that what is sent again after a crash or a lost answer is stored once. Its
// truth is the log: every batch carries its stream's new position as a note in
// the same block, durable with the events or not at all, and each new segment
// begins with the whole table. So it is with the sequences of other senders, and
// with the marks of inputs.
//
// The table of a checkpoint is made from the notes that the log reports as
// durable (Note), in the log's own order, never from what submitters believe:
// it then neither runs ahead of the events (they would be lost) nor lags behind
// (they would be stored twice).
type Streams struct {
	mu      sync.Mutex
	streams map[string]*stream
	// durable is the table as the log knows it.
	durable map[string]uint64
	// marks are those of inputs (inputs.MarkSink), as the log knows them.
	marks map[string]uint64

	sequences sequences
}

// stream is one sender's log and output.
type stream struct {
	name string
	// turn holds one token: who took it may submit.
	turn chan struct{}
	// pos is the position after the last event stored; guarded by turn.
	pos uint64
}

// NewStreams returns an empty table.
func NewStreams() *Streams {
	return &Streams{streams: make(map[string]*stream), durable: make(map[string]uint64),
		marks: make(map[string]uint64), sequences: newSequences()}
}

// Restore sets the tables from a checkpoint of the log.
func (s *Streams) Restore(checkpoint []byte) error { return s.Note(checkpoint) }

// Note takes a note that has become durable in the log, or was found there at
// the start: entries of streams, sequences and marks, one after the other.
func (s *Streams) Note(note []byte) error {
	for len(note) > 0 {
		if isMark(note) {
			m, rest, err := readMark(note)
			if err != nil {
				return err
			}
			s.mark(m)
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
		name, pos, rest, err := readEntry(note)
		if err != nil {
			return err
		}
		s.set(name, pos)
		note = rest
	}
	return nil
}

// Checkpoint returns the tables as the next segment of the log shall keep them.
func (s *Streams) Checkpoint() []byte {
	s.mu.Lock()
	var b []byte
	for name, pos := range s.durable {
		b = appendEntry(b, name, pos)
	}
	for key, value := range s.marks {
		b = appendMark(b, inputs.Mark{Key: key, Value: value})
	}
	s.mu.Unlock()
	return s.sequences.checkpoint(b)
}

func (s *Streams) set(name string, pos uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.durable[name] = max(s.durable[name], pos)
}

// next returns the position after the last event of the stream that is durable.
func (s *Streams) next(name string) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.durable[name]
}

// lock waits for the turn on a stream.
func (s *Streams) lock(ctx context.Context, name string) (*stream, error) {
	s.mu.Lock()
	st := s.streams[name]
	if st == nil {
		if len(s.streams) >= maxStreams {
			s.mu.Unlock()
			return nil, errTooManyStreams
		}
		st = &stream{name: name, turn: make(chan struct{}, 1), pos: s.durable[name]}
		s.streams[name] = st
	}
	s.mu.Unlock()
	select {
	case st.turn <- struct{}{}:
		return st, nil
	case <-ctx.Done():
		return nil, inputs.ErrClosed
	}
}

func (st *stream) unlock() { <-st.turn }

// fresh returns the events of b that the stream has not brought before, and how
// many were left out.
func (st *stream) fresh(b *inputs.EventBatch) (events []byte, skipped int, err error) {
	switch {
	case b.First >= st.pos:
		return b.Events, 0, nil
	case b.Next <= st.pos:
		return nil, b.Count, nil
	case uint64(b.Count) != b.Next-b.First:
		// Positions of the single events are unknown where there are gaps.
		return nil, 0, errOverlap
	}
	skipped = int(st.pos - b.First)
	events, err = skipRecords(b.Events, skipped)
	return events, skipped, err
}

// note is what the log keeps beside the batch that ends before position next.
func (st *stream) note(next uint64) []byte { return appendEntry(nil, st.name, next) }

func (st *stream) advance(next uint64) { st.pos = max(st.pos, next) }

// The entry of a stream is its name and position: uvarint length, name (at least
// one octet), uvarint position.
func appendEntry(dst []byte, name string, pos uint64) []byte {
	return binary.AppendUvarint(appendString(dst, name), pos)
}

func readEntry(b []byte) (name string, pos uint64, rest []byte, err error) {
	n, w := binary.Uvarint(b)
	if w <= 0 || n == 0 || n > uint64(len(b)-w) {
		return "", 0, nil, errBadNote
	}
	name, b = string(b[w:w+int(n)]), b[w+int(n):]
	if pos, w = binary.Uvarint(b); w <= 0 {
		return "", 0, nil, errBadNote
	}
	return name, pos, b[w:], nil
}

package pipeline

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"

	"github.com/syslane/syslane/inputs"
)

// maxMarkKey bounds the key of a mark, so that inputs.MaxMarks of them fit into a
// note of the log.
const maxMarkKey = 200

var errMarks = errors.New("the batch has too many marks, or one whose key is too long")

// SubmitMarked implements inputs.MarkSink.
func (p *Pipeline) SubmitMarked(ctx context.Context, b *inputs.Batch, marks []inputs.Mark) error {
	counters := p.metrics.of(b.Input)
	counters.receive(len(b.Frames), len(b.Data))
	var note []byte
	for _, m := range marks {
		if len(m.Key) > maxMarkKey || len(marks) > inputs.MaxMarks {
			counters.drop(errMarks, len(b.Frames))
			return errMarks
		}
		note = appendMark(note, m)
	}
	return p.take(ctx, b, counters, note)
}

// Marks implements inputs.MarkSink.
func (p *Pipeline) Marks(prefix string) []inputs.Mark { return p.cfg.Streams.withPrefix(prefix) }

func (s *Streams) withPrefix(prefix string) (marks []inputs.Mark) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, m := range s.marks {
		if strings.HasPrefix(key, prefix) {
			marks = append(marks, inputs.Mark{Key: key, Value: m.value})
		}
	}
	return marks
}

// mark is the value of a mark.
type mark struct {
	value uint64
	// moved is when it was set, by Streams.clock.
	moved uint64
}

// setMark sets or forgets a mark.
func (s *Streams) setMark(m inputs.Mark) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.Value == 0 {
		delete(s.marks, m.Key)
		return
	}
	s.clock++
	s.marks[m.Key] = mark{m.Value, s.clock}
}

// markTag begins the entry of a mark in a note or checkpoint. It is told from the
// entry of a sequence by the zero id, which no sequence has, and has behind it a
// uvarint length, the key, and the value as uvarint.
const markTag = "\x00" + "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

func appendMark(dst []byte, m inputs.Mark) []byte {
	return binary.AppendUvarint(appendString(append(dst, markTag...), m.Key), m.Value)
}

func isMark(note []byte) bool {
	return strings.HasPrefix(string(note[:min(len(note), len(markTag))]), markTag)
}

func readMark(b []byte) (m inputs.Mark, rest []byte, err error) {
	if m.Key, m.Value, rest, err = readEntry(b[len(markTag):]); err == nil && len(m.Key) > maxMarkKey {
		err = errBadNote // it would come back from a checkpoint as something else
	}
	return m, rest, err
}

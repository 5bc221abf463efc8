package pipeline

import (
	"fmt"
	"strings"
	"testing"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/spool"
)

// A log whose checkpoint is too large takes nothing more, also after a restart.
func TestStreamsAndMarksNeverOutgrowTheCheckpoint(t *testing.T) {
	s := NewStreams()
	note := func(note []byte) {
		t.Helper()
		if err := s.Note(note); err != nil {
			t.Fatal(err)
		}
	}
	// restart is what a crash after the next segment has begun leaves.
	restart := func() {
		t.Helper()
		checkpoint := s.Checkpoint()
		if n := len(checkpoint); n > spool.MaxCheckpoint {
			t.Fatalf("the checkpoint has %d octets, the log takes %d", n, spool.MaxCheckpoint)
		}
		s = NewStreams()
		if err := s.Restore(checkpoint); err != nil {
			t.Fatal(err)
		}
	}
	name := func(i int) string { return fmt.Sprintf("%0200d/out", i) }
	mark := func(i int) inputs.Mark { return inputs.Mark{Key: fmt.Sprintf("file/%0190d", i), Value: 1<<64 - 1} }
	hasStream := func(i int) bool { return s.resume(name(i), 1).End > 0 }
	hasMark := func(i int) bool { return len(s.withPrefix(mark(i).Key)) > 0 }

	note(appendTail(nil, inputs.TailID{Number: 1}, []uint64{1}))
	note(appendSequence(nil, inputs.SequenceID{1}, stretch{have: ranges{{1, 2}}}))
	var gaps ranges
	for i := range uint64(maxRanges) {
		gaps = append(gaps, span{i << 40, i<<40 + 1<<30})
	}
	const streams, marks = 6000, 10_000
	for i := range marks {
		note(appendMark(nil, mark(i)))
	}
	for i := range streams {
		note(appendStream(nil, name(i), history{have: gaps, last: syslog.ID{1}}))
	}
	note(noteOf(name(0), 1, 2)) // moves again
	restart()
	if n := len(s.durable); !hasStream(0) || hasStream(1) || !hasStream(streams-1) || n < streams/8 {
		t.Errorf("of %d streams %d are known: the first %v, the second %v, the last %v", streams, n, hasStream(0), hasStream(1), hasStream(streams-1))
	}
	if n := len(s.withPrefix("file/")); n != marks {
		t.Errorf("%d marks are known, want %d: there was room for them", n, marks)
	}
	if len(s.tails.durable) != 1 || len(s.sequences.durable) != 1 {
		t.Errorf("%d tails and %d sequences are known, want one each", len(s.tails.durable), len(s.sequences.durable))
	}

	const more = 70_000
	for i := range more {
		note(appendMark(nil, mark(marks+i)))
	}
	note(appendMark(nil, mark(0)))
	restart()
	if n := len(s.marks); !hasMark(0) || hasMark(1) || !hasMark(marks+more-1) || n < marks {
		t.Errorf("of %d marks %d are known: the first %v, the second %v, the last %v", marks+more, n, hasMark(0), hasMark(1), hasMark(marks+more-1))
	}
	if len(s.tails.durable) != 1 || len(s.sequences.durable) != 1 || strings.Contains(string(s.Checkpoint()), name(0)) {
		t.Error("a tail or a sequence is forgotten, or a stream is not")
	}
}

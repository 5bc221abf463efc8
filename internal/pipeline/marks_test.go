package pipeline

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/spool"
)

func TestMarksAreKeptWithTheMessagesOrNotAtAll(t *testing.T) {
	p, log, _ := newTestPipeline(t)
	submit := func(want error, marks ...inputs.Mark) {
		t.Helper()
		if err := p.SubmitMarked(t.Context(), batchOf("<13>one"), marks); !errors.Is(err, want) {
			t.Fatalf("SubmitMarked returned %v, want %v", err, want)
		}
	}
	expect := func(want ...inputs.Mark) {
		t.Helper()
		for _, s := range []*Streams{log.streams, restored(t, log.streams)} {
			got := s.withPrefix("file/a/")
			slices.SortFunc(got, func(a, b inputs.Mark) int { return strings.Compare(a.Key, b.Key) })
			if !slices.Equal(got, want) {
				t.Errorf("marks are %v, want %v", got, want)
			}
		}
	}
	expect()
	submit(nil, inputs.Mark{Key: "file/a/1", Value: 10}, inputs.Mark{Key: "file/a/2", Value: 7}, inputs.Mark{Key: "file/b/1", Value: 3})
	expect(inputs.Mark{Key: "file/a/1", Value: 10}, inputs.Mark{Key: "file/a/2", Value: 7})
	submit(nil, inputs.Mark{Key: "file/a/1", Value: 4}, inputs.Mark{Key: "file/a/2"})
	expect(inputs.Mark{Key: "file/a/1", Value: 4})
	log.fail, log.err = 1, spool.ErrTooLarge
	submit(spool.ErrTooLarge, inputs.Mark{Key: "file/a/1", Value: 20})
	expect(inputs.Mark{Key: "file/a/1", Value: 4})
	submit(errMarks, inputs.Mark{Key: strings.Repeat("x", maxMarkKey+1), Value: 1})
	submit(errMarks, make([]inputs.Mark, inputs.MaxMarks+1)...)
	if n := len(log.events(t)); n != 2 {
		t.Errorf("%d messages are stored, want 2", n)
	}
}

// restored is a table that comes back from a checkpoint, among streams and sequences.
func restored(t *testing.T, s *Streams) *Streams {
	t.Helper()
	if err := s.Note(noteOf("x/collector", 1, 7)); err != nil {
		t.Fatal(err)
	}
	if err := s.Note(appendSequence(nil, inputs.SequenceID{1}, stretch{have: ranges{{1, 2}}})); err != nil {
		t.Fatal(err)
	}
	again := NewStreams()
	if err := again.Restore(s.Checkpoint()); err != nil {
		t.Fatal(err)
	}
	if again.resume("x/collector", 1).End != 7 {
		t.Error("the stream is lost")
	}
	return again
}

func TestTheLargestNoteOfMarksFitsIntoTheLog(t *testing.T) {
	m := inputs.Mark{Key: strings.Repeat("x", maxMarkKey), Value: 1<<64 - 1}
	if n := len(appendMark(nil, m)) * inputs.MaxMarks; n > spool.MaxNote {
		t.Errorf("%d octets, the log takes %d", n, spool.MaxNote)
	}
}

package spool

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// Notes of batches without records, also behind the last record, are what their
// owner goes on with.
func TestNotesWithoutRecordsComeBackFromWhereverTheyStand(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	cfg.BlockSize = 64
	l := mustOpen(t, cfg)
	var want []string
	note := func() {
		text := fmt.Sprintf("note %d", len(want))
		if _, err := l.Append(context.Background(), Batch{Note: []byte(text), MinTime: math.MaxInt64, MaxTime: math.MinInt64}); err != nil {
			t.Fatal(err)
		}
		want = append(want, text)
	}
	note()
	mustAppend(t, l, "a", "b")
	note()
	note()
	for range 3 {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l = mustOpen(t, cfg)
		var got []string
		if err := l.Notes(func(n Note) error { got = append(got, string(n.Data)); return nil }); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("the notes are %q, want %q", got, want)
		}
		note()
	}
}

func TestNotesBehindTheLastRecordOfASegmentSurviveItsRewriting(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	cfg.SegmentSize, cfg.Codec, cfg.Recompress, cfg.KeepDelivered = 4<<10, CodecNone, RecompressNever, true
	l := mustOpen(t, cfg)
	mustAppend(t, l, strings.Repeat("what can be compressed ", 170))
	note := strings.Repeat("n", 200)
	if _, err := l.Append(context.Background(), Batch{Note: []byte(note), MinTime: math.MaxInt64, MaxTime: math.MinInt64}); err != nil {
		t.Fatal(err)
	}
	if n := l.Stats().Segments; n != 1 {
		t.Fatalf("the note is in segment %d", n)
	}
	mustAppend(t, l, "in the next segment")
	mustRewrite(t, l)
	if st := l.Stats(); st.Segments != 2 || st.RewrittenSegments != 1 {
		t.Fatalf("%d segments, %d rewritten", st.Segments, st.RewrittenSegments)
	}
	var got []string
	if err := l.Notes(func(n Note) error { got = append(got, string(n.Data)); return nil }); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, []string{note}) {
		t.Fatalf("the notes are %q", got)
	}
}

// Whoever appends must not take it for the fault of the batch, and give that up.
func TestACheckpointThatIsTooLargeIsNoFaultOfTheBatch(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	checkpoint := make([]byte, MaxCheckpoint+1)
	cfg.Checkpoint = func() []byte { return checkpoint }
	l := mustOpen(t, cfg)
	_, err := l.Append(t.Context(), Batch{Records: run("a"), Count: 1})
	if !errors.Is(err, ErrCheckpoint) || errors.Is(err, ErrTooLarge) {
		t.Errorf("Append returned %v, want %v", err, ErrCheckpoint)
	}
	checkpoint = checkpoint[1:]
	if first := mustAppend(t, l, "a"); first != 1 {
		t.Errorf("with a smaller checkpoint the record is at %d", first)
	}
}
